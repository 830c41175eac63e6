"""When customers last had a write accepted in each Region, as measured."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bot.errors import OutsideError
from bot.ports import Metrics


@dataclass(frozen=True)
class LastWrites:
    """By Region: epoch milliseconds of the newest accepted write, and how long ago that was (ms) when asked.

    A Region that is in neither is unknown. The age is counted by the clock of the measuring, which stamped
    both ends: ours may be set otherwise.
    """

    at_ms: dict[str, int]
    quiet_ms: dict[str, int]
    why: str = ""


def written(metrics: Metrics, query: str | None) -> LastWrites:
    """The newest write by the label `region` of an instant query (epoch seconds by Region)."""
    if not query:
        return LastWrites({}, {}, "the estate names no query for the last write")
    try:
        samples = metrics.query(query)
    except OutsideError as error:
        return LastWrites({}, {}, error.what)
    at_ms: dict[str, int] = {}
    asked_ms: dict[str, int] = {}
    for sample in samples:
        region = sample.labels.get("region", "")
        if region and math.isfinite(sample.value):
            at_ms[region] = max(at_ms.get(region, 0), int(sample.value * 1000))
            asked_ms[region] = max(asked_ms.get(region, 0), int(sample.at * 1000))
    if not at_ms:
        return LastWrites({}, {}, "the query for the last write found no series")
    quiet_ms = {region: max(0, asked_ms[region] - at) for region, at in at_ms.items()}
    return LastWrites(at_ms, quiet_ms)
