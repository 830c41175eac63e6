"""What follows from one look at a step: pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bot.action import Action
from bot.verdict import Kind, Verdict


class Next(StrEnum):
    """What a visit does after judging."""

    DONE = "done"
    ACT = "act"
    WAIT = "wait"
    ASK = "ask"
    GIVE_UP = "give_up"


@dataclass(frozen=True)
class Attempts:
    """A step's history since it was started or retried: calls made, and when (epoch seconds).

    A call that was throttled changed nothing: it leaves its time and does not count.
    """

    started_at: float
    attempts: int = 0
    applied_at: float | None = None


def after(verdict: Verdict, action: Action, had: Attempts, now: float) -> tuple[Next, str]:
    """What to do next, and why it gives up when it does.

    Unknown is never done and never acted on: the call might be the second one.
    """
    if verdict.kind == Kind.PASS:
        return Next.DONE, ""
    late = now - had.started_at >= action.timeout
    untried = had.attempts == 0 and (had.applied_at is None or not late)
    if verdict.kind == Kind.FAIL and action.apply is not None and untried:
        return Next.ACT, ""  # never give up on what was never tried, however long nobody could look
    if verdict.kind == Kind.FAIL and action.apply is not None:
        fresh = had.applied_at is not None and 0 <= now - had.applied_at < action.grace
        if fresh and not late:
            return Next.WAIT, ""
        if had.attempts < action.tries and not late:
            return Next.ACT, ""
        if not late and had.attempts >= action.tries and had.applied_at is not None:
            if 0 <= now - had.applied_at < max(action.grace, action.poll):
                return Next.WAIT, ""
            return Next.GIVE_UP, f"tried {had.attempts} times: {verdict.why}"
    if late:
        return Next.GIVE_UP, f"not seen done within {action.timeout} s: {verdict.why}"
    return Next.WAIT, ""


def after_standing(verdict: Verdict, action: Action, had: Attempts, now: float) -> Next:
    """The same for a step that stands: it acts as often as it must and never gives up; late, it asks."""
    if verdict.kind == Kind.PASS:
        return Next.DONE
    if verdict.kind == Kind.FAIL and action.apply is not None:
        fresh = had.applied_at is not None and 0 <= now - had.applied_at < max(action.grace, action.poll)
        return Next.WAIT if fresh else Next.ACT
    return Next.ASK if now - had.started_at >= action.timeout else Next.WAIT
