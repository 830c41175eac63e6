"""What is printed of a change: plan, questions with the command that answers each, report."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from rich.console import Console

from bot.changes.views import ChangeView, DecisionView
from bot.clock import iso, span
from bot.estate import Estate

BREAK_GLASS = "break_glass"
_MENTION = re.compile(r"<[@#!]([^>|]+)(?:\|[^>]*)?>")


def console() -> Console:
    """Standard output: texts come from people, so nothing in them is taken for markup; long lines stay whole."""
    return Console(markup=False, emoji=False, highlight=False, soft_wrap=True)


def clean(text: str) -> str:
    """A line as a terminal may print it: mentions as ids, and nothing that moves the cursor or hides words."""
    words = _MENTION.sub(r"\1", text)
    shown = "".join(" " if c.isspace() else c if c.isprintable() else "�" for c in words)
    return shown.replace(":warning:", "!").replace("`", "'")


def open_questions(seen: ChangeView) -> list[DecisionView]:
    """The change's questions that wait for an answer, oldest first."""
    every = (*([seen.approval] if seen.approval else []), *seen.holds, *seen.reviews)
    return sorted((q for q in every if q.state == "open"), key=lambda q: q.created_at)


def plan_lines(seen: ChangeView, *, steps: bool) -> Iterator[str]:
    """What the change would do, what may be lost, and what was promised."""
    yield f"{seen.title} ({seen.id}), plan {seen.digest[:12]}"
    yield f"  Asked by {seen.requester} at {iso(seen.created_at)}{': ' if seen.reason else '.'}{seen.reason}"
    if seen.note:
        yield f"  Note: {seen.note}"
    if seen.order:
        yield f"  {seen.order}"
    told = (
        ("Stops", seen.preempts),
        ("Lost", seen.losses),
        ("Warning", seen.warnings),
        ("Note", seen.notes),
        ("Bound", seen.bounds),
    )
    for label, lines in told:
        yield from (f"  {label}: {line}" for line in lines)
    if steps:
        yield from (f"  {number:>2}. {step.title}" for number, step in enumerate(seen.plan, 1))
    else:
        yield f"  {len(seen.plan)} steps, about {span(seen.expect_seconds)} (signalbox run '/runs show {seen.id}')"


def question_lines(question: DecisionView, estate: Estate, now: float) -> Iterator[str]:
    """The question, who may answer it here, and the command line to type."""
    asked = f"Approve: {question.question}" if question.kind == "approval" else question.question
    until = "" if question.expires_at is None else f" Until {iso(question.expires_at)}."
    given = "".join(
        f" {v.person} said {v.choice}{f': {v.reason}' if v.reason else ''}." for v in question.votes
    )
    yield f"? {asked}"
    if question.kind == "recovery":
        yield from _recovery_lines(question, estate)
        return
    answers = [o.action if o.action != "instead" else f"instead ({o.label})" for o in question.options]
    yield f"  Answers: {', '.join(answers)}; {question.quorum} of {', '.join(question.deciders)}.{until}{given}"
    able = [p for p in question.deciders if p in estate.keys and p not in {v.person for v in question.votes}]
    if able and question.options:
        yield f"  > {command_line(question, question.options[0].action, able[0])}"
    elif not able:
        yield "  Nobody who may answer has a key in the estate: it is answered in Slack."
    if question.glass_at is not None and now < question.glass_at:
        yield (
            f"  Nobody answers? From {iso(question.glass_at)} on (in {span(question.glass_at - now)}) "
            "the glass may be broken:"
        )
    elif question.glass_at is not None:
        yield "  Nobody answers? The glass may be broken; everybody hears of it, and it is reviewed:"
    breakers = [p for p in question.glass_by if p in estate.keys]
    if question.glass_at is not None and breakers:
        yield f"  > {command_line(question, BREAK_GLASS, breakers[0])}"
    elif question.glass_at is not None:
        yield f"  by {' or '.join(question.glass_by)}, in Slack: none of them has a key in the estate."


def _recovery_lines(question: DecisionView, estate: Estate) -> Iterator[str]:
    had = {v.person for v in question.votes}
    until = "" if question.expires_at is None else f" Until {iso(question.expires_at)}."
    signed = "".join(f" {v.person} signed: {v.reason}." for v in question.votes)
    yield f"  Takes signatures of {question.quorum} of {', '.join(question.deciders)}.{until}{signed}"
    able = [p for p in question.deciders if p in estate.keys and p not in had]
    if able:
        yield f'  > signalbox recover --as {able[0]} --reason "..."'


def command_line(question: DecisionView, choice: str, person: str) -> str:
    """What answers this very question on another terminal."""
    why = ' --reason "..."' if question.reason_needed else ""
    return f"signalbox decide {shlex.quote(question.id)} {choice} --as {person}{why}"


def report_lines(seen: ChangeView) -> Iterator[str]:
    """How it ended, in figures."""
    if seen.report is None:
        return
    yield seen.report.outcome
    for figure in seen.report.figures:
        yield f"  {figure.label}: {figure.value}"
    yield from (f"  Open: {note}" for note in seen.report.notes)
    if seen.report.trail:
        yield f"  {seen.report.trail}"
