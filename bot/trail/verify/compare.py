"""Two copies of one log against each other, byte for byte: a database, a pack, a bucket."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Literal

from bot.trail.verify import bucket as buckets
from bot.trail.verify import database as databases
from bot.trail.verify import pack as packs
from bot.trail.verify.report import Report

Kind = Literal["database", "pack", "bucket"]


@dataclass(frozen=True)
class Source:
    """One copy: how it is verified, and its rows from a number on."""

    kind: Kind
    name: str
    verify: Callable[[Sequence[str], bytes | None, float | None], Report]
    bodies: Callable[[int], Iterator[tuple[int, bytes]]]


def of_database(url: str) -> Source:
    """The trail in a database."""
    return Source(
        "database",
        databases.shown(url),
        lambda pinned, known, now: databases.verify_database(url, pinned=pinned, known=known, now=now),
        lambda first: databases.bodies(url, first),
    )


def of_pack(path: Path | str) -> Source:
    """The part of the trail in a pack."""
    return Source(
        "pack",
        str(path),
        lambda pinned, known, now: packs.verify_pack(path, pinned=pinned, known=known, now=now),
        lambda first: packs.bodies(path, first),
    )


def of_bucket(bucket: buckets.Bucket, retention_days: int = buckets.RETENTION_DAYS) -> Source:
    """The trail in an archive."""
    return Source(
        "bucket",
        bucket.where,
        lambda pinned, known, now: buckets.verify_bucket(
            bucket, pinned=pinned, known=known, now=now, retention_days=retention_days
        ),
        lambda first: buckets.bodies(bucket, first),
    )


def compare(
    left: Source,
    right: Source,
    *,
    pinned: Sequence[str] = (),
    known: bytes | None = None,
    now: float | None = None,
) -> tuple[Report, Report, Report]:
    """Verify both and hold their rows against each other: the verdict on the pair, on the left, on the right.

    Raises ValueError when one of them cannot be read.
    """
    reports = left.verify(pinned, known, now), right.verify(pinned, known, now)
    pair = Report(source=f"{left.name} against {right.name}")
    for source, one in zip((left, right), reports, strict=True):
        for found in one.findings:
            pair.find(found.seq, found.code, f"{source.name}: {found.message}")
        for words in one.gaps:
            pair.gap(f"{source.name}: {words}")
        for words in one.notes:
            pair.note(f"{source.name}: {words}")
    if all(one.rows for one in reports):
        _compare(pair, left, right, *reports)
    return pair, *reports


def _compare(pair: Report, left: Source, right: Source, one: Report, other: Report) -> None:
    pair.chain = one.chain
    if one.chain != other.chain:
        pair.find(
            -1, "other-log", f"{left.name} is the log {one.chain!r}, {right.name} the log {other.chain!r}"
        )
        return
    first = max(one.first, other.first)
    ends = one.first + one.rows, other.first + other.rows
    if min(ends) <= first:
        pair.gap(f"{left.name} and {right.name} have no row in common, so nothing was compared")
        return
    if one.origin != other.origin and {left.kind, right.kind} == {"database", "bucket"}:
        pair.gap(
            f"the database signs for {one.origin if left.kind == 'database' else other.origin}, and the archive does"
            " not have that yet: they are compared only as far as they agree on it"
        )
        return
    pair.first, pair.first_ms, pair.last_ms = (
        first,
        max(one.first_ms, other.first_ms),
        min(one.last_ms, other.last_ms),
    )
    last: object = None
    for seq, (mine, theirs) in enumerate(zip_longest(left.bodies(first), right.bodies(first)), first):
        if mine is None or theirs is None:
            break
        if mine != theirs:
            pair.find(
                seq,
                "differs",
                f"row {seq} is another one in {left.name} than in {right.name}: one of them was altered",
            )
            break
        pair.rows += 1
        last = mine[1]
    pair.head = hashlib.sha256(b"\x00" + last).hexdigest() if isinstance(last, bytes) else ""
    for source, end, against in ((left, ends[0], right), (right, ends[1], left)):
        if end >= max(ends):
            continue
        if source.kind == "database":
            pair.find(
                end - 1,
                "cut-off",
                f"{against.name} holds {max(ends)} rows and the database only {end}: the newest ones were removed, or"
                " the database was restored to an earlier time",
            )
        else:
            pair.note(f"{source.name} ends {max(ends) - end} rows before {against.name}.")
