"""The scale subresource of Deployments and ReplicaSets."""

from __future__ import annotations

from typing import Any

from bot.sandbox.kubernetes import errors
from bot.sandbox.kubernetes.kinds import Kind
from bot.sandbox.kubernetes.meta import Obj, copied
from bot.sandbox.kubernetes.objects import Objects, Writer, patched


def of(obj: Obj) -> Obj:
    """The Scale of a workload. Zero is left out, as the real server's encoding does."""
    meta = obj["metadata"]
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    chosen = obj["spec"].get("selector", {}).get("matchLabels", {})
    wanted, found = obj["spec"].get("replicas", 0), obj.get("status", {}).get("replicas", 0)
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {key: meta[key] for key in kept if key in meta},
        "spec": {"replicas": wanted} if wanted else {},
        "status": {"replicas": found, "selector": ",".join(f"{k}={v}" for k, v in sorted(chosen.items()))},
    }


def replace(objects: Objects, kind: Kind, namespace: str, name: str, body: Obj, writer: Writer) -> Obj:
    """PUT on /scale: sets the replicas; stale versions answer 409."""
    return of(_set(objects, kind, objects.need(kind, namespace, name), body, writer))


def patch(
    objects: Objects, kind: Kind, namespace: str, name: str, media: str, body: Any, writer: Writer
) -> Obj:
    """PATCH on /scale, with any of the three patch types."""
    old = objects.need(kind, namespace, name)
    return of(_set(objects, kind, old, patched(kind, of(old), media, body), writer))


def _set(objects: Objects, kind: Kind, old: Obj, scale: Obj, writer: Writer) -> Obj:
    name, spec = old["metadata"]["name"], scale.get("spec") or {}
    count = spec.get("replicas") or 0
    if type(count) is not int:
        raise errors.bad_request(
            'Scale in version "v1" cannot be handled as a Scale: json: cannot unmarshal string into Go '
            "struct field ScaleSpec.spec.replicas of type int32"
        )
    if count < 0:
        text = f"Invalid value: {count}: must be greater than or equal to 0"
        cause = errors.Cause("spec.replicas", text)
        raise errors.invalid(kind, name, [cause], qualified="Scale.autoscaling")
    new = copied(old)
    new["metadata"]["resourceVersion"] = (scale.get("metadata") or {}).get("resourceVersion", "")
    new["spec"]["replicas"] = count
    return objects.commit(kind, old, new, writer)
