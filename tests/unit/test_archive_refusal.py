"""What is refused while the archive has too little of the trail, and how the status tells of it."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "invariants"))

from archived import LIMITS, part, ship, with_archive
from hand_clock import HandClock
from house import House, house

from bot.changes.archive import Limits, Standing, check, look, refusal, status_lines, trouble
from bot.errors import Refused
from bot.store.database import Database
from bot.store.tables import Anchor
from bot.trail.append import Trail
from bot.trail.event import Event, Name

T0 = 1_800_000_000.0
WELL = Standing("c", "c", 500, "anchored", "", 490, T0, 10, T0, 490, T0, True)


@pytest.mark.parametrize("state", ["new", "anchored", "unanchored"])
def test_what_does_not_differ_and_is_not_late_is_not_refused(state: str) -> None:
    """Up to the limit itself."""
    assert refusal(replace(WELL, state=state), LIMITS, T0 + 3600) is None


@pytest.mark.parametrize("state", ["new", "anchored", "unanchored"])
def test_rows_that_wait_longer_than_the_limit_refuse(state: str) -> None:
    """With how many wait, for how long, what the limit is and how it goes on."""
    found = refusal(replace(WELL, state=state), LIMITS, T0 + 3661)
    assert found is not None
    for words in (
        "10 rows",
        "1 h 1 min",
        "longer than 1 h",
        "goes on by itself",
        "without --planned goes ahead",
    ):
        assert words in str(found), words


@pytest.mark.parametrize(
    ("state", "words"),
    [("behind", "lacks rows of the trail that are locked"), ("forked", "holds another trail")],
)
def test_a_difference_refuses_at_once(state: str, words: str) -> None:
    """With both sizes in the shipper's words, and who settles it."""
    found = refusal(replace(WELL, state=state, why="490 rows are locked, and 400 are here."), LIMITS, T0)
    assert found is not None
    for told in (
        words,
        "490 rows are locked, and 400 are here.",
        "Two leads",
        "signalbox recover",
        "nothing was started",
    ):
        assert told in str(found), told
    assert ".." not in str(found)


def test_where_no_archive_is_configured_nothing_is_refused() -> None:
    """Whatever stands in the table."""
    assert refusal(replace(WELL, state="forked"), None, T0 + 10**9) is None


@pytest.mark.parametrize("kind", ["failover", "trail-recovery"])
def test_some_kinds_of_change_are_never_asked(database: Database, clock: HandClock, kind: str) -> None:
    """And every other kind is, whatever it will be called."""
    Trail(database, clock).note(Event(name=Name.BOT_HEARTBEAT))
    part(database, "forked")
    with database.read() as session:
        check(session, kind, LIMITS, T0)
        for planned in ("failover-planned", "failback", "shift", "cutover-service", "drill", "anything"):
            check(session, planned, None, T0)
            with pytest.raises(Refused):
                check(session, planned, LIMITS, T0)


@pytest.mark.parametrize(
    ("standing", "after", "told"),
    [
        (WELL, 20, "Archive: it agrees with this database; 490 rows are locked, at 2027-01-15T08:00:00Z."),
        (WELL, 20, "Trail: 500 rows; the newest checkpoint signs 490 of them, 20 s old."),
        (WELL, 20, "10 rows wait for the archive since 2027-01-15T08:00:00Z."),
        (WELL, 20, "It is signed with a key that nobody can take out (attested)."),
        (
            WELL,
            400,
            ":warning: 10 rows wait for the archive since 2027-01-15T08:00:00Z (6 min 40 s). In 53 min 20 s",
        ),
        (WELL, 4000, ":rotating_light: 10 rows wait"),
        (replace(WELL, attested=False), 0, ":warning: It is signed with a local key (unattested)"),
        (replace(WELL, state="new"), 0, "Archive: not compared with this database yet."),
        (
            replace(WELL, state="unanchored", why="No answer."),
            0,
            ":rotating_light: Archive: it did not answer",
        ),
        (replace(WELL, state="behind"), 0, ":rotating_light: Archive: this database lacks rows"),
        (replace(WELL, state="forked"), 0, ":rotating_light: Archive: this database holds another trail"),
        (replace(WELL, signed=0, signed_at=None), 0, "nothing is signed yet"),
    ],
)
def test_the_status_tells_how_the_archive_stands(standing: Standing, after: float, told: str) -> None:
    """Each in words, with a sign where something is wrong."""
    lines = status_lines(standing, LIMITS, T0 + after)
    assert any(told in line for line in lines), lines


def test_only_what_is_wrong_is_trouble() -> None:
    """The Home tab says nothing while all is well."""
    assert trouble(WELL, LIMITS, T0 + 20) == []
    assert trouble(replace(WELL, state="forked", waiting=0), LIMITS, T0)[0].startswith(
        "Archive: this database"
    )
    assert trouble(WELL, Limits(5, 10), T0 + 8)[0].startswith("10 rows wait")


def test_the_status_says_when_no_archive_is_configured(database: Database, tmp_path: Path) -> None:
    """So that nobody believes in one."""
    assert "Archive: none is configured" in house(database, tmp_path).desk.status()


def test_a_look_reads_what_signer_and_shipper_left(database: Database, tmp_path: Path) -> None:
    """Rows, checkpoint, key, and since when the first row waits that is not locked."""
    box: House = house(database, tmp_path)
    box.desk = with_archive(box.desk)
    with database.read() as session:
        assert look(session).state == "new"
    size = ship(box)
    box.world.clock.at += 100
    box.trail.note(Event(name=Name.BOT_HEARTBEAT), Event(name=Name.BOT_HEARTBEAT))
    with database.read() as session:
        found = look(session)
    assert (found.state, found.locked, found.signed, found.waiting) == ("anchored", size, size, 2)
    assert found.attested is False
    assert found.since == pytest.approx(box.world.clock.at, abs=0.01)
    assert "2 rows wait for the archive" in box.desk.status()
    assert box.desk.trouble() == []
    with database.write() as session:
        session.merge(Anchor(origin=found.origin, state="behind", why="Less is here."))
    assert "Less is here." in box.desk.trouble()[0]
