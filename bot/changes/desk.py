"""The desk: the one place where identity, role, quorum and interlock are checked, for every face."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog
from sqlmodel import col, select

from bot.changes import archive
from bot.changes.decide import Decider
from bot.changes.estates import Estates
from bot.changes.given import Given
from bot.changes.heads import Heads
from bot.changes.holds import ask_to_stop
from bot.changes.planner import Planner
from bot.changes.preempt import OPEN_CHANGES
from bot.changes.propose import Proposer
from bot.changes.recover import Recovery
from bot.changes.show import read, view
from bot.changes.signed import Signed, check, stop_statement
from bot.changes.views import Answer, ChangeView
from bot.changes.watch import Watch
from bot.command import execute
from bot.errors import NotAllowed, Refused, SignalboxError
from bot.estate import Estate
from bot.reply import Caller, Proposal, Reply
from bot.scrub import holds_secret, scrub
from bot.store.database import Database
from bot.store.tables import Change, Decision, Replica, Run
from bot.trail.append import Trail
from bot.trail.event import Event, Name
from bot.vault import Archive
from runbooks.request import Request

log = structlog.get_logger()


class Desk:
    """What Slack, the terminal and the calendar talk to. Thread-safe; errors are SignalboxErrors for people."""

    def __init__(
        self,
        estates: Estates,
        planner: Planner,
        trail: Trail,
        watch: Watch,
        proof: Callable[[str], str],
        limits: archive.Limits | None = None,
        vault: Archive | None = None,
    ) -> None:
        """`limits` are the archive's, None where none is configured; `vault` is the archive itself, to read."""
        self.database: Database = trail.database
        self.trail = trail
        self.clock = planner.clock
        self.watch = watch
        self.estates = estates
        self.vault = vault
        self.recovery = Recovery(estates, trail, planner.clock, vault)
        self._limits = limits
        self._proposer = Proposer(estates, planner, trail, limits)
        self._decider = Decider(self._proposer, watch)
        self._proof = proof
        self.packer: Any = None
        """What makes evidence packs, a layer above; None in a box that signs nothing."""

    @property
    def estate(self) -> Estate:
        """The estate in force."""
        return self.estates.now

    def command(self, text: str, caller: Caller) -> Reply:
        """Run a typed command. Raises SignalboxError with words for the person; the refusal is recorded.

        A secret among the words goes no further than here.
        """
        text = scrub(text)
        self.trail.note(
            Event(
                name=Name.COMMAND_RECEIVED,
                actor=caller.person,
                face=caller.face,
                detail={"text": text[:500], "where": caller.where},
            )
        )
        try:
            return execute(text, caller, self)
        except SignalboxError as error:
            self.trail.note(
                Event(
                    name=Name.COMMAND_REFUSED,
                    actor=caller.person,
                    face=caller.face,
                    ok=False,
                    detail={"text": text[:500], "why": str(error)[:1000]},
                )
            )
            raise

    def propose(self, request: Request, caller: Caller, words: str, *, dry_run: bool) -> Proposal:
        """Plan a move and open the question whether to run it."""
        return self._proposer.propose(request, caller, words, dry_run=dry_run)

    def vote(
        self,
        decision: str,
        choice: str,
        person: str,
        face: str = "slack",
        *,
        reason: str = "",
        signed: Signed | None = None,
    ) -> Answer:
        """Answer a question. Never raises for people's mistakes: the answer says why it did not count.

        At a terminal the answer must be signed with a key that the estate pins to this person.
        """
        try:
            if signed is not None:
                _without_secret(reason)
            return self._decider.vote(Given(decision, choice, person, face, scrub(reason.strip()), signed))
        except SignalboxError as error:
            self.refuse_click(person, f"{choice} {decision}", str(error), face)
            return Answer(str(error))

    def stop(
        self, change_id: str, how: str, person: str, face: str = "slack", *, signed: Signed | None = None
    ) -> Answer:
        """Roll back or abort a run under way: one click by anyone on call, or a lead; signed at a terminal."""
        try:
            if face == "terminal":
                check(self.estate, person, self._stop_statement(change_id, how, person), signed)
            if self.estate.role(person) not in ("on-call", "lead"):
                raise NotAllowed("Only on-call and leads may stop a run.")
            with self.trail.record() as record:
                run = record.session.exec(
                    select(Run).where(Run.change == change_id).with_for_update()
                ).first()
                if run is None:
                    raise Refused("This change has no run.", then="See /runs.")
                change = record.session.get_one(Change, change_id)
                vouched = (
                    signed.evidence(change=change.id, choice=how, digest=change.digest) if signed else {}
                )
                ask_to_stop(record, run, how, person, face=face, approval=vouched)
        except SignalboxError as error:
            self.refuse_click(person, f"{how} {change_id}", str(error), face)
            return Answer(str(error))
        words = (
            "Rolling back: traffic first." if how == "rollback" else "Stopping: what was done stays as it is."
        )
        return Answer(words, counted=True)

    def recover(
        self, heads: Heads, person: str, reason: str, signed: Signed, *, emergency: bool = False
    ) -> Answer:
        """Count a signature under a recovery of the trail; given at a terminal only."""
        try:
            _without_secret(reason)
            return self.recovery.sign(heads, person, reason.strip(), signed, emergency=emergency)
        except SignalboxError as error:
            self.refuse_click(person, f"recover {heads.origin}", str(error), "terminal")
            return Answer(str(error))

    def _stop_statement(self, change_id: str, how: str, person: str) -> bytes:
        with self.database.read() as session:
            change = session.get(Change, change_id)
        digest = change.digest if change else ""
        return stop_statement(change_id, how, person, digest)

    def refuse_click(self, person: str, what: str, why: str, face: str = "slack") -> None:
        """Record a click that did not count."""
        try:
            self.trail.note(
                Event(
                    name=Name.CLICK_REFUSED,
                    actor=person,
                    face=face,
                    ok=False,
                    detail={"what": what[:300], "why": why[:1000]},
                )
            )
        except SignalboxError as error:
            # A refusal changes nothing outside: the person is answered even when it cannot be written.
            log.warning("refusal.not_recorded", person=person, error=str(error))

    def view(self, change_id: str) -> ChangeView | None:
        """One change, or None."""
        with self.database.read() as session:
            change = session.get(Change, change_id)
            shown = read(session, change) if change else None
        if shown is None:
            return None
        settled = shown.run is not None and (shown.run.settled_at or shown.run.ended_at)
        return view(shown, self.estate, self._proof(change_id) if settled else "")

    def changes(self, limit: int = 20) -> list[ChangeView]:
        """The newest changes, newest first."""
        with self.database.read() as session:
            rows = session.exec(select(Change).order_by(col(Change.created_at).desc()).limit(limit)).all()
            shown = [read(session, change) for change in rows]
        estate = self.estate
        return [view(one, estate, "") for one in shown]

    def thread(self, change_id: str, channel: str, ts: str) -> None:
        """Remember under which message the change is talked about."""
        with self.database.write() as session:
            change = session.get(Change, change_id)
            if change is not None:
                change.channel, change.thread = channel, ts
                session.add(change)

    def trouble(self) -> list[str]:
        """What is wrong between the trail and its archive, a line each; none when all is well."""
        if self._limits is None:
            return []
        with self.database.read() as session:
            standing = archive.look(session)
        return archive.trouble(standing, self._limits, self.clock.now())

    def status(self) -> str:
        """How Signalbox itself is, in a few lines."""
        estate = self.estate
        with self.database.read() as session:
            standing = archive.look(session)
            living = session.exec(select(Replica).where(Replica.until > self.database.now(session))).all()
            running = session.exec(select(Change).where(col(Change.state).in_(OPEN_CHANGES))).all()
            reviews = session.exec(
                select(Decision).where(Decision.kind == "review", Decision.state == "open")
            ).all()
        lines = [
            f"Estate *{estate.estate}*, {len(estate.services)} services, digest `{estate.digest[:12]}`.",
            f"{len(living)} replica{'s' if len(living) != 1 else ''} alive.",
            *archive.status_lines(standing, self._limits, self.clock.now()),
        ]
        lines += [f"{c.title} ({c.id}): {c.state}." for c in running] or ["Nothing is under way."]
        lines += [f":warning: Open: {review.question} ({review.change})." for review in reviews]
        if self.estates.complaint:
            lines.insert(0, f":warning: {self.estates.complaint}")
        return "\n".join(lines)


def _without_secret(reason: str) -> None:
    """Raises Refused for a signed reason that cannot be written down as it is."""
    if holds_secret(reason):
        raise Refused(
            "The reason holds what looks like a secret, and what was signed cannot be changed any more.",
            not_done="Your answer did not count, and the reason was not written down.",
            then="Say it without; a secret that was typed somewhere is a secret to be replaced.",
        )
