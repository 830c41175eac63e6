"""Fields that the server fills in at admission."""

from __future__ import annotations

import base64
from typing import Any

from bot.sandbox.kubernetes import kinds
from bot.sandbox.kubernetes.kinds import Kind
from bot.sandbox.kubernetes.meta import Obj

_HPA_UP = {
    "stabilizationWindowSeconds": 0,
    "selectPolicy": "Max",
    "policies": [
        {"type": "Pods", "value": 4, "periodSeconds": 15},
        {"type": "Percent", "value": 100, "periodSeconds": 15},
    ],
    "tolerance": None,
}
_HPA_DOWN = {
    "stabilizationWindowSeconds": 300,
    "selectPolicy": "Max",
    "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}],
}


def fill(kind: Kind, obj: Obj) -> None:
    """Fill in the defaults of one object, in place."""
    if kind.custom:
        return
    spec: Any = obj.get("spec")
    match kind:
        case kinds.SECRET:
            _secret(obj)
        case kinds.NAMESPACE:
            obj["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = obj["metadata"]["name"]
            obj.setdefault("spec", {}).setdefault("finalizers", ["kubernetes"])
            obj.setdefault("status", {}).setdefault("phase", "Active")
    if not isinstance(spec, dict):
        return
    match kind:
        case kinds.DEPLOYMENT:
            _deployment(spec)
        case kinds.REPLICA_SET:
            spec.setdefault("replicas", 1)
            pod_template(spec)
        case kinds.POD:
            pod(spec)
            obj.setdefault("status", {}).setdefault("phase", "Pending")
        case kinds.JOB:
            _job(obj, spec)
        case kinds.CRON_JOB:
            for key, value in {
                "concurrencyPolicy": "Allow",
                "suspend": False,
                "successfulJobsHistoryLimit": 3,
                "failedJobsHistoryLimit": 1,
            }.items():
                spec.setdefault(key, value)
            pod_template((spec.get("jobTemplate") or {}).get("spec") or {})
        case kinds.HPA:
            _hpa(obj, spec)
        case kinds.NETWORK_POLICY:
            spec.setdefault("policyTypes", ["Ingress"] + (["Egress"] if "egress" in spec else []))
        case kinds.SERVICE:
            _service(spec)


def pod_template(spec: Obj) -> None:
    """Defaults of `spec.template`."""
    template = spec.get("template")
    if isinstance(template, dict) and isinstance(template.get("spec"), dict):
        template.setdefault("metadata", {}).setdefault("creationTimestamp", None)
        pod(template["spec"])


def pod(spec: Obj) -> None:
    """Defaults of a pod spec that the client or the bot reads."""
    for key, value in {
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "schedulerName": "default-scheduler",
    }.items():
        spec.setdefault(key, value)
    spec.setdefault("securityContext", {})
    for container in [*(spec.get("containers") or []), *(spec.get("initContainers") or [])]:
        if not isinstance(container, dict):
            continue
        tag = str(container.get("image", "")).rpartition("/")[2].partition(":")[2]
        container.setdefault("imagePullPolicy", "IfNotPresent" if tag not in ("", "latest") else "Always")
        container.setdefault("resources", {})
        container.setdefault("terminationMessagePath", "/dev/termination-log")
        container.setdefault("terminationMessagePolicy", "File")
        for port in container.get("ports") or []:
            port.setdefault("protocol", "TCP")


def _deployment(spec: Obj) -> None:
    spec.setdefault("replicas", 1)
    spec.setdefault("revisionHistoryLimit", 10)
    spec.setdefault("progressDeadlineSeconds", 600)
    strategy = spec.setdefault("strategy", {})
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", "25%")
        rolling.setdefault("maxSurge", "25%")
    pod_template(spec)


def _job(obj: Obj, spec: Obj) -> None:
    for key, value in {
        "parallelism": 1,
        "completions": 1,
        "backoffLimit": 6,
        "completionMode": "NonIndexed",
        "suspend": False,
        "podReplacementPolicy": "TerminatingOrFailed",
        "manualSelector": False,
    }.items():
        spec.setdefault(key, value)
    pod_template(spec)
    uid, name = obj["metadata"].get("uid"), obj["metadata"].get("name")
    if not uid or not isinstance(spec.get("template"), dict) or spec["manualSelector"]:
        return
    spec.setdefault("selector", {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}})
    marks = {"controller-uid": uid, "job-name": name}
    marks |= {f"batch.kubernetes.io/{key}": value for key, value in marks.items()}
    meta = spec["template"].setdefault("metadata", {})
    meta["labels"] = (meta.get("labels") or {}) | marks
    if not obj["metadata"].get("labels"):
        obj["metadata"]["labels"] = dict(meta["labels"])


def _hpa(obj: Obj, spec: Obj) -> None:
    spec.setdefault("minReplicas", 1)
    if not spec.get("metrics"):
        target = {"type": "Utilization", "averageUtilization": 80}
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    if isinstance(behavior := spec.get("behavior"), dict):
        for side, rules in (("scaleUp", _HPA_UP), ("scaleDown", _HPA_DOWN)):
            found = behavior.setdefault(side, {})
            for key, value in rules.items():
                if value is not None:
                    found.setdefault(key, value)
    obj.setdefault("status", {"desiredReplicas": 0, "currentMetrics": None})


def _service(spec: Obj) -> None:
    spec.setdefault("type", "ClusterIP")
    spec.setdefault("sessionAffinity", "None")
    for port in spec.get("ports") or []:
        port.setdefault("protocol", "TCP")
        port.setdefault("targetPort", port.get("port"))


def _secret(obj: Obj) -> None:
    obj.setdefault("type", "Opaque")
    plain = obj.pop("stringData", None)
    if isinstance(plain, dict):
        data = obj.get("data") or {}
        obj["data"] = data | {k: base64.b64encode(str(v).encode()).decode() for k, v in plain.items()}
