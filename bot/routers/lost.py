"""How many payments customers were promised that no database holds, as counted so far."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bot.errors import OutsideError
from bot.ports import Metrics


@dataclass(frozen=True)
class Lost:
    """All that were ever counted; None = unknown, and why."""

    count: int | None
    why: str = ""


def counted(metrics: Metrics, query: str | None) -> Lost:
    """The largest value of an instant query."""
    if not query:
        return Lost(None, "the estate names no query for lost payments")
    try:
        samples = metrics.query(query)
    except OutsideError as error:
        return Lost(None, error.what)
    values = [s.value for s in samples if math.isfinite(s.value)]
    return Lost(round(max(values))) if values else Lost(None, "no series")
