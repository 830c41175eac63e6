"""Bytes that were written once verify for ever: no later version may read them differently."""

from __future__ import annotations

import json
from pathlib import Path

from bot.trail.note import parse_note
from bot.trail.tree import EMPTY, leaf_hash
from bot.trail.verify import Row, verify_rows
from bot.trail.verify.heads import Signed

DATA = Path(__file__).parents[1] / "data"
KEY = "signalbox/golden+5f71f42f+AUy1q/atefv1q7zK/MJp2FzSZR7UuIW1hp8kGu3wpbop"


def test_rows_of_schema_version_1_are_verified() -> None:
    """Rows, three checkpoints, a rotated key, a clock set back and a recovery, under the key that was pinned."""
    rows, prev = [], EMPTY
    for seq, body in enumerate((DATA / "trail-v1.jsonl").read_bytes().splitlines()):
        rows.append(Row(seq, prev, leaf_hash(body), body))
        prev = leaf_hash(body)
    assert {json.loads(row.body)["schema_version"] for row in rows} == {1}
    notes = [path.read_bytes() for path in sorted(DATA.glob("trail-v1.*.checkpoint"))]
    points = [parse_note(note).checkpoint for note in notes]
    signed = [Signed(one.origin, one.size, note, "golden") for one, note in zip(points, notes, strict=True)]
    report = verify_rows(rows, (len(rows), prev), signed=signed, pinned=[KEY])
    assert (report.findings, report.gaps, report.exit_code) == ([], [], 0)
    assert (report.rows, report.checkpoints, report.origin) == (len(rows), 3, "signalbox/golden/r1")
    assert report.root == points[-1].root.hex()
