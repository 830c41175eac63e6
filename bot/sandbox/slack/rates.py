"""Slack's rate limits: tiers per method, about one message a second per channel, bursts allowed."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from bot.sandbox.slack.errors import RateLimited

TIER_2, TIER_3, TIER_4 = 20, 50, 100
"""Calls per minute and method."""

MESSAGES_PER_MINUTE = 60
MESSAGE_BURST = 10
"""Slack says "short bursts" and gives no number; ten is ours."""


@dataclass
class Bucket:
    """What is left of an allowance, refilled continuously."""

    left: float
    at: float


class Rates:
    """Token buckets per method, and per channel for posting.

    `speed` multiplies every allowance, so that a run squeezed into a tenth of its time meets the limits that
    it would meet in full time.
    """

    def __init__(self, now: Callable[[], float], speed: float = 1.0) -> None:
        self._now = now
        self._speed = speed
        self._buckets: dict[tuple[str, str], Bucket] = {}

    def spend(self, method: str, per_minute: int, *, key: str = "", burst: int | None = None) -> None:
        """Take one call from the allowance. Raises RateLimited when nothing is left."""
        capacity = (burst or per_minute) * max(1.0, self._speed)
        refill = per_minute / 60 * self._speed
        now = self._now()
        bucket = self._buckets.setdefault((method, key), Bucket(capacity, now))
        bucket.left = min(capacity, bucket.left + max(0.0, now - bucket.at) * refill)
        bucket.at = now
        if bucket.left < 1:
            raise RateLimited(max(1, math.ceil((1 - bucket.left) / refill)))
        bucket.left -= 1
