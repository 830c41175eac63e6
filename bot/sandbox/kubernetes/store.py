"""The objects of one cluster, one counter of versions, and the log that watches replay."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from bot.sandbox.kubernetes.kinds import ALL, Kind
from bot.sandbox.kubernetes.meta import Obj, key_of

# A rolling restart of the whole estate is about 2,300 changes.
HISTORY = 5000


@dataclass(frozen=True)
class Change:
    """One committed write. `old` is None for a new object, `new` for a removed one."""

    version: int
    kind: Kind
    old: Obj | None
    new: Obj | None

    @property
    def type(self) -> str:
        if self.old is None:
            return "ADDED"
        return "MODIFIED" if self.new is not None else "DELETED"

    @property
    def object(self) -> Obj:
        found = self.new if self.new is not None else self.old
        assert found is not None
        return found


class Store:
    """Objects by kind and key. Stored objects are never changed in place; the loop's thread owns them all."""

    def __init__(self) -> None:
        self.version = 1000
        self.log: deque[Change] = deque(maxlen=HISTORY)
        self.listeners: list[Callable[[Change], None]] = []
        self._objects: dict[Kind, dict[tuple[str, str], Obj]] = {kind: {} for kind in ALL}
        self._sorted: dict[Kind, list[Obj]] = {}

    def get(self, kind: Kind, namespace: str, name: str) -> Obj | None:
        """The stored object itself; copy before changing."""
        return self._objects[kind].get((namespace, name))

    def list(self, kind: Kind, namespace: str = "") -> list[Obj]:
        """Objects sorted by namespace and name, of one namespace or of all."""
        found = self._sorted.get(kind)
        if found is None:
            objects = self._objects[kind]
            found = self._sorted[kind] = [objects[key] for key in sorted(objects)]
        if namespace:
            return [o for o in found if o["metadata"].get("namespace") == namespace]
        return list(found)

    def everything(self, namespace: str = "") -> Iterator[tuple[Kind, Obj]]:
        """Every object of every kind."""
        for kind in ALL:
            for obj in self.list(kind, namespace):
                yield kind, obj

    def put(self, kind: Kind, obj: Obj) -> Obj:
        """Store an object under the next version and tell the listeners."""
        self.version += 1
        obj["metadata"]["resourceVersion"] = str(self.version)
        key = key_of(obj)
        old = self._objects[kind].get(key)
        self._objects[kind][key] = obj
        self._sorted.pop(kind, None)
        self._tell(Change(self.version, kind, old, obj))
        return obj

    def drop(self, kind: Kind, namespace: str, name: str) -> Obj:
        """Remove an object; returns its last state, carrying the version of the removal."""
        self.version += 1
        old = self._objects[kind].pop((namespace, name))
        self._sorted.pop(kind, None)
        last = old | {"metadata": old["metadata"] | {"resourceVersion": str(self.version)}}
        self._tell(Change(self.version, kind, last, None))
        return last

    def since(self, version: int) -> Sequence[Change] | None:
        """Changes after a version; None when the log no longer reaches back so far."""
        first = self.log[0].version if self.log else self.version + 1
        if version < first - 1:
            return None
        return [change for change in self.log if change.version > version]

    def compact(self) -> None:
        """Forget the log, as etcd does every few minutes: older watches answer 410."""
        self.log.clear()

    def _tell(self, change: Change) -> None:
        self.log.append(change)
        for listener in list(self.listeners):
            listener(change)
