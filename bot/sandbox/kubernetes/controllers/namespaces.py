"""What goes with something else: contents of a dying namespace, and objects whose owner is gone."""

from __future__ import annotations

from bot.sandbox.kubernetes import kinds
from bot.sandbox.kubernetes.controllers.plane import Controller, Plane
from bot.sandbox.kubernetes.meta import Obj, key_of
from bot.sandbox.kubernetes.objects import Removal
from bot.sandbox.kubernetes.store import Change

_FOREGROUND = "foregroundDeletion"
# Kinds that own nothing: most changes are theirs, and none needs a look.
_LEAVES = (kinds.POD, kinds.EVENT, kinds.ENDPOINTS, kinds.ENDPOINT_SLICE, kinds.LEASE)


class Namespaces(Controller):
    """Empties a terminating namespace, then lets it go."""

    name = "namespaces"

    def __init__(self, plane: Plane) -> None:
        super().__init__(plane)
        self._since: dict[str, float] = {}

    def notice(self, change: Change) -> None:
        if change.new is None:
            return
        if change.kind == kinds.NAMESPACE and change.new["metadata"].get("deletionTimestamp"):
            self.wake("", change.new["metadata"]["name"])

    def reconcile(self, namespace: str, name: str) -> None:
        found = self.plane.store.get(kinds.NAMESPACE, "", name)
        if found is None or not found["metadata"].get("deletionTimestamp"):
            return
        worker, now = self.plane.worker, self.plane.now()
        wait = worker.wait(self.plane.timings.namespace_stop)
        due = self._since.setdefault(found["metadata"]["uid"], now + wait)
        contents = list(self.plane.store.everything(name))
        for kind, obj in contents:
            if not obj["metadata"].get("deletionTimestamp"):
                self.plane.objects.delete(kind, *key_of(obj), Removal(propagation="Background"))
        if worker.reached(due) and not list(self.plane.store.everything(name)):
            self._since.pop(found["metadata"]["uid"], None)
            self.plane.store.drop(kinds.NAMESPACE, "", name)
        else:
            self.wake("", name, max(due - now, 1.0))


class Orphans(Controller):
    """Garbage collection by owner references; keys are uids."""

    name = "orphans"

    def notice(self, change: Change) -> None:
        if change.kind in _LEAVES and change.new is not None:
            return
        meta = change.object["metadata"]
        waits = _FOREGROUND in (meta.get("finalizers") or [])
        if waits or (change.new is None and change.kind not in _LEAVES):
            self.wake(meta.get("namespace", ""), meta["uid"])
        for owner in meta.get("ownerReferences") or []:
            if change.new is None and owner.get("blockOwnerDeletion"):
                self.wake(meta.get("namespace", ""), owner["uid"])

    def reconcile(self, namespace: str, name: str) -> None:
        found = list(self.plane.store.everything(namespace))
        owner = next(((k, o) for k, o in found if o["metadata"]["uid"] == name), None)
        if owner and _FOREGROUND not in (owner[1]["metadata"].get("finalizers") or []):
            return
        dependents = [
            (kind, obj)
            for kind, obj in found
            if any(o.get("uid") == name for o in obj["metadata"].get("ownerReferences") or [])
        ]
        for kind, obj in dependents:
            if not obj["metadata"].get("deletionTimestamp"):
                self.plane.objects.delete(kind, *key_of(obj), Removal(propagation="Background"))
        if owner and not dependents:
            self.plane.objects.change(owner[0], *key_of(owner[1]), _let_go)


def _let_go(obj: Obj) -> None:
    obj["metadata"]["finalizers"] = [f for f in obj["metadata"]["finalizers"] if f != _FOREGROUND]
