"""The keeper must neither die nor stand in anybody's way, whatever is wrong with the trail or what is downstream."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hand_clock import HandClock
from shipped_log import Log
from sqlalchemy import text
from sqlmodel import Session

from bot.errors import TrailError
from bot.store.database import Database
from bot.store.migrate import migrate
from bot.trail import checkpoint
from bot.trail.checkpoint import Checkpointer
from bot.trail.event import Event, Name
from bot.trail.keeper import Keeper
from bot.trail.ship import Shipper


@pytest.fixture
def log(database: Database, clock: HandClock, tmp_path: Path) -> Log:
    return Log(database, clock, tmp_path)


def _keeper(log: Log, shipper: Shipper | None = None) -> Keeper:
    return Keeper(log.trail, log.checkpointer, lambda: True, shipper)


def _alter(log: Log, sql: str) -> None:
    with log.database.write() as session:
        session.connection().execute(text(sql))


@pytest.mark.parametrize("archived", [True, False])
def test_what_was_altered_is_told_once_the_database_takes_it(log: Log, archived: bool) -> None:
    """That the database did not take the word of it neither ends the keeper nor settles the matter."""
    log.write(3)
    keeper = _keeper(log, log.shipper if archived else None)
    keeper.round()
    log.trail.note(Event(name=Name.BOT_HEARTBEAT))
    _alter(log, "update head set log = 'gone'")
    keeper.round(seal=True)
    _alter(log, "update head set log = 'signalbox'")
    _alter(log, "update entry set body = '{}' where seq = 4")
    real = log.database.write

    @contextmanager
    def away() -> Iterator[Session]:
        raise TrailError("The database did not take it: database is locked.")
        yield

    log.database.write = away  # type: ignore[method-assign]
    keeper.round(seal=True)
    log.database.write = real  # type: ignore[method-assign]
    assert not log.told(Name.LOG_DIVERGED)
    keeper.round(seal=True)
    keeper.round(seal=True)
    assert len(log.told(Name.LOG_DIVERGED)) == 1


@pytest.mark.parametrize("note", ["'of no signature'", "zeroblob(0)"])
def test_a_newest_checkpoint_that_is_none_is_told(clock: HandClock, tmp_path: Path, note: str) -> None:
    """Nothing more could be signed after it: that must not be a line in a log file alone."""
    database = Database(f"sqlite:///{tmp_path}/one.db")
    migrate(database)
    log = Log(database, clock, tmp_path)
    log.write(3)
    _alter(log, f"update checkpoint set note = {note}")
    log.trail.note(Event(name=Name.BOT_HEARTBEAT))
    _keeper(log).round(seal=True)
    assert "cannot be read" in log.told(Name.LOG_DIVERGED)[0]["why"]
    database.close()


def test_a_calendar_that_was_set_back_leaves_nothing_unsigned(log: Log) -> None:
    """Rows have the time of the one before them until the calendar has caught up, which may take hours."""
    log.write(3)
    log.clock.advance(-3 * 3600)
    elapsed = 0.0
    log.clock.monotonic = lambda: elapsed  # type: ignore[method-assign]
    log.trail.note(Event(name=Name.BOT_HEARTBEAT))
    assert not log.checkpointer.due()
    elapsed = 60.0
    assert log.checkpointer.due()
    log.checkpointer.seal()
    assert not log.checkpointer.due()


def test_a_backlog_keeps_nobody_from_recording(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are read and hashed without the database's write lock."""
    log.trail.note(*(Event(name=Name.BOT_HEARTBEAT, detail={"n": n}) for n in range(600)))
    waited: list[bool] = []

    linked = checkpoint._linked

    def meanwhile(session: Session, first: int, upto: int, prev: bytes) -> bytes:
        leaf = linked(session, first, upto, prev)
        other = threading.Thread(target=lambda: log.trail.note(Event(name=Name.BOT_HEARTBEAT)))
        other.start()
        other.join(timeout=3)
        waited.append(other.is_alive())
        return leaf

    monkeypatch.setattr(checkpoint, "_linked", meanwhile)
    assert log.checkpointer.seal() is not None
    assert waited == [False]


def test_two_threads_that_seal_raise_no_false_alarm(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pack is sealed by whoever asks for it, while the keeper does the same with an older head."""
    log.write(3)
    log.trail.note(Event(name=Name.BOT_HEARTBEAT))
    grow = Checkpointer._grow
    others: list[threading.Thread] = []

    def overtaken(self: Checkpointer, head: object) -> None:
        if not others:
            others.append(threading.Thread(target=_append_and_seal))
            others[0].start()
            others[0].join(timeout=0.5)
        grow(self, head)  # type: ignore[arg-type]

    def _append_and_seal() -> None:
        log.trail.note(Event(name=Name.BOT_HEARTBEAT))
        log.checkpointer.seal()

    monkeypatch.setattr(Checkpointer, "_grow", overtaken)
    log.checkpointer.seal()
    others[0].join()
    log.shipper.ship_once()
    assert log.anchor().state == "anchored"
