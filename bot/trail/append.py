"""The only way to write: rows and trail in one commit, the head row locked last."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from bot.canon import LIMIT_BYTES, NotCanonical, canonical
from bot.clock import Clock
from bot.errors import TrailError
from bot.store.database import Database
from bot.store.tables import Entry, Head
from bot.trail.event import Event, body
from bot.trail.tree import EMPTY, leaf_hash

LOG = "signalbox"
"""The key of the one head row."""
GENESIS = EMPTY
"""`prev` of the first row: the root of an empty tree (RFC 6962 §2.1)."""


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
    """

    def __init__(self, database: Database, clock: Clock, chain: str = "signalbox") -> None:
        self.database = database
        self.clock = clock
        self._chain = chain
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
        head = session.exec(select(Head).where(Head.log == LOG).with_for_update()).one_or_none()
        if head is None:
            raise TrailError("The head row of the trail is missing.", then="Run signalbox verify.")
        if not head.chain:
            head.chain = head.origin = self._chain
        for event in events:
            raw_ms = int(self.clock.now() * 1000)
            time_ms = max(raw_ms, head.time_ms)
            try:
                content = canonical(
                    body(
                        event,
                        log=head.chain,
                        seq=head.size,
                        prev=head.leaf,
                        time_ms=time_ms,
                        clamped_ms=raw_ms if raw_ms < time_ms else None,
                    ),
                    limit=LIMIT_BYTES,
                )
            except NotCanonical as error:
                raise TrailError(f"The event {event.name} cannot be recorded: {error}.") from error
            entry = Entry(
                seq=head.size,
                prev=head.leaf,
                leaf=leaf_hash(content),
                body=content,
                name=str(event.name),
                change=event.change,
                at=time_ms / 1000,
            )
            session.add(entry)
            head.size, head.leaf, head.time_ms = entry.seq + 1, entry.leaf, time_ms
        session.add(head)
        try:
            session.flush()
        except IntegrityError as error:
            raise TrailError("Another writer appended to the trail at the same place.") from error


def entries(session: Session, since: int, limit: int = 500) -> list[Entry]:
    """Rows from `seq` = since on, in order."""
    return list(session.exec(select(Entry).where(Entry.seq >= since).order_by(col(Entry.seq)).limit(limit)))
