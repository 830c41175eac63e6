"""Compares this database with what the archive holds: at the start, and again before anything more is shipped.

A database that was restored from a backup, cloned or written anew looks whole by itself; only what is locked
elsewhere shows that it is not the log it was. While the two differ, nothing is shipped: a second history under the
same name could never be taken out of the archive again.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from bot.errors import Altered, OutsideError, Rejected
from bot.store.tables import Anchor, CheckpointRow, Entry, Head
from bot.trail import tree
from bot.trail.append import LOG, Trail
from bot.trail.event import Event, Name
from bot.trail.note import Checkpoint, Key, NotANote, Note, parse_key, parse_note
from bot.trail.tiles import Tiles
from bot.vault import Archive

DIVERGED = ("behind", "forked")
_SIZE = re.compile(r"[0-9]{20}")
_CANDIDATES = 16
"""How many of the newest objects are tried when the very newest ones hold no checkpoint."""


def checkpoint_key(origin: str, size: int) -> str:
    """Where the archive holds the checkpoint over the first `size` rows."""
    return f"{origin}/checkpoints/{size:020d}"


def newest_locked(archive: Archive, origin: str, since: int = 0) -> Note | None:
    """The newest checkpoint of this origin, of each key the version that was stored first.

    Only those over `since` rows and more are looked at. What holds no checkpoint of its name is passed over: the
    verifier reports it. Signatures are not verified. Raises OutsideError, also where somebody has stored so much that
    is no checkpoint that the newest one cannot be seen: "nothing is locked" would be the wrong conclusion.
    """
    prefix = checkpoint_key(origin, 0)[:-20]
    newest: deque[tuple[str, str]] = deque(maxlen=_CANDIDATES)
    last = ""
    for one in archive.versions(prefix, after=checkpoint_key(origin, since - 1) if since > 1 else ""):
        if one.marker or one.key == last or not _SIZE.fullmatch(one.key.removeprefix(prefix)):
            continue
        last = one.key
        newest.append((one.key, one.version))
    for key, version in reversed(newest):
        try:
            note = parse_note(archive.read(key, version).body)
        except NotANote:
            continue
        if checkpoint_key(note.checkpoint.origin, note.checkpoint.size) == key:
            return note
    if len(newest) == _CANDIDATES:
        raise Rejected(
            f"{archive.where} holds {_CANDIDATES} newest objects below {prefix} that are no checkpoints.",
            then="Somebody else stores there: run signalbox verify on the archive.",
        )
    return None


def known_keys(session: Session, first: int = 0, end: int | None = None) -> list[Key]:
    """The keys that the rows [first, end) name, oldest first. Raises Altered."""
    rows = (
        select(Entry.body)
        .where(col(Entry.name).in_([Name.KEY_INTRODUCED, Name.KEY_ROTATED]), Entry.seq >= first)
        .order_by(col(Entry.seq))
    )
    if end is not None:
        rows = rows.where(Entry.seq < end)
    try:
        return [parse_key(orjson.loads(body)["unmapped"]["detail"]["key"]) for body in session.exec(rows)]
    except (NotANote, orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise Altered("A row of the trail that names a key does not.") from error


def judge(session: Session, locked: Note | None) -> tuple[str, str]:
    """The state that the newest locked checkpoint puts this database in, and why, in words."""
    if locked is None:
        return "anchored", ""
    point, rows = locked.checkpoint, rows_of(session)
    try:
        known = locked.signers(known_keys(session))
        signed = "" if known else " No key that this database knows has signed that."
        if point.size > rows:
            return "behind", f"{point.size} rows of {point.origin} are locked, and {rows} are here.{signed}"
        root = tree.root(Tiles(session).node, point.size)
    except (Altered, TypeError) as error:  # SQLite gives text where somebody has put it for bytes
        return "forked", error.what if isinstance(error, Altered) else "A row of the trail holds no bytes."
    if root != point.root:
        there, here = point.root.hex()[:16], root.hex()[:16]
        return (
            "forked",
            f"Over {point.size} rows the root {there}… is locked, and the one here is {here}….{signed}",
        )
    return "anchored", ""


@dataclass
class Lookout:
    """Looks at the archive for one process, and keeps the row `anchor` of the head's origin."""

    trail: Trail
    archive: Archive
    _looked: str = ""
    """The origin that this process has compared."""
    _told: tuple[str, str] = ("", "")
    """Origin and state that this process has recorded last."""

    def state(self) -> str:
        """How it stands, by the database; `new` for an origin that this process has not compared yet."""
        with self.trail.database.read() as session:
            origin = origin_of(session, self.trail)
            anchor = session.get(Anchor, origin)
        return "new" if anchor is None or self._looked != origin else anchor.state

    def look(self) -> str:
        """Compare now; returns the state. Raises OutsideError; at the start that is kept, too: `unanchored`."""
        with self.trail.database.read() as session:
            origin = origin_of(session, self.trail)
            shipped = shipped_size(session, origin)
        try:
            locked = newest_locked(self.archive, origin, shipped)
            lost = shipped > (locked.checkpoint.size if locked else 0)
            if lost:
                locked = newest_locked(self.archive, origin)
        except OutsideError as error:
            if self._looked != origin:
                told = {"archive": self.archive.where, "why": str(error)}
                self._tell(origin, "unanchored", str(error), Name.LOG_UNANCHORED, told)
            raise
        # The head is read after the archive: what other replicas have shipped meanwhile is in it.
        with self.trail.database.read() as session:
            state, why = judge(session, locked)
            local = local_head(session, origin)
        point = locked.checkpoint if locked else None
        locks = self._locks() if self._looked != origin else ""
        self._looked = origin
        if state in DIVERGED:
            self.part(origin, state, why, point, local)
            return state
        detail: dict[str, Any] = {
            "archive": self.archive.where,
            "locked": head_of(point, origin),
            "local": local,
            "locks": locks,
        }
        if lost:
            detail["lost"] = shipped
        forget = (point.size if point else 0) if lost else None
        self._tell(origin, state, "", Name.LOG_ANCHORED, detail, point, forget=forget)
        return state

    def _locks(self) -> str:
        """How the bucket locks what it is given, in words for the trail; the doctor says what is wrong with it."""
        try:
            found = self.archive.locking()
        except OutsideError as error:
            return f"not told: {error.what}"
        return f"{found.mode} {found.days} days" if found.mode and found.enabled else "not locked"

    def part(
        self,
        origin: str,
        state: str,
        why: str,
        locked: Checkpoint | None,
        local: dict[str, Any],
        more: dict[str, Any] | None = None,
    ) -> None:
        """Database and archive differ: say it, and keep it until people have settled it."""
        detail = {
            "state": state,
            "why": why,
            "archive": self.archive.where,
            "local": local,
            "locked": head_of(locked, origin),
            **(more or {}),
        }
        self._tell(origin, state, why, Name.LOG_DIVERGED, detail, locked)

    def _tell(
        self,
        origin: str,
        state: str,
        why: str,
        name: Name,
        detail: dict[str, Any],
        locked: Checkpoint | None = None,
        *,
        forget: int | None = None,
    ) -> None:
        """Keep the state; record it once in this process, and again when it has changed.

        `forget`: what was shipped over more rows than these is not there any more, and is shipped again.
        """
        with self.trail.database.read() as session:
            row = session.get(Anchor, origin)
        if row is None:
            try:
                with self.trail.database.write() as session:
                    session.add(Anchor(origin=origin, state="new"))
            except IntegrityError:  # another replica was first
                pass
        if self._told == (origin, state) and row is not None and row.state == state and forget is None:
            with self.trail.database.write() as session:
                self._keep(session, origin, state, why, locked)
            return
        with self.trail.record(Event(name=name, ok=state == "anchored", detail=detail)) as record:
            self._keep(record.session, origin, state, why, locked, forget)
        self._told = (origin, state)

    def _keep(
        self,
        session: Session,
        origin: str,
        state: str,
        why: str,
        locked: Checkpoint | None,
        forget: int | None = None,
    ) -> None:
        row = session.get_one(Anchor, origin)
        row.state, row.why, row.looked_at = state, why, self.trail.clock.now()
        if forget is not None:
            row.locked_size, row.locked_root = 0, tree.EMPTY
            session.connection().execute(
                update(CheckpointRow)
                .where(col(CheckpointRow.origin) == origin, col(CheckpointRow.size) > forget)
                .values(shipped_at=None)
            )
        if locked is not None and (state in DIVERGED or locked.size >= row.locked_size):
            row.locked_size, row.locked_root = locked.size, locked.root
        if not row.locked_root:
            row.locked_root = tree.EMPTY
        session.add(row)


