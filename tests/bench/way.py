"""The longest way through a run, from what its steps took: pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from bot.plan import Plan, Step


@dataclass(frozen=True)
class Took:
    """When a step began and ended, simulated epoch seconds."""

    started: float
    ended: float

    @property
    def seconds(self) -> float:
        return self.ended - self.started


@dataclass(frozen=True)
class Way:
    """Steps of a plan, one needing the one before it, and how long they took together."""

    steps: tuple[Step, ...]
    seconds: float


def counted(plan: Plan) -> list[Step]:
    """Every step but those that stand, and those that wait for one that stands."""
    left_out: set[str] = set()
    found = []
    for step in plan.steps:
        if step.standing or left_out.intersection(step.needs):
            left_out.add(step.id)
        else:
            found.append(step)
    return found


def longest(plan: Plan, took: Mapping[str, Took], until: Collection[str] = ()) -> Way:
    """The longest way through the plan by measured durations; with `until`, to the end of the last of these.

    A step that never began, because nobody needed it, takes no time.
    """
    best: dict[str, Way] = {}
    for step in counted(plan):
        before = max((best[need] for need in step.needs), key=lambda way: way.seconds, default=Way((), 0.0))
        own = took[step.id].seconds if step.id in took else 0.0
        best[step.id] = Way((*before.steps, step), before.seconds + own)
    ends = [way for step, way in best.items() if not until or step in until]
    return max(ends, key=lambda way: way.seconds)


def ancestors(plan: Plan, step: Step) -> set[str]:
    """Everything that must have ended before this step begins."""
    found: set[str] = set()
    todo = list(step.needs)
    while todo:
        need = todo.pop()
        if need not in found:
            found.add(need)
            todo += plan.step(need).needs
    return found


def served_from(timeline: Collection[Mapping[str, int]], since: float, share: float = 0.95) -> float | None:
    """The first second from which customers are served again: `share` of all requests of 30 seconds succeed.

    Second by second as the sandbox counts them; the last ones, still under way, are of no account.
    """
    rows = [row for row in timeline if row["t"] >= since]
    for row in rows:
        window = [r for r in rows if row["t"] <= r["t"] < row["t"] + 30]
        ok = sum(r["ok"] for r in window)
        done = ok + sum(r["failed"] for r in window)
        if row["ok"] >= 0.8 * (row["ok"] + row["failed"]) > 0 and ok >= share * done:
            return float(row["t"])
    return None
