"""Faults that are on: asked by every part of the sandbox before it answers."""

from __future__ import annotations

import itertools
import random
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

KINDS = {
    "region-dark": ("region",),
    "region-partitioned": ("region",),
    "region-flaky": ("region",),
    "capacity-short": ("region",),
    "aws-throttle": (),
    "aws-reply-lost": (),
    "aws-stuck": ("operation",),
    "kubernetes-throttle": (),
    "name-server-stale": ("server",),
    "name-server-down": ("server",),
    "checkers-disagree": ("share",),
    "latency": ("seconds",),
    "slack-down": (),
    "slack-drop-socket": (),
    "database-down": (),
    "service-errors": ("service",),
    "service-slow": ("service", "seconds"),
    "service-never-ready": ("service",),
    "metrics-down": (),
    "replication-lag": ("seconds",),
}
SHARES = ("rate", "share")
FLAKY_ANSWERS = 0.5


def befalls(fault: Fault) -> bool:
    """Whether a fault with a `rate` strikes this time; one without always does."""
    return random.random() < float(fault.params.get("rate", 1))


@dataclass(frozen=True)
class Fault:
    """One fault, from `add` until `remove` or until its `count` uses are spent."""

    id: str
    kind: str
    params: Mapping[str, Any] = field(default_factory=dict)


class Faults:
    """Thread-safe registry of the faults that are on."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ids = itertools.count(1)
        self._on: dict[str, Fault] = {}
        self._left: dict[str, int] = {}

    def add(self, kind: str, **params: Any) -> str:
        """Switch a fault on and return its id. Raises ValueError for an unknown kind or a missing parameter."""
        if kind not in KINDS:
            raise ValueError(f"unknown fault {kind!r}; known: {', '.join(sorted(KINDS))}")
        if missing := [name for name in KINDS[kind] if name not in params]:
            raise ValueError(f"fault {kind!r} needs {', '.join(missing)}")
        if wrong := [name for name in SHARES if not 0 <= float(params.get(name, 0)) <= 1]:
            raise ValueError(f"{', '.join(wrong)} of fault {kind!r} is a share, from 0 to 1")
        with self._lock:
            fault = Fault(f"fault-{next(self._ids)}", kind, params)
            self._on[fault.id] = fault
            if "count" in params:
                self._left[fault.id] = int(params["count"])
        return fault.id

    def remove(self, fault_id: str) -> bool:
        """Switch a fault off; False when it was not on."""
        with self._lock:
            self._left.pop(fault_id, None)
            return self._on.pop(fault_id, None) is not None

    def find(self, kind: str, **match: Any) -> Fault | None:
        """The first fault of this kind whose parameters do not contradict `match`.

        A parameter that the fault leaves out matches everything. A fault with `count` is spent by being found.
        """
        with self._lock:
            for fault in self._on.values():
                if fault.kind == kind and all(fault.params.get(k, v) == v for k, v in match.items()):
                    if fault.id in self._left:
                        self._left[fault.id] -= 1
                        if self._left[fault.id] <= 0:
                            del self._on[fault.id], self._left[fault.id]
                    return fault
        return None

    def unreachable(self, region: str) -> bool:
        """Whether the bot cannot reach this Region (dark or partitioned)."""
        return bool(self.find("region-dark", region=region) or self.find("region-partitioned", region=region))

    def swallows(self, region: str) -> bool:
        """Whether this one call to the APIs of a Region that is flaky gets no answer."""
        fault = self.find("region-flaky", region=region)
        return fault is not None and random.random() >= float(fault.params.get("rate", FLAKY_ANSWERS))

    def dark(self, region: str) -> bool:
        """Whether this Region serves nobody."""
        return self.find("region-dark", region=region) is not None

    def all(self) -> list[Fault]:
        """Every fault that is on."""
        with self._lock:
            return list(self._on.values())
