from __future__ import annotations

import itertools
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hand_clock import HandClock
from shipped_log import CHAIN, Log, MemoryArchive
from sqlalchemy import text
from sqlmodel import select

from bot.store.database import Database
from bot.store.migrate import migrate
from bot.store.tables import CheckpointRow
from bot.trail.event import Name
from bot.trail.note import parse_key, parse_note


@pytest.fixture
def log(database: Database, clock: HandClock, tmp_path: Path) -> Log:
    return Log(database, clock, tmp_path)


@pytest.fixture
def lite(tmp_path: Path, clock: HandClock) -> Iterator[Log]:
    """The same on SQLite alone."""
    database = Database(f"sqlite:///{tmp_path}/lite.db")
    migrate(database)
    yield Log(database, clock, tmp_path)
    database.close()


def names(log: Log, kind: str) -> list[str]:
    """What the archive holds of one kind, without the folders."""
    start = f"{CHAIN}/{kind}/"
    return [key.removeprefix(start) for key in sorted(log.archive.kept) if key.startswith(start)]


def span(first: int, last: int) -> str:
    return f"{first:020d}-{last:020d}.jsonl"


def test_rows_are_cut_at_multiples_of_256_and_at_checkpoints(log: Log) -> None:
    """Each line is the body of a row as it was hashed."""
    log.write(9, 300)
    assert not log.shipper.ship_once()
    assert names(log, "entries") == [span(0, 9), span(10, 255), span(256, 309)]
    assert names(log, "checkpoints") == [f"{10:020d}", f"{310:020d}"]
    stored = b"".join(log.archive.content()[f"{CHAIN}/entries/{name}"] for name in names(log, "entries"))
    assert stored == b"".join(body + b"\n" for body in log.bodies()[:310])
    assert log.waiting() == 0
    anchor = log.anchor()
    assert (anchor.state, anchor.locked_size, anchor.shipped_at) == ("anchored", 310, log.clock.now())
    assert log.shipper.ship_once() is False


def test_a_checkpoint_comes_after_its_rows_and_the_key_that_it_names(log: Log) -> None:
    """Whoever finds the checkpoint finds everything under it."""
    log.write(300)
    log.shipper.ship_once()
    puts = [call.split("/")[2] for call in log.archive.calls if call.startswith("put")]
    assert puts == ["entries", "entries", "keys", "checkpoints"]
    [key] = [body for name, body in log.archive.content().items() if "/keys/" in name]
    note = parse_note(log.archive.content()[f"{CHAIN}/checkpoints/{301:020d}"])
    assert note.signers([parse_key(key.decode())])


def test_the_same_rows_are_shipped_in_the_same_bytes(lite: Log) -> None:
    """A second process that finds everything there only reads it."""
    lite.write(200, 200, 3)
    lite.shipper.ship_once()
    before = {key: list(versions) for key, versions in lite.archive.kept.items()}
    with lite.database.write() as session:
        session.connection().execute(text("update checkpoint set shipped_at = null"))
    lite.another().ship_once()
    assert lite.archive.kept == before
    assert lite.waiting() == 0


def test_it_goes_on_wherever_it_stopped(tmp_path: Path) -> None:
    """Each call to the archive fails once, before or after it was done; the archive ends up the same each time."""
    contents = []
    for number in range(-1, 50):
        before = _with_a_failure(tmp_path, number, late=False)
        after = _with_a_failure(tmp_path, number, late=True)
        contents += [before.content(), after.content()]
        if number > max(len(before.calls), len(after.calls)):
            break
    assert number >= 8
    assert all(set(content) == set(contents[0]) for content in contents)
    sizes = [{key: body.count(b"\n") for key, body in content.items()} for content in contents]
    assert all(one == sizes[0] for one in sizes)


