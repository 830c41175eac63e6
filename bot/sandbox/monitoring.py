"""What the sandbox's monitoring watches, and how it loses sight of a Region that has gone dark."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bot.sandbox.faults import Faults
from bot.sandbox.net.databases import Databases
from bot.sandbox.net.figures import Figures, Labels
from bot.sandbox.net.ingress import Ingress

LOOK_BACK_SECONDS = 300.0
"""How long an instant query still shows a series that is scraped no more (Prometheus's --query.lookback-delta)."""


class LastWrites:
    """When each Region last accepted a customer's write: a gauge, epoch seconds by Region."""

    def __init__(self, ingresses: Mapping[str, Ingress], faults: Faults, now: Callable[[], float]) -> None:
        self._ingresses = ingresses
        self._faults = faults
        self._now = now
        self._dark_since: dict[str, float] = {}

    def __call__(self) -> dict[Labels, float]:
        """What an instant query shows; to be asked often, since it notices darkness only then."""
        shown: dict[Labels, float] = {}
        for region, entry in self._ingresses.items():
            if self._faults.dark(region):
                since = self._dark_since.setdefault(region, self._now())
            else:
                since = self._now()
                self._dark_since.pop(region, None)
            if entry.last_write is not None and self._now() - since < LOOK_BACK_SECONDS:
                shown[(("region", region),)] = entry.last_write
        return shown


def watch(figures: Figures, databases: Databases, ingresses: Mapping[str, Ingress], faults: Faults) -> None:
    """Let monitoring know payments, last writes and replication lag."""
    figures.ask("payments_lost_total", lambda: {(): databases.payments_lost()}, "counter")
    figures.ask("payments_acknowledged_total", lambda: {(): databases.payments_acknowledged()}, "counter")
    figures.ask("ingress_last_write_timestamp_seconds", LastWrites(ingresses, faults, figures.now))
    figures.ask(
        "database_replication_lag_ms",
        lambda: {(("database", name),): databases.lag_ms(name) for name in databases.ids()},
    )
