"""Writes `docs/performance.md`: the figures as measured, on what, how, and which targets were missed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.bench.figures import NUMBERS, Detail, Figure, details
from tests.bench.sandbox import ROOT

PAGE = ROOT / "docs" / "performance.md"
INTRODUCTION = """\
# Performance

Written by `make bench` with `--record` (`python -m tests.bench --record`); nothing here was typed by hand. A floor is
what the machine needed for the bare thing in the same run: a Bolt app that only acknowledges, a durable commit, a
hash. Ratios to floors travel between machines, milliseconds do not.

Failovers are played in simulated time, which at speed 1 is real time. A physical limit is what the world itself needs
(a promotion, a node, a pod, a health check, a TTL), as the sandbox's stand-ins are set; AWS may take longer.
"""


def record(figures: Sequence[Figure], facts: Mapping[str, str], page: Path = PAGE) -> Path:
    """Write the page anew and return where it is."""
    page.parent.mkdir(exist_ok=True)
    parts = [
        INTRODUCTION,
        _table(figures),
        _missed(figures),
        *map(_detail, details(figures)),
        _how(figures),
        _machine(facts),
    ]
    page.write_text("\n".join(parts))
    return page


def _table(figures: Sequence[Figure]) -> str:
    lines = ["| Figure | Measured | Floor | Ratio | Target | |", "|---|---|---|---:|---|---|"]
    for f in figures:
        verdict = f"**{f.verdict}**" if f.met is False else f.verdict
        lines.append(f"| {f.name} | {f.measured} | {f.floor} | {f.times} | {f.target} | {verdict} |")
    return "\n".join(lines) + "\n"


def _missed(figures: Sequence[Figure]) -> str:
    missed = [f for f in figures if f.met is False]
    with_target = sum(f.met is not None for f in figures)
    if not missed:
        return f"All {with_target} targets were met in this run.\n"
    lines = [f"{len(missed)} of {with_target} targets were missed in this run:\n"]
    lines += [
        f"- {f.name}: {f.measured}{f' ({f.times} its floor)' if f.ratio else ''}, wanted {f.target}."
        for f in missed
    ]
    return "\n".join(lines) + "\n"


def _detail(detail: Detail) -> str:
    rule = ["---:" if heading in NUMBERS else "---" for heading in detail.headings]
    lines = [f"## {detail.title}\n", _row(detail.headings), _row(rule)]
    return "\n".join([*lines, *map(_row, detail.rows)]) + "\n"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _how(figures: Sequence[Figure]) -> str:
    lines = [f"- **{f.name}.** {f.how[:1].upper()}{f.how[1:]}." for f in figures if f.how]
    return "\n".join(["## How each was measured\n", *lines]) + "\n"


def _machine(facts: Mapping[str, str]) -> str:
    return (
        "\n".join(["## On what\n", "| | |", "|---|---|", *(f"| {k} | {v} |" for k, v in facts.items())])
        + "\n"
    )
