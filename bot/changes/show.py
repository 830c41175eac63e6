"""Rows become views."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sqlmodel import Session, col, select

from bot.actions.kinds import KINDS
from bot.changes import glass
from bot.changes.report import report_of
from bot.changes.views import ChangeView, DecisionView, Option, RunView, StepView, VoteView
from bot.clock import span
from bot.engine.lease import halt_ends
from bot.estate import Estate
from bot.plan import Plan, Step
from bot.store.tables import Change, Decision, Run, StepRow, Vote

_BUTTONS = {
    "approve": Option("approve", "Approve", "primary"),
    "deny": Option("deny", "Deny", "danger"),
    "cancel": Option("cancel", "Cancel", ""),
    "retry": Option("retry", "Retry", "primary"),
    "skip": Option("skip", "Skip", "", "Go on without this step having been seen done?"),
    "rollback": Option("rollback", "Roll back", "danger", "Undo what was done, traffic first?"),
    "acknowledge": Option("acknowledge", "Acknowledge", "primary"),
    "close": Option("close", "Close the review", "primary"),
    "abort": Option("abort", "Abort", "danger", "Stop here and leave everything as it is now?"),
}


@dataclass(frozen=True)
class Shown:
    """The rows of one change."""

    change: Change
    decisions: tuple[Decision, ...]
    votes: tuple[Vote, ...]
    run: Run | None
    steps: tuple[StepRow, ...]


def read(session: Session, change: Change) -> Shown:
    """Everything that belongs to this change."""
    decisions = session.exec(
        select(Decision).where(Decision.change == change.id).order_by(col(Decision.created_at))
    ).all()
    votes = session.exec(select(Vote).where(col(Vote.decision).in_([d.id for d in decisions]))).all()
    run = session.exec(select(Run).where(Run.change == change.id)).first()
    steps = (
        session.exec(select(StepRow).where(StepRow.run == run.id).order_by(col(StepRow.ordinal))).all()
        if run
        else []
    )
    return Shown(change, tuple(decisions), tuple(votes), run, tuple(steps))


def view(shown: Shown, estate: Estate, trail_words: str) -> ChangeView:
    """The change as people see it. `trail_words` is the proof's line for the report."""
    change = shown.change
    plan = Plan.model_validate_json(change.plan)
    facts = plan.facts
    run = _run(shown) if shown.run else None
    back = Plan.model_validate_json(shown.run.back) if shown.run and shown.run.back else None
    steps = {step.id: step for known in (plan, back) if known is not None for step in known.steps}
    approvals = [d for d in shown.decisions if d.kind in ("approval", "recovery")]
    return ChangeView(
        id=change.id,
        kind=change.kind,
        title=change.title,
        command=change.command,
        reason=change.reason,
        requester=change.requester,
        face=change.face,
        state=change.state,
        note=change.note,
        channel=change.channel,
        thread=change.thread,
        created_at=change.created_at,
        closed_at=change.closed_at,
        digest=change.digest,
        estate=estate.estate,
        order=str(facts.get("order_why", "")),
        losses=tuple(facts.get("losses", ())),
        warnings=tuple(facts.get("warnings", ())),
        notes=plan.notes,
        blockers=tuple(facts.get("blockers", ())),
        bounds=tuple(
            _bound(k, v, held=facts.get("order") == "limping") for k, v in sorted(plan.bounds.items())
        ),
        plan=tuple(_step(s, None) for s in plan.steps),
        expect_seconds=plan.critical_path_seconds(),
        rto_objective=estate.objectives.rto_seconds,
        clock_started=change.created_at,
        approval=_approval(approvals[-1], change, shown.votes, estate) if approvals else None,
        holds=tuple(
            _decision(d, shown.votes, estate, steps, committed=run is not None and run.committed)
            for d in shown.decisions
            if d.kind == "hold"
        ),
        reviews=tuple(
            _decision(d, shown.votes, estate, steps) for d in shown.decisions if d.kind == "review"
        ),
        preempts=tuple(facts.get("preempts", ())),
        run=run,
        report=report_of(change, plan, run, shown.steps, shown.decisions, estate, trail_words)
        if run and (run.settled_at or run.ended_at)
        else None,
    )


