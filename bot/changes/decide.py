"""Answers to questions: each an atomic vote on the decision's row; a quorum starts, ends or moves a run."""

from __future__ import annotations

from dataclasses import dataclass

import structlog
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from bot.changes import archive, glass, holds, preempt, signed
from bot.changes.given import Given
from bot.changes.planner import Planned
from bot.changes.propose import Proposer
from bot.changes.views import Answer
from bot.changes.watch import Watch
from bot.clock import iso
from bot.engine.moves import State
from bot.errors import Blocked, Refused, Void
from bot.estate import Estate
from bot.plan import Plan, difference
from bot.policy import APPROVE, Ballot, check_voter, outcome
from bot.store.tables import Block, Change, Decision, Run, StepRow, Vote
from bot.trail.append import Record
from bot.trail.event import Event, Name

log = structlog.get_logger()
RECOVERY = "recovery"
Votes = list[tuple[str, str]]
"""(person, choice)"""
LONGEST_REASON = 2000
"""Characters; what is signed is what the trail keeps."""


@dataclass(frozen=True)
class Decider:
    """Counts votes and does what they decide."""

    proposer: Proposer
    watch: Watch

    def vote(self, given: Given) -> Answer:
        """Count one answer. Raises NotAllowed or Refused with the reason; then it did not count."""
        estate = self.proposer.estates.now
        now = self.proposer.planner.clock.now()
        decision, votes, change = self._look(given.decision)
        self._check(estate, decision, change, votes, given, now)
        with self.proposer.trail.database.read() as session:
            self._check_archive(session, decision, change, given, now)
        if not starts(decision, _result(decision, change, votes, given)):
            return self._settle(given, None)
        approved = Plan.model_validate_json(change.plan)
        if not approved.preempts:
            return self._settle(given, self._recheck(decision, change, approved, fresh=False))
        clock = self.proposer.planner.clock
        preempt.halt(self.proposer.trail, clock, approved.preempts, change)
        counted = False
        try:
            # What was seen before the other run stood still says nothing of what it has done since.
            answer = self._settle(given, self._recheck(decision, change, approved, fresh=True))
            counted = answer.counted
            return answer
        finally:
            if not counted:
                preempt.release(self.proposer.trail, approved.preempts, change)

    def _settle(self, given: Given, planned: Planned | None) -> Answer:
        try:
            return self._count(given, planned)
        except IntegrityError as error:
            if "block" in str(error.orig).lower():
                raise Blocked(
                    "Another run holds a resource that this one needs.", then="See /runs."
                ) from error
            raise Refused("You have already answered; one person counts once.") from error

    def _check(
        self,
        estate: Estate,
        decision: Decision,
        change: Change,
        votes: Votes,
        given: Given,
        now: float,
    ) -> None:
        """Whether this answer counts; asked before the outside is looked at, and again when all is locked."""
        _still_open(decision, now)
        if decision.kind == RECOVERY:
            raise Refused(
                "A recovery names both heads of the trail, and is signed over them.",
                not_done="Your answer did not count.",
                then="At a terminal: signalbox recover.",
            )
        if len(given.reason) > LONGEST_REASON:
            raise Refused(f"A reason has at most {LONGEST_REASON} characters.", then="Say it shorter.")
        if given.face == "terminal":
            signed.check(estate, given.person, given.statement(decision), given.signed)
        if given.choice == glass.BREAK and glass.BREAK in decision.options.split(","):
            glass.check(estate, change, given.person, now)
            return
        check_voter(estate, _ballot(decision, votes, change.requester), given.person, given.choice)
        if decision.kind == "review":
            glass.check_words(given.reason)

    def _check_archive(
        self, session: Session, decision: Decision, change: Change, given: Given, now: float
    ) -> None:
        """An approval of a planned change does not count while the archive is away: it may be given again later."""
        if decision.kind == "approval" and given.choice == APPROVE:
            archive.check(session, change.kind, self.proposer.limits, now)

    def _recheck(self, decision: Decision, change: Change, approved: Plan, *, fresh: bool) -> Planned:
        """Observe again and plan again: a different plan or a new blocker voids the approval.

        `fresh` asks for an observation that begins now; else one of the last seconds will do.
        """
        planned = self.watch.observe(change, approved) if fresh else self.watch.fresh(change, approved)
        why = [f"new blocker: {b}" for b in planned.preflight.blockers]
        if planned.plan is not None:
            why += difference(approved, planned.plan)
        if why:
            self.proposer.replace(change.id, planned, why, decision.id)
            raise Void(
                "The world has changed since this plan was made: " + "; ".join(why) + ".",
                not_done="The approvals do not count any more and nothing was started.",
                then="The plan was made anew; look at it and approve that one.",
            )
        return planned

    def _look(self, decision_id: str) -> tuple[Decision, Votes, Change]:
        with self.proposer.trail.database.read() as session:
            decision = session.get(Decision, decision_id)
            if decision is None:
                raise Refused(
                    "This question does not exist any more.", then="Look for the newest card with /runs."
                )
            votes = session.exec(select(Vote).where(Vote.decision == decision_id)).all()
            change = session.get_one(Change, decision.change)
        return decision, [(v.person, v.choice) for v in votes], change

    def _count(self, given: Given, planned: Planned | None) -> Answer:
        estate = self.proposer.estates.now
        now = self.proposer.planner.clock.now()
        with self.proposer.trail.record() as record:
            session = record.session
            if run := session.get_one(Decision, given.decision).run:
                # The run first, as the engine does that ends runs and closes their questions.
                session.get_one(Run, run, with_for_update=True)
            decision = session.get_one(Decision, given.decision, with_for_update=True, populate_existing=True)
            change = session.get_one(Change, decision.change, with_for_update=True)
            rows = session.exec(select(Vote).where(Vote.decision == given.decision)).all()
            votes = [(v.person, v.choice) for v in rows]
            self._check(estate, decision, change, votes, given, now)
            self._check_archive(session, decision, change, given, now)
            result = _result(decision, change, votes, given)
            session.merge(given.vote(now))
            record.add(given.event(decision, change))
            if result is None:
                missing = decision.quorum - 1 - sum(1 for _, c in votes if c == given.choice)
                return Answer(f"Counted. {missing} more needed.", counted=True)
            if starts(decision, result) and planned is None:
                raise Refused("Someone else answered at the same moment.", then="Click again.")
            decision.state, decision.outcome = "decided", result
            decision.by, decision.decided_at = given.person, now
            session.add(decision)
            record.add(
                Event(
                    name=Name.DECISION_DECIDED,
                    actor=given.person,
                    change=change.id,
                    run=decision.run,
                    step=decision.step,
                    face=given.face,
                    approval={"decision": decision.id, "outcome": result, "digest": decision.digest},
                )
            )
            if decision.kind == "approval":
                self._approval(record, change, decision, result, now)
            elif decision.kind == "hold":
                decision.emergency = _in_emergency(record, change)
                holds.answer(record, decision, result, given.person, now, given.reason)
        return Answer(_said(result), counted=True)

    def _approval(self, record: Record, change: Change, decision: Decision, result: str, now: float) -> None:
        if not starts(decision, result):
            change.state = "denied" if result == "deny" else "cancelled"
            change.closed_at = now
            record.session.add(change)
            record.add(Event(name=Name.CHANGE_CLOSED, change=change.id, detail={"state": change.state}))
            return
        if decision.digest != change.digest:
            raise Void(
                "This card shows a plan that is no longer the one asked about.", then="Use the newest card."
            )
        if result == glass.BREAK:
            glass.broken(record, self.proposer.estates.now, change, decision, decision.by, now)
        plan = Plan.model_validate_json(change.plan)
        run = Run(
            id=f"run-{change.id}",
            change=change.id,
            state="running",
            plan=change.plan,
            person=change.requester,
            started_at=now,
        )
        change.state = "running"
        record.session.add(change)
        preempt.take_over(record, plan.preempts, change, now)
        record.session.flush()  # what they held must be gone before it is taken
        record.session.add(run)
        for index, step in enumerate(plan.steps):
            record.session.add(
                StepRow(run=run.id, step=step.id, ordinal=index, state=State.PENDING, since=now)
            )
        for resource in plan.blocks:
            record.session.add(Block(resource=resource, run=run.id, since=now))
        record.add(
            Event(
                name=Name.RUN_STARTED,
                actor=change.requester,
                change=change.id,
                run=run.id,
                detail={"digest": plan.digest, "blocks": list(plan.blocks), "bounds": plan.bounds},
                approval={"decision": decision.id, "digest": decision.digest},
            )
        )


