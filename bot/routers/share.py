"""How much of the customers' traffic each Region's entry receives, as measured."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bot.errors import OutsideError
from bot.ports import Metrics


@dataclass(frozen=True)
class Share:
    """Tenths of a percent of all requests by Region; a Region that is not in `permille` is unknown."""

    permille: dict[str, int]
    why: str = ""


def measured(metrics: Metrics, query: str | None) -> Share:
    """The share by the label `region` of an instant query (requests per second by Region).

    A Region with a series that reads zero is known to receive nothing while another receives something; one
    without a series is unknown, and so is every Region when all of them read zero.
    """
    if not query:
        return Share({}, "the estate names no query for the share")
    try:
        samples = metrics.query(query)
    except OutsideError as error:
        return Share({}, error.what)
    rates: dict[str, float] = {}
    for sample in samples:
        region = sample.labels.get("region", "")
        if region and math.isfinite(sample.value):
            rates[region] = rates.get(region, 0.0) + max(0.0, sample.value)
    if not rates:
        return Share({}, "the query for the share found no series")
    total = sum(rates.values())
    if not total:
        # Where nobody is measured anywhere, it is the measuring that is in doubt.
        return Share({}, "no requests were measured anywhere")
    return Share({region: round(1000 * rate / total) for region, rate in rates.items()})