def _run(shown: Shown) -> RunView:
    assert shown.run is not None
    run = shown.run
    rows = {row.step: row for row in shown.steps}
    plan = Plan.model_validate_json(run.plan)
    back = Plan.model_validate_json(run.back) if run.back else None
    return RunView(
        id=run.id,
        state=run.state,
        committed=run.committed,
        stop="preempt" if halt_ends(run) is not None else run.stop,
        started_at=run.started_at,
        ended_at=run.ended_at,
        steps=tuple(_step(s, rows.get(s.id)) for s in plan.steps),
        back=tuple(_step(s, rows.get(s.id)) for s in back.steps) if back else (),
        owner=run.owner,
        settled_at=run.settled_at,
    )


def _step(step: Step, row: StepRow | None) -> StepView:
    title = step.title or step.id
    if row and row.instead and step.instead is not None:
        title = f"{title} ({step.instead.label or 'the other way'})"
    return StepView(
        id=step.id,
        title=title,
        phase=step.phase,
        state=row.state if row else "pending",
        why=row.why if row else "",
        started_at=row.started_at if row else None,
        ended_at=row.ended_at if row else None,
        expect_seconds=step.expect_seconds,
        commits=step.commits,
        attempts=row.attempts if row else 0,
        standing=step.standing,
    )


def _approval(decision: Decision, change: Change, votes: tuple[Vote, ...], estate: Estate) -> DecisionView:
    """The approval, with when and by whom the glass may be broken; that button is not there before its time."""
    found = _decision(decision, votes, estate, {})
    at = glass.from_when(estate, change)
    if glass.BREAK not in decision.options.split(",") or at is None or estate.break_glass is None:
        return found
    by = tuple(p for p, role in estate.people.items() if role in estate.break_glass.by)
    return replace(found, glass_at=at, glass_by=by)


def _decision(
    decision: Decision,
    votes: tuple[Vote, ...],
    estate: Estate,
    steps: Mapping[str, Step],
    *,
    committed: bool = False,
) -> DecisionView:
    # A question that was opened before the point of no return offers no way back after it.
    gone = {glass.BREAK, "rollback"} if committed else {glass.BREAK}
    gone.add("recover")  # signed at a terminal, nowhere pressed
    roles = tuple(decision.roles.split(","))
    excluded = decision.excluded.split(",")
    return DecisionView(
        id=decision.id,
        kind=decision.kind,
        question=decision.question,
        options=tuple(
            _button(name, steps.get(decision.step))
            for name in decision.options.split(",")
            if name not in gone
        ),
        roles=roles,
        deciders=tuple(p for p, role in estate.people.items() if role in roles and p not in excluded),
        quorum=decision.quorum,
        votes=tuple(
            VoteView(v.person, v.choice, v.at, v.reason, v.face) for v in votes if v.decision == decision.id
        ),
        state=decision.state,
        outcome=decision.outcome,
        by=decision.by,
        created_at=decision.created_at,
        expires_at=decision.expires_at,
        decided_at=decision.decided_at,
        step=decision.step,
        digest=decision.digest,
        emergency=decision.emergency,
        reason_needed=decision.kind == "review",
    )


def _button(name: str, step: Step | None) -> Option:
    if name == "skip" and step is not None and step.standing:
        return Option("skip", "Go on without it", "danger", "Go on although this was not seen?")
    if name != "instead":
        return _BUTTONS[name]
    other = step.instead if step else None
    label = (other.label if other else "") or "The other way"
    return Option("instead", label, "danger", f"{KINDS[other.do].describe(other.args)}?" if other else "")


def _bound(name: str, value: int, *, held: bool) -> str:
    """A bound in words; `held` = the run itself sees to it, which needs a Region that still answers."""
    if name != "data_loss_seconds":
        return f"{name.replace('_', ' ')}: {value}"
    if held:
        return f"At most {span(value)} of writes may be lost in each database: nothing is promoted beyond it"
    return f"{span(value)} of writes in each database; not held while the old Region is silent: nobody can measure it"
