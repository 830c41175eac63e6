from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from hand_clock import HandClock
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlmodel import select

from bot.errors import TrailError
from bot.store.database import Database
from bot.store.tables import Entry, Head
from bot.trail.append import GENESIS, Trail, leaf_hash
from bot.trail.event import Event, Name
from bot.trail.verify import Row, verify_database, verify_rows


def started(number: int) -> Event:
    return Event(name=Name.BOT_STARTED, detail={"n": number})


def test_an_honest_log_is_verified(database: Database, database_url: str, clock: HandClock) -> None:
    """What was written through the trail is sound; as long as nothing was signed, that is all it can be."""
    trail = Trail(database, clock)
    for number in range(5):
        trail.note(started(number))
        clock.advance(1)
    report = verify_database(database_url)
    assert (report.sound, report.rows, report.exit_code) == (True, 5, 2)
    assert "nothing was ever signed" in report.words()


def test_nothing_is_written_when_an_event_cannot_be(database: Database, clock: HandClock) -> None:
    """An event outside the canonical profile takes the whole transaction with it."""
    trail = Trail(database, clock)
    with pytest.raises(TrailError, match="cannot be recorded"):
        trail.note(started(1), Event(name=Name.BOT_STARTED, detail={"seconds": 1.5}))
    with database.read() as session:
        assert session.exec(select(Entry)).all() == []


def test_a_change_of_rows_needs_an_event(database: Database, clock: HandClock) -> None:
    """Rows cannot be changed through the trail without a word."""
    with pytest.raises(TrailError, match="without an event"), Trail(database, clock).record():
        pass


def test_time_never_runs_backwards(database: Database, database_url: str, clock: HandClock) -> None:
    """A clock set back is recorded as such, and the trail's own time stands still."""
    trail = Trail(database, clock)
    trail.note(started(1))
    clock.advance(-3600)
    trail.note(started(2))
    with database.read() as session:
        bodies = [json.loads(e.body) for e in session.exec(select(Entry).order_by(Entry.seq))]
    assert bodies[1]["time"] == bodies[0]["time"]
    assert bodies[1]["unmapped"]["clock_adjusted"]["raw"] == bodies[0]["time"] - 3_600_000
    assert verify_database(database_url).sound


def test_writers_that_race_make_one_chain(database: Database, database_url: str, clock: HandClock) -> None:
    """Threads appending at once neither fork the chain nor lose a row."""
    trail = Trail(database, clock)
    failures: list[Exception] = []

    def write(first: int) -> None:
        for number in range(15):
            try:
                trail.note(started(first + number))
            except TrailError as error:
                failures.append(error)

    threads = [threading.Thread(target=write, args=(k * 100,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    report = verify_database(database_url)
    assert (report.sound, report.rows, failures) == (True, 60, [])


def log_of(count: int) -> list[Row]:
    """An honest log in memory."""
    from bot.canon import canonical
    from bot.trail.event import body

    rows, prev = [], GENESIS
    for seq in range(count):
        content = canonical(
            body(started(seq), log="signalbox", seq=seq, prev=prev, time_ms=1000 + seq, clamped_ms=None)
        )
        rows.append(Row(seq, prev, leaf_hash(content), content))
        prev = rows[-1].leaf
    return rows


def head_of(rows: list[Row]) -> tuple[int, bytes]:
    return len(rows), rows[-1].leaf if rows else GENESIS


def edit(row: Row) -> Row:
    content = row.body.replace(b'"n":', b'"m":')
    return Row(row.seq, row.prev, leaf_hash(content), content)


MUTATIONS: dict[str, Any] = {
    "edit": lambda rows, i: [
        *rows[:i],
        Row(rows[i].seq, rows[i].prev, rows[i].leaf, edit(rows[i]).body),
        *rows[i + 1 :],
    ],
    "edit and rehash": lambda rows, i: [*rows[:i], edit(rows[i]), *rows[i + 1 :]],
    "delete": lambda rows, i: [*rows[:i], *rows[i + 1 :]],
    "duplicate": lambda rows, i: [*rows[: i + 1], *rows[i:]],
    "swap": lambda rows, i: [*rows[: i - 1], rows[i], rows[i - 1], *rows[i + 1 :]],
    "spaces": lambda rows, i: [
        *rows[:i],
        Row(rows[i].seq, rows[i].prev, rows[i].leaf, rows[i].body + b" "),
        *rows[i + 1 :],
    ],
    "cut": lambda rows, i: rows[:i],
}


@settings(max_examples=300, deadline=None)
@given(count=st.integers(2, 12), data=st.data(), kind=st.sampled_from(sorted(MUTATIONS)))
def test_every_way_of_altering_a_log_is_found(count: int, data: st.DataObject, kind: str) -> None:
    """Editing, rehashing, deleting, duplicating, swapping, padding and cutting are all found; honest logs never are."""
    rows = log_of(count)
    assert verify_rows(rows, head_of(rows)).sound
    index = data.draw(st.integers(1, count - 1))
    assert verify_rows(MUTATIONS[kind](rows, index), head_of(rows)).exit_code == 1


def test_an_empty_or_headless_log_is_not_verified() -> None:
    """Nothing to check is not good."""
    assert verify_rows([], None).exit_code == 2
    assert verify_rows(log_of(3), None).exit_code == 1


def test_a_run_without_approval_is_found(database: Database, database_url: str, clock: HandClock) -> None:
    """A run whose digest nobody approved, and a call of no run, are findings even in an unbroken chain."""
    trail = Trail(database, clock)
    trail.note(
        Event(
            name=Name.RUN_STARTED, run="r1", detail={"digest": "d"}, approval={"decision": "x", "digest": "d"}
        )
    )
    trail.note(Event(name=Name.CALL_INTENT, run="r2", detail={"intent": "i1"}))
    codes = {f.code for f in verify_database(database_url).findings}
    assert codes == {"run-without-approval", "call-without-run"}


def test_the_head_row_is_checked(database: Database, database_url: str, clock: HandClock) -> None:
    """A head that names another size is a finding."""
    Trail(database, clock).note(started(1))
    with database.write() as session:
        head = session.exec(select(Head)).one()
        head.size = 7
        session.add(head)
    assert [f.code for f in verify_database(database_url).findings] == ["head-differs"]
