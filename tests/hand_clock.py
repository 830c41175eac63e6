"""A clock for tests."""

from __future__ import annotations

import threading


class HandClock:
    """A clock that a test moves."""

    def __init__(self, start: float = 1_800_000_000.0) -> None:
        self.time = start

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time

    def wait(self, event: threading.Event, seconds: float) -> bool:
        self.time += seconds
        return event.is_set()

    def advance(self, seconds: float) -> None:
        self.time += seconds
