"""What a bench says: figures, each with its floor and its target, and the one table that shows them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

NUMBERS = ("Began after", "Took", "Share", "Ratio")
"""Headings of columns that stand to the right."""


@dataclass(frozen=True)
class Detail:
    """A table of its own beneath the figures."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    `floor` is what the machine itself needed for the same in the same run, `ratio` the measured value over
    it. `met` is None for figures without a target.
    """

    name: str
    measured: str
    target: str = ""
    met: bool | None = None
    floor: str = ""
    ratio: float | None = None
    how: str = ""
    detail: Detail | None = None

    @property
    def verdict(self) -> str:
        """For people: met, MISSED, or nothing when there is no target."""
        return {None: "", True: "met", False: "MISSED"}[self.met]

    @property
    def times(self) -> str:
        """The ratio as people read it."""
        return "" if self.ratio is None else f"{self.ratio:.2f} ×"


@dataclass(frozen=True)
class Form:
    """How much is measured; `short` looks whether the bench still works, its figures say little.

    `speed` is how many simulated seconds pass in a real one while a failover is played; at another speed than 1
    our own real seconds weigh too much, and no target is judged.
    """

    bursts: int
    burst: int
    approvals: int
    core_approvals: int
    runs: int
    steps: int
    commits: int
    rows: int
    log_rows: int
    pack_rows: int
    starts: int
    play: bool
    speed: float = 1.0
    short: bool = False


FULL = Form(
    bursts=5, burst=50, approvals=30, core_approvals=300, runs=6, steps=30, commits=500, rows=20_000,
    log_rows=1_000_000, pack_rows=10_000, starts=3, play=True,
)  # fmt: skip
SHORT = Form(
    bursts=1, burst=10, approvals=2, core_approvals=10, runs=1, steps=6, commits=30, rows=500,
    log_rows=2_000, pack_rows=1_500, starts=1, play=False, speed=20.0, short=True,
)  # fmt: skip


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that `share` of all values do not exceed; of few values the p99 is the largest."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def ms(seconds: float) -> str:
    """Seconds as milliseconds, three digits that count."""
    value = seconds * 1000
    return f"{value:.0f} ms" if value >= 100 else f"{value:.1f} ms" if value >= 10 else f"{value:.2f} ms"


def seconds(value: float) -> str:
    """Seconds as people read them, one digit after the point below a minute."""
    return f"{value:.0f} s" if value >= 60 else f"{value:.1f} s"


def show(figures: Sequence[Figure], console: Console | None = None) -> None:
    """Print the table."""
    table = Table(title="Signalbox, measured", title_justify="left", pad_edge=False)
    for heading in ("Figure", "Measured", "Floor", "Ratio", "Target", ""):
        table.add_column(heading, justify="right" if heading == "Ratio" else "left", overflow="fold")
    for figure in figures:
        style = {None: "", True: "green", False: "bold red"}[figure.met]
        table.add_row(
            figure.name,
            figure.measured,
            figure.floor,
            figure.times,
            figure.target,
            f"[{style}]{figure.verdict}[/]" if style else "",
        )
    out = console or Console(width=None if Console().is_terminal else 150)
    out.print(table)
    for detail in details(figures):
        out.print()
        out.print(_detailed(detail))


def details(figures: Sequence[Figure]) -> list[Detail]:
    """The tables beneath the figures, in their order."""
    return [figure.detail for figure in figures if figure.detail is not None]


def _detailed(detail: Detail) -> Table:
    table = Table(title=detail.title, title_justify="left", pad_edge=False)
    for heading in detail.headings:
        table.add_column(heading, justify="right" if heading in NUMBERS else "left", overflow="fold")
    for row in detail.rows:
        table.add_row(*row)
    return table
