"""PodDisruptionBudgets: how many pods may go right now."""

from __future__ import annotations

from bot.sandbox.kubernetes import kinds
from bot.sandbox.kubernetes.controllers.plane import Controller, is_ready, share
from bot.sandbox.kubernetes.meta import Obj, controller_of, copied, key_of, labels, set_condition
from bot.sandbox.kubernetes.objects import STATUS
from bot.sandbox.kubernetes.selectors import matches
from bot.sandbox.kubernetes.store import Change


class Disruptions(Controller):
    """Keeps the status of PodDisruptionBudgets."""

    name = "disruption"

    def notice(self, change: Change) -> None:
        if change.kind == kinds.PDB and change.new is not None:
            self.wake(*key_of(change.new))
        elif change.kind in (kinds.POD, kinds.REPLICA_SET):
            obj = change.object
            for budget in self.plane.store.list(kinds.PDB, obj["metadata"]["namespace"]):
                if matches(budget["spec"].get("selector"), labels(obj)):
                    self.wake(*key_of(budget))

    def reconcile(self, namespace: str, name: str) -> None:
        budget = self.plane.store.get(kinds.PDB, namespace, name)
        if budget is None:
            return
        spec = budget["spec"]
        pods = [
            p
            for p in self.plane.store.list(kinds.POD, namespace)
            if matches(spec.get("selector"), labels(p))
            and p["status"].get("phase") not in ("Succeeded", "Failed")
        ]
        expected = self._expected(namespace, pods)
        if spec.get("maxUnavailable") is not None:
            desired = max(expected - share(spec["maxUnavailable"], expected, up=True), 0)
        elif isinstance(spec.get("minAvailable"), int):
            desired, expected = spec["minAvailable"], len(pods)
        else:
            desired = share(spec.get("minAvailable", 1), expected, up=True)
        healthy = sum(is_ready(p) for p in pods)
        allowed = max(healthy - desired, 0) if expected else 0
        status: Obj = {
            "currentHealthy": healthy,
            "desiredHealthy": desired,
            "disruptionsAllowed": allowed,
            "expectedPods": expected,
            "observedGeneration": budget["metadata"]["generation"],
            "conditions": copied(budget.get("status", {}).get("conditions") or []),
        }
        said = ("True", "SufficientPods") if allowed else ("False", "InsufficientPods")
        set_condition(status, "DisruptionAllowed", *said, "", self.plane.now())
        self.plane.objects.change(kinds.PDB, namespace, name, lambda new: new.update(status=status), STATUS)

    def _expected(self, namespace: str, pods: list[Obj]) -> int:
        """Pods that the owners want, each owner counted once."""
        owners = {
            owner["name"] for p in pods if (owner := controller_of(p)) and owner["kind"] == "ReplicaSet"
        }
        found = (self.plane.store.get(kinds.REPLICA_SET, namespace, name) for name in owners)
        alone = sum(controller_of(p) is None for p in pods)
        return alone + sum(int(s["spec"].get("replicas", 0)) for s in found if s)
