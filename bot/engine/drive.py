"""The threads that turn approved plans into visits. Nothing waits in a thread: waits are times in a row."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Literal, cast

import structlog
from sqlalchemy.orm import QueryableAttribute, defer
from sqlmodel import col, select

from bot.engine.ending import end_run, go_on, settle_run, turn_back
from bot.engine.lease import OPEN, Lease, halt_ends
from bot.engine.moves import Progress, State, blocks_left, moves
from bot.engine.visit import Visitor
from bot.errors import LeaseLost, SignalboxError
from bot.plan import Plan
from bot.store.tables import Run, StepRow

log = structlog.get_logger()
_TICK_SECONDS = 0.25
_WITHOUT_PLANS = [defer(cast("QueryableAttribute[str]", column)) for column in (Run.plan, Run.back)]
_LONGEST_SLEEP = 60.0
"""Seconds of the calendar; longer than any action's `poll`."""

_CLAIM_SECONDS = 1.0
"""How often runs of dead replicas are looked for; a run without an owner is taken at once."""


@dataclass
class _Driven:
    """What this process remembers of a run between ticks; all of it may be lost."""

    plans: dict[str, Plan] = field(default_factory=dict)
    busy: dict[str, Future[None]] = field(default_factory=dict)
    wake: dict[str, float] = field(default_factory=dict)
    ready: bool = False


class Engine:
    """Drives every run that this replica owns."""

    def __init__(self, visitor: Visitor, *, workers: int = 12, beat_seconds: float = 3.0) -> None:
        self._visitor = visitor
        self._lease: Lease = visitor.lease
        self._database = visitor.trail.database
        self._clock = visitor.ports.clock
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="visit")
        self._beat_seconds = beat_seconds
        self._stop = threading.Event()
        self._poke = threading.Event()
        self._driven: dict[str, _Driven] = {}
        self._threads: list[threading.Thread] = []
        self.beaten = 0.0
        self._claim_at = 0.0

    def start(self) -> None:
        """Begin. The first beat precedes the first claim."""
        self._visitor.trail.follow(self._poke.set)
        for name, body in (("beat", self._beating), ("drive", self._driving)):
            thread = threading.Thread(target=body, name=name, daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Finish the visits under way, give the lease back; others take over at once."""
        self._stop.set()
        self._poke.set()
        for thread in self._threads:
            thread.join(timeout=15)
        self._pool.shutdown(wait=True, cancel_futures=True)
        try:
            self._lease.resign()
        except SignalboxError as error:
            log.warning("lease.not_resigned", error=str(error))

    @property
    def alive(self) -> bool:
        """Whether both threads run: a database that is away is no reason to restart the process."""
        return all(thread.is_alive() for thread in self._threads)

    @property
    def healthy(self) -> bool:
        """Whether the heart beats: the last beat is younger than three intervals."""
        return self._clock.monotonic() - self.beaten < 3 * self._beat_seconds

    def _beating(self) -> None:
        while not self._stop.is_set():
            try:
                self._lease.beat()
                self.beaten = self._clock.monotonic()
            except SignalboxError as error:
                log.warning("lease.beat_failed", error=str(error))
            self._stop.wait(self._beat_seconds)

    def _driving(self) -> None:
        while not self._stop.is_set():
            self._poke.clear()
            try:
                self.tick()
            except SignalboxError as error:
                log.warning("engine.paused", error=str(error))
            except Exception:
                log.exception("engine.defect")
            self._poke.wait(_TICK_SECONDS)

    def tick(self) -> None:
        """One round: claim orphans, then give every own run its next visits."""
        if not self.beaten:
            return
        if any(not run.owner for run in self._open()):
            self._claim_at = 0.0
        if self._clock.monotonic() >= self._claim_at:
            self._claim_at = self._clock.monotonic() + _CLAIM_SECONDS
            self._lease.claim()
        runs = [run for run in self._open() if run.owner == self._lease.name]
        if not runs:
            self._driven.clear()
            return
        with self._database.read() as session:
            rows = {
                run.id: {r.step: r for r in session.exec(select(StepRow).where(StepRow.run == run.id))}
                for run in runs
            }
        for gone in self._driven.keys() - {run.id for run in runs}:
            del self._driven[gone]
        for run in runs:
            try:
                self._advance(run, rows[run.id])
            except LeaseLost as error:
                log.warning("run.lost", run=run.id, error=str(error))
                self._driven.pop(run.id, None)

    def _open(self) -> list[Run]:
        """Runs that somebody drives or should; without their plans, which are long."""
        query = select(Run).where(col(Run.state).in_(OPEN)).options(*_WITHOUT_PLANS)
        with self._database.read() as session:
            return list(session.exec(query))

    def _advance(self, run: Run, rows: dict[str, StepRow]) -> None:
        driven = self._driven.setdefault(run.id, _Driven())
        if not driven.ready:
            if self._lease.calls_in_flight_until(run.id) and run.epoch > 1:
                return
            driven.ready = True
        driven.busy = {step: future for step, future in driven.busy.items() if not future.done()}
        if (until := halt_ends(run)) is not None:
            go_on(self._visitor, run, until)
            return
        if run.stop and run.state != "rolling_back":
            if not driven.busy:
                turn_back(self._visitor, run, self._plan(driven, run, "plan"), rows)
                driven.wake.clear()
            return
        if run.stop == "abort":
            if not driven.busy:
                end_run(self._visitor, run, "aborted")
            return
        plan = self._plan(driven, run, "back" if run.state == "rolling_back" else "plan")
        now = self._clock.now()
        # A clock that was set back must not let a step sleep until the old time comes round again.
        driven.wake = {step: at if at <= now + _LONGEST_SLEEP else 0.0 for step, at in driven.wake.items()}
        progress = {
            step: Progress(
                State(row.state), driven.wake.get(step, row.wake_at) if row.state == State.ACTIVE else 0.0
            )
            for step, row in rows.items()
        }
        todo = moves(plan, progress, now)
        if todo.ended:
            if not driven.busy:
                end_run(self._visitor, run, "rolled_back" if run.state == "rolling_back" else "done")
            return
        if todo.settled and run.state == "running":
            settle_run(self._visitor, run, blocks_left(plan, progress))
        for step_id in todo.visit:
            if step_id not in driven.busy:
                driven.busy[step_id] = self._pool.submit(self._visit, run, plan, step_id, driven)

    def _visit(self, run: Run, plan: Plan, step_id: str, driven: _Driven) -> None:
        try:
            driven.wake[step_id] = self._visitor.visit(run, plan, plan.step(step_id))
        except LeaseLost as error:
            log.warning("run.lost", run=run.id, step=step_id, error=str(error))
        except SignalboxError as error:
            log.warning("visit.not_recorded", run=run.id, step=step_id, error=str(error))
            driven.wake[step_id] = self._clock.now() + 1
        except Exception:
            log.exception("visit.defect", run=run.id, step=step_id)
            driven.wake[step_id] = self._clock.now() + 5
        finally:
            self._poke.set()

    def _plan(self, driven: _Driven, run: Run, which: Literal["plan", "back"]) -> Plan:
        if which not in driven.plans:
            with self._database.read() as session:
                driven.plans[which] = Plan.model_validate_json(getattr(session.get_one(Run, run.id), which))
        return driven.plans[which]
