"""Probes as Jobs: `psql` in the service's namespace with the service's own Secret.

The bot holds no database credentials: the URL reaches the container as an environment variable out of the
Secret, and only what the probe prints comes back.
"""

from __future__ import annotations

from typing import Any

from bot.ports import JobResult, JobSpec
from bot.world.kubernetes_session import KubernetesSession
from bot.world.kubernetes_workloads import hindrance

# A fence's proof is the Job that was refused: it must outlast holds, nights included.
_TTL_SECONDS = 86_400
_NOBODY = 65534
_LAST_LINES = 5
_LONGEST = 4096
_PROBE_LABELS = {"app.kubernetes.io/managed-by": "signalbox", "app.kubernetes.io/component": "probe"}


def manifest(spec: JobSpec) -> dict[str, Any]:
    """The Job of a probe: one pod, one try, gone a day after it ended."""
    labels = {**_PROBE_LABELS, **spec.labels}
    statements = [word for one in spec.sql for word in ("-c", one)]
    container = {
        "name": "psql",
        "image": spec.image,
        "command": ["psql"],
        # $(DATABASE_URL) is expanded by the kubelet, so the arguments in the API hold no password.
        "args": ["$(DATABASE_URL)", "-v", "ON_ERROR_STOP=1", "-At", *statements],
        "env": [
            {
                "name": "DATABASE_URL",
                "valueFrom": {"secretKeyRef": {"name": spec.secret, "key": spec.secret_key}},
            },
            {"name": "PGCONNECT_TIMEOUT", "value": "5"},
        ],
        # psql's error is its last output; it becomes the pod's termination message.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "resources": {
            "requests": {"cpu": "10m", "memory": "32Mi"},
            "limits": {"memory": "64Mi"},
        },
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": spec.name, "namespace": spec.namespace, "labels": labels},
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": spec.deadline_seconds,
            "ttlSecondsAfterFinished": _TTL_SECONDS,
            "template": {
                # A sidecar would keep the Job running after psql has ended.
                "metadata": {"labels": {**labels, "sidecar.istio.io/inject": "false"}},
                "spec": {
                    "restartPolicy": "Never",
                    "automountServiceAccountToken": False,
                    "securityContext": {"runAsNonRoot": True, "runAsUser": _NOBODY},
                    "containers": [container],
                },
            },
        },
    }


def run(session: KubernetesSession, spec: JobSpec) -> None:
    """Start the Job; nothing happens when one of its name is there, so a repeat does not probe twice."""
    session.create(f"/apis/batch/v1/namespaces/{spec.namespace}/jobs", manifest(spec))


def remove(session: KubernetesSession, namespace: str, name: str) -> None:
    """Delete the Job and its pod; nothing happens when it is not there."""
    session.delete(_path(namespace, name))


def result(session: KubernetesSession, namespace: str, name: str) -> JobResult:
    """How the Job ended and its last words; while it runs, what keeps its pod from starting."""
    job = session.find(_path(namespace, name))
    if job is None:
        return JobResult("absent")
    ended = {c["type"]: c for c in job.get("status", {}).get("conditions") or [] if c["status"] == "True"}
    pods = session.items(f"/api/v1/namespaces/{namespace}/pods", labelSelector=f"job-name={name}")
    pod = max(pods, key=lambda p: str(p["metadata"].get("creationTimestamp", "")), default=None)
    if "Complete" in ended:
        return JobResult("succeeded", _last_words(session, pod))
    if "Failed" in ended:
        # A Job past its deadline has lost its pod: then only the condition tells.
        return JobResult("failed", _last_words(session, pod) or _told(ended["Failed"]))
    return JobResult("running", hindrance(pod) if pod else "")


def _last_words(session: KubernetesSession, pod: dict[str, Any] | None) -> str:
    if pod is None:
        return ""
    for container in pod.get("status", {}).get("containerStatuses") or []:
        message = ((container.get("state") or {}).get("terminated") or {}).get("message", "")
        if message:
            return str(message).strip()[-_LONGEST:]
    meta = pod["metadata"]
    log = f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}/log"
    return session.text(log, tailLines=_LAST_LINES).strip()[-_LONGEST:]


def _told(condition: dict[str, Any]) -> str:
    return ": ".join(part for part in (condition.get("reason", ""), condition.get("message", "")) if part)


def _path(namespace: str, name: str) -> str:
    return f"/apis/batch/v1/namespaces/{namespace}/jobs/{name}"
