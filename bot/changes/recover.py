"""The log goes on after it parted from its archive: people name both heads, sign them, and it gets a new origin.

Two leads (the quorum of planned failovers, never fewer than two people) sign the same heads; in an emergency one
person on call or lead does it alone and is reviewed afterwards, as after break-glass. The first signature opens the
question and tells the heads; a later one fits only while the archive has nothing newer and the log here still begins
with the rows that were shown. The last one writes, in one transaction, the row `trail:log:recovered` and the new
origin, below which everything is shipped anew. What the archive holds below the old origin stays locked there.

What the rows say (`bot.trail.recovered` checks it):
* `decision:question:opened` detail `kind` = recovery with locked, local, origin, emergency; approval decision,
  digest, quorum, role.
* `decision:vote:cast`, one a signer: the same four in detail; approval decision, choice = recover, digest, reason,
  statement = recovery/1, key, signature.
* `trail:log:recovered`: the same four and nothing else in detail; approval decision, digest, quorum, role,
  `signatures` = [{person, reason, key, signature}], and `review` when it was an emergency.
The digest is SHA-256 over the statement without person and reason.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlmodel import select

from bot.changes import glass
from bot.changes.decide import LONGEST_REASON
from bot.changes.estates import Estates
from bot.changes.given import Given
from bot.changes.heads import Heads, anchor_of, generation, heads_of, read_again
from bot.changes.recovery_rows import (
    CHOICE,
    QUESTION,
    Found,
    change_of,
    heads_in,
    open_question,
    planned,
    signature_of,
    valid,
    vote_event,
    withdraw,
)
from bot.changes.signed import Signed, check
from bot.changes.views import Answer
from bot.clock import Clock, span
from bot.errors import NotAllowed, OutsideError, Refused
from bot.estate import Estate
from bot.policy import rule_of
from bot.store.tables import Anchor, Decision, Head
from bot.trail.anchor import DIVERGED
from bot.trail.append import LOG, Record, Trail
from bot.trail.event import Event, Name
from bot.vault import Archive

LEAST_SIGNERS = 2
_NOT_SIGNED = "Nothing was recovered; planned changes stay refused."


@dataclass(frozen=True)
class Asked:
    """What is to be signed now, and how far it is. `signers` have signed the very same heads already."""

    heads: Heads
    state: str
    why: str
    roles: tuple[str, ...]
    quorum: int
    signers: tuple[str, ...] = ()


class Recovery:
    """Shows what parted, counts signatures, lets the log go on. `archive` is read only, for a free name."""

    def __init__(self, estates: Estates, trail: Trail, clock: Clock, archive: Archive | None = None) -> None:
        self._estates = estates
        self._trail = trail
        self._clock = clock
        self._archive = archive

    def asked(self, *, emergency: bool = False) -> Asked:
        """What somebody would sign now. Raises Refused when database and archive do not differ."""
        estate = self._estates.now
        roles, quorum = _needs(estate, emergency=emergency)
        with self._trail.database.read() as session:
            heads = heads_of(session, self._taken)
            anchor = anchor_of(session, heads.locked_origin)
            found = None if emergency else open_question(session, self._clock.now())
            if found is not None and not (told := heads_in(found[1])).fit(session):
                votes = valid(session, estate, found[0], told)
                return Asked(told, anchor.state, anchor.why, roles, quorum, tuple(v["person"] for v in votes))
            return Asked(heads, anchor.state, anchor.why, roles, quorum)

    def sign(self, heads: Heads, person: str, reason: str, signed: Signed, *, emergency: bool) -> Answer:
        """Count one signature over these heads. Raises NotAllowed or Refused with the reason; then it did not."""
        estate = self._estates.now
        roles, quorum = _needs(estate, emergency=emergency)
        if estate.role(person) not in roles:
            raise NotAllowed(
                f"The trail is recovered by {' or '.join(roles)}.",
                not_done=_NOT_SIGNED,
                then="Ask one of them.",
            )
        glass.check_words(reason, "A recovery is signed", "Say what happened to the database.")
        if len(reason) > LONGEST_REASON:
            raise Refused(
                f"A reason has at most {LONGEST_REASON} characters.",
                not_done=_NOT_SIGNED,
                then="Say it shorter.",
            )
        check(estate, person, heads.statement(person, reason, emergency=emergency), signed)
        with self._trail.database.read() as session:
            read_again(session, heads.local_size)
        with self._standing(heads) as record:
            if emergency:
                decision, change = self._begin(record, heads, person, reason, roles, 1, emergency=True)
                withdraw(record, self._clock.now(), but=decision.id)
            else:
                decision, change = self._question(record, heads, person, reason, roles, quorum)
            given = Given(decision.id, CHOICE, person, "terminal", reason, signed)
            before = valid(record.session, estate, decision, heads)
            if any(vote["person"] == person for vote in before):
                raise Refused(
                    "You have already signed this; one person counts once.",
                    then=f"Waiting for {quorum - len(before)} more.",
                )
            record.session.merge(given.vote(self._clock.now()))
            record.add(vote_event(given, decision, heads, emergency=emergency))
            signatures = [*before, signature_of(given)]
            if len(signatures) < decision.quorum:
                missing = decision.quorum - len(signatures)
                return Answer(f"Counted. {missing} more must sign: signalbox recover.", counted=True)
            self._complete(record, heads, (decision, change), signatures)
        return Answer(_done(heads, decision), counted=True)

    @contextmanager
    def _standing(self, heads: Heads) -> Iterator[Record]:
        """A transaction in which nobody else recovers, with the heads as they were shown. Raises Refused."""
        with self._trail.record() as record:
            session = record.session
            anchor = session.get(Anchor, heads.locked_origin, with_for_update=True)
            chain, origin = session.exec(select(Head.chain, Head.origin).where(Head.log == LOG)).one()
            if origin != heads.locked_origin:
                raise Refused(
                    f"The trail goes on as {origin} already: somebody else has recovered it.",
                    not_done="Your signature did not count.",
                    then="See /signalbox status.",
                )
            if anchor is None or anchor.state not in DIVERGED:
                raise Refused(
                    "Database and archive do not differ any more.", not_done="Nothing was recovered."
                )
            moved, number = heads.fit(session), generation(chain, heads.origin)
            named = heads.chain == chain and heads.origin == f"{chain}/r{number}"
            if moved or not named or number <= generation(chain, origin):
                raise Refused(
                    f"What you signed is not what there is now: {moved or 'the new origin is not new'}.",
                    not_done=_NOT_SIGNED,
                    then="Run signalbox recover again and look at what it shows.",
                )
            yield record

    def _question(
        self, record: Record, heads: Heads, person: str, reason: str, roles: tuple[str, ...], quorum: int
    ) -> Found:
        found = open_question(record.session, self._clock.now(), lock=True)
        if found is None:
            return self._begin(record, heads, person, reason, roles, quorum, emergency=False)
        decision, change = found
        told = heads_in(change)
        if told == heads:
            return decision, change
        if not told.fit(record.session):
            raise Refused(
                "Another lead has opened the question with other heads, which still fit.",
                not_done=_NOT_SIGNED,
                then="Run signalbox recover again: it shows those.",
            )
        withdraw(record, self._clock.now())
        return self._begin(record, heads, person, reason, roles, quorum, emergency=False)

    def _begin(
        self,
        record: Record,
        heads: Heads,
        person: str,
        reason: str,
        roles: tuple[str, ...],
        quorum: int,
        *,
        emergency: bool,
    ) -> Found:
        estate, now = self._estates.now, self._clock.now()
        expires = rule_of(estate, "failover-planned").expires_seconds
        change = change_of(estate, heads, person, reason, now, emergency=emergency)
        decision = Decision(
            id=secrets.token_hex(6),
            change=change.id,
            kind=QUESTION,
            question=change.title,
            options=CHOICE,
            roles=",".join(roles),
            quorum=quorum,
            digest=change.digest,
            state="open",
            emergency=emergency,
            created_at=now,
            expires_at=None if emergency else now + expires,
        )
        record.session.add(change)
        record.session.add(decision)
        detail = {"decision": decision.id, "kind": QUESTION, **heads.detail(emergency=emergency)}
        approval = {
            "decision": decision.id,
            "digest": change.digest,
            "quorum": quorum,
            "role": decision.roles,
        }
        if not emergency:
            approval["expires_in"] = span(expires)
        record.add(planned(change, estate, heads, emergency=emergency))
        record.add(
            Event(name=Name.DECISION_OPENED, actor=person, change=change.id, detail=detail, approval=approval)
        )
        return decision, change

    def _complete(
        self,
        record: Record,
        heads: Heads,
        question: Found,
        signatures: list[dict[str, str]],
    ) -> None:
        """Close the question and let the log go on below the new origin; the head row is taken last."""
        decision, change = question
        session, now, last = record.session, self._clock.now(), signatures[-1]["person"]
        decision.state, decision.outcome, decision.by, decision.decided_at = "decided", CHOICE, last, now
        change.state, change.closed_at = "done", now
        change.note = (
            f"The log goes on as {heads.origin}; what was locked below {heads.locked_origin} stays there."
        )
        session.add_all((decision, change))
        approval = {"decision": decision.id, "digest": decision.digest}
        record.add(
            Event(
                name=Name.DECISION_DECIDED,
                actor=last,
                change=change.id,
                face="terminal",
                approval={**approval, "outcome": CHOICE},
            )
        )
        proof = {**approval, "quorum": decision.quorum, "role": decision.roles, "signatures": signatures}
        review = None
        if decision.emergency:
            asks = f"Review of the emergency recovery that {last} signed alone"
            review = glass.review_of(self._estates.now, change, last, asks, now)
            session.add(review)
            proof["review"] = review.id
        record.add(
            Event(
                name=Name.LOG_RECOVERED,
                actor=last,
                change=change.id,
                face="terminal",
                detail=heads.detail(emergency=decision.emergency),
                approval=proof,
            )
        )
        if review is not None:
            record.add(glass.review_opened(review, last))
        record.add(Event(name=Name.CHANGE_CLOSED, change=change.id, detail={"state": "done"}))
        session.merge(Anchor(origin=heads.origin, state="new"))
        session.flush()
        record.lock()
        head = session.get_one(Head, LOG, with_for_update=True, populate_existing=True)
        head.origin = heads.origin
        session.add(head)

    def _taken(self, origin: str) -> bool:
        """Whether the archive holds something below this origin; no, while nobody can tell: then it is found later."""
        if self._archive is None:
            return False
        try:
            return next(self._archive.versions(f"{origin}/"), None) is not None
        except OutsideError:
            return False


def _needs(estate: Estate, *, emergency: bool) -> tuple[tuple[str, ...], int]:
    """Who may sign, and how many of them must."""
    if emergency:
        return ("on-call", "lead"), 1
    rule = rule_of(estate, "failover-planned").approve
    return (rule.role,), max(LEAST_SIGNERS, rule.quorum)


def _done(heads: Heads, decision: Decision) -> str:
    said = (
        f"Recovered. The log goes on as {heads.origin} and is shipped anew; planned changes go through again."
    )
    if decision.emergency:
        said += " You did it alone: everybody is told, and leads review it."
    return said
