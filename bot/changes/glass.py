"""Break-glass: nobody approved in time, so one person on call starts an unplanned failover, and is reviewed.

The one exception to "signal before movement": loud, recorded, and open until others have closed the review.
"""

from __future__ import annotations

import secrets

from bot.clock import span
from bot.errors import NotAllowed, Refused
from bot.estate import BreakGlass, Estate
from bot.store.tables import Change, Decision
from bot.trail.append import Record
from bot.trail.event import Event, Name

BREAK, CLOSE = "break_glass", "close"
LEAST_WORDS = 10
"""Characters that a reason must have: enough to say something."""


def offered(estate: Estate, kind: str) -> bool:
    """Whether this kind of change may be started by break-glass: only a failover that was not planned."""
    return kind == "failover" and estate.break_glass is not None


def from_when(estate: Estate, change: Change) -> float | None:
    """Epoch seconds from when on the glass may be broken; a plan made anew does not prolong the wait."""
    if estate.break_glass is None or not offered(estate, change.kind):
        return None
    return change.created_at + estate.break_glass.after_seconds


def check(estate: Estate, change: Change, person: str, now: float) -> None:
    """Raises NotAllowed or Refused unless this person may break the glass now."""
    at, rule = from_when(estate, change), estate.break_glass
    if at is None or rule is None:
        raise Refused("This cannot be started by break-glass.", then="Someone has to approve it.")
    if estate.role(person) not in rule.by:
        raise NotAllowed(
            f"The glass is broken by {' or '.join(rule.by)} only.",
            then="You can approve or deny it, if a lead.",
        )
    if now < at:
        raise Refused(
            f"There is still time for an approval: the glass may be broken in {span(at - now)}.",
            not_done="Nothing was started.",
            then="Call the people who may approve.",
        )


def broken(
    record: Record, estate: Estate, change: Change, decision: Decision, person: str, now: float
) -> None:
    """Say loudly that it was broken, and open the review that nobody gets round."""
    assert estate.break_glass is not None
    decision.emergency = True
    record.session.add(decision)
    question = f"Review of the break-glass that started: {change.title}"
    review = review_of(estate, change, person, question, now)
    record.session.add(review)
    record.add(
        Event(
            name=Name.GLASS_BROKEN,
            actor=person,
            change=change.id,
            detail={
                "decision": decision.id,
                "reason": change.reason[:500],
                "waited": span(now - change.created_at),
            },
            approval={"decision": decision.id, "digest": change.digest, "review": review.id},
        )
    )
    record.add(review_opened(review, person))


def review_of(estate: Estate, change: Change, person: str, question: str, now: float) -> Decision:
    """The review that an emergency owes: open until others than this person and the asker have closed it."""
    by = (estate.break_glass or BreakGlass()).review
    return Decision(
        id=secrets.token_hex(6),
        change=change.id,
        kind="review",
        question=question,
        options=CLOSE,
        roles=by.role,
        quorum=by.quorum,
        excluded=",".join(dict.fromkeys((person, change.requester))),
        digest=change.digest,
        state="open",
        emergency=True,
        created_at=now,
    )


def review_opened(review: Decision, person: str) -> Event:
    """The trail's row of a review that begins."""
    return Event(
        name=Name.DECISION_OPENED,
        actor=person,
        change=review.change,
        detail={"decision": review.id, "kind": "review"},
        approval={"decision": review.id, "quorum": review.quorum, "role": review.roles},
    )


def check_words(
    reason: str, what: str = "A review is closed", then: str = "Say what was found, and whether it was right."
) -> None:
    """Raises Refused for a reason that says nothing."""
    if len(reason.strip()) < LEAST_WORDS:
        raise Refused(
            f"{what} with a reason of at least {LEAST_WORDS} characters.",
            not_done="Your answer did not count.",
            then=then,
        )
