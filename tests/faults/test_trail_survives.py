from __future__ import annotations

import json
import multiprocessing
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hand_clock import HandClock
from sqlalchemy import text
from sqlmodel import func, select

from bot.clock import SystemClock
from bot.errors import TrailError
from bot.store.database import Database
from bot.store.tables import CheckpointRow, Entry
from bot.trail.append import Trail
from bot.trail.checkpoint import Checkpointer, Keyring
from bot.trail.event import Event, Name
from bot.trail.verify import verify_database
from bot.world.signing import FileKey

ROOT = Path(__file__).parents[2]


def beats(count: int, **detail: int | str) -> list[Event]:
    return [Event(name=Name.BOT_HEARTBEAT, detail={"n": n, **detail}) for n in range(count)]


def rows(database: Database) -> int:
    with database.read() as session:
        return session.exec(select(func.count()).select_from(Entry)).one()


@pytest.mark.timeout(110)
def test_a_writer_killed_at_any_write_leaves_a_whole_log(tmp_path: Path) -> None:
    """What was acknowledged is there, what was not is there as a whole or not at all, and the next one goes on."""
    ended = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "faults" / "dying_writer.py"), str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    lives = [json.loads(line) for line in ended.stdout.splitlines()]
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert {life["status"] for life in lives[:-1]} == {-9}
    assert len(lives) > 30
    url = f"sqlite:///{tmp_path}/trail.db"
    report = verify_database(url)
    assert report.findings == []
    assert report.exit_code == 0
    told = Counter[int]()
    for line in (tmp_path / "told").read_text().splitlines():
        life, count = map(int, line.split())
        told[life] += count
    kept = Counter[int]()
    database = Database(url)
    with database.read() as session:
        for body in session.exec(select(Entry.body)):
            kept[int(json.loads(body)["unmapped"]["detail"].get("life", 0))] += 1
    database.close()
    assert all(kept[life] >= count for life, count in told.items())
    assert set(kept.values()) - {kept[0]} <= {1, 41, 44}


def _race(url: str, key: str, number: int) -> None:
    database = Database(url)
    trail = Trail(database, SystemClock(), chain="signalbox/race")
    checkpointer = Checkpointer(trail, Keyring(FileKey(Path(key))))
    for _ in range(20):
        trail.note(*beats(2, writer=number))
        checkpointer.seal()
    database.close()


def test_processes_that_write_and_seal_at_once_make_one_log(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    """No row is lost, no fork comes about, every checkpoint fits the next."""
    FileKey(tmp_path / "signing.key")
    context = multiprocessing.get_context("spawn")
    racers = [
        context.Process(target=_race, args=(database_url, str(tmp_path / "signing.key"), n)) for n in range(3)
    ]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join(60)
    assert [racer.exitcode for racer in racers] == [0, 0, 0]
    report = verify_database(database_url)
    assert (report.findings, report.exit_code) == ([], 0)
    assert rows(database) >= 3 * 20 * 2 + 1


def test_a_full_disk_stops_what_it_cannot_record_and_nothing_else(tmp_path: Path, clock: HandClock) -> None:
    """The row that did not fit is not there in part; with room again the log goes on and verifies."""
    from bot.store.migrate import migrate

    url = f"sqlite:///{tmp_path}/trail.db"
    database = Database(url)
    migrate(database)
    trail = Trail(database, clock, chain="signalbox/full")
    checkpointer = Checkpointer(trail, Keyring(FileKey(tmp_path / "signing.key")))
    trail.note(*beats(3))
    checkpointer.seal()
    # SQLite's own bound on the file gives the same SQLITE_FULL as a disk without room.
    with database.writing() as connection:
        pages = connection.execute(text("pragma page_count")).scalar_one()
        connection.execute(text(f"pragma max_page_count = {pages + 2}"))
    before = rows(database)
    with pytest.raises(TrailError, match="full"):
        trail.note(*beats(50, why="x" * 800))
    assert rows(database) == before
    with database.writing() as connection:
        connection.execute(text("pragma max_page_count = 1000000"))
    trail.note(*beats(3))
    assert checkpointer.seal() is not None
    report = verify_database(url)
    assert (report.findings, report.exit_code, report.rows) == ([], 0, before + 3)
    with database.read() as session:
        assert len(session.exec(select(CheckpointRow)).all()) == 2
    database.close()
