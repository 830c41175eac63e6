"""What controllers share: the objects, the queue, the timings, and the words for events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bot.sandbox.kubernetes import kinds
from bot.sandbox.kubernetes.controllers.worker import Worker
from bot.sandbox.kubernetes.meta import Obj, stamp, suffix
from bot.sandbox.kubernetes.objects import Objects
from bot.sandbox.kubernetes.store import Change, Store


@dataclass(frozen=True)
class Timings:
    """How long the world takes, in simulated seconds."""

    reaction: float = 0.5
    pod_start: float = 8.0
    pod_stop: float = 2.0
    node_join: float = 60.0
    node_grace: float = 48.0
    node_tolerance: float = 300.0
    capacity_retry: float = 5.0
    hpa_sync: float = 15.0
    self_heal: float = 5.0
    argo_resync: float = 180.0
    namespace_stop: float = 10.3
    job_backoff: float = 10.0
    image_retry: float = 10.0
    probe_period: float = 10.0


@dataclass(frozen=True)
class Plane:
    """The control plane of one cluster, as its controllers see it."""

    region: str
    objects: Objects
    worker: Worker
    timings: Timings
    dark: Callable[[str], bool]
    short_of_capacity: Callable[[], bool]
    never_ready: Callable[[str], bool]
    """Whether pods of the app with this name fail their readiness probe."""

    @property
    def store(self) -> Store:
        return self.objects.store

    def now(self) -> float:
        """Simulated epoch seconds."""
        return self.objects.now()

    def event(self, kind: kinds.Kind, obj: Obj, reason: str, message: str) -> None:
        """Write a Warning event about an object, or count it up when it is there already."""
        meta, now = obj["metadata"], stamp(self.now())
        namespace = meta.get("namespace") or "default"
        for found in self.store.list(kinds.EVENT, namespace):
            about = found["involvedObject"]
            if about.get("uid") == meta["uid"] and found["reason"] == reason and found["message"] == message:
                # Counting up each retry would write without end; the last time is what people read.
                return
        holder = self.store.get(kinds.NAMESPACE, "", namespace)
        if holder is None or holder["metadata"].get("deletionTimestamp"):
            return
        body: Obj = {
            "metadata": {"name": f"{meta['name']}.{suffix(10)}"},
            "involvedObject": {
                "kind": kind.name,
                "namespace": namespace,
                "name": meta["name"],
                "uid": meta["uid"],
                "apiVersion": kind.api_version,
                "resourceVersion": meta["resourceVersion"],
            },
            "reason": reason,
            "message": message,
            "type": "Warning",
            "count": 1,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "source": {"component": "sandbox"},
        }
        self.objects.create(kinds.EVENT, namespace, body)


class Controller:
    """Turns changes into keys (`notice`) and keys into writes (`reconcile`)."""

    name = ""

    def __init__(self, plane: Plane) -> None:
        self.plane = plane
        plane.store.listeners.append(self.notice)
        plane.worker.add(self.name, self.reconcile)

    def wake(self, namespace: str, name: str, after: float = 0.0) -> None:
        """Queue one key of this controller."""
        self.plane.worker.wake(self.name, namespace, name, after)

    def notice(self, change: Change) -> None:
        """Queue what a change concerns."""
        raise NotImplementedError

    def reconcile(self, namespace: str, name: str) -> None:
        """Bring the world one step nearer to what the object asks for."""
        raise NotImplementedError


def owned(store: Store, kind: kinds.Kind, owner: Obj) -> list[Obj]:
    """Objects of a kind that this owner controls."""
    uid = owner["metadata"]["uid"]
    return [
        obj
        for obj in store.list(kind, owner["metadata"].get("namespace", ""))
        if any(
            o.get("uid") == uid and o.get("controller") for o in obj["metadata"].get("ownerReferences") or []
        )
    ]


def is_ready(pod: Obj) -> bool:
    """Whether a pod is Ready and not on its way out."""
    conditions = pod.get("status", {}).get("conditions") or []
    return not pod["metadata"].get("deletionTimestamp") and any(
        c["type"] == "Ready" and c["status"] == "True" for c in conditions
    )


def is_active(pod: Obj) -> bool:
    """Whether a pod counts for its owner: neither finished nor being deleted."""
    return not pod["metadata"].get("deletionTimestamp") and pod.get("status", {}).get("phase") not in (
        "Succeeded",
        "Failed",
    )


def without_zeros(status: Obj) -> Obj:
    """Status fields as they go over the wire: zero and empty ones are left out."""
    return {key: value for key, value in status.items() if value not in (0, None, [])}


def share(value: int | str | None, whole: int, *, up: bool) -> int:
    """A count or a percentage of `whole`, rounded up or down."""
    if value is None:
        return 0
    if isinstance(value, int):
        return value
    percent = int(str(value).rstrip("%"))
    return -(-whole * percent // 100) if up else whole * percent // 100
