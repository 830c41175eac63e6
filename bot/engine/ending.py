"""How runs end, and how they turn back."""

from __future__ import annotations

from sqlmodel import col, select

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
        now = visitor.ports.clock.now()
        current.state, current.ended_at = state, now
        record.session.add(current)
        for block in record.session.exec(select(Block).where(Block.run == run.id)):
            record.session.delete(block)
        _void_questions(record, run, now)
        change = record.session.get_one(Change, run.change)
        change.state, change.closed_at = state, now
        record.session.add(change)
        record.add(
            Event(
                name=Name.RUN_ENDED, actor=run.person, change=run.change, run=run.id, detail={"state": state}
            )
        )
        record.add(Event(name=Name.CHANGE_CLOSED, change=run.change, run=run.id, detail={"state": state}))


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
        _void_questions(record, run, now)
        record.add(
            Event(
                name=Name.RUN_STOPPING,
                actor=run.person,
                change=run.change,
                run=run.id,
                detail={"how": "rollback", "undo": [s.id for s in back.steps]},
            )
        )


def _void_questions(record: Record, run: Run, now: float) -> None:
    open_ones = record.session.exec(
        select(Decision).where(Decision.run == run.id, col(Decision.state) == "open")
    ).all()
    for decision in open_ones:
        decision.state, decision.decided_at = "void", now
        record.session.add(decision)
        record.add(
            Event(
                name=Name.DECISION_VOIDED,
                change=run.change,
                run=run.id,
                step=decision.step,
                detail={"decision": decision.id},
            )
        )
