"""`signalbox corroborate` and the pack's part of it: a real trail in a database, files of other people's logs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.clock import iso
from bot.evidence.ask import ask, calls_between, files, part
from bot.evidence.corroboration import Bin
from bot.evidence.window import Days, Window
from bot.records import CLOUDTRAIL, KUBERNETES, Told
from bot.settings import Settings
from bot.store.database import Database
from bot.store.migrate import migrate
from bot.terminal.corroborate import compare
from bot.trail.append import Trail
from bot.trail.event import Event, Name

WEST = "us-west-2"
DAY = 1_782_864_000.0  # 2026-07-01
INTENT = "0123456789abcdef0123456789abcdef"


class HandClock:
    seconds = DAY + 3 * 3600

    def now(self) -> float:
        return self.seconds

    def monotonic(self) -> float:
        return self.seconds


class Nobody:
    """Logs that cannot be asked."""

    def cloudtrail(self, region: str, since: float, until: float) -> Told:
        return Told(CLOUDTRAIL, region, since, until, until, lack="no answer")

    def kubernetes(self, region: str, since: float, until: float) -> Told:
        return Told(KUBERNETES, region, since, until, until, lack="no answer")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A trail with one failover of a database, asked for by Anna."""
    database, clock = Database(f"sqlite:///{tmp_path / 'trail.db'}"), HandClock()
    migrate(database)
    trail = Trail(database, clock)  # type: ignore[arg-type]
    called = {"intent": INTENT, "service": "rds", "operation": "FailoverGlobalCluster", "region": WEST}
    of = {"actor": "anna", "change": "c1", "run": "r1"}
    trail.note(Event(name=Name.BOT_HEARTBEAT))
    trail.note(Event(name=Name.CALL_INTENT, ok=None, detail=called | {"params": {}}, **of))
    clock.seconds += 1
    trail.note(Event(name=Name.CALL_OUTCOME, detail={"intent": INTENT, "request_id": "req-1"}, **of))
    clock.seconds += 86_400
    trail.note(Event(name=Name.BOT_HEARTBEAT))
    yield database
    database.close()


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    """CloudTrail's files of the same day, with another event a few hours later."""
    events = [event(at=DAY + 3 * 3600), event(eventID="e2", requestID="x", at=DAY + 9 * 3600, readOnly=True)]
    directory = tmp_path / "cloudtrail"
    directory.mkdir()
    (directory / "a.json").write_text(json.dumps({"Records": events}))
    return directory


def event(*, at: float, **other: Any) -> dict[str, Any]:
    who = {"type": "AssumedRole", "arn": "arn:x", "sessionContext": {"sourceIdentity": "anna"}}
    return {
        "eventID": "e1", "eventTime": iso(at), "eventSource": "rds.amazonaws.com", "readOnly": False,
        "eventName": "FailoverGlobalCluster", "awsRegion": WEST, "requestID": "req-1", "userIdentity": who,
    } | other  # fmt: skip


def compared(database: Database, *paths: Path, last: str = "2026-07-01") -> Any:
    settings = Settings(database_url=database.url)
    return compare(settings, "2026-07-01", last, cloudtrail=paths, live=lambda _: Nobody())


def test_files_that_agree_end_with_zero(database: Database, exported: Path) -> None:
    """The call of the day is in both."""
    found = compared(database, exported)

    assert [(f.bin, f.call.person) for f in found.calls] == [(Bin.MATCHED, "anna")]
    assert found.exit_code == 0


def test_a_day_without_the_call_has_none(database: Database) -> None:
    """The rows are found by their own time."""
    assert len(calls_between(database, DAY, DAY + 86_400)) == 1
    assert calls_between(database, DAY + 86_400, DAY + 3 * 86_400) == ()
    assert calls_between(database, DAY, DAY + 86_400, size=2)[0].ok is None


def test_logs_that_cannot_be_asked_end_with_two(database: Database) -> None:
    """Nothing was told, so nothing is good; us-east-1 is asked for what is in no Region."""
    calls = calls_between(database, DAY, DAY + 86_400)
    told = ask(Nobody(), calls, [WEST], DAY, DAY + 86_400)

    assert {(t.log, t.region) for t in told} == {
        (CLOUDTRAIL, WEST),
        (CLOUDTRAIL, "us-east-1"),
        (KUBERNETES, WEST),
    }
    assert all(t.since < DAY and t.until > DAY + 86_400 for t in told)


def test_the_pack_s_part_is_the_same_for_the_same_files(database: Database, exported: Path) -> None:
    """Bytes, not only counts."""
    window = Window(
        database, "signalbox", Days(int(DAY * 1000), int((DAY + 86_400) * 1000)), 0, 0, 3, 4, True
    )
    once, again = (part(files([exported], []))(window) for _ in range(2))

    assert once == again
    assert json.loads(once["corroboration.json"])["counts"]["matched"] == 1


def test_a_tampered_row_stops_the_comparison(database: Database, exported: Path) -> None:
    """A trail with a row missing is compared with nothing."""
    with database.writing() as connection:
        connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
        for (trigger,) in connection.exec_driver_sql(
            "SELECT name FROM sqlite_master WHERE type='trigger'"
        ).all():
            connection.exec_driver_sql(f"DROP TRIGGER {trigger}")
        connection.exec_driver_sql("DELETE FROM entry WHERE seq = 1")

    with pytest.raises(Exception, match="lacks row 1"):
        compared(database, exported)
