"""Nodes: groups that grow and shrink, cordons, and what happens when a node falls silent."""

from __future__ import annotations

from dataclasses import dataclass, field

from bot.sandbox.kubernetes import kinds
from bot.sandbox.kubernetes.controllers.plane import Controller, Plane
from bot.sandbox.kubernetes.meta import Obj, key_of, labels, set_condition, stamp, suffix
from bot.sandbox.kubernetes.objects import STATUS, Removal
from bot.sandbox.kubernetes.store import Change

GROUP = "eks.amazonaws.com/nodegroup"
UNREACHABLE = "node.kubernetes.io/unreachable"
CORDONED = "node.kubernetes.io/unschedulable"
# vCPU, allocatable millicores, memory GiB, pods, as EKS's AMI reserves them.
_SIZES = {
    "m5.large": (2, 1930, 8, 29),
    "m5.xlarge": (4, 3920, 16, 58),
    "m5.2xlarge": (8, 7910, 32, 58),
    "m5.4xlarge": (16, 15890, 64, 234),
}


@dataclass
class _Group:
    instance_type: str
    coming: list[float] = field(default_factory=list)


class Nodes(Controller):
    """Node groups (named by `reconcile`'s namespace "group") and single nodes (namespace "")."""

    name = "nodes"

    def __init__(self, plane: Plane) -> None:
        super().__init__(plane)
        self._groups: dict[str, _Group] = {}
        self._lost: dict[str, float] = {}

    def resize(self, group: str, count: int, instance_type: str) -> None:
        """Set a group's size. A group's first nodes are there at once; later ones take their time."""
        first = group not in self._groups
        found = self._groups.setdefault(group, _Group(instance_type))
        found.instance_type = instance_type
        have = self._members(group)
        if count <= len(have):
            found.coming.clear()
            for node in have[count:]:
                self._remove(node)
        del found.coming[max(count - len(have), 0) :]
        wait = 0.0 if first else self.plane.worker.wait(self.plane.timings.node_join)
        for _ in range(count - len(have) - len(found.coming)):
            found.coming.append(self.plane.now() + wait)
        self.wake("group", group)

    def lose(self, name: str) -> None:
        """The node's kubelet falls silent. Raises ApiError 404."""
        self.plane.objects.need(kinds.NODE, "", name)
        self._lost[name] = self.plane.now()
        self.wake("", name, self.plane.timings.node_grace)

    def notice(self, change: Change) -> None:
        if change.kind == kinds.NODE and change.new is not None:
            self.wake("", change.new["metadata"]["name"])

    def reconcile(self, namespace: str, name: str) -> None:
        if namespace == "group":
            self._grow(name)
            return
        node = self.plane.store.get(kinds.NODE, "", name)
        if node is None:
            self._lost.pop(name, None)
            return
        self._cordon(node)
        if name in self._lost:
            self._silent(node, self._lost[name])

    def _grow(self, name: str) -> None:
        group, worker = self._groups[name], self.plane.worker
        due = [at for at in group.coming if worker.reached(at)]
        if due and self.plane.short_of_capacity() and self._members(name):
            self.wake("group", name, self.plane.timings.capacity_retry)
            return
        for at in due:
            group.coming.remove(at)
            self._join(name, group.instance_type)
        if group.coming:
            self.wake("group", name, min(group.coming) - self.plane.now())

    def _join(self, group: str, instance_type: str) -> None:
        cpu, allocatable, memory, pods = _SIZES.get(instance_type, _SIZES["m5.2xlarge"])
        number = sum(1 for _ in self.plane.store.list(kinds.NODE))
        region, zone = self.plane.region, "abc"[number % 3]
        name = f"ip-10-0-{number}-{suffix()}.{region}.compute.internal"
        body: Obj = {
            "metadata": {
                "name": name,
                "labels": {
                    GROUP: group,
                    "kubernetes.io/hostname": name,
                    "kubernetes.io/os": "linux",
                    "node.kubernetes.io/instance-type": instance_type,
                    "topology.kubernetes.io/region": region,
                    "topology.kubernetes.io/zone": f"{region}{zone}",
                },
            },
            "spec": {"providerID": f"aws:///{region}{zone}/i-{suffix(17)}"},
        }
        self.plane.objects.create(kinds.NODE, "", body)

        def report(new: Obj) -> None:
            room = {"memory": f"{memory}Gi", "pods": str(pods)}
            new["status"] = {
                "capacity": room | {"cpu": str(cpu)},
                "allocatable": room | {"cpu": f"{allocatable}m", "memory": f"{memory - 2}Gi"},
            }
            said = ("KubeletReady", "kubelet is posting ready status")
            set_condition(new["status"], "Ready", "True", *said, self.plane.now())
            new["status"]["conditions"][0]["lastHeartbeatTime"] = stamp(self.plane.now())

        self.plane.objects.change(kinds.NODE, "", name, report, STATUS)

    def _members(self, group: str) -> list[Obj]:
        """Nodes of a group, the oldest first."""
        found = [n for n in self.plane.store.list(kinds.NODE) if labels(n).get(GROUP) == group]
        return sorted(found, key=lambda n: (n["metadata"]["creationTimestamp"], n["metadata"]["name"]))

    def _remove(self, node: Obj) -> None:
        name = node["metadata"]["name"]
        for pod in self._pods(name):
            self.plane.objects.delete(kinds.POD, *key_of(pod), Removal(grace=0))
        self.plane.objects.delete(kinds.NODE, "", name)

    def _pods(self, node: str) -> list[Obj]:
        return [p for p in self.plane.store.list(kinds.POD) if p["spec"].get("nodeName") == node]

    def _cordon(self, node: Obj) -> None:
        """The taint that goes with spec.unschedulable."""
        taints = node["spec"].get("taints") or []
        has = any(t["key"] == CORDONED for t in taints)
        wanted = bool(node["spec"].get("unschedulable"))
        if has == wanted:
            return
        kept = [t for t in taints if t["key"] != CORDONED]
        fresh = [*kept, {"key": CORDONED, "effect": "NoSchedule"}] if wanted else kept

        def taint(new: Obj) -> None:
            new["spec"]["taints"] = fresh
            if not fresh:
                del new["spec"]["taints"]

        self.plane.objects.change(kinds.NODE, "", node["metadata"]["name"], taint)

    def _silent(self, node: Obj, since: float) -> None:
        """Unknown after the grace period; its pods are given up after the time they tolerate."""
        name, timings, worker = node["metadata"]["name"], self.plane.timings, self.plane.worker
        if not worker.reached(since + timings.node_grace):
            self.wake("", name, since + timings.node_grace - self.plane.now())
            return
        now = self.plane.now()

        def unknown(new: Obj) -> None:
            said = ("NodeStatusUnknown", "Kubelet stopped posting node status.")
            set_condition(new["status"], "Ready", "Unknown", *said, now)

        def taint(new: Obj) -> None:
            kept = [t for t in new["spec"].get("taints") or [] if t["key"] != UNREACHABLE]
            effects = ("NoSchedule", "NoExecute")
            new["spec"]["taints"] = [*kept, *({"key": UNREACHABLE, "effect": e} for e in effects)]

        self.plane.objects.change(kinds.NODE, "", name, unknown, STATUS)
        self.plane.objects.change(kinds.NODE, "", name, taint)
        gives_up = since + timings.node_grace + timings.node_tolerance
        for pod in self._pods(name):

            def unready(new: Obj) -> None:
                set_condition(new["status"], "Ready", "False", "NodeNotReady", "", now)

            self.plane.objects.change(kinds.POD, *key_of(pod), unready, STATUS)
            if worker.reached(gives_up):
                self.plane.objects.delete(kinds.POD, *key_of(pod))
        if not worker.reached(gives_up):
            self.wake("", name, gives_up - now)
