from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hand_clock import HandClock
from shipped_log import CHAIN, Log
from sqlalchemy import text

from bot.errors import Rejected, Unreachable
from bot.store.database import Database
from bot.store.migrate import migrate
from bot.store.tables import Anchor
from bot.trail.anchor import Lookout, newest_locked
from bot.trail.event import Name
from bot.trail.tree import EMPTY


@pytest.fixture
def log(tmp_path: Path, clock: HandClock) -> Iterator[Log]:
    database = Database(f"sqlite:///{tmp_path}/log.db")
    migrate(database)
    yield Log(database, clock, tmp_path)
    database.close()


def restored(log: Log, tmp_path: Path) -> Log:
    """The same log from a backup that is taken now, with the same key and the same archive."""
    source, target = (sqlite3.connect(tmp_path / name) for name in ("log.db", "backup.db"))
    source.backup(target)
    source.close()
    target.close()
    back = Log(Database(f"sqlite:///{tmp_path}/backup.db"), log.clock, tmp_path)
    back.archive = log.archive
    back.shipper = back.another()
    return back


def test_a_database_that_has_what_is_locked_is_anchored(log: Log) -> None:
    """It is recorded once a start, with both heads."""
    log.write(5)
    assert not log.shipper.ship_once()
    log.shipper.ship_once()
    assert len(log.told(Name.LOG_ANCHORED)) == 1
    log.another().ship_once()
    first, second = log.told(Name.LOG_ANCHORED)
    assert first["locks"] == "COMPLIANCE 400 days"
    assert first["locked"] == {"origin": CHAIN, "size": 0, "root": EMPTY.hex()}
    assert (second["locked"]["size"], second["local"]["size"]) == (6, 7)
    assert log.anchor().state == "anchored"


def test_a_database_from_a_backup_is_behind(log: Log, tmp_path: Path) -> None:
    """It lacks rows that are locked; it ships nothing, and says which heads there are."""
    log.write(5)
    log.shipper.ship_once()
    back = restored(log, tmp_path)
    log.write(9)
    log.shipper.ship_once()
    stored = dict(log.archive.content())
    back.shipper.ship_once()
    [told] = back.told(Name.LOG_DIVERGED)
    anchor = back.anchor()
    assert anchor.state == told["state"] == "behind"
    assert (anchor.locked_size, told["locked"]["size"], told["local"]["size"]) == (16, 16, 7)
    assert told["locked"]["root"] == anchor.locked_root.hex()
    assert told["local"]["root"]
    assert anchor.why == f"16 rows of {CHAIN} are locked, and 7 are here."
    back.write(3)
    back.shipper.ship_once()
    assert log.archive.content() == stored
    back.database.close()


def test_a_database_that_went_another_way_is_forked(log: Log, tmp_path: Path) -> None:
    """As many rows, and other ones."""
    log.write(5)
    log.shipper.ship_once()
    back = restored(log, tmp_path)
    log.write(9)
    log.shipper.ship_once()
    back.write(40)
    back.shipper.ship_once()
    assert back.anchor().state == "forked"
    assert back.anchor().why.startswith("Over 16 rows the root ")
    assert len(back.told(Name.LOG_DIVERGED)) == 1
    back.database.close()


def test_a_clone_that_ships_meanwhile_is_found_before_the_next_checkpoint(log: Log, tmp_path: Path) -> None:
    """Both were anchored when they started."""
    log.write(5)
    log.shipper.ship_once()
    back = restored(log, tmp_path)
    back.shipper.ship_once()
    back.write(20)
    back.shipper.ship_once()
    assert back.anchor().state == "anchored"
    log.write(9)
    log.shipper.ship_once()
    assert log.anchor().state == "behind"
    assert log.waiting() == 1
    back.database.close()


def test_an_empty_database_is_behind_its_archive(log: Log, tmp_path: Path) -> None:
    """Rows that it does not have are locked below its name."""
    log.write(5)
    log.shipper.ship_once()
    database = Database(f"sqlite:///{tmp_path}/empty.db")
    migrate(database)
    fresh = Log(database, log.clock, tmp_path)
    fresh.archive = log.archive
    assert Lookout(fresh.trail, log.archive).look() == "behind"
    assert (
        fresh.anchor().why
        == f"6 rows of {CHAIN} are locked, and 0 are here. No key that this database knows has signed that."
    )
    database.close()


