"""What customers experienced, counted by simulated second: the book behind `GET /control/customers`."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from bot.sandbox.net.databases import Databases
from bot.sandbox.net.leads import Leads

KEPT_SECONDS = 20_000


@dataclass
class Second:
    """Requests that were sent within one simulated second, and what became of them."""

    t: int
    sent: int = 0
    ok: int = 0
    failed: int = 0
    by_region: Counter[str] = field(default_factory=Counter)


@dataclass
class CustomersLedger:
    """Counts of one stream of customers."""

    sent: int = 0
    ok: int = 0
    failed: int = 0
    by_region: Counter[str] = field(default_factory=Counter)
    by_version: Counter[str] = field(default_factory=Counter)
    why: Counter[str] = field(default_factory=Counter)
    seconds: dict[int, Second] = field(default_factory=dict)
    leads: Leads = field(default_factory=lambda: Leads({}, 0.0))

    def send(self, now: float) -> Second:
        """Count a request that leaves at simulated `now`."""
        self.sent += 1
        t = math.floor(now)
        if t not in self.seconds:
            self.seconds[t] = Second(t)
            if len(self.seconds) > KEPT_SECONDS:
                del self.seconds[next(iter(self.seconds))]
        second = self.seconds[t]
        second.sent += 1
        return second

    def succeed(self, second: Second, region: str, version: str) -> None:
        """Count its success."""
        self.ok += 1
        second.ok += 1
        second.by_region[region] += 1
        self.by_region[region] += 1
        self.by_version[version] += 1

    def fail(self, second: Second, why: str) -> None:
        """Count its failure, with the reason in a word or a status code."""
        self.failed += 1
        second.failed += 1
        self.why[why] += 1

    def told(self, databases: Databases) -> dict[str, Any]:
        """The answer of `GET /control/customers`; totals stand at the top level too."""
        totals = {
            "sent": self.sent,
            "ok": self.ok,
            "failed": self.failed,
            "payments_acknowledged": databases.payments_acknowledged(),
            "payments_lost": databases.payments_lost(),
            "lost_though_replicated": databases.lost_though_replicated(),
            "acknowledged_by_two_writers": databases.acknowledged_by_two_writers(),
            "sent_to_left_side_late": self.leads.late,
        }
        return {
            **totals,
            "served_by_region": dict(self.by_region),
            "totals": totals,
            "by_region": dict(self.by_region),
            "by_version": dict(self.by_version),
            "failures": dict(self.why),
            "timeline": [
                {"t": s.t, "sent": s.sent, "ok": s.ok, "failed": s.failed, "by_region": dict(s.by_region)}
                for s in self.seconds.values()
            ],
        }
