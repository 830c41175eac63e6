"""An unplanned failover goes before everything else: it stops what is in its way and takes its place."""

from __future__ import annotations

import json
import threading
from collections.abc import Collection, Sequence

import structlog
from sqlmodel import Session, col, select

from bot.clock import Clock
from bot.engine.ending import close_run, void_questions
from bot.engine.lease import CALL_SECONDS, OPEN, halt_ends, halted, stop_before
from bot.engine.moves import State
from bot.errors import Blocked, Refused, TrailError
from bot.store.database import Database
from bot.store.tables import Block, Change, Decision, Run, StepRow
from bot.trail.append import Record, Trail
from bot.trail.event import Event, Name
from runbooks.request import Request

OPEN_CHANGES = ("proposed", "running", "standing")
log = structlog.get_logger()
HALT_SECONDS = 60.0
"""Longer than calls in flight, a look at the world and a commit take together."""

_GLANCE_SECONDS = 0.05
_STATES = {
    "proposed": "waits for approval already",
    "running": "is running already",
    "standing": "still waits for the Region that was left to be fenced",
}


def refuse_second(session: Session, request: Request) -> None:
    """One train per block: another open change is named. Raises Blocked.

    An unplanned failover passes, unless one to the same Region is open already: it takes over what it finds.
    """
    for other in open_changes(session):
        if may_preempt(request, other):
            continue
        raise Blocked(
            f"{other.title} ({other.id}) {_STATES[other.state]}; two changes never hold the same resources.",
            then=f"See its thread, or /runs show {other.id}.",
        )


def open_changes(session: Session) -> Sequence[Change]:
    """Changes that are asked for or under way, oldest first."""
    return session.exec(
        select(Change).where(col(Change.state).in_(OPEN_CHANGES)).order_by(col(Change.created_at))
    ).all()


def may_preempt(request: Request, other: Change) -> bool:
    """Whether this request may stop that change."""
    if request.planned:
        return False
    same_way = other.kind == "failover" and json.loads(other.request).get("to") == request.to
    return not same_way


def runs_in_the_way(session: Session, request: Request, blocks: Collection[str]) -> list[tuple[Run, Change]]:
    """Runs that hold a resource of these and that this request may stop, oldest first."""
    holders = set(session.exec(select(Block.run).where(col(Block.resource).in_(list(blocks)))).all())
    found = session.exec(
        select(Run, Change)
        .where(Run.change == Change.id, col(Run.id).in_(holders), col(Run.state).in_(OPEN))
        .order_by(col(Run.started_at))
    ).all()
    return [(run, change) for run, change in found if may_preempt(request, change)]


def told(run: Run, change: Change) -> str:
    """What is stopped, as people who approve read it."""
    state = {"rolling_back": "rolling back", "standing": "waiting for its fence"}.get(run.state, "running")
    return f"{change.title} ({change.id}), {state}: it ends where it is and its rollback is disarmed."


def halt(trail: Trail, clock: Clock, run_ids: Collection[str], by: Change) -> None:
    """Let nothing new start in these runs and wait, at most as long as a call may last, for what is under way.

    From the first commit on no call of theirs leaves any more. They do not end by it: `take_over` ends them, in
    the transaction that counts the approval, and `release` lets them go on. Who does neither loses the halt
    after HALT_SECONDS.
    """
    with trail.database.read() as session:
        found = session.exec(select(Run.id).where(col(Run.id).in_(list(run_ids)), col(Run.state).in_(OPEN)))
        if not (open_ones := list(found)):
            return
    with trail.record() as record:
        for run in record.session.exec(select(Run).where(col(Run.id).in_(open_ones)).with_for_update()):
            until = trail.database.now(record.session) + HALT_SECONDS
            run.stop = halted(until, "" if halt_ends(run) is not None else run.stop)
            record.session.add(run)
            record.add(
                Event(
                    name=Name.RUN_STOPPING,
                    actor=by.requester,
                    change=run.change,
                    run=run.id,
                    detail={"how": "preempt", "by": by.id},
                )
            )
    never, end = threading.Event(), clock.monotonic() + CALL_SECONDS + 1
    while clock.monotonic() < end and _calls_in_flight(trail.database, open_ones):
        never.wait(_GLANCE_SECONDS)


def release(trail: Trail, run_ids: Collection[str], by: Change) -> None:
    """The approval did not count: let the halted runs go on."""
    try:
        with trail.record() as record:
            query = select(Run).where(col(Run.id).in_(list(run_ids)), col(Run.state).in_(OPEN))
            released = [
                run for run in record.session.exec(query.with_for_update()) if halt_ends(run) is not None
            ]
            for run in released:
                run.stop = stop_before(run)
                record.session.add(run)
            # Also when somebody else took the runs over meanwhile: then the list is empty, and says so.
            record.add(
                Event(
                    name=Name.RUN_STOPPING,
                    change=by.id,
                    ok=False,
                    detail={"how": "preempt", "released": sorted(run.id for run in released)},
                )
            )
    except TrailError as error:
        # The halt lapses by itself.
        log.warning("halt.not_released", error=str(error))


def _calls_in_flight(database: Database, run_ids: Collection[str]) -> bool:
    with database.read() as session:
        rows = session.exec(
            select(StepRow.call_until).where(
                col(StepRow.run).in_(list(run_ids)), StepRow.state == State.ACTIVE
            )
        ).all()
        return max(rows, default=0.0) > database.now(session)


def take_over(record: Record, run_ids: Collection[str], by: Change, now: float) -> None:
    """End these runs, whoever drives them, and withdraw the proposals that this change goes before.

    In the transaction of the new run itself, so that no moment is between.
    """
    session = record.session
    for run in session.exec(
        select(Run).where(col(Run.id).in_(list(run_ids)), col(Run.state).in_(OPEN)).with_for_update()
    ):
        if halt_ends(run) is None:
            raise Refused("The run that is to be stopped has gone on meanwhile.", then="Click again.")
        change = session.get_one(Change, run.change)
        change.note = f"Pre-empted by {by.title} ({by.id}): what was done stays, its rollback is disarmed."
        session.add(change)
        close_run(record, run, "preempted", now)
        record.add(
            Event(
                name=Name.RUN_PREEMPTED,
                actor=by.requester,
                change=run.change,
                run=run.id,
                detail={"by": by.id},
            )
        )
    request = Request.from_json(json.loads(by.request))
    for other in open_changes(session):
        if other.state == "proposed" and other.id != by.id and may_preempt(request, other):
            other.state, other.closed_at = "void", now
            other.note = f"Withdrawn: {by.title} ({by.id}) goes first."
            session.add(other)
            void_questions(record, Decision.change == other.id, now)
            record.add(
                Event(
                    name=Name.CHANGE_CLOSED,
                    change=other.id,
                    detail={"state": "void", "why": other.note[:500]},
                )
            )
