"""The rows and events of a recovery: its change, which has no steps, its question, the signatures under it."""

from __future__ import annotations

import json
import secrets

from sqlmodel import Session, col, select

from bot.changes.given import Given
from bot.changes.heads import VERSION, Heads
from bot.changes.signed import Signed, check
from bot.errors import NotAllowed
from bot.estate import Estate
from bot.plan import Plan
from bot.store.tables import Change, Decision, Vote
from bot.trail.append import Record
from bot.trail.event import Event, Name

KIND, QUESTION, CHOICE = "trail-recovery", "recovery", "recover"
RUNBOOK = "trail-recovery@1"
Found = tuple[Decision, Change]


def open_question(session: Session, now: float, *, lock: bool = False) -> Found | None:
    """The recovery that waits for signatures."""
    query = select(Decision).where(
        Decision.kind == QUESTION, Decision.state == "open", col(Decision.expires_at) > now
    )
    found = session.exec((query.with_for_update() if lock else query).limit(1)).first()
    return None if found is None else (found, session.get_one(Change, found.change, with_for_update=lock))


def heads_in(change: Change) -> Heads:
    """What the first who signed was shown."""
    return Heads.from_json(json.loads(change.request))


def valid(session: Session, estate: Estate, decision: Decision, heads: Heads) -> list[dict[str, str]]:
    """Signatures so far that stand today: the person still has the role, and the key is still theirs."""
    votes = session.exec(select(Vote).where(Vote.decision == decision.id).order_by(col(Vote.at))).all()
    found = []
    for vote in votes:
        if estate.role(vote.person) not in decision.roles.split(","):
            continue
        message = heads.statement(vote.person, vote.reason, emergency=decision.emergency)
        for key in estate.keys.get(vote.person, ()):
            signed = Signed(key, bytes.fromhex(vote.signature))
            try:
                check(estate, vote.person, message, signed)
            except NotAllowed:
                continue
            found.append({"person": vote.person, "reason": vote.reason, **signed.evidence()})
            break
    return found


def signature_of(given: Given) -> dict[str, str]:
    """One signature as the recovered row names it."""
    assert given.signed is not None
    return {"person": given.person, "reason": given.reason, **given.signed.evidence()}


def vote_event(given: Given, decision: Decision, heads: Heads, *, emergency: bool) -> Event:
    """The trail's row of one signature: all that is needed to check it again."""
    assert given.signed is not None
    told = {
        "decision": decision.id,
        "choice": CHOICE,
        "digest": decision.digest,
        "reason": given.reason,
        "statement": VERSION,
    }
    return Event(
        name=Name.VOTE_CAST,
        actor=given.person,
        change=decision.change,
        face="terminal",
        detail=heads.detail(emergency=emergency),
        approval=given.signed.evidence(**told),
    )


def withdraw(record: Record, now: float, but: str = "") -> None:
    """Void every open question about a recovery but this one: the heads were named anew."""
    query = select(Decision).where(Decision.kind == QUESTION, Decision.state == "open", Decision.id != but)
    for decision in record.session.exec(query.with_for_update()):
        change = record.session.get_one(Change, decision.change, with_for_update=True)
        decision.state, decision.decided_at = "void", now
        change.state, change.closed_at = "void", now
        change.note = "Withdrawn: the heads were named anew."
        record.session.add_all((decision, change))
        why = {"decision": decision.id, "why": [change.note], "digest": decision.digest}
        record.add(Event(name=Name.DECISION_VOIDED, change=change.id, detail=why))
        record.add(Event(name=Name.CHANGE_CLOSED, change=change.id, detail={"state": "void"}))


def change_of(
    estate: Estate, heads: Heads, person: str, reason: str, now: float, *, emergency: bool
) -> Change:
    """A change without steps, so that it is shown, followed and reviewed as every other."""
    words = f"signalbox recover{' --emergency' if emergency else ''}"
    parted = (
        f"The archive has {heads.locked_size} rows of {heads.locked_origin}, this database {heads.local_size}. "
        f"The log goes on from here as {heads.origin} and is shipped anew."
    )
    title = f"Recovery of the trail to {heads.origin}"
    plan = Plan(
        runbook=RUNBOOK,
        title=title,
        estate_digest=estate.digest,
        request=heads.as_json(),
        steps=(),
        facts={
            "order_why": parted,
            "warnings": [
                "What only the archive has is not brought back; it stays locked below the old origin."
            ],
        },
    )
    return Change(
        id=secrets.token_hex(4),
        kind=KIND,
        title=title,
        command=words,
        reason=reason,
        request=json.dumps(heads.as_json()),
        requester=person,
        face="terminal",
        channel=estate.slack.channels.get("ops") or next(iter(estate.slack.channels.values()), ""),
        state="recovering",
        digest=heads.digest(emergency=emergency),
        plan=plan.model_dump_json(),
        created_at=now,
    )


def planned(change: Change, estate: Estate, heads: Heads, *, emergency: bool) -> Event:
    """The trail's row of what was asked for."""
    return Event(
        name=Name.CHANGE_PLANNED,
        actor=change.requester,
        change=change.id,
        face="terminal",
        detail={
            "command": change.command,
            "kind": KIND,
            "reason": change.reason[:500],
            "digest": change.digest,
            "estate": estate.digest,
            "runbook": RUNBOOK,
            "steps": [],
            "bounds": {},
            "preempts": [],
            "losses": [],
            "warnings": [],
            **heads.detail(emergency=emergency),
        },
    )