def _with_a_failure(home: Path, number: int, *, late: bool) -> MemoryArchive:
    clock = HandClock()
    empty = home / "empty.db"
    if not empty.exists():
        made = Database(f"sqlite:///{empty}")
        migrate(made)
        made.close()
    shutil.copy(empty, home / f"{number}-{late}.db")
    database = Database(f"sqlite:///{home}/{number}-{late}.db")
    log = Log(database, clock, home)
    log.write(300, 20)
    log.archive.fail_at, log.archive.late = number, late
    shipper = log.another()
    for _ in range(3):
        shipper.ship_once()
        shipper = log.another()
        clock.advance(30)
        if not log.waiting():
            break
    assert log.waiting() == 0
    assert log.anchor().state == "anchored"
    assert all(len(versions) == 1 for versions in log.archive.kept.values())
    database.close()
    return log.archive


def test_two_that_ship_at_once_do_no_harm(lite: Log) -> None:
    """Each finds what the other has stored, a part at a time."""
    lite.write(600, 600, 5)
    others = [lite.another(objects=1), lite.another(objects=2)]
    for shipper in itertools.islice(itertools.cycle(others), 30):
        shipper.ship_once()
    assert lite.waiting() == 0
    assert all(len(versions) == 1 for versions in lite.archive.kept.values())
    assert len(names(lite, "checkpoints")) == 3


