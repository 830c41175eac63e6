"""What Deployments, HPAs and pods say about how a service runs: pure reading of API objects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bot.ports import Workload

RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"
_STARTING = frozenset({"ContainerCreating", "PodInitializing"})
_LONGEST = 240


def workload(
    deployment: Mapping[str, Any], hpas: Iterable[Mapping[str, Any]], pods: Iterable[Mapping[str, Any]]
) -> Workload:
    """One Deployment with the HPA that targets it and the pods that its selector matches."""
    meta, spec, status = deployment["metadata"], deployment["spec"], deployment.get("status") or {}
    template = spec["template"]
    hpa = next((h for h in hpas if targets(h, meta["name"])), None)
    labels = spec.get("selector", {}).get("matchLabels") or {}
    own = [pod for pod in pods if labels.items() <= (pod["metadata"].get("labels") or {}).items()]
    return Workload(
        namespace=meta["namespace"],
        name=meta["name"],
        wanted=int(spec.get("replicas", 1)),
        ready=int(status.get("readyReplicas", 0)),
        updated=int(status.get("updatedReplicas", 0)),
        total=int(status.get("replicas", 0)),
        # Before the controller has seen a change, the counts are of the generation before it.
        generation_seen=int(status.get("observedGeneration", 0)) >= int(meta.get("generation", 0)),
        restarted_at=(template["metadata"].get("annotations") or {}).get(RESTARTED_AT, ""),
        minimum=int(hpa["spec"].get("minReplicas", 1)) if hpa else None,
        maximum=int(hpa["spec"]["maxReplicas"]) if hpa else None,
        images=tuple(container.get("image", "") for container in template["spec"]["containers"]),
        stuck=stuck(status, own),
    )


def targets(hpa: Mapping[str, Any], deployment: str) -> bool:
    """Whether this HPA scales the Deployment of this name."""
    target = hpa["spec"]["scaleTargetRef"]
    return bool(target.get("kind") == "Deployment" and target.get("name") == deployment)


def stuck(status: Mapping[str, Any], pods: Sequence[Mapping[str, Any]]) -> str:
    """Why the Deployment does not get on; empty when nothing says that it will not."""
    for pod in pods:
        if reason := hindrance(pod):
            return reason
    for condition in status.get("conditions") or []:
        failing = condition["type"] == "ReplicaFailure" and condition["status"] == "True"
        late = condition.get("reason") == "ProgressDeadlineExceeded"
        if failing or late:
            return _short(condition.get("reason", ""), condition.get("message", ""))
    return ""


def hindrance(pod: Mapping[str, Any]) -> str:
    """Why this pod does not become ready; empty while it is ready, starting normally or going away."""
    status = pod.get("status") or {}
    if pod["metadata"].get("deletionTimestamp") or _condition(status, "Ready").get("status") == "True":
        return ""
    if reason := unschedulable(pod):
        return reason
    containers = [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
    for container in containers:
        waiting = (container.get("state") or {}).get("waiting") or {}
        if waiting and waiting.get("reason") not in _STARTING:
            return _short(waiting.get("reason", ""), waiting.get("message", ""))
    if status.get("phase") == "Failed":
        return _short(status.get("reason", "Failed"), status.get("message", ""))
    return ""


def unschedulable(pod: Mapping[str, Any]) -> str:
    """The scheduler's reason why the pod has no node; empty when it has one or was not tried yet."""
    scheduled = _condition(pod.get("status") or {}, "PodScheduled")
    if scheduled.get("status") == "False" and scheduled.get("reason") == "Unschedulable":
        return _short("Unschedulable", scheduled.get("message", ""))
    return ""


def node_ready(node: Mapping[str, Any]) -> bool:
    """Whether the node is Ready and takes new pods."""
    ready = _condition(node.get("status") or {}, "Ready").get("status") == "True"
    return ready and not (node.get("spec") or {}).get("unschedulable", False)


def _condition(status: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    return next((c for c in status.get("conditions") or [] if c["type"] == kind), {})


def _short(reason: str, message: str) -> str:
    return ": ".join(part for part in (reason, message.strip()[:_LONGEST]) if part)