def origin_of(session: Session, trail: Trail) -> str:
    """The origin of the next checkpoint: before the first row, the name that the log will have."""
    head = session.get(Head, LOG)
    return (head.origin if head else "") or trail._chain


def shipped_size(session: Session, origin: str) -> int:
    """How many rows the archive has taken, by the database."""
    return (
        session.exec(
            select(CheckpointRow.size)
            .where(CheckpointRow.origin == origin, col(CheckpointRow.shipped_at).is_not(None))
            .order_by(col(CheckpointRow.size).desc())
            .limit(1)
        ).first()
        or 0
    )


def local_head(session: Session, origin: str) -> dict[str, Any]:
    """Size and root of what is here; no root where the rows do not make one."""
    rows = rows_of(session)
    try:
        return {"origin": origin, "size": rows, "root": tree.root(Tiles(session).node, rows).hex()}
    except (Altered, TypeError):
        return {"origin": origin, "size": rows}


def head_of(point: Checkpoint | None, origin: str) -> dict[str, Any]:
    """A checkpoint as events name it."""
    if point is None:
        return {"origin": origin, "size": 0, "root": tree.EMPTY.hex()}
    return {"origin": point.origin, "size": point.size, "root": point.root.hex()}


def rows_of(session: Session) -> int:
    """How many rows there are."""
    return session.exec(select(Head.size).where(Head.log == LOG)).first() or 0