def test_processes_that_ship_at_once_end_with_one_archive(log: Log) -> None:
    """A replica that lost its lease may still be shipping when the next one begins."""
    log.write(300, 20, 300, 5)
    broken: list[Exception] = []

    def ship() -> None:
        try:
            shipper = log.another(objects=2)
            while log.waiting():
                shipper.ship_once()
        except Exception as error:
            broken.append(error)

    threads = [threading.Thread(target=ship) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert broken == []
    assert log.waiting() == 0
    assert all(len(versions) == 1 for versions in log.archive.kept.values())
    stored = b"".join(log.archive.content()[f"{CHAIN}/entries/{name}"] for name in names(log, "entries"))
    assert stored == b"".join(body + b"\n" for body in log.bodies()[: log.anchor().locked_size])
    assert log.anchor().state == "anchored"


def test_a_call_does_a_bounded_part(lite: Log) -> None:
    """Keeping checkpoints coming does not wait for a long backlog."""
    lite.write(2000)
    shipper = lite.another(objects=3)
    rounds = [shipper.ship_once() for _ in range(4)]
    assert rounds == [True, True, True, False]
    assert lite.archive.calls.count(f"list {CHAIN}/checkpoints/") == 1


def test_an_hour_away_is_told_once_and_caught_up_with(log: Log) -> None:
    """Since when rows wait is kept; a planned change may depend on it."""
    log.write(1)
    log.shipper.ship_once()
    log.archive.dark = True
    for _ in range(12):
        log.clock.advance(300)
        log.write(2)
        log.shipper.ship_once()
    [late] = log.told(Name.ARCHIVE_LATE)
    assert "does not answer" in late["why"]
    assert log.anchor().late_since == late["since_ms"] / 1000
    assert log.anchor().state == "anchored"
    log.archive.dark = False
    log.clock.advance(60)
    while log.shipper.ship_once():
        pass
    assert log.waiting() == 0
    assert len(log.told(Name.ARCHIVE_CAUGHT_UP)) == 1
    assert log.anchor().late_since is None


def test_what_is_not_answered_is_asked_again_after_a_pause(lite: Log) -> None:
    """Twice as long each time, up to half a minute."""
    lite.write(1)
    lite.shipper.ship_once()
    lite.write(1)
    lite.archive.dark = True
    asked = []
    for second in range(100):
        before = len(lite.archive.calls)
        lite.shipper.ship_once()
        if len(lite.archive.calls) > before:
            asked.append(second)
        lite.clock.advance(1)
    assert asked == [0, 1, 3, 7, 15, 31, 61, 91]


def test_rows_that_nothing_signs_are_told_as_late(lite: Log) -> None:
    """The archive cannot take what no checkpoint covers."""
    lite.write(1)
    lite.shipper.ship_once()
    lite.clock.advance(301)
    lite.shipper.ship_once()
    assert lite.told(Name.ARCHIVE_LATE)[0]["why"] == "No checkpoint covers them."


def test_other_bytes_in_a_rows_place_stop_all_shipping(log: Log) -> None:
    """Somebody else has written under this log's name."""
    log.write(5)
    key = f"{CHAIN}/entries/{span(0, 5)}"
    log.archive.force(key, b"{}\n")
    log.shipper.ship_once()
    [told] = log.told(Name.LOG_DIVERGED)
    assert (told["key"], told["state"], told["local"]["size"]) == (key, "forked", 7)
    assert told["ours"] != told["theirs"]
    anchor = log.anchor()
    assert anchor.state == "forked"
    assert key in anchor.why
    log.write(5)
    log.shipper.ship_once()
    log.another().ship_once()
    assert names(log, "checkpoints") == []
    assert len(log.told(Name.LOG_DIVERGED)) == 2, "once a start"


def test_a_second_version_does_not_stand_for_the_first(lite: Log) -> None:
    """The oldest one counts: what was put over it later is the verifier's to report."""
    lite.write(5)
    lite.shipper.ship_once()
    for key in list(lite.archive.kept):
        lite.archive.force(key, b"another")
    with lite.database.write() as session:
        session.connection().execute(text("update checkpoint set shipped_at = null"))
    lite.another().ship_once()
    assert (lite.waiting(), lite.anchor().state) == (0, "anchored")


@pytest.mark.parametrize(
    "sql",
    [
        "update entry set body = cast(replace(cast(body as text), 'heartbeat', 'heartache') as blob) where seq = 3",
        "update entry set body = 'text' where seq = 3",
        "delete from entry where seq = 3",
        "update checkpoint set root = x'00'",
        "update checkpoint set note = replace(note, '6', '5')",
    ],
)
def test_nothing_is_shipped_that_was_altered(lite: Log, sql: str) -> None:
    """What is locked for years must be what was signed."""
    lite.write(5)
    with lite.database.write() as session:
        session.connection().execute(text(sql))
    lite.shipper.ship_once()
    assert lite.archive.kept == {}
    assert lite.anchor().state == "forked"
    assert len(lite.told(Name.LOG_DIVERGED)) == 1


def test_a_recovered_log_is_shipped_anew_below_its_new_origin(lite: Log) -> None:
    """From its first row on, with all its keys; what lies below the old origin stays."""
    lite.write(5)
    lite.shipper.ship_once()
    with lite.database.write() as session:
        session.connection().execute(text("update head set origin = :o"), {"o": f"{CHAIN}/r1"})
    lite.write(400)
    lite.shipper.ship_once()
    new = sorted(key.removeprefix(f"{CHAIN}/r1/") for key in lite.archive.kept if "/r1/" in key)
    assert [key.partition("/")[0] for key in new] == ["checkpoints", "entries", "entries", "keys"]
    assert f"entries/{span(0, 255)}" in new
    assert lite.anchor().origin == f"{CHAIN}/r1"


def test_a_checkpoint_that_was_signed_a_moment_too_late_is_shipped_without_rows(lite: Log) -> None:
    """Another replica's, over fewer rows than what is in the archive already."""
    lite.write(5, 7)
    with lite.database.write() as session:
        [small] = session.exec(select(CheckpointRow).where(CheckpointRow.size == 6)).all()
        kept = small.model_copy()
        session.delete(small)
    lite.shipper.ship_once()
    with lite.database.write() as session:
        session.add(CheckpointRow(**kept.model_dump()))
    lite.shipper.ship_once()
    assert names(lite, "checkpoints") == [f"{6:020d}", f"{13:020d}"]
    assert names(lite, "entries") == [span(0, 12)]
