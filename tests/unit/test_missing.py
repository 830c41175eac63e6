from __future__ import annotations

from collections.abc import Iterator

import pytest
from hand_clock import HandClock
from sqlmodel import col, select

from bot.changes.missing import Missing, missing
from bot.errors import OutsideError, Unreachable
from bot.store.database import Database
from bot.store.tables import Entry
from bot.trail.append import Trail
from bot.trail.event import Event, Name
from bot.vault import Held, Stored


class Shelf:
    """What an archive holds: versions of objects, the oldest first, as they were put."""

    where = "s3://archive/trail"

    def __init__(self) -> None:
        self.held: dict[str, list[bytes]] = {}
        self.read_keys: list[str] = []

    def put(self, key: str, *bodies: bytes) -> None:
        self.held.setdefault(key, []).append(b"".join(body + b"\n" for body in bodies))

    def versions(self, prefix: str = "") -> Iterator[Stored]:
        for key in sorted(self.held):
            if key.startswith(prefix):
                yield from (Stored(key, str(n), 1.0) for n in range(len(self.held[key])))

    def read(self, key: str, version: str = "") -> Held:
        self.read_keys.append(key)
        return Held(self.held[key][int(version)], 1.0)


def entries(first: int, last: int) -> str:
    return f"signalbox/entries/{first:020d}-{last:020d}.jsonl"


@pytest.fixture
def trail(database: Database, clock: HandClock) -> Trail:
    made = Trail(database, clock)
    for _ in range(6):
        clock.advance(10)
        made.note(Event(name=Name.BOT_HEARTBEAT))
    return made


def rows(trail: Trail) -> list[bytes]:
    with trail.database.read() as session:
        return list(session.exec(select(Entry.body).order_by(col(Entry.seq))))


def found(trail: Trail, shelf: Shelf) -> Missing | None:
    with trail.database.read() as session:
        return missing(session, shelf, "signalbox")  # type: ignore[arg-type]


def test_nothing_is_missing_where_all_segments_agree(trail: Trail) -> None:
    """One segment that agrees is enough: the rows before it hang on it."""
    shelf = Shelf()
    shelf.put(entries(0, 3), *rows(trail)[:4])
    shelf.put(entries(4, 5), *rows(trail)[4:])
    assert found(trail, shelf) is None
    assert shelf.read_keys == [entries(4, 5)]


def test_rows_that_only_the_archive_has_are_counted_and_dated(trail: Trail) -> None:
    """Those after the end of this database and those that are others here; segments may overlap."""
    body = rows(trail)
    other = [b'{"seq":5,"time":1000}', b'{"seq":6,"time":61000}', b'{"seq":7,"time":121000}']
    shelf = Shelf()
    shelf.put(entries(0, 3), *body[:4])
    shelf.put(entries(4, 5), body[4], other[0])
    shelf.put(entries(4, 7), body[4], *other)
    assert found(trail, shelf) == Missing(5, 7, 3, 1.0, 121.0)
    words = Missing(5, 7, 3, 1.0, 121.0).words()
    assert words.startswith("Only the archive has 3 rows, 5 to 7, written between 1970-01-01T00:00:01Z and")
    assert "not lost" in words


def test_the_oldest_version_counts(trail: Trail) -> None:
    """What somebody has put above it later was never locked first."""
    shelf = Shelf()
    shelf.put(entries(0, 5), *rows(trail))
    shelf.put(entries(0, 5), b'{"time":1}')
    assert found(trail, shelf) is None


def test_an_archive_of_another_log_differs_from_its_first_row_on(trail: Trail) -> None:
    """Then all of it is only there."""
    shelf = Shelf()
    shelf.put(entries(0, 1), b'{"time":1000}', b'{"time":2000}')
    assert found(trail, shelf) == Missing(0, 1, 2, 1.0, 2.0)


def test_segments_that_are_no_rows_are_said_to_be_none(trail: Trail) -> None:
    """In words, not by a stack trace."""
    shelf = Shelf()
    shelf.put(entries(0, 0), b"not a row")
    with pytest.raises(OutsideError, match="something else"):
        found(trail, shelf)


def test_an_archive_that_does_not_answer_is_an_error_of_the_outside(trail: Trail) -> None:
    """For the caller to say."""

    class Away(Shelf):
        def versions(self, prefix: str = "") -> Iterator[Stored]:
            raise Unreachable("The archive does not answer.")

    with pytest.raises(Unreachable):
        found(trail, Away())
