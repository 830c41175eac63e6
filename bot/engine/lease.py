"""Who drives which run: one epoch a process, a heartbeat, and a check inside every transaction.

A mutating call is started only while the lease lasts longer than any call may (`CALL_SECONDS`), so a call of
a replica that lost its lease has ended, one way or the other, before the next owner begins.
"""

from __future__ import annotations

from sqlmodel import Session, col, select

from bot.engine.moves import State
from bot.errors import LeaseLost
from bot.settings import TERMINAL
from bot.store.database import Database
from bot.store.tables import Replica, Run, StepRow
from bot.trail.append import Trail
from bot.trail.event import Event, Name

CALL_SECONDS = 9.0
"""Longest that one mutating call may last: connecting, then waiting for the answer."""

OPEN = ("running", "rolling_back", "standing")
"""States of a run that somebody drives."""


_HALTED = "halted until "


def halted(until: float, stop: str) -> str:
    """What `Run.stop` says while a change that may take the run's place is being decided.

    `until` in epoch seconds of the database, `stop` what it said before.
    """
    return f"{_HALTED}{until:.1f} {stop}"


def halt_ends(run: Run) -> float | None:
    """When the run's halt lapses, epoch seconds of the database; None when it is not halted."""
    return float(run.stop.removeprefix(_HALTED).split(" ")[0]) if run.stop.startswith(_HALTED) else None


def stop_before(run: Run) -> str:
    """What a person had asked for before the run was halted."""
    return run.stop.removeprefix(_HALTED).partition(" ")[2]


class Lease:
    """This process's right to drive runs."""

    def __init__(
        self,
        database: Database,
        trail: Trail,
        name: str,
        seconds: float = 15.0,
        call_seconds: float = CALL_SECONDS,
    ) -> None:
        if seconds <= call_seconds:
            raise ValueError(f"a lease must last longer than a call, {call_seconds} s")
        self.name = name
        self.call_seconds = call_seconds
        self._database = database
        self._trail = trail
        self._seconds = seconds
        self._leading = False

    def beat(self) -> None:
        """Prolong the lease. Raises TrailError when the database is away."""
        with self._database.write() as session:
            until = self._database.now(session) + self._seconds
            row = session.get(Replica, self.name)
            if row is None:
                session.add(Replica(name=self.name, epoch=1, until=until))
            else:
                row.until = until
                session.add(row)
            session.flush()
            self._leading = self._is_first(session)

    def resign(self) -> None:
        """Give the lease back, so that others take over at once."""
        with self._database.write() as session:
            row = session.get(Replica, self.name)
            if row is not None:
                session.delete(row)

    def leads(self) -> bool:
        """Whether this replica runs the loops that need a leader, as of its last beat: the first by name does."""
        return self._leading

    def _is_first(self, session: Session) -> bool:
        now = self._database.now(session)
        living = session.exec(select(Replica.name).where(Replica.until > now)).all()
        # A terminal speaks to nobody in Slack: it leads only where nobody else is.
        first = min(living, key=lambda name: (name.startswith(TERMINAL), name), default=None)
        return first == self.name

    def claim(self) -> list[str]:
        """Take over runs that nobody living drives; returns their ids."""
        with self._database.read() as session:
            orphans = [run.id for run in self._orphans(session)]
        return [run_id for run_id in orphans if self._take(run_id)]

    def _take(self, run_id: str) -> bool:
        try:
            with self._trail.record() as record:
                run = record.session.get(Run, run_id, with_for_update=True)
                if run is None or run.id not in {r.id for r in self._orphans(record.session)}:
                    raise LeaseLost(f"Run {run_id} was taken by another replica.")
                adopted = bool(run.owner)
                run.owner, run.epoch = self.name, run.epoch + 1
                record.session.add(run)
                self._restart_clocks(record.session, run_id)
                record.add(
                    Event(
                        name=Name.RUN_ADOPTED,
                        change=run.change,
                        run=run.id,
                        detail={"replica": self.name, "epoch": run.epoch, "again": adopted},
                    )
                )
        except LeaseLost:
            return False
        return True

    def _restart_clocks(self, session: Session, run_id: str) -> None:
        """Time in which nobody looked does not count against a step's time-out."""
        now = self._trail.clock.now()
        for row in session.exec(select(StepRow).where(StepRow.run == run_id, StepRow.state == State.ACTIVE)):
            row.since = now
            session.add(row)

    def check(self, session: Session, run_id: str, *, margin: float = 0.0, acting: bool = False) -> Run:
        """The run, locked, when this process may still write for it. Raises LeaseLost.

        `margin` is how many seconds the lease must still last; `acting` refuses when the run is being stopped.
        """
        run = session.get(Run, run_id, with_for_update=True)
        replica = session.get(Replica, self.name)
        now = self._database.now(session)
        if run is None or run.owner != self.name or run.state not in OPEN:
            raise LeaseLost(f"Run {run_id} is driven by {run.owner if run else 'nobody'} now.")
        if replica is None or replica.until - now < margin or replica.until <= now:
            raise LeaseLost(f"The lease of {self.name} is too old to start a call.")
        if acting and run.stop:
            raise LeaseLost(f"Run {run_id} is being stopped.")
        return run

    def calls_in_flight_until(self, run_id: str) -> float:
        """Epoch seconds of the database until which a former owner's call may still be under way; 0 = none."""
        with self._database.read() as session:
            rows = session.exec(
                select(StepRow.call_until).where(StepRow.run == run_id, StepRow.state == State.ACTIVE)
            ).all()
            latest = max(rows, default=0.0)
            return latest if latest > self._database.now(session) else 0.0

    def _orphans(self, session: Session) -> list[Run]:
        now = self._database.now(session)
        living = set(session.exec(select(Replica.name).where(Replica.until > now)).all())
        runs = session.exec(select(Run).where(col(Run.state).in_(OPEN))).all()
        return [run for run in runs if run.owner not in living]
