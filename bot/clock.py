"""Time, injected: `now` is the calendar that people see, `monotonic` measures this process."""

from __future__ import annotations

import json
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol


class Clock(Protocol):
    """What the rest of the bot knows of time."""

    def now(self) -> float:
        """Epoch seconds of the calendar."""
        ...

    def monotonic(self) -> float:
        """Wall seconds that only grow; leases and time-outs of calls count in these."""
        ...

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Wait for the event at most `seconds` of the calendar; True when it was set."""
        ...


class SystemClock:
    """The machine's own time."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def wait(self, event: threading.Event, seconds: float) -> bool:
        return event.wait(seconds)


class FileClock:
    """Calendar of a sandbox: `{"real": r0, "sim": s0, "rate": x}` in a file that may change at any time.

    Used only when `SIGNALBOX_CLOCK` names the file; refused when checkpoints are signed with KMS.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp = 0
        self._real, self._sim, self._rate = 0.0, 0.0, 1.0
        self._load()

    def now(self) -> float:
        self._load()
        return self._sim + (time.time() - self._real) * self._rate

    def monotonic(self) -> float:
        return time.monotonic()

    def wait(self, event: threading.Event, seconds: float) -> bool:
        until = self.now() + seconds
        while (left := until - self.now()) > 0:
            if event.wait(min(left / self._rate, 0.25)):
                return True
        return event.is_set()

    def _load(self) -> None:
        stamp = self._path.stat().st_mtime_ns
        if stamp != self._stamp:
            state = json.loads(self._path.read_text())
            self._real, self._sim, self._rate = (
                float(state["real"]),
                float(state["sim"]),
                float(state["rate"]),
            )
            self._stamp = stamp


def iso(seconds: float) -> str:
    """Epoch seconds as UTC text to the second, `2026-01-31T03:04:05Z`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def span(seconds: float) -> str:
    """A duration as people say it: `45 s`, `3 min 20 s`, `2 h 5 min`."""
    whole = max(0, round(seconds))
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    if minutes:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    return f"{rest} s"
