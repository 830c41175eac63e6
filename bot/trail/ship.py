"""Brings the trail to its archive. The tables are the outbox: what a checkpoint covers and is not marked, is brought.

The same rows give the same objects, and nothing is written twice. So it may stop anywhere and begin anew, and two
that do it at once do no harm: whoever finds an object there compares it with what would have been stored.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import orjson
from sqlmodel import Session, col, select

from bot.clock import span
from bot.errors import Altered, OutsideError, Rejected
from bot.store.tables import Anchor, CheckpointRow, Entry
from bot.trail import tree
from bot.trail.anchor import (
    DIVERGED,
    Lookout,
    checkpoint_key,
    known_keys,
    local_head,
    origin_of,
    rows_of,
    shipped_size,
)
from bot.trail.append import GENESIS, Trail
from bot.trail.event import Event, Name
from bot.trail.note import Checkpoint, Key, NotANote, parse_note
from bot.trail.tiles import Tiles
from bot.vault import Archive

SEGMENT_ROWS = 256
_LONGEST_PAUSE_SECONDS = 30.0
_STRAY_ROWS = 1024


class _Differs(Exception):
    """The archive holds other bytes under a key than the ones that belong there."""

    def __init__(self, key: str, ours: bytes, locked: bytes) -> None:
        super().__init__(key)
        self.key, self.ours, self.locked = key, ours, locked


@dataclass
class _Cursor:
    """How far this process is with one checkpoint; whoever begins anew finds the rest in the archive."""

    origin: str
    size: int
    at: int
    prev: bytes
    grown: tree.Frontier


class Shipper:
    """Ships for the replica that leads. One call does a bounded part, so that no outage's backlog holds its caller.

    `late_seconds` of the calendar after which it is recorded that rows wait. A call stores at most `objects` and
    begins no other one after `seconds`; one that gets no answer is waited for as long as the archive's client does.
    """

    def __init__(
        self,
        trail: Trail,
        archive: Archive,
        *,
        late_seconds: float = 300.0,
        objects: int = 64,
        seconds: float = 5.0,
    ) -> None:
        self._trail = trail
        self._archive = archive
        self._lookout = Lookout(trail, archive)
        self._late_seconds = late_seconds
        self._objects = objects
        self._seconds = seconds
        self._cursor: _Cursor | None = None
        self._pause = 0.0
        self._not_before = 0.0

    def ship_once(self) -> bool:
        """Compare, then ship what waits; True when more can be shipped at once.

        What the archive refuses or does not answer is kept for `signalbox status` and tried again after a pause.
        Raises TrailError when the database does not answer.
        """
        if self._trail.clock.monotonic() < self._not_before:
            return False
        why, more = "", False
        try:
            more = self._bounded()
        except OutsideError as error:
            why = str(error)
        self._pause = min(_LONGEST_PAUSE_SECONDS, self._pause * 2 or 1.0) if why else 0.0
        self._not_before = self._trail.clock.monotonic() + self._pause
        self._tell_lateness(why)
        return more

    def diverged(self, why: str) -> None:
        """What is in the database is not what was signed: nothing more is shipped."""
        with self._trail.database.read() as session:
            origin = origin_of(session, self._trail)
            local, locked = local_head(session, origin), _locked(session, origin)
        self._cursor = None
        self._lookout.part(origin, "forked", why, locked, local)

    def _bounded(self) -> bool:
        state = self._lookout.state()
        with self._trail.database.read() as session:
            waiting = _next(session, origin_of(session, self._trail))
        if state in DIVERGED or (state == "anchored" and waiting is None):
            return False
        # Before each checkpoint again: a clone of this database may have shipped its own.
        resumed = self._cursor is not None and waiting is not None and self._cursor.size == waiting.size
        if not (state == "anchored" and resumed):
            state = self._lookout.look()
        if state != "anchored":
            return False
        until = self._trail.clock.monotonic() + self._seconds
        with self._trail.database.read() as session:
            waiting = _next(session, origin_of(session, self._trail))
        try:
            return waiting is not None and self._ship(waiting, until)
        except _Differs as found:
            self._fork(waiting, found)
        except Altered as error:
            self.diverged(error.what)
        return False

    def _ship(self, first: CheckpointRow, until: float) -> bool:
        """Ship checkpoints in their order from this one on, until the call has done its part."""
        left, row = self._objects, first
        while True:
            for key, body in self._objects_of(row):
                if left <= 0 or self._trail.clock.monotonic() > until:
                    return True
                self._put(key, body)
                left -= 1
            self._mark(row)
            self._cursor = None
            with self._trail.database.read() as session:
                after = _next(session, row.origin)
            if after is None:
                return False
            row = after

    def _objects_of(self, row: CheckpointRow) -> Iterator[tuple[str, bytes]]:
        """What is missing for one checkpoint, in the order in which it is stored. Raises Altered."""
        with self._trail.database.read() as session:
            keys = known_keys(session)
            start = shipped_size(session, row.origin)
            if (point := _signed(row, keys)) is None:
                raise Altered(f"The checkpoint over {row.size} rows is not the one that was signed.")
            cursor = self._cursor
            if cursor is None or (cursor.origin, cursor.size) != (row.origin, row.size) or cursor.at < start:
                cursor = _begin(session, row, min(start, row.size))
                self._cursor = cursor
            new_keys = known_keys(session, start, row.size)
        while cursor.at < row.size:
            first, last = cursor.at, min(row.size, (cursor.at // SEGMENT_ROWS + 1) * SEGMENT_ROWS) - 1
            with self._trail.database.read() as session:
                bodies = _read(session, first, last)
            grown = tree.Frontier(cursor.grown.size, cursor.grown.hashes)
            prev = _linked(bodies, first, cursor.prev, grown)
            if last + 1 == row.size and grown.root() != point.root:
                raise Altered(f"The first {row.size} rows are not the ones that were signed.")
            yield _segment_key(row.origin, first, last), b"".join(body + b"\n" for body in bodies)
            cursor.at, cursor.prev, cursor.grown = last + 1, prev, grown
        for key in new_keys:
            yield f"{row.origin}/keys/{key.id.hex()}.vkey", f"{key}\n".encode()
        yield checkpoint_key(row.origin, row.size), row.note

    def _put(self, key: str, body: bytes) -> None:
        if self._archive.put(key, body) == "stored":
            return
        version = next((v for v in self._archive.versions(key) if v.key == key and not v.marker), None)
        if version is None:
            raise Rejected(f"{self._archive.where} says that {key} exists, and does not list it.")
        locked = self._archive.read(key, version.version).body
        if locked != body and not _same_head(locked, body):
            raise _Differs(key, body, locked)

    def _mark(self, row: CheckpointRow) -> None:
        now = self._trail.clock.now()
        with self._trail.database.write() as session:
            kept = session.get(CheckpointRow, (row.origin, row.size))
            if kept is not None and kept.shipped_at is None:
                kept.shipped_at = now
                session.add(kept)
            anchor = session.get(Anchor, row.origin) or Anchor(origin=row.origin, state="anchored")
            if row.size >= anchor.locked_size and anchor.state not in DIVERGED:
                anchor.locked_size, anchor.locked_root, anchor.shipped_at = row.size, row.root, now
                session.add(anchor)

    def _fork(self, row: CheckpointRow | None, found: _Differs) -> None:
        with self._trail.database.read() as session:
            origin = row.origin if row else origin_of(session, self._trail)
            local, locked = local_head(session, origin), _locked(session, origin)
        try:
            locked = parse_note(found.locked).checkpoint
        except NotANote:
            pass
        self._cursor = None
        why = f"{found.key} is locked with other bytes than the ones that belong there."
        more = {"key": found.key, "ours": _sha256(found.ours), "theirs": _sha256(found.locked)}
        self._lookout.part(origin, "forked", why, locked, local, more)

    def _tell_lateness(self, why: str) -> None:
        """Record once that rows wait too long, and once that they do not any more."""
        now = self._trail.clock.now()
        with self._trail.database.read() as session:
            origin = origin_of(session, self._trail)
            anchor = session.get(Anchor, origin)
            rows, since = _waiting(session, origin)
        if anchor is None or anchor.state in DIVERGED:
            return
        late = since is not None and now - since > self._late_seconds
        if late == (anchor.late_since is not None):
            return
        detail = {"archive": self._archive.where, "waiting": rows}
        if late and since is not None:
            detail |= {"since_ms": int(since * 1000), "waited": span(now - since)}
            detail["why"] = why or "No checkpoint covers them."
        name = Name.ARCHIVE_LATE if late else Name.ARCHIVE_CAUGHT_UP
        with self._trail.record(Event(name=name, ok=not late, detail=detail)) as record:
            kept = record.session.get_one(Anchor, origin)
            kept.late_since = since if late else None
            record.session.add(kept)


def _next(session: Session, origin: str) -> CheckpointRow | None:
    """The oldest one that waits. One that another replica signed a moment too late is smaller than what was shipped."""
    least = shipped_size(session, origin) - _STRAY_ROWS
    return session.exec(
        select(CheckpointRow)
        .where(CheckpointRow.origin == origin, CheckpointRow.size > least)
        .where(col(CheckpointRow.shipped_at).is_(None))
        .order_by(col(CheckpointRow.size))
        .limit(1)
    ).first()


def _begin(session: Session, row: CheckpointRow, start: int) -> _Cursor:
    """At the end of what was shipped, with the tree that was signed there. Raises Altered."""
    grown = tree.frontier(Tiles(session).node, start)
    signed = session.get(CheckpointRow, (row.origin, start)) if start else None
    if signed is not None and signed.root != grown.root():
        raise Altered(f"The first {start} rows are not the ones that were signed.")
    before = _read(session, start - 1, start - 1) if start else []
    return _Cursor(row.origin, row.size, start, tree.leaf_hash(before[0]) if before else GENESIS, grown)


def _signed(row: CheckpointRow, keys: list[Key]) -> Checkpoint | None:
    """The checkpoint of a row whose columns say what its note says, signed by a key of the trail."""
    try:
        note = parse_note(row.note)
    except (NotANote, AttributeError):  # SQLite gives text where somebody has put it
        return None
    point = Checkpoint(row.origin, row.size, row.root)
    return point if note.checkpoint == point and note.signers(keys) else None


def _read(session: Session, first: int, last: int) -> list[bytes]:
    rows = session.exec(
        select(Entry.body).where(Entry.seq >= first, Entry.seq <= last).order_by(col(Entry.seq))
    )
    bodies = list(rows)
    if any(not isinstance(body, bytes) for body in bodies):
        raise Altered(f"A row of the trail between {first} and {last} holds text instead of bytes.")
    if len(bodies) != last + 1 - first:
        raise Altered(f"The trail lacks rows between {first} and {last}.")
    return bodies


def _linked(bodies: list[bytes], first: int, prev: bytes, grown: tree.Frontier) -> bytes:
    """The last leaf of rows that say themselves that they follow `prev` and each other. Raises Altered."""
    for seq, body in enumerate(bodies, first):
        try:
            told = orjson.loads(body)
            fits = (told["seq"], told["prev"]) == (seq, prev.hex())
        except (orjson.JSONDecodeError, KeyError, TypeError):
            fits = False
        if not fits:
            raise Altered(f"Row {seq} of the trail does not follow the one before it.")
        prev = tree.leaf_hash(body)
        grown.add(prev)
    return prev


def _segment_key(origin: str, first: int, last: int) -> str:
    return f"{origin}/entries/{first:020d}-{last:020d}.jsonl"


def _sha256(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


def _same_head(locked: bytes, ours: bytes) -> bool:
    """Whether both are checkpoints over the same head: ECDSA signs the same text in another way each time."""
    try:
        return parse_note(locked).checkpoint == parse_note(ours).checkpoint
    except NotANote:
        return False


def _locked(session: Session, origin: str) -> Checkpoint | None:
    anchor = session.get(Anchor, origin)
    return (
        Checkpoint(origin, anchor.locked_size, anchor.locked_root) if anchor and anchor.locked_root else None
    )


def _waiting(session: Session, origin: str) -> tuple[int, float | None]:
    """How many rows the archive has not, and since when the oldest waits: its own time, or the recovery's."""
    shipped = shipped_size(session, origin)
    rows = rows_of(session) - shipped
    at = session.exec(select(Entry.at).where(Entry.seq == shipped)).first()
    recovered = session.exec(
        select(Entry.at).where(Entry.name == Name.LOG_RECOVERED).order_by(col(Entry.seq).desc()).limit(1)
    ).first()
    return rows, at if at is None or recovered is None else max(at, recovered)