def _ballot(decision: Decision, votes: list[tuple[str, str]], asker: str) -> Ballot:
    return Ballot(
        roles=tuple(decision.roles.split(",")),
        quorum=decision.quorum,
        excluded=tuple(filter(None, decision.excluded.split(","))),
        options=tuple(decision.options.split(",")),
        votes=votes,
        asker=asker,
    )


def _still_open(decision: Decision, now: float) -> None:
    if decision.state == "decided":
        when = iso(decision.decided_at or 0)
        raise Refused(
            f"Already decided: {decision.outcome}, by <@{decision.by}> at {when}.",
            not_done="Your click changed nothing.",
        )
    if decision.state == "expired" or (decision.expires_at is not None and now >= decision.expires_at):
        raise Refused(
            f"This question expired at {iso(decision.expires_at or 0)}.", then="Ask again with the command."
        )
    if decision.state != "open":
        raise Refused(
            "This card is no longer valid: the plan was made anew.", then="Use the newest card in the thread."
        )


def starts(decision: Decision, result: str | None) -> bool:
    """Whether this outcome starts the run that the decision is about."""
    return decision.kind == "approval" and result in (APPROVE, glass.BREAK)


def _result(decision: Decision, change: Change, votes: Votes, given: Given) -> str | None:
    if given.choice == glass.BREAK:
        return glass.BREAK
    return outcome(_ballot(decision, votes, change.requester), given.person, given.choice)


def _in_emergency(record: Record, change: Change) -> bool:
    """Whether the change's run was started by break-glass: what one person decides in it is reviewed with it."""
    broken = select(Decision.id).where(
        Decision.change == change.id, Decision.kind == "approval", col(Decision.emergency).is_(True)
    )
    return record.session.exec(broken).first() is not None


def _said(result: str) -> str:
    return {
        "approve": "Approved. It starts now.",
        "deny": "Denied. Nothing was started.",
        "cancel": "Cancelled. Nothing was started.",
        "retry": "Trying again.",
        "skip": "Skipped.",
        "rollback": "Rolling back: traffic first.",
        "abort": "Stopping: what was done stays as it is.",
        "instead": "Going the other way that the plan names.",
        "acknowledge": "Acknowledged, with your name.",
        "break_glass": "Started without an approval. Everyone is told, and it will be reviewed.",
        "close": "The review is closed.",
    }.get(result, f"Decided: {result}.")
