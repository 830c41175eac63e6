"""How often AWS may be asked: a bucket for each service in each Region, and one for the whole of Route 53.

Where AWS publishes a rate, the lower of the published ones is kept. A process keeps it for itself: replicas
share an account, and that is what slowing down after a throttle is for.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass

from bot.clock import Clock
from bot.errors import Busy


@dataclass(frozen=True)
class Rate:
    """Calls a second for as long as one likes, and `burst` calls at once after a rest."""

    per_second: float
    burst: int


RATES: Mapping[str, Rate] = {
    # The older text says 5 a second for the account, the newer one 10 and a burst of 50.
    "route53": Rate(5, 10),
    "rds": Rate(10, 20),
    "eks": Rate(10, 20),
    "ec2": Rate(10, 20),
    "cloudwatch": Rate(20, 40),
    "s3": Rate(100, 200),
    "cloudtrail": Rate(2, 2),
    "logs": Rate(5, 5),
}
_USUAL = Rate(10, 20)
_TOLD = {
    "route53": "Route 53",
    "rds": "RDS",
    "eks": "EKS",
    "ec2": "EC2",
    "cloudwatch": "CloudWatch",
    "cloudtrail": "CloudTrail",
    "logs": "CloudWatch Logs",
}
_ACCOUNT_WIDE = frozenset({"route53"})

CHANGE_SECONDS = 1.0
"""Longest that a change waits for its turn. It leaves then all the same: there are few, and they matter."""
_GRAIN_SECONDS = 0.001
"""Less is no wait: sums of seconds since 1970 are not more exact."""
_SLOWEST = 1 / 4
_AGAIN_SECONDS = 1.0
_RECOVERY_SECONDS = 4.0


class Bucket:
    """Grants calls in turn; times are the caller's, seconds of one calendar, each read after the last was used.

    One that is earlier than the last says that the calendar was set back: then all goes on as if no time had
    passed.
    In every window of t seconds at most `burst + per_second × t` reads are granted. Every grant moves the
    next one on by 1/rate; what was not used is saved up to the burst.
    """

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._saved = (rate.burst - 1) / rate.per_second
        self._next = float("-inf")
        self._share, self._slowed = 1.0, float("-inf")
        self._seen = float("-inf")

    def take(self, now: float, most: float) -> float | None:
        """Seconds to wait before calling; None, and nothing taken, when that were more than `most`."""
        turn = self._turn(now)
        if turn - now > most + _GRAIN_SECONDS:
            return None
        self._next = turn + 1 / (self._rate.per_second * self._pace(now))
        return max(0.0, turn - now)

    def take_anyway(self, now: float, most: float) -> float:
        """Seconds to wait, `most` at the most: what is taken too early is missing later."""
        turn = self._turn(now)
        self._next = turn + 1 / self._rate.per_second
        return min(max(0.0, turn - now), most)

    def slow_down(self, now: float) -> None:
        """AWS says that it is too much: half of it from now on, which is made up for in some seconds.

        Calls that left together are throttled together, so that counts once a second.
        """
        self._look(now)
        if now - self._slowed < _AGAIN_SECONDS:
            return
        self._share = max(_SLOWEST, self._pace(now) / 2)
        self._slowed = now
        self._next = max(self._next, now)

    def _turn(self, now: float) -> float:
        self._look(now)
        return max(self._next, now - self._saved)

    def _look(self, now: float) -> None:
        # Otherwise everyone would wait until the calendar is as late again, be it set back by seconds or hours.
        if now < self._seen:
            self._next -= self._seen - now
            self._slowed -= self._seen - now
        self._seen = now

    def _pace(self, now: float) -> float:
        """The share of the rate that is used now."""
        rested = (now - self._slowed) / _RECOVERY_SECONDS
        return min(1.0, self._share * 2 ** min(rested, 10.0))


class Rates:
    """Waits for a call's turn, in seconds of the calendar: a sandbox's AWS is as fast as its clock. Thread-safe."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._buckets: dict[tuple[str, str], Bucket] = {}
        self._lock = threading.Lock()

    def read(self, service: str, region: str, most: float) -> None:
        """Wait for a read's turn. Raises Busy, at once, when it does not come within `most` seconds."""
        # The time is read under the lock: what another thread read earlier must not look like a calendar set back.
        with self._lock:
            seconds = self._bucket(service, region).take(self._clock.now(), most)
        if seconds is None:
            place = "" if service in _ACCOUNT_WIDE else f" in {region}"
            raise Busy(f"Too many questions to {_TOLD.get(service, service)}{place} at once.")
        self._wait(seconds)

    def change(self, service: str, region: str) -> None:
        """Wait a second at most for a change's turn."""
        with self._lock:
            seconds = self._bucket(service, region).take_anyway(self._clock.now(), CHANGE_SECONDS)
        self._wait(seconds)

    def throttled(self, service: str, region: str) -> None:
        """AWS has throttled a call of this service."""
        with self._lock:
            self._bucket(service, region).slow_down(self._clock.now())

    def _wait(self, seconds: float) -> None:
        if seconds > _GRAIN_SECONDS:
            self._clock.wait(threading.Event(), seconds)

    def _bucket(self, service: str, region: str) -> Bucket:
        key = (service, "" if service in _ACCOUNT_WIDE else region)
        if key not in self._buckets:
            self._buckets[key] = Bucket(RATES.get(service, _USUAL))
        return self._buckets[key]
