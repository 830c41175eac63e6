"""Which steps may be looked at next: the one place that decides, pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from bot.plan import Plan


class State(StrEnum):
    """Where a step stands; the last three are its ends."""

    PENDING = "pending"
    ACTIVE = "active"
    HELD = "held"
    DONE = "done"
    SKIPPED = "skipped"
    UNCONFIRMED = "unconfirmed"


ENDED = frozenset({State.DONE, State.SKIPPED, State.UNCONFIRMED})


@dataclass(frozen=True)
class Progress:
    """What `moves` needs of a step's row; `wake_at` in epoch seconds."""

    state: State
    wake_at: float = 0.0


@dataclass(frozen=True)
class Moves:
    """Steps to visit now, when to look again (None: only when something changes), and how far the plan is.

    `settled`: all has ended but what stands, and what waits for what stands. `ended`: all has.
    """

    visit: tuple[str, ...]
    wake_at: float | None
    settled: bool
    ended: bool


def moves(plan: Plan, rows: Mapping[str, Progress], now: float) -> Moves:
    """What may be visited at `now`.

    A step starts when everything that it needs has ended; an active one is seen again at its `wake_at`; a
    held one waits for people. A step without a row is pending, a row without a step is ignored.
    """
    states = {step.id: rows.get(step.id, Progress(State.PENDING)) for step in plan.steps}
    visit: list[str] = []
    later: list[float] = []
    for step in plan.steps:
        row = states[step.id]
        if row.state in ENDED or row.state == State.HELD:
            continue
        if row.state == State.PENDING and not all(states[n].state in ENDED for n in step.needs):
            continue
        if row.wake_at <= now:
            visit.append(step.id)
        else:
            later.append(row.wake_at)
    left = {step.id for step in plan.steps if states[step.id].state not in ENDED}
    return Moves(tuple(visit), min(later, default=None), left <= _standing(plan, left), not left)


def _standing(plan: Plan, left: set[str]) -> set[str]:
    """Of the steps that are left: those that stand, and those that cannot begin before one of them has ended."""
    found: set[str] = set()
    for step in plan.steps:
        if step.id in left and (step.standing or found.intersection(step.needs)):
            found.add(step.id)
    return found


def blocks_left(plan: Plan, rows: Mapping[str, Progress]) -> frozenset[str]:
    """The resources that steps which have not ended still name."""
    return frozenset(
        block
        for step in plan.steps
        if rows.get(step.id, Progress(State.PENDING)).state not in ENDED
        for block in step.blocks
    )
