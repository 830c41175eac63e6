"""What the bot itself writes, signs, ships and packs is verified: by our verifier and by the tiny one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from evidence_quarter import Quarter, play
from hand_clock import HandClock
from shipped_log import Log
from sqlmodel import col, select

sys.path.insert(0, str(Path(__file__).parents[1]))
import tiny_verifier

from bot.evidence.pack import Asked
from bot.store.database import Database
from bot.store.migrate import migrate
from bot.store.tables import Entry
from bot.trail.verify import compare, of_bucket, of_database, verify_bucket, verify_database, verify_pack

DAY_MS = 86_400_000


@pytest.fixture(scope="module")
def quarter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Quarter]:
    place = tmp_path_factory.mktemp("quarter")
    database = Database(f"sqlite:///{place}/signalbox.db")
    migrate(database)
    yield play(database, place)
    database.close()


@pytest.mark.parametrize("later", [0, 1])
def test_a_pack_of_the_bot_is_verified(quarter: Quarter, tmp_path: Path, later: int) -> None:
    """From the log's first row, or from a window that begins later; both verifiers agree."""
    path = tmp_path / "pack.zip"
    first = quarter.days.since_ms
    with quarter.box.database.read() as session:
        times = list(session.exec(select(Entry.at).order_by(col(Entry.seq))))
    if later:
        first = int(times[len(times) // 2] * 1000)
    with path.open("wb") as out:
        quarter.packer.pack(Asked(replace(quarter.days, since_ms=first)), out)
    report = verify_pack(path)
    assert (report.findings, report.exit_code) == ([], 0), report.gaps
    assert bool(report.first) is bool(later)
    assert tiny_verifier.main([str(path)]) == 0
    assert verify_database(quarter.box.database.url).exit_code == 0


def test_what_the_shipper_stored_is_verified(
    database: Database, database_url: str, clock: HandClock, tmp_path: Path
) -> None:
    """Rows, checkpoints, keys and locks in the archive, and the same rows as in the database."""
    log = Log(database, clock, tmp_path)
    for count in (3, 300, 40):
        log.write(count)
        while log.shipper.ship_once():
            pass
        clock.advance(60)
    report = verify_bucket(log.archive, now=clock.now())
    assert (report.findings, report.gaps, report.exit_code) == ([], [], 0)
    assert report.checkpoints == 3
    pair, *_ = compare(of_database(database_url), of_bucket(log.archive), now=clock.now())
    assert (pair.exit_code, pair.rows) == (0, report.rows)
