"""ReplicaSets: as many pods as asked for, the least useful going first."""

from __future__ import annotations

from bot.sandbox.kubernetes import kinds
from bot.sandbox.kubernetes.controllers.plane import Controller, is_active, is_ready, owned, without_zeros
from bot.sandbox.kubernetes.meta import Obj, controller_of, copied, owner_reference, suffix
from bot.sandbox.kubernetes.objects import STATUS
from bot.sandbox.kubernetes.store import Change


class ReplicaSets(Controller):
    """Keeps the pods of ReplicaSets."""

    name = "replicasets"

    def notice(self, change: Change) -> None:
        obj = change.object
        if change.kind == kinds.REPLICA_SET and change.new is not None:
            self.wake(obj["metadata"]["namespace"], obj["metadata"]["name"])
        elif change.kind == kinds.POD:
            owner = controller_of(obj)
            if owner and owner["kind"] == "ReplicaSet":
                self.wake(obj["metadata"]["namespace"], owner["name"])

    def reconcile(self, namespace: str, name: str) -> None:
        replica_set = self.plane.store.get(kinds.REPLICA_SET, namespace, name)
        if replica_set is None or replica_set["metadata"].get("deletionTimestamp"):
            return
        holder = self.plane.store.get(kinds.NAMESPACE, "", namespace)
        if holder is None or holder["metadata"].get("deletionTimestamp"):
            return
        pods = [pod for pod in owned(self.plane.store, kinds.POD, replica_set) if is_active(pod)]
        wanted = replica_set["spec"].get("replicas", 0)
        for _ in range(wanted - len(pods)):
            self._start(replica_set)
        for pod in sorted(pods, key=_use)[: max(len(pods) - wanted, 0)]:
            self.plane.objects.delete(kinds.POD, namespace, pod["metadata"]["name"])
        self._report(namespace, name)

    def _start(self, replica_set: Obj) -> None:
        meta, template = replica_set["metadata"], copied(replica_set["spec"]["template"])
        pod: Obj = {
            "metadata": {
                "name": f"{meta['name']}-{suffix()}",
                "labels": template["metadata"].get("labels", {}),
                "ownerReferences": [owner_reference(replica_set, "apps/v1", "ReplicaSet")],
            },
            "spec": template["spec"],
        }
        if notes := template["metadata"].get("annotations"):
            pod["metadata"]["annotations"] = notes
        self.plane.objects.create(kinds.POD, meta["namespace"], pod)

    def _report(self, namespace: str, name: str) -> None:
        replica_set = self.plane.objects.need(kinds.REPLICA_SET, namespace, name)
        pods = owned(self.plane.store, kinds.POD, replica_set)
        active = [pod for pod in pods if is_active(pod)]
        ready = sum(is_ready(pod) for pod in active)
        status = {
            "replicas": len(active),
            "fullyLabeledReplicas": len(active),
            "readyReplicas": ready,
            "availableReplicas": ready,
            "terminatingReplicas": sum(bool(p["metadata"].get("deletionTimestamp")) for p in pods),
            "observedGeneration": replica_set["metadata"]["generation"],
        }
        found = without_zeros(status)
        found.setdefault("replicas", 0)
        self.plane.objects.change(
            kinds.REPLICA_SET, namespace, name, lambda new: new.update(status=found), STATUS
        )


def _use(pod: Obj) -> tuple[bool, bool, float]:
    """Order in which pods are given up: unscheduled, unready, then the youngest."""
    scheduled = bool(pod["spec"].get("nodeName"))
    age = -int(pod["metadata"]["resourceVersion"]) if not is_ready(pod) else 0
    return scheduled, is_ready(pod), age
