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
    """Steps to visit now, when to look again (None: only when something changes), and whether all have ended."""

    visit: tuple[str, ...]
    wake_at: float | None
    ended: bool


def moves(plan: Plan, rows: Mapping[str, Progress], now: float, *, stopping: bool = False) -> Moves:
    """What may be visited at `now`.

    A step starts when everything that it needs has ended; an active one is seen again at its `wake_at`; a
    held one waits for people. While stopping nothing is visited and nothing ends by itself. A step without
    a row is pending, a row without a step is ignored.
    """
    states = {step.id: rows.get(step.id, Progress(State.PENDING)) for step in plan.steps}
    ended = all(row.state in ENDED for row in states.values())
    if stopping:
        return Moves((), None, ended=False)
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
    return Moves(tuple(visit), min(later, default=None), ended)
