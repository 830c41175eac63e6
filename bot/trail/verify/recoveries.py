"""Where a log parted from its archive: what the row of a recovery names, held against what is there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.trail.tree import Frontier, leaf_hash
from bot.trail.verify.report import Report

if TYPE_CHECKING:
    from bot.trail.verify.rows import Walk


@dataclass(frozen=True)
class Recovered:
    """A row that names where a log parted from its archive."""

    seq: int
    origin: str
    locked_origin: str
    locked_size: int
    locked_root: str
    local_size: int
    local_root: str


def check_local(report: Report, recovered: Iterable[Recovered], bodies: Iterable[tuple[int, bytes]]) -> None:
    """Whether the heads that recoveries name as this log's own are: reads the rows before them once more."""
    wanted = sorted(recovered, key=lambda one: one.local_size)
    grown = Frontier()
    for seq, body in bodies:
        if not _judged(report, wanted, grown) or seq != grown.size:
            return
        grown.add(leaf_hash(body))
    _judged(report, wanted, grown)


def _judged(report: Report, wanted: list[Recovered], grown: Frontier) -> bool:
    while wanted and wanted[0].local_size <= grown.size:
        one = wanted.pop(0)
        if one.local_root != grown.root().hex():
            report.find(
                one.seq,
                "recovery-heads",
                f"the recovery names another head over {one.local_size} rows than they have",
            )
    return bool(wanted)


def relate(report: Report, chain: str, origins: list[str], walks: dict[str, Walk]) -> None:
    """Each origin after the first is one that a row of a recovery names, with where the one before it ended."""
    for number, origin in enumerate(origins):
        if origin == chain:
            continue
        before = origins[number - 1] if number else ""
        row = next((one for one in walks[origin].heads.recovered if one.origin == origin), None)
        if row is None:
            report.find(-1, "origin-unexplained", f"the log goes on as {origin}, and no row says why: a fork")
            continue
        if not before:
            report.find(
                row.seq, "origin-missing", f"{origin} follows {row.locked_origin}, of which nothing is here"
            )
            continue
        _parted(report, row, before, walks)


def _parted(report: Report, row: Recovered, before: str, walks: dict[str, Walk]) -> None:
    old = walks[before].report
    if (row.locked_origin, row.locked_size, row.locked_root) != (before, old.size, old.root):
        report.find(
            row.seq,
            "recovery-names-other",
            f"the recovery names {row.locked_origin} over {row.locked_size} rows as what was locked last, and below"
            f" {before} that is over {old.size} rows{'' if row.locked_size != old.size else ' with another root'}",
        )
        return
    there = walks[before].heads.roots.get(row.local_size)
    same = there is not None and there.hex() == row.local_root
    rest = (
        f"rows {row.local_size} to {old.rows - 1} are only below {before}"
        if same and old.rows > row.local_size
        else "nothing was lost"
        if same
        else f"they part before row {row.local_size}"
    )
    report.note(
        f"The log parted from its archive and was recovered in row {row.seq}: it goes on as {row.origin}; {rest}."
    )