def test_an_archive_that_does_not_answer_at_the_start_is_asked_again(log: Log) -> None:
    """The bot starts all the same, says it loudly, and ships nothing before it has compared."""
    log.write(5)
    log.archive.dark = True
    for _ in range(5):
        log.shipper.ship_once()
        log.clock.advance(40)
    assert log.anchor().state == "unanchored"
    assert len(log.told(Name.LOG_UNANCHORED)) == 1
    log.archive.dark = False
    log.shipper.ship_once()
    assert log.anchor().state == "anchored"
    assert log.waiting() == 0
    assert [told["why"] for told in log.told(Name.LOG_UNANCHORED)] == ["AWS does not answer: s3."]


def test_an_archive_that_goes_away_later_leaves_it_anchored(log: Log) -> None:
    """What was compared stays compared."""
    log.write(5)
    log.shipper.ship_once()
    log.write(5)
    log.archive.dark = True
    log.shipper.ship_once()
    assert log.anchor().state == "anchored"
    assert log.told(Name.LOG_UNANCHORED) == []


def test_another_bucket_gets_everything_anew(log: Log) -> None:
    """What was shipped elsewhere is not here; it is said in the row, and shipped again."""
    log.write(5, 6)
    log.shipper.ship_once()
    before = log.archive.content()
    log.archive.kept.clear()
    log.another().ship_once()
    assert log.archive.content() == before
    assert [told.get("lost") for told in log.told(Name.LOG_ANCHORED)] == [None, 12]


def test_a_wrong_database_that_was_put_right_is_anchored_at_the_next_start(log: Log) -> None:
    """The difference is looked at afresh by every process."""
    log.write(5)
    log.shipper.ship_once()
    with log.database.write() as session:
        row = session.get_one(Anchor, CHAIN)
        row.state = "behind"
        session.add(row)
    log.another().ship_once()
    assert log.anchor().state == "anchored"


def test_only_first_versions_of_checkpoints_count(log: Log) -> None:
    """What was put over one later, what has another name, and what is none at all are passed over."""
    log.write(5, 6)
    log.shipper.ship_once()
    small, large = sorted(key for key in log.archive.kept if "/checkpoints/" in key)
    log.archive.force(large, b"later")
    log.archive.force(f"{CHAIN}/checkpoints/{99:020d}", log.archive.content()[small])
    log.archive.force(f"{CHAIN}/checkpoints/{98:020d}", b"no note")
    log.archive.force(f"{CHAIN}/checkpoints/latest", b"x")
    found = newest_locked(log.archive, CHAIN)
    assert found is not None
    assert found.checkpoint.size == 12
    assert newest_locked(log.archive, CHAIN, 12) == found
    assert newest_locked(log.archive, CHAIN, 13) is None
    log.archive.dark = True
    with pytest.raises(Unreachable):
        newest_locked(log.archive, CHAIN)


def test_a_database_whose_rows_were_taken_away_is_told_apart(log: Log) -> None:
    """A row in the middle is gone: no root can be made over what is locked."""
    log.write(5)
    log.shipper.ship_once()
    with log.database.write() as session:
        session.connection().execute(text("delete from entry where seq = 2"))
    log.another().ship_once()
    assert log.anchor().state == "forked"
    [told] = log.told(Name.LOG_DIVERGED)
    assert told["local"] == {"origin": CHAIN, "size": 7}


def test_objects_that_are_no_checkpoints_do_not_hide_the_newest_one(log: Log) -> None:
    """Whoever may store there could else have everything shipped again for ever, and a restored database at ease."""
    log.write(3, 300)
    assert not log.shipper.ship_once()
    for number in range(40):
        log.archive.force(f"{CHAIN}/checkpoints/{10**19 + number:020d}", b"none")
    log.write(300)
    stored = log.waiting()
    for _ in range(5):
        log.shipper.ship_once()
        log.clock.advance(60)
    assert log.waiting() == stored
    assert not [one for one in log.told(Name.LOG_ANCHORED) if "lost" in one]
    with pytest.raises(Rejected, match="that are no checkpoints"):
        newest_locked(log.archive, CHAIN)
    log.clock.advance(400)
    log.shipper.ship_once()
    assert "that are no checkpoints" in log.told(Name.ARCHIVE_LATE)[0]["why"]
