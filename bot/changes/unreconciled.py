"""Writes that failovers lost, or may have lost, and that nobody has signed off yet."""

from __future__ import annotations

import json

from sqlmodel import Session, col, select

from bot.clock import iso
from bot.plan import Plan
from bot.store.tables import Change, Run, StepRow


def unreconciled(session: Session, back_to: str) -> list[str]:
    """A sentence for each unplanned failover that left this Region since it was last signed off, oldest first."""
    found: list[str] = []
    moved = select(Run, Change).where(Run.change == Change.id, col(Run.settled_at).is_not(None))
    aborted = select(Run, Change).where(
        Run.change == Change.id, col(Run.state).in_(("aborted", "preempted")), col(Run.committed).is_(True)
    )
    rows = [*session.exec(moved).all(), *session.exec(aborted).all()]
    once = {run.id: (run, change) for run, change in rows}
    for run, change in sorted(once.values(), key=lambda pair: pair[0].started_at):
        plan = Plan.model_validate_json(run.plan)
        asked = any(step.id == "losses/signed" for step in plan.steps)
        if asked and plan.request.get("to") == back_to:
            found.clear()  # what came before was signed off on the way back
        elif change.kind == "failover" and plan.request.get("from") == back_to:
            found.append(_told(session, run, change, plan))
    return found


def _told(session: Session, run: Run, change: Change, plan: Plan) -> str:
    lost: dict[str, str] = {
        str(step.args["database"]): "unknown" for step in plan.steps if step.id.startswith("promote/")
    }
    paid = "unknown"
    for row in session.exec(select(StepRow).where(StepRow.run == run.id, col(StepRow.evidence) != "")):
        evidence = json.loads(row.evidence)
        name = row.step.partition("/")[2]
        if isinstance(evidence.get("loss_ms"), int) and name in lost:
            lost[name] = f"{max(0, evidence['loss_ms']) / 1000:.1f} s"
        if isinstance(evidence.get("payments_lost"), int):
            before = plan.facts.get("payments_lost_before")
            paid = str(max(0, evidence["payments_lost"] - (before if isinstance(before, int) else 0)))
    each = ", ".join(f"{name} {figure}" for name, figure in sorted(lost.items())) or "no database"
    return f"{change.id} ({iso(run.started_at)[:10]}): writes lost: {each}; payments lost: {paid}"
