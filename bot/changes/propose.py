"""A request becomes a proposal: a plan, its digest, and the question whether to run it."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass

from bot.changes import archive, glass
from bot.changes.estates import Estates
from bot.changes.planner import Planned, Planner
from bot.changes.preempt import refuse_second
from bot.clock import span
from bot.errors import Refused
from bot.estate import Estate
from bot.plan import Plan
from bot.policy import check_asker
from bot.reply import Caller, Proposal
from bot.store.tables import Change, Decision
from bot.trail.append import Record, Trail
from bot.trail.event import Event, Name
from runbooks.preflight import Preflight
from runbooks.request import Request


@dataclass(frozen=True)
class Proposer:
    """Takes requests."""

    estates: Estates
    planner: Planner
    trail: Trail
    limits: archive.Limits | None = None
    """Of the archive; None where none is configured."""

    def propose(self, request: Request, caller: Caller, words: str, *, dry_run: bool) -> Proposal:
        """Plan the request and open the question. Raises NotAllowed, Blocked, Refused: nothing was changed."""
        estate = self.estates.now
        kind = "failover-planned" if request.planned else "failover"
        check_asker(estate, kind, caller.person, caller.where, face=caller.face)
        if not dry_run:
            with self.trail.database.read() as session:
                archive.check(session, kind, self.limits, self.planner.clock.now())
                refuse_second(session, request)
        planned = self.planner.plan(estate, request)
        if planned.plan is None:
            raise Refused(
                "This cannot be done now:\n• " + "\n• ".join(planned.preflight.blockers),
                then="Clear what blocks it and ask again.",
            )
        change = Change(
            id=secrets.token_hex(4),
            kind=kind,
            title=planned.plan.title,
            command=words,
            reason=request.reason,
            request=json.dumps(request.as_json()),
            requester=caller.person,
            face=caller.face,
            channel=caller.where if caller.face == "slack" else self._home(estate),
            state="dry_run" if dry_run else "proposed",
            digest=planned.plan.digest,
            plan=planned.plan.model_dump_json(),
            created_at=self.planner.clock.now(),
        )
        with self.trail.record() as record:
            if not dry_run:
                # The trail's head is locked first, so that of two who ask at once the second sees the first.
                record.lock()
                refuse_second(record.session, request)
            record.session.add(change)
            if dry_run:
                change.closed_at = change.created_at
                record.add(_planned_event(Name.CHANGE_DRY_RUN, change, planned.plan, planned.preflight))
            else:
                record.add(_planned_event(Name.CHANGE_PLANNED, change, planned.plan, planned.preflight))
                ask(record, estate, change, change.created_at)
        self.planner.kept[change.id] = planned
        return Proposal(change.id, dry_run)

    def replace(self, change_id: str, planned: Planned, why: list[str], decision_id: str) -> None:
        """Void the open question and ask again with the plan as the world now is."""
        estate = self.estates.now
        with self.trail.record() as record:
            change = record.session.get_one(Change, change_id, with_for_update=True)
            decision = record.session.get_one(Decision, decision_id, with_for_update=True)
            if decision.state != "open":
                raise Refused("This question was closed meanwhile.")
            now = self.planner.clock.now()
            decision.state, decision.decided_at, decision.outcome = "void", now, "; ".join(why)[:500]
            record.session.add(decision)
            record.add(
                Event(
                    name=Name.DECISION_VOIDED,
                    change=change.id,
                    detail={"decision": decision.id, "why": why[:20], "digest": decision.digest},
                )
            )
            if planned.plan is None:
                change.state, change.closed_at = "void", now
                change.note = "No longer possible: " + "; ".join(planned.preflight.blockers)
                record.session.add(change)
                record.add(
                    Event(
                        name=Name.CHANGE_CLOSED,
                        change=change.id,
                        detail={"state": "void", "why": change.note[:500]},
                    )
                )
                return
            change.plan, change.digest = planned.plan.model_dump_json(), planned.plan.digest
            change.note = "The plan was made anew: " + "; ".join(why)
            record.session.add(change)
            record.add(_planned_event(Name.CHANGE_PLANNED, change, planned.plan, planned.preflight))
            ask(record, estate, change, now)

    def _home(self, estate: Estate) -> str:
        return estate.slack.channels.get("ops") or next(iter(estate.slack.channels.values()), "")


def ask(record: Record, estate: Estate, change: Change, now: float) -> None:
    """Open the approval of a change's plan; its time runs from `now`."""
    rule = estate.policy.get(change.kind) or estate.policy[change.kind.split("-", 1)[0]]
    glass_at = glass.from_when(estate, change)
    options = ["approve", "deny", "cancel"] + [glass.BREAK] * glass.offered(estate, change.kind)
    decision = Decision(
        id=secrets.token_hex(6),
        change=change.id,
        kind="approval",
        question=change.title,
        options=",".join(options),
        roles=rule.approve.role,
        quorum=rule.approve.quorum,
        excluded=change.requester,
        digest=change.digest,
        state="open",
        created_at=now,
        expires_at=now + rule.expires_seconds,
    )
    record.session.add(decision)
    record.add(
        Event(
            name=Name.DECISION_OPENED,
            actor=change.requester,
            change=change.id,
            approval={
                "decision": decision.id,
                "digest": change.digest,
                "quorum": rule.approve.quorum,
                "role": rule.approve.role,
                "expires_in": span(rule.expires_seconds),
                **({} if glass_at is None else {"glass_from_ms": int(1000 * glass_at)}),
            },
        )
    )


def _planned_event(name: Name, change: Change, plan: Plan, found: Preflight) -> Event:
    return Event(
        name=name,
        actor=change.requester,
        change=change.id,
        face=change.face,
        detail={
            "command": change.command[:500],
            "kind": change.kind,
            "reason": change.reason[:500],
            "digest": change.digest,
            "estate": plan.estate_digest,
            "runbook": plan.runbook,
            "steps": [f"{s.id} {s.do}" for s in plan.steps],
            "bounds": plan.bounds,
            "preempts": list(plan.preempts),
            "order": found.order,
            "losses": list(found.losses)[:20],
            "warnings": list(found.warnings)[:20],
        },
    )
