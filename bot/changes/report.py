"""What a run came to: times against the objectives, data against the objectives, what stayed open."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from bot.changes import glass
from bot.changes.views import Figure, ReportView, RunView
from bot.clock import iso, span
from bot.estate import Estate
from bot.plan import Plan
from bot.store.tables import Change, Decision, StepRow

_OUTCOME = {
    "done": "Production runs in {to}.",
    "rolled_back": "Rolled back: everything that was done is undone.",
    "standing": "Production runs in {to}. {old} is still to be fenced; the run stays open until it is.",
    "aborted": "Stopped by hand: what was done stays as it is.",
    "preempted": "Stopped by a failover that goes before: what was done stays as it is.",
}


_FENCED = "Production runs in {to}. {old} is fenced; what waited for that is being done."
_RECONCILE = (
    "{lost} payments that customers were promised are not in {to}. {old} may still hold them until Aurora rebuilds "
    "its clusters there: keep the snapshots rds:unplanned-global-failover-…, and reconcile before a failback."
)
_OPEN_ENDS = {"skipped": "skipped", "unconfirmed": "not confirmed"}
_WATCHED = (
    "{old} could not be fenced yet: it is watched, and closed for writes the moment it answers. Until then it may "
    "take writes that nobody will keep."
)
_UNFENCED = (
    "{old} could not be fenced. If it comes back, what runs there may still take writes that nobody will keep: "
    "leave the STOP objects where they are, and set its writers to 0 before anyone is sent there."
)


def report_of(
    change: Change,
    plan: Plan,
    run: RunView,
    rows: Sequence[StepRow],
    decisions: Sequence[Decision],
    estate: Estate,
    trail_words: str,
) -> ReportView:
    """The report of a run that has settled or ended. Unknown figures say so; nothing is rounded up to good."""
    approvals = [d for d in decisions if d.kind == "approval"]
    evidence: dict[str, dict[str, Any]] = {row.step: json.loads(row.evidence) for row in rows if row.evidence}
    outage = _outage(evidence)
    parts = _parts(change, plan, rows, approvals, outage)
    total = sum(seconds for _, seconds in parts)
    rpo = _rpo(estate, plan, evidence)
    heartbeats = _newest_heartbeats(plan, evidence)
    lost = _lost(evidence, plan)
    objective = estate.objectives
    planned = change.kind.endswith("planned")
    figures = [
        *(_planned_times(rows) if planned else [_recovery(total, objective.rto_seconds)]),
        *(
            _rpo_figure(name, seconds, objective.rpo_seconds, heartbeats.get(name), planned=planned)
            for name, seconds in rpo
        ),
        Figure("Payments lost", lost, met=None if not lost.isdigit() else lost == "0"),
    ]
    places = {"to": plan.request.get("to", "the target"), "old": plan.request.get("from", "the old Region")}
    titles = {step.id: step.title or step.id for step in plan.steps}
    notes, open_ends = [], [row for row in rows if row.state in _OPEN_ENDS]
    fenced = any(row.step == "fence/standing" and row.state == "done" for row in rows)
    closing = ("fence/", f"sync/hold/{plan.request.get('from')}")
    tried = [row for row in open_ends if row.step.startswith(closing) and row.state == "unconfirmed"]
    if tried and not planned:
        # One sentence says it, while it is so: which of the tries went unseen is on the board.
        open_ends = [row for row in open_ends if row not in tried]
        if not fenced:
            words = _WATCHED if run.state == "standing" else _UNFENCED
            notes.append(words.format(old=plan.request.get("from", "the old Region")))
    if lost.isdigit() and lost != "0" and not planned:
        notes.append(_RECONCILE.format(lost=lost, **places))
    notes += [f"{titles.get(row.step, row.step)}: {_open_end(row)}" for row in open_ends]
    notes += [_review(d) for d in decisions if d.kind == "review"]
    if run.state in ("aborted", "preempted"):
        notes += [
            f"{titles.get(row.step, row.step)}: left {'unfinished' if row.state == 'active' else 'held'}."
            for row in rows
            if row.state in ("active", "held")
        ]
    moved = run.state in ("done", "standing")
    return ReportView(
        outcome=(_FENCED if fenced and run.state == "standing" else _OUTCOME[run.state]).format(**places),
        figures=tuple(figures) if moved else (),
        rto_parts=tuple(parts) if moved else (),
        rto_seconds=total,
        rto_objective=objective.rto_seconds,
        rpo=tuple(rpo),
        rpo_objective=objective.rpo_seconds,
        payments_lost=lost,
        trail=trail_words,
        notes=tuple(notes),
        timeline=tuple(
            (row.step, row.started_at, row.ended_at)
            for row in rows
            if row.started_at is not None and row.ended_at is not None
        ),
    )


def _recovery(seconds: float, objective: int) -> Figure:
    return Figure("Recovery time", f"{span(seconds)} of {span(objective)}", seconds <= objective)


def _planned_times(rows: Sequence[StepRow]) -> list[Figure]:
    """Of a planned move nobody had to recover: what customers felt is how long writes paused."""
    stopped = [row.started_at for row in rows if row.step == "fence/workloads" and row.started_at is not None]
    written = [row.ended_at for row in rows if row.step.startswith("write/") and row.ended_at is not None]
    if not stopped or not written:
        return []
    return [Figure("Writes paused", f"for {span(max(written) - min(stopped))}, as far as was seen", None)]


def _review(decision: Decision) -> str:
    if decision.state == "decided":
        return "Started by break-glass; its review is closed."
    return "Started by break-glass, without an approval: its review is open until two others have closed it."


def _open_end(row: StepRow) -> str:
    why = row.why.split(": ", 1)[0] if row.state == "skipped" else row.why
    return f"{_OPEN_ENDS[row.state]} ({why.rstrip('.')})."


def _parts(
    change: Change, plan: Plan, rows: Sequence[StepRow], approvals: Sequence[Decision], outage: float | None
) -> list[tuple[str, float]]:
    """RTO in four: detect (outage → request), decide (→ approval), execute (→ last change), verify (→ seen good)."""
    ended = {row.step: row.ended_at for row in rows if row.ended_at is not None and row.state == "done"}
    approved = max(
        (d.decided_at for d in approvals if d.decided_at and d.outcome in ("approve", glass.BREAK)),
        default=change.created_at,
    )
    phases = {step.id: step.phase for step in plan.steps}
    verified = max((at for step, at in ended.items() if phases.get(step) == "verify"), default=None)
    moved = [at for step, at in ended.items() if phases.get(step) in ("promote", "services", "traffic")]
    executed = max(moved, default=approved)
    detect = (
        max(0.0, change.created_at - outage)
        if outage is not None and not change.kind.endswith("planned")
        else 0.0
    )
    return [
        ("detect", detect),
        ("decide", max(0.0, approved - change.created_at)),
        ("execute", max(0.0, executed - approved)),
        ("verify", max(0.0, (verified or executed) - executed)),
    ]


def _outage(evidence: dict[str, dict[str, Any]]) -> float | None:
    """When the old side was last seen serving, epoch seconds: what the metrics or the heartbeats tell."""
    served = [e["last_served_ms"] for e in evidence.values() if isinstance(e.get("last_served_ms"), int)]
    survived = [e["survived_at_ms"] for e in evidence.values() if isinstance(e.get("survived_at_ms"), int)]
    newest = served or survived
    return max(newest) / 1000 if newest else None


def _newest_heartbeats(plan: Plan, evidence: dict[str, dict[str, Any]]) -> dict[str, int]:
    """Of databases whose loss could not be computed: when the newest surviving heartbeat is from, epoch ms."""
    return {
        str(step.args["database"]): at
        for step in plan.steps
        if "database" in step.args and isinstance(at := evidence.get(step.id, {}).get("survived_at_ms"), int)
    }


def _rpo(estate: Estate, plan: Plan, evidence: dict[str, dict[str, Any]]) -> list[tuple[str, float | None]]:
    found: dict[str, float | None] = dict.fromkeys(estate.databases)
    for step in plan.steps:
        name = step.args.get("database")
        loss = evidence.get(step.id, {}).get("loss_ms")
        if isinstance(name, str) and name in found and isinstance(loss, int):
            found[name] = max(0.0, loss / 1000)
    return list(found.items())


def _rpo_figure(
    name: str, seconds: float | None, objective: int, heartbeat_ms: int | None, *, planned: bool
) -> Figure:
    if planned and seconds is None:
        return Figure(f"Data lost, {name}", "none: the old writer was caught up before it changed", met=True)
    if seconds is None and heartbeat_ms is not None:
        known = f"unknown: the newest heartbeat is from {iso(heartbeat_ms / 1000)}, the last write's time is not known"
        return Figure(f"Data lost, {name}", known, None)
    if seconds is None:
        return Figure(f"Data lost, {name}", "unknown: no heartbeat was found", None)
    told = f"{seconds:.1f} s" if seconds < 60 else span(seconds)
    return Figure(f"Data lost, {name}", f"{told} of {span(objective)}", seconds <= objective)


def _lost(evidence: dict[str, dict[str, Any]], plan: Plan) -> str:
    counts = [e["payments_lost"] for e in evidence.values() if isinstance(e.get("payments_lost"), int)]
    if not counts:
        return "unknown until reconciled"
    # What was counted before this move was lost by an earlier one.
    before = plan.facts.get("payments_lost_before")
    return str(max(0, counts[-1] - before) if isinstance(before, int) else counts[-1])
