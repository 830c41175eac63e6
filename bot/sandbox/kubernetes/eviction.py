"""Eviction: a pod's deletion that asks its disruption budgets first."""

from __future__ import annotations

from bot.sandbox.kubernetes import kinds
from bot.sandbox.kubernetes.errors import ApiError
from bot.sandbox.kubernetes.meta import Obj, labels, set_condition
from bot.sandbox.kubernetes.objects import STATUS, Objects, Removal
from bot.sandbox.kubernetes.selectors import matches


def evict(objects: Objects, namespace: str, name: str, dry_run: bool) -> Obj:
    """Evict one pod. Raises 404, or 429 when a budget forbids it."""
    pod = objects.need(kinds.POD, namespace, name)
    for budget in objects.store.list(kinds.PDB, namespace):
        if not matches(budget["spec"].get("selector"), labels(pod)):
            continue
        status = budget.get("status", {})
        if status.get("disruptionsAllowed", 0) < 1:
            raise _blocked(budget["metadata"]["name"], status)
        if not dry_run:
            objects.change(kinds.PDB, namespace, budget["metadata"]["name"], _spend, STATUS)
    if not dry_run:

        def mark(new: Obj) -> None:
            said = "Eviction API: evicting"
            set_condition(
                new["status"], "DisruptionTarget", "True", "EvictionByEvictionAPI", said, objects.now()
            )

        objects.change(kinds.POD, namespace, name, mark, STATUS)
        objects.delete(kinds.POD, namespace, name, Removal(propagation="Background"))
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}


def _spend(budget: Obj) -> None:
    budget["status"]["disruptionsAllowed"] -= 1


def _blocked(name: str, status: Obj) -> ApiError:
    needs, has = status.get("desiredHealthy", 0), status.get("currentHealthy", 0)
    said = f"The disruption budget {name} needs {needs} healthy pods and has {has} currently"
    return ApiError(
        429,
        "TooManyRequests",
        "Cannot evict pod as it would violate the pod's disruption budget.",
        {"causes": [{"reason": "DisruptionBudget", "message": said}]},
    )
