"""One Region's copy of one simulated Aurora database: what is in it, not who may write to it."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Literal

Role = Literal["writer", "reader", "frozen", "standalone"]


@dataclass
class Beats:
    """An unbroken series of heartbeat rows, one each whole simulated second, written by one Region."""

    region: str
    first: int
    last: int


@dataclass
class Storage:
    """Rows of payments and heartbeats in one Region. Times are simulated epoch seconds.

    `since` is when the current writership began (minus infinity for the first writer): a connection that
    is older keeps the read-only session it was opened with. `term` grows with each promotion of the database.
    """

    region: str
    cluster: str
    role: Role
    since: float = -math.inf
    term: int = 0
    payments: dict[str, float] = field(default_factory=dict)
    times: list[float] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    beats: list[Beats] = field(default_factory=list)
    replicated_until: float = -math.inf
    lost: list[str] = field(default_factory=list)

    @property
    def writable(self) -> bool:
        """Whether a new connection may write."""
        return self.role in {"writer", "standalone"}

    def insert(self, payment: str, at: float) -> None:
        """Commit a payment. The same id again changes nothing: payments are idempotent."""
        if payment in self.payments:
            return
        self.payments[payment] = at
        self.times.append(at)
        self.ids.append(payment)

    def beat(self, now: float, *, unbroken: bool) -> None:
        """Write the heartbeats that are due up to `now`; `unbroken` when the last ones never paused."""
        second = math.floor(now)
        newest = self.beats[-1] if self.beats else None
        if newest and newest.region == self.region and unbroken:
            newest.last = max(newest.last, second)
        elif newest is None or second > newest.last:
            self.beats.append(Beats(self.region, second, second))

    def follow(self, writer: Storage, until: float) -> None:
        """Receive everything that the writer committed up to `until`."""
        if until <= self.replicated_until:
            return
        start = bisect_right(writer.times, self.replicated_until)
        for index in range(start, bisect_right(writer.times, until)):
            self.insert(writer.ids[index], writer.times[index])
        self.replicated_until = until
        self.beats = [
            Beats(span.region, span.first, min(span.last, math.floor(until)))
            for span in writer.beats
            if span.first <= until
        ]

    def become_copy_of(self, writer: Storage, now: float) -> None:
        """Start again from the writer's content; payments that only this copy held are lost."""
        self.lost.extend(payment for payment in self.ids if payment not in writer.payments)
        self.payments = dict(writer.payments)
        self.times, self.ids = list(writer.times), list(writer.ids)
        self.beats = [Beats(span.region, span.first, span.last) for span in writer.beats]
        self.replicated_until = now

    def newest_beat(self, *, region: str | None = None, before: float = math.inf) -> int | None:
        """The newest heartbeat at or before `before`, of one Region's writer when `region` is given."""
        fitting = [
            min(span.last, math.floor(before) if math.isfinite(before) else span.last)
            for span in self.beats
            if span.first <= before and region in {None, span.region}
        ]
        return max(fitting, default=None)
