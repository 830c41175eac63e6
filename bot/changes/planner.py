"""From a request to a plan: look at the world, judge it, plan. The one place of `changes` that looks outside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlmodel import col, select

from bot.changes import preempt
from bot.changes.unreconciled import unreconciled
from bot.clock import Clock
from bot.estate import Estate
from bot.facts.survey import survey
from bot.plan import Plan
from bot.ports import Ports
from bot.store.database import Database
from bot.store.tables import Duration, Peak
from runbooks.failover import as_approved, failover
from runbooks.preflight import Preflight, preflight
from runbooks.request import Request

_PEAK_HOURS = 7 * 24


@dataclass(frozen=True)
class Planned:
    """A fresh plan (None when something blocks it) with what was found; `at` in monotonic wall seconds."""

    plan: Plan | None
    preflight: Preflight
    at: float


@dataclass(frozen=True)
class Planner:
    """Plans from a fresh observation; `kept` holds the newest one of each change that waits for an answer."""

    ports: Ports
    database: Database
    clock: Clock
    kept: dict[str, Planned] = field(default_factory=dict)

    def plan(self, estate: Estate, request: Request, *, like: Plan | None = None) -> Planned:
        """What would be done now.

        `like` is the plan that people were shown: its peaks, its order and its bounds are used again where
        that is still safe, since a peak sampled meanwhile is no reason to ask them twice.
        """
        at = self.clock.monotonic()
        seen = survey(self.ports, estate)
        found = preflight(estate, seen, as_approved(request, like))
        if found.blockers:
            return Planned(None, found, at)
        peaks = like.facts["peaks"] if like is not None else self._peaks()
        plan = failover(
            estate,
            seen,
            request,
            peaks=peaks,
            durations=self._durations(),
            like=like,
            unreconciled=self._unreconciled(request),
        )
        stops, told = self._in_the_way(request, plan, like)
        facts = {**plan.facts, "peaks": dict(peaks), "preempts": told}
        return Planned(plan.model_copy(update={"facts": facts, "preempts": stops}), found, at)

    def _unreconciled(self, request: Request) -> Sequence[str]:
        if not request.planned:
            return ()
        with self.database.read() as session:
            return unreconciled(session, request.to)

    def _in_the_way(
        self, request: Request, plan: Plan, like: Plan | None
    ) -> tuple[tuple[str, ...], list[str]]:
        """Runs that this plan stops; one that was approved and has ended meanwhile is no reason to ask again."""
        with self.database.read() as session:
            found = preempt.runs_in_the_way(session, request, plan.blocks)
        stops = tuple(run.id for run, _ in found)
        if like is not None and set(stops) <= set(like.preempts):
            stops = like.preempts
        return stops, [preempt.told(run, change) for run, change in found]

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
