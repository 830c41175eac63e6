"""The only way to write: rows and trail in one commit, the head row locked last.

What an event says passes through `bot.trail.sealed` here, so that nothing gets round it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from sqlalchemy import Row, func, insert, literal, update
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from bot.canon import LIMIT_BYTES, NotCanonical, canonical
from bot.clock import Clock
from bot.errors import TrailError
from bot.store.database import Database
from bot.store.tables import Disclosure, Entry, Head
from bot.trail.event import Event, body
from bot.trail.fit import fitted
from bot.trail.sealed import Cleaner
from bot.trail.tree import EMPTY, leaf_hash

LOG = "signalbox"
"""The key of the one head row."""
GENESIS = EMPTY
"""`prev` of the first row: the root of an empty tree (RFC 6962 §2.1)."""
DISCLOSED_SECONDS = 90 * 86400.0
_ROOM_FOR_CUTS = 4096
_DATABASE_MS = func.floor(1000 * func.extract("epoch", func.clock_timestamp()))


@dataclass
class Record:
    """An open transaction: change rows through `session`, say what happened through `add`."""

    session: Session
    events: list[Event] = field(default_factory=list)

    def add(self, event: Event) -> None:
        self.events.append(event)

    def lock(self) -> None:
        """Take the head row now: whoever records anything waits until this transaction ends.

        Only for transactions that lock no row after it; everyone else takes the head last.
        """
        self.session.exec(select(Head).with_for_update()).all()


class Trail:
    """The audit log of one database.

    `chain` is its name in every body and the origin of its checkpoints; a log that has rows keeps the one it has.
    `disclosed_seconds` is how long that is kept which the trail only commits to, by the calendar.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        chain: str = "signalbox",
        *,
        disclosed_seconds: float = DISCLOSED_SECONDS,
    ) -> None:
        self.database = database
        self.clock = clock
        self._chain = chain
        self._disclosed_seconds = disclosed_seconds
        self._followers: list[Callable[[], None]] = []

    def follow(self, wake: Callable[[], None]) -> None:
        """Call `wake` after every commit of this process; it must return at once."""
        self._followers.append(wake)

    @contextmanager
    def record(self, *events: Event) -> Iterator[Record]:
        """Rows and events, committed together or not at all.

        Raises TrailError when nothing was committed, and when no event was given: a row that changes
        without a word is a defect.
        """
        with self.database.write() as session:
            record = Record(session, list(events))
            yield record
            if not record.events:
                raise TrailError("A change of state was to be written without an event.")
            session.flush()
            self._append(session, record.events)
        for wake in self._followers:
            wake()

    def note(self, *events: Event) -> None:
        """Record events that come with no change of rows."""
        with self.record(*events):
            pass

    def _append(self, session: Session, events: list[Event]) -> None:
        head = self._locked(session)
        chain, size, leaf, last_ms = head.chain or self._chain, head.size, head.leaf, head.time_ms
        logged_ms = int(time.time() * 1000) if self.database.sqlite else int(head.now_ms)
        raw_ms = int(self.clock.now() * 1000)
        time_ms = max(raw_ms, last_ms)
        around: dict[str, Any] = {
            "log": chain,
            "time_ms": time_ms,
            "clamped_ms": raw_ms if raw_ms < time_ms else None,
            "logged_ms": logged_ms,
        }
        rows, kept = [], []
        for event in events:
            cleaner = Cleaner()
            clean = _clean(event, cleaner)
            content = _content(clean, {**around, "seq": size, "prev": leaf})
            prev, leaf = leaf, leaf_hash(content)
            rows.append(
                {
                    "seq": size,
                    "prev": prev,
                    "leaf": leaf,
                    "body": content,
                    "name": str(event.name),
                    "change": event.change,
                    "at": time_ms / 1000,
                }
            )
            kept += [
                {
                    "seq": size,
                    "path": one.path,
                    "salt": one.salt,
                    "value": orjson.dumps(one.value).decode(),
                    "until": time_ms / 1000 + self._disclosed_seconds,
                }
                for one in cleaner.kept
            ]
            size += 1
        try:
            session.connection().execute(insert(Entry), rows)
            if kept:
                session.connection().execute(insert(Disclosure), kept)
        except IntegrityError as error:
            raise TrailError("Another writer appended to the trail at the same place.") from error
        session.connection().execute(
            update(Head)
            .where(col(Head.log) == LOG)
            .values(chain=chain, origin=head.origin or chain, size=size, leaf=leaf, time_ms=time_ms)
        )

    def _locked(self, session: Session) -> Row[Any]:
        """The head row, locked until the transaction ends, with the database's own time."""
        now_ms = literal(0) if self.database.sqlite else _DATABASE_MS
        head = session.connection().execute(
            select(Head.chain, Head.origin, Head.size, Head.leaf, Head.time_ms, now_ms.label("now_ms"))  # type: ignore[call-overload]
            .where(Head.log == LOG)
            .with_for_update()
        )
        found: Row[Any] | None = head.one_or_none()
        if found is None:
            raise TrailError("The head row of the trail is missing.", then="Run signalbox verify.")
        return found


def _clean(event: Event, cleaner: Cleaner) -> Event:
    name, signed = str(event.name), not event.approval.keys().isdisjoint(("signature", "signatures"))
    return event.model_copy(
        update={
            "detail": cleaner.clean(name, "detail", event.detail),
            "approval": cleaner.clean(name, "approval", event.approval, signed=signed),
        }
    )


def _content(event: Event, around: dict[str, Any]) -> bytes:
    """The canonical bytes, cut to what a row may hold. Raises TrailError for what is no JSON of the profile."""
    try:
        return canonical(body(event, **around), limit=LIMIT_BYTES)
    except NotCanonical:
        bare = len(orjson.dumps(body(event.model_copy(update={"detail": {}}), **around)))
        detail, cuts = fitted(event.detail, LIMIT_BYTES - _ROOM_FOR_CUTS - bare, _ROOM_FOR_CUTS)
    try:
        fit = body(event.model_copy(update={"detail": detail}), **around, cuts=cuts)
        return canonical(fit, limit=LIMIT_BYTES)
    except NotCanonical as error:
        raise TrailError(f"The event {event.name} cannot be recorded: {error}.") from error


def entries(session: Session, since: int, limit: int = 500) -> list[Entry]:
    """Rows from `seq` = since on, in order."""
    return list(session.exec(select(Entry).where(Entry.seq >= since).order_by(col(Entry.seq)).limit(limit)))
