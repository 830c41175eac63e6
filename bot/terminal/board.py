"""A run as a live board: what is done in a word, what moves and what is held in a line each, the clock above."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from bot.changes.views import ChangeView, StepView
from bot.clock import span
from bot.estate import Estate
from bot.terminal.words import clean, open_questions, question_lines

MARKS = {"done": "✓", "active": "…", "held": "!", "skipped": "-", "unconfirmed": "?", "pending": " "}
_STYLES = {
    "done": "green",
    "active": "bold",
    "held": "bold red",
    "unconfirmed": "yellow",
    "skipped": "yellow",
}
_NEXT = 4
"""Steps that wait, of which the next so many are named."""


class Board:
    """Redrawn twice a second for as long as the terminal shows it; used as a context."""

    def __init__(self, console: Console, look: Callable[[], ChangeView], estate: Estate) -> None:
        self._look = look
        self._estate = estate
        self._seen = look()
        self._now = self._seen.created_at
        self._live = Live(get_renderable=self._draw, console=console, refresh_per_second=2, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, seen: ChangeView, now: float) -> None:
        """Show this from now on."""
        self._seen, self._now = seen, now

    def _draw(self) -> Group:
        return Group(*board_lines(self._seen, self._estate, self._now))


def board_lines(seen: ChangeView, estate: Estate, now: float) -> Iterator[Text]:
    """The board, line by line: clock, questions, steps."""
    yield Text(
        clean(f"{seen.title} ({seen.id}): {seen.state.replace('_', ' ')}. {clock_words(seen, now)}"), "bold"
    )
    # Questions stand above the steps: a low terminal cuts the end off.
    for question in open_questions(seen):
        for line in question_lines(question, estate, now):
            # Never wrapped: the line that is to be typed is copied as a whole.
            yield Text(clean(line), "yellow", no_wrap=line.startswith("  >"))
    if seen.run is not None:
        yield from _steps(seen.run.back if seen.run.state == "rolling_back" else seen.run.steps, now)


def clock_words(seen: ChangeView, now: float) -> str:
    """How long it has taken, against the objective; it stands still once production has moved."""
    ended = (seen.run and (seen.run.settled_at or seen.run.ended_at)) or seen.closed_at or now
    taken = ended - seen.clock_started
    late = ", above it" if taken > seen.rto_objective else ""
    return f"{span(taken)} of {span(seen.rto_objective)}{late}."


def step_line(step: StepView, now: float) -> str:
    """One step: its mark, its title, how long it took or has been at it, and why it does not go on."""
    took = f" {span((step.ended_at or now) - step.started_at)}" if step.started_at else ""
    of = f" of about {span(step.expect_seconds)}" if step.state == "active" and step.expect_seconds else ""
    why = f": {step.why}" if step.why and step.state in ("held", "unconfirmed", "skipped") else ""
    return f"{MARKS.get(step.state, ' ')} {step.title}{took}{of}{why}"


def _steps(steps: tuple[StepView, ...], now: float) -> Iterator[Text]:
    done = [step for step in steps if step.state == "done"]
    waiting = [step for step in steps if step.state == "pending"]
    if done:
        yield Text(clean(f"✓ {len(done)} of {len(steps)} done, last: {done[-1].title}"), "green")
    for step in steps:
        if step.state not in ("done", "pending"):
            yield Text(clean(step_line(step, now)), _STYLES.get(step.state, ""))
    for step in waiting[:_NEXT]:
        yield Text(clean(f"  {step.title}"), "dim")
    if len(waiting) > _NEXT:
        yield Text(f"  and {len(waiting) - _NEXT} more", "dim")
