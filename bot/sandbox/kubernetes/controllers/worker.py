"""The queue behind every controller: keys due in simulated time, and the one task that works them off."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
from collections.abc import Callable
from typing import Protocol

# Wall seconds between two looks at a clock that somebody may have moved forward, or at a dark Region.
_LOOK = 0.5
_BATCH = 25
_SETTLE_LIMIT = 200_000

log = logging.getLogger(__name__)
Key = tuple[str, str, str]
Reconcile = Callable[[str, str], None]


class Clock(Protocol):
    """Simulated time."""

    def now(self) -> float: ...
    def real(self, seconds: float) -> float: ...


class Worker:
    """Runs reconcilers when their keys are due. All methods but none are for the loop's thread."""

    def __init__(self, clock: Clock, still: Callable[[], bool]) -> None:
        self._clock = clock
        self._still = still
        self._reconcilers: dict[str, Reconcile] = {}
        self._heap: list[tuple[float, int, Key]] = []
        self._due: dict[Key, float] = {}
        self._order = itertools.count()
        self._awake = asyncio.Event()
        self._instant = False

    def add(self, controller: str, reconcile: Reconcile) -> None:
        """Register a controller's reconciler, called with namespace and name."""
        self._reconcilers[controller] = reconcile

    def wake(self, controller: str, namespace: str, name: str, after: float = 0.0) -> None:
        """Make a key due `after` simulated seconds from now; an earlier due time stands."""
        key, due = (controller, namespace, name), self._clock.now() + after
        if key in self._due and self._due[key] <= due:
            return
        self._due[key] = due
        heapq.heappush(self._heap, (due, next(self._order), key))
        self._awake.set()

    def wait(self, seconds: float) -> float:
        """A simulated delay; nothing while a seed settles."""
        return 0.0 if self._instant else seconds

    def reached(self, due: float) -> bool:
        """Whether a simulated moment has come; always while a seed settles."""
        return self._instant or self._clock.now() >= due - 0.001

    def settle(self) -> None:
        """Work everything off at once, delays of the world included. Raises RuntimeError if it never ends."""
        self._instant = True
        now = self._clock.now()
        self._due = dict.fromkeys(self._due, now)
        self._heap = [(now, order, key) for _, order, key in self._heap]
        heapq.heapify(self._heap)
        try:
            for _ in range(_SETTLE_LIMIT):
                if not self._next():
                    return
            raise RuntimeError("the controllers do not settle")
        finally:
            self._instant = False

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            if self._still():
                await asyncio.sleep(_LOOK / 2)
                continue
            worked = 0
            while worked < _BATCH and self._next():
                worked += 1
            if worked == _BATCH:
                await asyncio.sleep(0)
                continue
            self._awake.clear()
            try:
                await asyncio.wait_for(self._awake.wait(), self._pause())
            except TimeoutError:
                pass

    def _pause(self) -> float:
        while self._heap and self._due.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        if not self._heap:
            return 60.0
        return min(max(self._clock.real(self._heap[0][0] - self._clock.now()), 0.001), _LOOK)

    def _next(self) -> bool:
        """Reconcile one due key; False when none is due."""
        while self._heap and self._heap[0][0] <= self._clock.now():
            due, _, key = heapq.heappop(self._heap)
            if self._due.get(key) != due:
                continue
            del self._due[key]
            controller, namespace, name = key
            try:
                self._reconcilers[controller](namespace, name)
            except Exception:
                log.exception("controller %s failed on %s/%s", controller, namespace, name)
                self.wake(controller, namespace, name, after=5.0)
                if self._instant:
                    raise
            return True
        return False
