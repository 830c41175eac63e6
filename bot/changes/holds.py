"""What an answer to a step's question does to the step and to its run."""

from __future__ import annotations

from collections.abc import Mapping

from bot.clock import iso
from bot.engine.moves import State
from bot.errors import Refused
from bot.store.tables import Decision, Run, StepRow
from bot.trail.append import Record
from bot.trail.event import Event, Name


def answer(record: Record, decision: Decision, result: str, person: str, now: float, reason: str) -> None:
    """Carry out what was decided. Raises Refused when the step no longer waits for it."""
    run = record.session.get_one(Run, decision.run, with_for_update=True)
    if result in ("rollback", "abort"):
        ask_to_stop(record, run, result, person, face="signalbox", decision=decision.id)
        return
    row = record.session.get_one(StepRow, (decision.run, decision.step))
    # The question of a standing step is asked while the step goes on looking.
    if row.state != State.HELD and not (row.state == State.ACTIVE and row.asked == decision.id):
        raise Refused("This step does not wait for an answer any more.")
    said = f" by <@{person}> at {iso(now)}" + (f" ({reason})" if reason else "")
    if result in ("retry", "instead"):
        row.state, row.since, row.attempts, row.applied_at = State.ACTIVE, now, 0, None
        row.retry += 1
        row.instead = row.instead or result == "instead"
        name = Name.STEP_REROUTED if result == "instead" else Name.STEP_RETRIED
    elif result == "acknowledge":
        row.state, row.since, row.ended_at, row.why = State.DONE, now, now, f"acknowledged{said}: {row.why}"
        name = Name.STEP_ACKNOWLEDGED
    else:
        row.state, row.since, row.ended_at, row.why = State.SKIPPED, now, now, f"skipped{said}: {row.why}"
        name = Name.STEP_SKIPPED
    record.session.add(row)
    detail = {"reason": reason[:1000]} if reason else {}
    record.add(
        Event(
            name=name,
            actor=person,
            change=run.change,
            run=run.id,
            step=row.step,
            detail=detail,
            approval={"decision": decision.id, "outcome": result, "digest": decision.digest},
        )
    )


def ask_to_stop(
    record: Record,
    run: Run,
    how: str,
    person: str,
    *,
    face: str = "slack",
    approval: Mapping[str, str] | None = None,
    decision: str = "",
) -> None:
    """Write the wish into the run's row, where the engine reads it between visits. Raises Refused.

    `approval` is what the person signed, with the signature, where nobody else vouches for them; `decision` the
    question whose answer it was, and then the vote tells where it was given.
    """
    if run.state not in ("running", "rolling_back", "standing") or run.stop:
        raise Refused(
            f"This run is {run.state.replace('_', ' ')}{' and stopping' if run.stop else ''} already."
        )
    if how == "rollback" and run.state == "rolling_back":
        raise Refused("This run is rolling back already.")
    if how == "rollback" and (run.committed or run.state == "standing"):
        raise Refused(
            "A promotion was already sent: past this point there is no way back.",
            then="Go on, and fail back later with a plan of its own.",
        )
    run.stop = how
    record.session.add(run)
    record.add(
        Event(
            name=Name.RUN_STOPPING,
            actor=person,
            change=run.change,
            run=run.id,
            face=face,
            detail={"how": how, "decision": decision} if decision else {"how": how},
            approval=dict(approval or {}),
        )
    )
