"""Opening and erasing what the trail only commits to: a row of the trail is never edited, its disclosure is deleted."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson
from sqlalchemy import delete
from sqlmodel import Session, col, select

from bot.errors import Refused
from bot.store.tables import Disclosure, Entry
from bot.trail.append import Trail
from bot.trail.event import Event, Name
from bot.trail.sealed import Kept, matches

_IN_TEXT = re.compile(r"\[sealed:[a-z-]+:([A-Za-z0-9_-]{43})\]")
Told = Literal["disclosed and matches", "disclosed and does not match", "withheld", "erased"]


@dataclass(frozen=True)
class Opened:
    """One commitment of a row: where it stands, what it says of itself, and the value when it was disclosed."""

    path: str
    told: Told
    value: Any = None


def commitments(body: bytes) -> Iterator[tuple[str, str]]:
    """(path, digest) of everything that a row only commits to, in the order of the row's keys."""
    unmapped = orjson.loads(body)["unmapped"]
    for part in ("detail", "approval"):
        yield from _within(unmapped.get(part, {}), part)


def disclose(session: Session, seq: int) -> list[Kept]:
    """What opens the commitments of this row, as far as it is still kept."""
    rows = session.exec(select(Disclosure).where(Disclosure.seq == seq).order_by(col(Disclosure.path))).all()
    return [Kept(row.path, row.salt, orjson.loads(row.value)) for row in rows]


def opened(body: bytes, disclosures: Sequence[Kept], erased: Sequence[str] = ()) -> list[Opened]:
    """What there is to say of each commitment of a row.

    `erased` are the paths that a later `trail:field:redacted` names; what is neither there nor disclosed is withheld.
    """
    by_path = {one.path: one for one in disclosures}
    found = []
    for path, digest in commitments(body):
        if (one := by_path.get(path)) is None:
            found.append(Opened(path, "erased" if path in erased else "withheld"))
        elif matches(digest, one.salt, path, one.value):
            found.append(Opened(path, "disclosed and matches", one.value))
        else:
            found.append(Opened(path, "disclosed and does not match"))
    return found


def redact(trail: Trail, seq: int, path: str, who: str, why: str) -> None:
    """Delete what opens this commitment, and say so in the trail: who, why and which.

    The row stays as it is. Raises Refused when the row holds no such commitment.
    """
    with trail.record() as record:
        entry = record.session.get(Entry, seq)
        if entry is None:
            raise Refused(f"The trail has no row {seq}.")
        if path not in {place for place, _ in commitments(entry.body)}:
            raise Refused(
                f"Row {seq} holds nothing at {path} that could be erased.",
                then="What was written verbatim stays: the trail is never edited. A leaked secret is rotated.",
            )
        kept = record.session.get(Disclosure, (seq, path))
        if kept is not None:
            record.session.delete(kept)
        detail = {"seq": seq, "path": path, "why": why[:1000], "kept": kept is not None}
        record.add(Event(name=Name.FIELD_REDACTED, actor=who, change=entry.change, detail=detail))


def forget(trail: Trail) -> int:
    """Delete the disclosures whose time is over, as was settled when they were written; how many there were."""
    now = trail.clock.now()
    with trail.database.read() as session:
        if session.exec(select(Disclosure.seq).where(Disclosure.until <= now).limit(1)).first() is None:
            return 0
    with trail.database.write() as session:
        gone = session.connection().execute(delete(Disclosure).where(col(Disclosure.until) <= now))
        return gone.rowcount


def _within(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        for number, found in enumerate(_IN_TEXT.finditer(value)):
            yield f"{path}#{number}", found[1]
    elif isinstance(value, dict):
        if value.keys() == {"$c", "d"} and value["$c"] == "sha256":
            yield path, value["d"]
            return
        for key, item in value.items():
            yield from _within(item, f"{path}.{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _within(item, f"{path}[{index}]")
