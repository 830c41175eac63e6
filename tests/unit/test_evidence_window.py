from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import orjson
import pytest
from hand_clock import HandClock
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import select

from bot.errors import Refused, UsageError
from bot.evidence.population import population
from bot.evidence.window import Days, days, open_window, quarter
from bot.store.database import Database
from bot.store.migrate import migrate
from bot.store.tables import Entry
from bot.trail.append import Trail
from bot.trail.checkpoint import Checkpointer, Keyring
from bot.trail.event import Event, Name
from bot.world.signing import FileKey

HOUR = 3600


def test_a_quarter_is_three_whole_months() -> None:
    """The last day is inside, and the year ends with the fourth."""
    assert quarter("2026-Q3") == days("2026-07-01", "2026-09-30")
    assert quarter("2026q4").until_ms == days("2027-01-01", "2027-01-01").since_ms
    assert quarter("2028-Q1").words == "2028-01-01 to 2028-03-31"


@pytest.mark.parametrize("words", ["2026", "2026-Q5", "Q3", "0000-Q1", "2026-Q3; drop"])
def test_what_is_no_quarter_is_said(words: str) -> None:
    """With how to write one."""
    with pytest.raises(UsageError, match="2026-Q3"):
        quarter(words)


@pytest.mark.parametrize(("first", "last"), [("2026-07-02", "2026-07-01"), ("yesterday", "2026-07-01")])
def test_what_are_no_days_is_said(first: str, last: str) -> None:
    """Backwards, or not days at all."""
    with pytest.raises(UsageError):
        days(first, last)


def test_an_unsigned_log_makes_no_pack(tmp_path: Path, clock: HandClock) -> None:
    """Nobody could check it."""
    database = Database(f"sqlite:///{tmp_path}/a.db")
    migrate(database)
    Trail(database, clock).note(Event(name=Name.BOT_HEARTBEAT))
    with pytest.raises(Refused, match="no signed checkpoint"):
        open_window(database, days("2026-01-01", "2030-01-01"))
    database.close()


_NAMES = [
    Name.BOT_HEARTBEAT,
    Name.CHANGE_PLANNED,
    Name.CHANGE_CLOSED,
    Name.COMMAND_REFUSED,
    Name.CALL_INTENT,
    Name.STEP_DONE,
    Name.GLASS_BROKEN,
]
_EVENTS = st.lists(
    st.tuples(st.sampled_from(_NAMES), st.sampled_from(["", "a", "b", "c"]), st.integers(0, 7 * HOUR)),
    max_size=40,
)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database without a row."""
    path = tmp_path_factory.mktemp("empty") / "a.db"
    database = Database(f"sqlite:///{path}")
    migrate(database)
    database.close()
    return path


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=_EVENTS, since=st.integers(0, 60), length=st.integers(1, 60), cuts=st.sets(st.integers(0, 40)))
def test_nothing_in_a_window_is_missing(
    tmp_path_factory: pytest.TempPathFactory,
    empty: Path,
    events: list[tuple[Name, str, int]],
    since: int,
    length: int,
    cuts: set[int],
) -> None:
    """Whatever the log and wherever the window lies: each row of it is counted once, each of its changes is there."""
    place = tmp_path_factory.mktemp("log")
    shutil.copy(empty, place / "a.db")
    database, clock = Database(f"sqlite:///{place}/a.db"), HandClock()
    begin = clock.now()
    trail = Trail(database, clock)
    checkpointer = Checkpointer(trail, Keyring(FileKey(place / "key")))
    for index, (name, change, passed) in enumerate(events):
        clock.time += passed
        trail.note(Event(name=name, change=change, detail={"state": "done", "intent": str(index)}))
        if index in cuts:
            checkpointer.seal()
    trail.note(Event(name=Name.BOT_STOPPED))
    checkpointer.seal()
    asked = Days(int(begin + since * HOUR) * 1000, int(begin + (since + length) * HOUR) * 1000)
    window = open_window(database, asked)
    found = population(window)

    with database.read() as session:
        every = [orjson.loads(body) for body in session.exec(select(Entry.body).order_by(Entry.seq))]
    inside = [row for row in every if asked.since_ms <= row["time"] < asked.until_ms]
    assert found.counts == Counter(row["api"]["operation"] for row in inside)
    assert found.rows == len(inside) == window.outside - window.inside
    assert {one.id for one in found.changes} == {row["unmapped"]["change"]["uid"] for row in inside} - {""}
    assert window.first <= window.inside <= window.outside <= window.size
    assert window.complete == any(row["time"] >= asked.until_ms for row in every)
    for one in found.changes:
        own = [row["seq"] for row in every if row["unmapped"]["change"]["uid"] == one.id]
        assert list(one.seqs) == [seq for seq in own if window.first <= seq < window.outside]
    database.close()


def test_a_review_that_is_owed_is_told_of_in_every_later_window(
    database: Database, tmp_path: Path, clock: HandClock
) -> None:
    """Of a break-glass and of a recovery by one person, though nothing happened to them within the window."""
    trail = Trail(database, clock)
    for change, name in (("aaaaaaaa", Name.GLASS_BROKEN), ("bbbbbbbb", Name.LOG_RECOVERED)):
        review = {"decision": f"review-{change}", "review": f"review-{change}"}
        trail.note(
            Event(name=Name.CHANGE_PLANNED, change=change, detail={"command": "signalbox"}),
            Event(name=name, change=change, actor="U1", approval=review),
            Event(name=Name.DECISION_OPENED, change=change, detail={"kind": "review"}, approval=review),
            Event(name=Name.CHANGE_CLOSED, change=change, detail={"state": "done"}),
        )
    clock.advance(3 * 24 * HOUR)
    trail.note(Event(name=Name.BOT_HEARTBEAT))
    clock.advance(2 * 24 * HOUR)
    closed = {"decision": "review-aaaaaaaa", "outcome": "close"}
    trail.note(Event(name=Name.DECISION_DECIDED, change="aaaaaaaa", approval=closed))
    clock.advance(2 * 24 * HOUR)
    trail.note(Event(name=Name.BOT_HEARTBEAT))
    Checkpointer(trail, Keyring(FileKey(tmp_path / "signing.key"))).seal()

    def owed(first: int, last: int) -> list[str]:
        found = population(open_window(database, Days(_at(clock, first), _at(clock, last))))
        return [one.id for one in found.unreviewed]

    assert owed(-5, -3) == ["aaaaaaaa", "bbbbbbbb"]
    assert owed(-3, 0) == ["bbbbbbbb"]
    assert owed(-1, 1) == ["bbbbbbbb"]


def _at(clock: HandClock, days_from_now: int) -> int:
    return int((clock.now() + days_from_now * 24 * HOUR) * 1000)
