"""Which rows the archive holds that this database lacks: for people who are about to sign a recovery."""

from __future__ import annotations

from dataclasses import dataclass

import orjson
from sqlmodel import Session, col, select

from bot.clock import iso
from bot.errors import OutsideError
from bot.store.tables import Entry
from bot.vault import Archive

_SEGMENTS = 200
"""Most segments that are read: some 50,000 rows; what lies before them is told as `at least`."""


@dataclass(frozen=True)
class Missing:
    """Rows that only the archive has: `first` to `last`, from and until (epoch seconds); `whole` = none is before."""

    first: int
    last: int
    count: int
    since: float
    until: float
    whole: bool = True

    def words(self) -> str:
        """As people read it."""
        least = "" if self.whole else "at least "
        return (
            f"Only the archive has {least}{self.count} rows, {self.first} to {self.last}, written between "
            f"{iso(self.since)} and {iso(self.until)}. They are not lost: they stay locked there."
        )


def missing(session: Session, archive: Archive, origin: str) -> Missing | None:
    """Compare the archive's segments with the rows here, newest first, until one agrees; None when all do.

    Raises OutsideError when the archive does not answer.
    """
    # Of every key the oldest version counts: it is the one that was locked first.
    keys: dict[str, str] = {}
    for one in archive.versions(f"{origin}/entries/"):
        if not one.marker:
            keys.setdefault(one.key, one.version)
    only: dict[int, float] = {}
    whole = False
    for number, key in enumerate(sorted(keys, key=_range, reverse=True)):
        if number == _SEGMENTS:
            break
        bodies = archive.read(key, keys[key]).body.splitlines()
        first = _range(key)[0]
        different = _different(session, first, bodies)
        if not different:
            whole = True
            break
        only |= different
        whole = first == 0
    if not only:
        return None
    return Missing(min(only), max(only), len(only), min(only.values()), max(only.values()), whole)


def _different(session: Session, first: int, bodies: list[bytes]) -> dict[int, float]:
    """Rows of this segment that are not the ones here, with their times."""
    rows = select(Entry.seq, Entry.body).where(Entry.seq >= first, Entry.seq < first + len(bodies))
    here = dict(session.exec(rows.order_by(col(Entry.seq))).all())
    return {seq: _time(body) for seq, body in enumerate(bodies, first) if body and here.get(seq) != body}


def _time(body: bytes) -> float:
    try:
        return float(orjson.loads(body)["time"]) / 1000
    except (ValueError, KeyError, TypeError) as error:
        raise OutsideError("A segment in the archive holds something else than rows of a trail.") from error


def _range(key: str) -> tuple[int, int]:
    """First and last row of a segment by its name; what is named otherwise comes last."""
    first, _, last = key.rpartition("/")[2].removesuffix(".jsonl").partition("-")
    return (int(first), int(last)) if first.isdigit() and last.isdigit() else (-1, -1)
