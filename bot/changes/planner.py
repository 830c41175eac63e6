"""From a request to a plan: look at the world, judge it, plan. The only place of `changes` that looks outside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlmodel import col, select

from bot.clock import Clock
from bot.estate import Estate
from bot.facts.survey import survey
from bot.plan import Plan
from bot.ports import Ports
from bot.store.database import Database
from bot.store.tables import Duration, Peak
from runbooks.failover import failover
from runbooks.preflight import Preflight, preflight
from runbooks.request import Request
from runbooks.switchover import switchover

_PEAK_HOURS = 7 * 24


@dataclass(frozen=True)
class Planned:
    """A fresh plan with what was found on the way; `at` in wall seconds (monotonic) of the observation."""

    plan: Plan
    preflight: Preflight
    at: float


@dataclass(frozen=True)
class Planner:
    """Plans from a fresh observation."""

    ports: Ports
    database: Database
    clock: Clock

    def plan(self, estate: Estate, request: Request) -> Planned:
        """What would be done now. Raises OutsideError when not even the target can be looked at."""
        at = self.clock.monotonic()
        seen = survey(self.ports, estate)
        found = preflight(estate, seen, request)
        make = switchover if request.planned else failover
        plan = make(estate, seen, request, peaks=self._peaks(), durations=self._durations())
        facts = {
            "order": found.order,
            "order_text": found.order_text,
            "losses": list(found.losses),
            "warnings": list(found.warnings),
            "blockers": list(found.blockers),
        }
        return Planned(plan.model_copy(update={"facts": {**plan.facts, **facts}}), found, at)

    def _peaks(self) -> Mapping[str, int]:
        since = int(self.clock.now() // 3600) - _PEAK_HOURS
        peaks: dict[str, int] = {}
        with self.database.read() as session:
            for row in session.exec(select(Peak).where(Peak.hour >= since)):
                peaks[row.workload] = max(peaks.get(row.workload, 0), row.replicas)
        return peaks

    def _durations(self) -> Mapping[str, float]:
        newest: dict[str, list[float]] = {}
        with self.database.read() as session:
            for row in session.exec(select(Duration).order_by(col(Duration.id).desc()).limit(400)):
                newest.setdefault(row.kind, []).append(row.seconds)
        return {kind: sorted(values[:9])[len(values[:9]) // 2] for kind, values in newest.items()}
