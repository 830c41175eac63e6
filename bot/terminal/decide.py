"""Answering at the terminal: what is decided is shown, signed with a pinned key, and handed to the desk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from rich.console import Console

from bot.changes.desk import Desk
from bot.changes.signed import Signed, fingerprint, stop_statement, vote_statement
from bot.changes.views import Answer, ChangeView, DecisionView
from bot.errors import NotAllowed, Refused, UsageError
from bot.terminal.keys import Passphrase, signer
from bot.terminal.words import BREAK_GLASS, clean, open_questions, plan_lines, question_lines

STOPS = ("rollback", "abort")
_UNDER_WAY = ("running", "rolling_back", "standing")
LONGEST_REASON = 2000
_LOOK_BACK = 200
"""Changes; a review may stay open for days while others come and go."""


@dataclass(frozen=True)
class Voter:
    """Who answers, and with what they sign: a key's file, else the agent at this socket."""

    person: str
    key: Path | None
    socket: str
    ask: Passphrase | None = None
    sure: Callable[[], bool] | None = None
    """Asks once more before it is signed; None where nobody can be asked."""


def print_questions(console: Console, desk: Desk) -> int:
    """Every open question with the command that answers it. Returns the exit code."""
    found = [(seen, question) for seen in desk.changes(_LOOK_BACK) for question in open_questions(seen)]
    for seen, question in found:
        console.print(f"{clean(seen.title)} ({seen.id}), {seen.state.replace('_', ' ')}")
        for line in question_lines(question, desk.estate, desk.clock.now()):
            console.print(f"  {clean(line)}")
    if not found:
        console.print("No question is open.")
    return 0


def decide(console: Console, desk: Desk, words: tuple[str, ...], voter: Voter, reason: str) -> int:
    """Answer a question or end a run. Returns 0 when it counted, else 1. Raises SignalboxError before anything."""
    if desk.estate.role(voter.person) is None:
        raise NotAllowed(f"{voter.person} is nobody in this estate.", then="Give your id with --as.")
    if not 1 <= len(words) <= 2:
        raise UsageError("signalbox decide takes an answer, after the id of a change or question.")
    name, choice = ("", *words)[-2:]
    choice, reason = choice.replace("-", "_").lower(), reason.strip()
    if len(reason) > LONGEST_REASON:
        raise UsageError(f"A reason has at most {LONGEST_REASON} characters, as the trail keeps it whole.")
    seen, question = _find(desk, name, choice)
    for line in plan_lines(seen, steps=False):
        console.print(clean(line))
    if question is not None:
        console.print(clean(f"  Question: {question.question}"))
        for vote in question.votes:
            console.print(clean(f"  So far: {vote.person} {vote.choice} {vote.reason}"))
        if question.reason_needed and not reason:
            raise Refused("This answer needs a reason.", then='Give it with --reason "…".')
    sign = signer(desk.estate.keys.get(voter.person, ()), key=voter.key, socket=voter.socket, ask=voter.ask)
    console.print(clean(f"  {voter.person} answers: {choice}{f', because: {reason}' if reason else ''}"))
    if voter.sure is not None and not voter.sure():
        console.print("Nothing was signed and nothing was changed.")
        return 1
    answer, signed = _answer(desk, seen, question, choice, voter.person, reason, sign)
    console.print(f"  Signed with {fingerprint(signed.key)}.")
    console.print(clean(answer.text))
    return 0 if answer.counted else 1


def _answer(
    desk: Desk,
    seen: ChangeView,
    question: DecisionView | None,
    choice: str,
    person: str,
    reason: str,
    sign: Callable[[bytes], Signed],
) -> tuple[Answer, Signed]:
    if question is None:
        signed = sign(stop_statement(seen.id, choice, person, seen.digest))
        return desk.stop(seen.id, choice, person, face="terminal", signed=signed), signed
    signed = sign(vote_statement(question.id, choice, person, question.digest, reason))
    return desk.vote(question.id, choice, person, face="terminal", reason=reason, signed=signed), signed


def _find(desk: Desk, name: str, choice: str) -> tuple[ChangeView, DecisionView | None]:
    """The change and the question that this answers; no question where it ends a run. Raises Refused, UsageError."""
    every = desk.changes(_LOOK_BACK)
    for seen in every:
        for question in (seen.approval, *seen.holds, *seen.reviews):
            if question is not None and name == question.id:
                return seen, question
    if name:
        named = next((seen for seen in every if seen.id == name), None) or desk.view(name)
        if named is None:
            raise Refused(
                f"There is no change and no question {clean(name)!r}.", then="signalbox questions lists them."
            )
        return _in_change(named, choice)
    waiting = [seen for seen in every if open_questions(seen) or _under_way(seen)]
    fitting = [seen for seen in waiting if _takes(seen, choice)]
    if len(fitting) > 1:
        listed = "; ".join(f"{seen.title} ({seen.id})" for seen in fitting)
        raise Refused(f"Several changes are open: {listed}.", then=f"Name one: signalbox decide ID {choice}.")
    if not waiting:
        raise Refused("No question is open and nothing is under way.", then="See signalbox run /runs.")
    return _in_change((fitting or waiting)[0], choice)


def _in_change(seen: ChangeView, choice: str) -> tuple[ChangeView, DecisionView | None]:
    if choice in STOPS and _under_way(seen):
        return seen, None
    asked = open_questions(seen)
    fitting = [question for question in asked if choice in _choices(question)]
    if len(fitting) > 1:
        # Two holds may both offer it, and which of them is newer can change while somebody types.
        listed = "; ".join(f"{question.id}: {question.question}" for question in fitting)
        raise Refused(
            f"{len(fitting)} open questions take {choice}: {listed}.",
            then=f"Name one: signalbox decide ID {choice}.",
        )
    if fitting:
        return seen, fitting[0]
    known = sorted(
        {c for question in asked for c in _choices(question)} | (set(STOPS) if _under_way(seen) else set())
    )
    if not known:
        raise Refused(f"{seen.title} ({seen.id}) is {seen.state.replace('_', ' ')}: nothing is asked.")
    near = get_close_matches(choice, known, 1)
    raise UsageError(
        f"{clean(choice)!r} is no answer to what is open in {seen.id}.",
        then=f"Did you mean {near[0]}?" if near else f"Possible: {', '.join(known)}.",
    )


def _takes(seen: ChangeView, choice: str) -> bool:
    return (choice in STOPS and _under_way(seen)) or any(choice in _choices(q) for q in open_questions(seen))


def _choices(question: DecisionView) -> set[str]:
    return {option.action for option in question.options} | (
        {BREAK_GLASS} if question.glass_at is not None else set()
    )


def _under_way(seen: ChangeView) -> bool:
    return seen.run is not None and seen.run.state in _UNDER_WAY
