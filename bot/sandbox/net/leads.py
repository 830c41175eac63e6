"""Where a name leads, and whether requests still reach a Region long after it led away from there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

SENT_AT = "x-sent-at"
"""Header of customers' requests: simulated epoch seconds."""
TTLS = 2.0
"""A resolver may keep an answer for its TTL, and another one may have given it at the end of its own TTL."""


@dataclass
class Leads:
    """When each Region's address was last among the answers that the name servers give to customers.

    `regions` is {ingress address: Region}, `ttl` what the estate says of the name. Times are simulated.
    """

    regions: Mapping[str, str]
    ttl: float
    late: int = 0
    """Customers' requests that reached a Region after no answer that led there could still be kept."""
    _led: dict[str, float] = field(default_factory=dict)
    _now: set[str] = field(default_factory=set)

    def look(self, now: float, addresses: set[str]) -> None:
        """Note what the name servers may answer at `now`, all of them together."""
        before, self._now = self._now, {self.regions[a] for a in addresses if a in self.regions}
        # Between two looks an answer may still have been the old one.
        self._led.update(dict.fromkeys(before | self._now, now))

    def arrived(self, region: str, now: float) -> None:
        """Judge a customer's request, sent at `now`, that reached a Region's entry."""
        if not self._now or region in self._now:
            return
        if now > self._led.get(region, now) + TTLS * self.ttl:
            self.late += 1
