"""How runs end, and how they turn back."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import ColumnElement
from sqlmodel import col, select

from bot.engine.lease import stop_before
from bot.engine.moves import State
from bot.engine.visit import Visitor
from bot.plan import Plan
from bot.store.tables import Block, Change, Decision, Run, StepRow
from bot.trail.append import Record
from bot.trail.event import Event, Name


def end_run(visitor: Visitor, run: Run, state: str) -> None:
    """Close the run and its change, give its blocks back, void its open questions."""
    with visitor.trail.record() as record:
        current = visitor.lease.check(record.session, run.id)
        close_run(record, current, state, visitor.ports.clock.now())


def close_run(record: Record, run: Run, state: str, now: float) -> None:
    """The same within a transaction; the caller holds the run's row and the right to end it."""
    run.state, run.ended_at = state, now
    if state == "done":
        run.settled_at = run.settled_at or now
    record.session.add(run)
    for block in record.session.exec(select(Block).where(Block.run == run.id)):
        record.session.delete(block)
    void_questions(record, Decision.run == run.id, now)
    change = record.session.get_one(Change, run.change)
    change.state, change.closed_at = state, now
    record.session.add(change)
    detail = {"state": state}
    record.add(Event(name=Name.RUN_ENDED, actor=run.person, change=change.id, run=run.id, detail=detail))
    record.add(Event(name=Name.CHANGE_CLOSED, change=change.id, run=run.id, detail=detail))


def settle_run(visitor: Visitor, run: Run, still_needed: Collection[str]) -> None:
    """All but the standing steps have ended: the change counts, and only their blocks stay taken."""
    with visitor.trail.record() as record:
        current = visitor.lease.check(record.session, run.id)
        now = visitor.ports.clock.now()
        current.state, current.settled_at = "standing", now
        record.session.add(current)
        for block in record.session.exec(select(Block).where(Block.run == run.id)):
            if block.resource not in still_needed:
                record.session.delete(block)
        change = record.session.get_one(Change, run.change)
        change.state = "standing"
        record.session.add(change)
        record.add(
            Event(
                name=Name.RUN_SETTLED,
                actor=run.person,
                change=run.change,
                run=run.id,
                detail={"blocks": sorted(still_needed)},
            )
        )


def go_on(visitor: Visitor, run: Run, halted_until: float) -> None:
    """Take away a halt that has lapsed: what was to take this run's place never did."""
    with visitor.trail.database.read() as session:
        if visitor.trail.database.now(session) < halted_until:
            return
    with visitor.trail.record() as record:
        current = visitor.lease.check(record.session, run.id)
        current.stop = stop_before(current)
        record.session.add(current)
        record.add(
            Event(
                name=Name.RUN_STOPPING,
                change=run.change,
                run=run.id,
                ok=False,
                detail={"how": "preempt", "lapsed": True},
            )
        )


def turn_back(visitor: Visitor, run: Run, plan: Plan, rows: dict[str, StepRow]) -> None:
    """Obey a stop: abort ends here and leaves things as they are; rollback plans the way back.

    Called with no visit under way. Every step that acted is undone, finished or not.
    """
    if run.stop == "abort":
        end_run(visitor, run, "aborted")
        return
    # A retry sets `attempts` back, an intent leaves `call_until` for good.
    acted = {step for step, row in rows.items() if row.attempts > 0 or row.call_until > 0}
    back = plan.back(acted)
    with visitor.trail.record() as record:
        current = visitor.lease.check(record.session, run.id)
        now = visitor.ports.clock.now()
        current.state, current.stop, current.back = "rolling_back", "", back.model_dump_json()
        record.session.add(current)
        known = len(rows)
        for index, step in enumerate(back.steps):
            record.session.add(
                StepRow(run=run.id, step=step.id, ordinal=known + index, state=State.PENDING, since=now)
            )
        void_questions(record, Decision.run == run.id, now)
        record.add(
            Event(
                name=Name.RUN_STOPPING,
                actor=run.person,
                change=run.change,
                run=run.id,
                detail={"how": "rollback", "undo": [s.id for s in back.steps]},
            )
        )


def void_questions(record: Record, of: ColumnElement[bool] | bool, now: float) -> None:
    """Close open questions without an answer; reviews stay, whatever becomes of what they review."""
    open_ones = record.session.exec(
        select(Decision).where(of, col(Decision.state) == "open", col(Decision.kind) != "review")
    ).all()
    for decision in open_ones:
        decision.state, decision.decided_at = "void", now
        record.session.add(decision)
        record.add(
            Event(
                name=Name.DECISION_VOIDED,
                change=decision.change,
                run=decision.run,
                step=decision.step,
                detail={"decision": decision.id},
                approval={"decision": decision.id, "digest": decision.digest},
            )
        )
