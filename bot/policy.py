"""Who may ask and who may decide: pure rules over the estate's policy."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from bot.errors import NotAllowed, Refused
from bot.estate import Estate, Rule

APPROVE, DENY, CANCEL = "approve", "deny", "cancel"


def rule_of(estate: Estate, kind: str) -> Rule:
    """The rule for this kind of change; `failover-planned` falls back to `failover`."""
    rule = estate.policy.get(kind) or estate.policy.get(kind.split("-", 1)[0])
    if rule is None:
        raise Refused(
            f"The estate has no policy for {kind}.", then="Add it under `policy:` in the estate's file."
        )
    return rule


def check_asker(estate: Estate, kind: str, person: str, where: str, *, face: str) -> Rule:
    """The rule, when this person may ask for this kind of change here. Raises NotAllowed."""
    rule = rule_of(estate, kind)
    role = estate.role(person)
    if role not in rule.ask:
        have = f"the role {role}" if role else "no role"
        raise NotAllowed(
            f"You have {have} here; {kind} may be asked for by {' or '.join(rule.ask)}.",
            then="Ask someone on call.",
        )
    allowed = {estate.slack.channels[name] for name in rule.channels}
    if face == "slack" and where not in allowed:
        names = " or ".join(f"#{name}" for name in rule.channels)
        raise NotAllowed(f"{kind} is not asked for in this channel.", then=f"Use {names}.")
    return rule


@dataclass(frozen=True)
class Ballot:
    """What counts when someone answers a question."""

    roles: Collection[str]
    quorum: int
    excluded: Collection[str]
    options: Collection[str]
    votes: Iterable[tuple[str, str]]
    """(person, choice) so far"""
    asker: str = ""


def check_voter(estate: Estate, ballot: Ballot, person: str, choice: str) -> None:
    """Whether this answer may be given. Raises NotAllowed or Refused with the reason for the person.

    Cancelling is the requester's own right; denying belongs to those who may approve.
    """
    if choice not in ballot.options:
        raise Refused(
            f"{choice!r} is not an answer to this question.", then=f"Possible: {', '.join(ballot.options)}."
        )
    if choice == CANCEL and person == ballot.asker:
        return
    role = estate.role(person)
    if choice == CANCEL:
        raise NotAllowed("Only the person who asked can cancel this.", then="A lead can deny it.")
    if person in ballot.excluded:
        raise NotAllowed(
            "You asked for this or started it, so your answer does not count.",
            then="Someone else has to decide.",
        )
    if role not in ballot.roles:
        raise NotAllowed(f"This is decided by: {', '.join(ballot.roles)}.", then="Ask one of them.")
    given = dict(ballot.votes).get(person)
    if given == choice:
        raise Refused(f"You have already answered {choice}; one person counts once.", then=_still(ballot))


def outcome(ballot: Ballot, person: str, choice: str) -> str | None:
    """The decision's outcome with this answer added, None while more are needed. One denial denies."""
    if choice in (DENY, CANCEL):
        return choice
    votes = {**dict(ballot.votes), person: choice}
    return choice if sum(1 for c in votes.values() if c == choice) >= ballot.quorum else None


def _still(ballot: Ballot) -> str:
    missing = ballot.quorum - sum(1 for _, c in ballot.votes if c == APPROVE)
    return f"Waiting for {missing} more." if missing > 0 else ""
