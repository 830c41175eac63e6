"""One change whole, from its own rows: who asked, who approved with what role, what ran, each call, how it ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from bot.evidence.estates import Estates
from bot.evidence.records import ChangeRecord, Question
from bot.evidence.table import at
from bot.evidence.window import Row, Window
from bot.trail.event import Name

_ENDS = {
    Name.STEP_DONE: "done",
    Name.STEP_SKIPPED: "skipped",
    Name.STEP_UNCONFIRMED: "not confirmed",
    Name.STEP_ACKNOWLEDGED: "acknowledged",
    Name.STEP_HELD: "held",
}
_PLAN = ("digest", "estate", "runbook", "steps", "bounds", "order", "losses", "warnings", "preempts")


@dataclass
class _Found:
    plans: list[dict[str, Any]] = field(default_factory=list)
    steps: dict[str, dict[str, Any]] = field(default_factory=dict)
    began: dict[str, int] = field(default_factory=dict)
    calls: dict[str, dict[str, Any]] = field(default_factory=dict)
    sent: dict[str, int] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    committed: dict[str, Any] | None = None


def story(window: Window, change: ChangeRecord, estates: Estates) -> dict[str, Any]:
    """As `samples/<change>.json` has it. Times are UTC; `row` is the number of the row that says so.

    Raises Altered where a row is missing.
    """
    found = _Found()
    for row in window.these(change.seqs):
        _read(found, row)
    return {
        "change": change.id,
        "kind": change.kind,
        "drill": change.drill,
        "command": change.command,
        "reason": change.reason or "not given apart from the command",
        "result": change.result,
        "why": change.why,
        "requested": {
            "by": change.requester,
            "role_then": estates.role(change.estate, change.requester),
            "where": change.face,
            "at": at(change.asked_ms),
            "row": change.asked_seq,
        },
        "estate": change.estate,
        "plans": found.plans,
        "questions": [_question(one, change, estates) for one in change.questions.values()],
        "segregation_of_duties": _duties(change),
        "break_glass": _glass(change),
        "run": _run(change, found),
        "steps": list(found.steps.values()),
        "calls": list(found.calls.values()),
        "calls_counted": {
            "announced": change.calls.intents,
            "succeeded": change.calls.succeeded,
            "failed": change.calls.failed,
            "outcome_unknown": change.calls.unknown,
            "without_outcome": change.calls.unanswered,
            "with_request_id": change.calls.request_ids,
        },
        "recovery": recovery(change, estates),
        "rows": found.rows,
    }


def _read(found: _Found, row: Row) -> None:
    detail, when = row.detail, at(row.time_ms)
    found.rows.append({"row": row.seq, "at": when, "event": row.name, "by": row.actor})
    match row.name:
        case Name.CHANGE_PLANNED | Name.CHANGE_DRY_RUN:
            found.plans.append(
                {"row": row.seq, "at": when} | {key: detail[key] for key in _PLAN if key in detail}
            )
        case Name.RUN_COMMITTED:
            found.committed = {"row": row.seq, "at": when, "step": row.step}
        case Name.STEP_STARTED:
            found.began[row.step] = row.time_ms
            found.steps[row.step] = {
                "step": row.step,
                "do": str(detail.get("do", "")),
                "state": "under way when the window ended",
                "started": when,
                "ended": "",
                "seconds": None,
                "attempts": 0,
                "said": "",
                "evidence": {},
                "row": row.seq,
            }
        case Name.STEP_ACTING if row.step in found.steps:
            found.steps[row.step]["attempts"] += 1
        case name if name in _ENDS and row.step in found.steps:
            began = found.began[row.step]
            found.steps[row.step] |= {
                "state": _ENDS[Name(name)],
                "ended": when,
                "seconds": f"{(row.time_ms - began) / 1000:.3f}",
                "said": str(detail.get("why", detail.get("reason", ""))),
                "by": row.actor,
                "evidence": detail.get("evidence", {}),
                "row": row.seq,
            }
        case Name.CALL_INTENT:
            key = str(detail.get("intent"))
            found.sent[key] = row.time_ms
            found.calls[key] = {
                "announced": when,
                "row": row.seq,
                "step": row.step,
                "as": row.actor,
                "service": str(detail.get("service", "")),
                "operation": str(detail.get("operation", "")),
                "region": str(detail.get("region", "")),
                "parameters": detail.get("params", {}),
                "outcome": "none recorded",
                "outcome_row": None,
                "request_id": "",
                "error": "",
                "seconds": None,
            }
        case Name.CALL_OUTCOME if (key := str(detail.get("intent"))) in found.calls:
            found.calls[key] |= {
                "outcome": {True: "succeeded", False: "failed", None: "unknown"}[row.ok],
                "outcome_row": row.seq,
                "request_id": str(detail.get("request_id", "")),
                "error": str(detail.get("error", "")),
                "seconds": f"{(row.time_ms - found.sent[key]) / 1000:.3f}",
            }


def _question(one: Question, change: ChangeRecord, estates: Estates) -> dict[str, Any]:
    return {
        "id": one.id,
        "kind": one.kind,
        "step": one.step,
        "asked": at(one.at_ms),
        "row": one.seq,
        "role_needed": one.role or "as the step's plan says",
        "quorum": one.quorum or None,
        "options": one.options,
        "plan_digest": one.digest,
        "state": one.state,
        "outcome": one.outcome,
        "why": one.why,
        "ended": at(one.ended_ms),
        "ended_row": one.ended_seq,
        "answers": [
            {
                "by": vote.person,
                "role_then": estates.role(change.estate, vote.person),
                "answer": vote.choice,
                "where": vote.face,
                "signed_with_own_key": vote.signed,
                "reason": vote.reason,
                "at": at(vote.at_ms),
                "row": vote.seq,
            }
            for vote in one.votes
        ],
    }


def _duties(change: ChangeRecord) -> dict[str, Any]:
    """Facts, and no judgement: who did what, and in which order."""
    approvals = change.of("approval")
    last = approvals[-1] if approvals else None
    given = change.approvers
    people = {vote.person for vote in given}
    started = change.started_seq if given else None
    return {
        "requester": change.requester,
        "approvers": sorted(people),
        "approvals_needed": last.quorum if last else None,
        "approvals_given": len(people),
        "requester_is_among_approvers": change.requester in people,
        "all_approvals_before_the_run": all(vote.seq < started for vote in given)
        if started is not None
        else None,
        "plan_digest_asked_about": last.digest if last else "",
        "run_plan_digest": change.run_digest,
        "approved_plan_is_the_one_that_ran": last.digest == change.run_digest
        if last is not None and started is not None
        else None,
    }


def _glass(change: ChangeRecord) -> dict[str, Any] | None:
    if not change.emergency:
        return None
    review = change.questions.get(change.review)
    closed = [vote for vote in review.votes if vote.choice == "close"] if review else []
    return {
        "by": change.glass_by,
        "at": at(change.glass_ms),
        "row": change.glass_seq,
        "review_state": review.state if review else "no review was opened",
        "review_needed": review.quorum if review else None,
        "reviewers": [{"by": vote.person, "reason": vote.reason, "at": at(vote.at_ms)} for vote in closed],
        "requester_or_breaker_among_reviewers": bool(
            {change.requester, change.glass_by} & {vote.person for vote in closed}
        ),
    }


def _run(change: ChangeRecord, found: _Found) -> dict[str, Any] | None:
    if not change.run:
        return None
    return {
        "id": change.run,
        "started": at(change.started_ms),
        "row": change.started_seq,
        "point_of_no_return": found.committed,
        "settled": at(change.settled_ms),
        "ended": at(change.ended_ms),
        "rolled_back": change.rolled_back,
        "stops_asked": change.stops,
        "steps_skipped": change.skipped,
        "steps_retried": change.retried,
        "steps_not_confirmed": change.unconfirmed,
        "holds": change.holds,
    }


def recovery(change: ChangeRecord, estates: Estates) -> dict[str, Any]:
    """Recovery time in its parts and data lost, as recorded; None is not known, never nothing."""
    parts = change.rto_parts
    estate = estates.by_digest(change.estate)
    return {
        "counts": bool(parts),
        "seconds": {name: f"{seconds:.3f}" for name, seconds in parts},
        "total_seconds": f"{sum(seconds for _, seconds in parts):.3f}" if parts else None,
        "objective_seconds": estate.objectives.rto_seconds if estate else None,
        "outage_last_served": at(change.times.outage_ms),
        "data_lost_ms": dict(sorted(change.times.loss_ms.items())),
        "data_loss_objective_seconds": estate.objectives.rpo_seconds if estate else None,
        "payments_lost": change.times.payments_lost,
    }


def drill(change: ChangeRecord, estates: Estates) -> dict[str, Any]:
    """An exercise as A1.3 asks for it: what was aimed at, what was measured, what came of it, as recorded."""
    return {
        "drill": change.id,
        "plan": change.runbook,
        "plan_digest": change.run_digest or change.digest,
        "scenario": change.reason or change.command,
        "date": at(change.asked_ms),
        "participants": sorted(
            {change.requester, *(v.person for q in change.questions.values() for v in q.votes)}
        ),
        "result": change.result,
        "measured": recovery(change, estates),
        "steps": {"planned": change.steps, "done": change.steps_done, "skipped": change.skipped},
        "issues": "none recorded in the log: ask for the follow-up list and who signed it off",
        "samples": f"samples/{change.id}.json",
    }
