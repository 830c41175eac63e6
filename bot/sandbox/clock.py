"""Simulated time, shared with the bots through one small file."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path


class SimClock:
    """Time that runs `rate` times faster than the wall and can be moved forward.

    The file holds `{"real": r0, "sim": s0, "rate": x}`, epoch seconds each; simulated now is
    `s0 + (wall - r0) * rate`. The bot reads the same file when `SIGNALBOX_CLOCK` names it.
    """

    def __init__(self, path: Path, rate: float = 1.0) -> None:
        self._path = path
        self.rate = rate
        self._real = self._sim = time.time()
        self._write()

    def now(self) -> float:
        """Simulated epoch seconds."""
        return self._sim + (time.time() - self._real) * self.rate

    def real(self, seconds: float) -> float:
        """Wall seconds that `seconds` simulated ones last."""
        return seconds / self.rate

    async def sleep(self, seconds: float) -> None:
        """Wait for `seconds` simulated seconds, shorter when the clock is advanced meanwhile."""
        until = self.now() + seconds
        while (left := until - self.now()) > 0:  # noqa: ASYNC110 - the clock may jump meanwhile
            await asyncio.sleep(min(self.real(left), 0.5))

    def advance(self, seconds: float) -> None:
        """Jump forward. Raises ValueError for a negative number: the calendar never runs backwards."""
        if seconds < 0:
            raise ValueError("the clock only moves forward")
        self._sim, self._real = self.now() + seconds, time.time()
        self._write()

    def _write(self) -> None:
        draft = self._path.with_suffix(".draft")
        draft.write_text(json.dumps({"real": self._real, "sim": self._sim, "rate": self.rate}))
        draft.replace(self._path)
