"""Answers to questions: each an atomic vote on the decision's row; a quorum starts, ends or moves a run."""

from __future__ import annotations

import json
from dataclasses import dataclass

import structlog
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select

from bot.changes.planner import Planned
from bot.changes.propose import Proposer
from bot.changes.views import Answer
from bot.changes.watch import Watch
from bot.clock import iso
from bot.engine.moves import State
from bot.errors import Blocked, Refused, Void
from bot.plan import Plan, difference
from bot.policy import APPROVE, Ballot, check_voter, outcome
from bot.store.tables import Block, Change, Decision, Run, StepRow, Vote
from bot.trail.append import Record
from bot.trail.event import Event, Name
from runbooks.request import Request

log = structlog.get_logger()


@dataclass(frozen=True)
class Decider:
    """Counts votes and does what they decide."""

    proposer: Proposer
    watch: Watch

    def vote(self, decision_id: str, choice: str, person: str, face: str) -> Answer:
        """Count one answer. Raises NotAllowed or Refused with the reason; then it did not count."""
        estate = self.proposer.estates.now
        decision, votes, asker = self._look(decision_id)
        ballot = _ballot(decision, votes, asker)
        _still_open(decision, self.proposer.planner.clock.now())
        check_voter(estate, ballot, person, choice)
        planned: Planned | None = None
        if decision.kind == "approval" and outcome(ballot, person, choice) == APPROVE:
            planned = self._recheck(decision)
        try:
            return self._count(decision_id, choice, person, face, planned)
        except IntegrityError as error:
            if "block" in str(error.orig).lower():
                raise Blocked(
                    "Another run holds a resource that this one needs.", then="See /runs."
                ) from error
            raise Refused("You have already answered; one person counts once.") from error

    def _recheck(self, decision: Decision) -> Planned:
        """Observe again and plan again: a different plan or a new blocker voids the approval."""
        with self.proposer.trail.database.read() as session:
            change = session.get_one(Change, decision.change)
        approved = Plan.model_validate_json(change.plan)
        planned = self.watch.fresh(change, approved)
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

    def _look(self, decision_id: str) -> tuple[Decision, list[tuple[str, str]], str]:
        with self.proposer.trail.database.read() as session:
            decision = session.get(Decision, decision_id)
            if decision is None:
                raise Refused(
                    "This question does not exist any more.", then="Look for the newest card with /runs."
                )
            votes = session.exec(select(Vote).where(Vote.decision == decision_id)).all()
            asker = session.get_one(Change, decision.change).requester
        return decision, [(v.person, v.choice) for v in votes], asker

    def _count(
        self, decision_id: str, choice: str, person: str, face: str, planned: Planned | None
    ) -> Answer:
        estate = self.proposer.estates.now
        now = self.proposer.planner.clock.now()
        with self.proposer.trail.record() as record:
            session = record.session
            decision = session.get_one(Decision, decision_id, with_for_update=True)
            change = session.get_one(Change, decision.change, with_for_update=True)
            rows = session.exec(select(Vote).where(Vote.decision == decision_id)).all()
            ballot = _ballot(decision, [(v.person, v.choice) for v in rows], change.requester)
            _still_open(decision, now)
            check_voter(estate, ballot, person, choice)
            result = outcome(ballot, person, choice)
            session.merge(Vote(decision=decision_id, person=person, choice=choice, face=face, at=now))
            record.add(_vote_event(decision, change, person, choice, face))
            if result is None:
                missing = decision.quorum - 1 - sum(1 for _, c in ballot.votes if c == choice)
                return Answer(f"Counted. {missing} more needed.", counted=True)
            if result == APPROVE and decision.kind == "approval" and planned is None:
                raise Refused("Someone else answered at the same moment.", then="Click again.")
            decision.state, decision.outcome, decision.by, decision.decided_at = (
                "decided",
                result,
                person,
                now,
            )
            session.add(decision)
            record.add(
                Event(
                    name=Name.DECISION_DECIDED,
                    actor=person,
                    change=change.id,
                    run=decision.run,
                    step=decision.step,
                    face=face,
                    approval={"decision": decision.id, "outcome": result, "digest": decision.digest},
                )
            )
            if decision.kind == "approval":
                self._approval(record, change, decision, result, now)
            else:
                self._hold(record, decision, result, person, now)
        return Answer(_said(result), counted=True)

    def _approval(self, record: Record, change: Change, decision: Decision, result: str, now: float) -> None:
        if result != APPROVE:
            change.state = "denied" if result == "deny" else "cancelled"
            change.closed_at = now
            record.session.add(change)
            record.add(Event(name=Name.CHANGE_CLOSED, change=change.id, detail={"state": change.state}))
            return
        if decision.digest != change.digest:
            raise Void(
                "This card shows a plan that is no longer the one asked about.", then="Use the newest card."
            )
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

    def _hold(self, record: Record, decision: Decision, result: str, person: str, now: float) -> None:
        run = record.session.get_one(Run, decision.run, with_for_update=True)
        if result in ("rollback", "abort"):
            ask_to_stop(record, run, result, person)
            return
        row = record.session.get_one(StepRow, (decision.run, decision.step))
        if row.state != State.HELD:
            raise Refused("This step does not wait for an answer any more.")
        if result == "retry":
            row.state, row.since, row.attempts, row.applied_at = State.ACTIVE, now, 0, None
            row.retry += 1
            name = Name.STEP_RETRIED
        else:
            row.state, row.since, row.ended_at = State.SKIPPED, now, now
            row.why = f"skipped by <@{person}> at {iso(now)}: {row.why}"
            name = Name.STEP_SKIPPED
        record.session.add(row)
        record.add(Event(name=name, actor=person, change=run.change, run=run.id, step=row.step))


def ask_to_stop(record: Record, run: Run, how: str, person: str) -> None:
    """Write the wish into the run's row, where the engine reads it between visits. Raises Refused."""
    if run.state not in ("running", "rolling_back") or run.stop:
        raise Refused(
            f"This run is {run.state.replace('_', ' ')}{' and stopping' if run.stop else ''} already."
        )
    if how == "rollback" and run.state == "rolling_back":
        raise Refused("This run is rolling back already.")
    if how == "rollback" and run.committed:
        raise Refused(
            "A promotion was already sent: past this point there is no way back.",
            then="Go on, and fail back later with a plan of its own.",
        )
    run.stop = how
    record.session.add(run)
    record.add(
        Event(name=Name.RUN_STOPPING, actor=person, change=run.change, run=run.id, detail={"how": how})
    )


def request_of(change: Change) -> Request:
    """The change's request as it was asked."""
    return Request.from_json(json.loads(change.request))


def open_approvals(record_or_session: Record) -> list[Decision]:
    """Approvals that wait for answers."""
    query = select(Decision).where(col(Decision.state) == "open", Decision.kind == "approval")
    return list(record_or_session.session.exec(query))


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


def _vote_event(decision: Decision, change: Change, person: str, choice: str, face: str) -> Event:
    return Event(
        name=Name.VOTE_CAST,
        actor=person,
        change=change.id,
        run=decision.run,
        step=decision.step,
        face=face,
        approval={"decision": decision.id, "choice": choice, "digest": decision.digest},
    )


def _said(result: str) -> str:
    return {
        "approve": "Approved. It starts now.",
        "deny": "Denied. Nothing was started.",
        "cancel": "Cancelled. Nothing was started.",
        "retry": "Trying again.",
        "skip": "Skipped.",
        "rollback": "Rolling back: traffic first.",
        "abort": "Stopping: what was done stays as it is.",
    }.get(result, f"Decided: {result}.")
