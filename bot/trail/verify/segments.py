"""Files of rows, as the archive and the packs hold them: bodies with a newline after each, named by their numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bot.trail.verify.report import Report, Row

MOST_ROWS = 256
LONGEST = MOST_ROWS * 65_536
_NAME = re.compile(r"([0-9]{20})-([0-9]{20})\.jsonl")


def named(name: str) -> tuple[int, int] | None:
    """The first and last row that a name tells, or None."""
    found = _NAME.fullmatch(name)
    return (int(found[1]), int(found[2])) if found else None


def rows_of(raw: bytes, span: tuple[int, int], where: str, report: Report) -> Iterator[Row]:
    """The rows of one file; one that does not hold what its name says is a finding."""
    first, last = span
    lines = raw.split(b"\n")
    if lines.pop() != b"" or len(lines) != last - first + 1 or len(lines) > MOST_ROWS:
        report.find(
            first, "segment-malformed", f"{where} does not hold the rows {first} to {last}, a line each"
        )
    for seq, body in enumerate(lines, first):
        yield Row(seq, None, None, body)
