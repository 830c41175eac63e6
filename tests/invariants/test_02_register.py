"""Register before movement: without a committed intent no call leaves, and every call has its outcome."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from house import ONCALL, House, house
from sqlalchemy import event, text
from sqlmodel import select

from bot.errors import LeaseLost, SignalboxError, TrailError
from bot.store.database import Database
from bot.store.tables import Head, Replica

Undo = Callable[[], None]


@pytest.fixture
def box(database: Database, tmp_path: Path) -> House:
    return house(database, tmp_path)


def impatient(database: Database, *pragmas: str) -> Undo:
    """New connections to SQLite wait a moment only, and get these pragmas."""

    def connected(raw: Any, _record: Any) -> None:
        for pragma in ("busy_timeout=50", *pragmas):
            raw.execute(f"PRAGMA {pragma}")

    database.engine.dispose()
    event.listen(database.engine, "connect", connected)

    def undo() -> None:
        event.remove(database.engine, "connect", connected)
        database.engine.dispose()

    return undo


def _locked(box: House) -> Undo:
    undo = impatient(box.database)
    lock = sqlite3.connect(box.database.url.removeprefix("sqlite:///"), isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")

    def unlock() -> None:
        lock.rollback()
        lock.close()
        undo()

    return unlock


def _full(box: House) -> Undo:
    with box.database.read() as session:
        pages = session.connection().exec_driver_sql("PRAGMA page_count").scalar_one()
    return impatient(box.database, f"max_page_count={pages}")


def _execute(box: House, *statements: str) -> None:
    with box.database.writing() as connection:
        for statement in statements:
            connection.execute(text(statement))


def _failing(box: House) -> Undo:
    """PostgreSQL refuses every new row of the trail."""
    _execute(
        box,
        "create function no_room() returns trigger as 'begin raise exception ''no room''; end' language plpgsql",
        "create trigger full_disk before insert on entry for each row execute function no_room()",
    )
    return lambda: _execute(box, "drop trigger full_disk on entry")


def _constraint(box: House) -> Undo:
    """The trail's next place is taken already: someone else wrote past the head."""
    with box.database.write() as session:
        head = session.exec(select(Head)).one()
        head.size -= 1
        session.add(head)

    def undo() -> None:
        with box.database.write() as session:
            head = session.exec(select(Head)).one()
            head.size += 1
            session.add(head)

    return undo


def _headless(box: House) -> Undo:
    with box.database.write() as session:
        head = session.exec(select(Head)).one()
        session.delete(head)
        kept = head.model_dump()

    def undo() -> None:
        with box.database.write() as session:
            session.add(Head(**kept))

    return undo


def _lease_gone(box: House) -> Undo:
    with box.database.write() as session:
        row = session.get_one(Replica, box.lease.name)
        # Shorter than a call may take.
        row.until = box.database.now(session) + 5
        session.add(row)
    return box.lease.beat


TROUBLE = {
    "locked": (_locked, "sqlite"),
    "disk full": (_full, "sqlite"),
    "statement fails": (_failing, "postgres"),
    "place taken": (_constraint, ""),
    "head row missing": (_headless, ""),
    "lease too short for a call": (_lease_gone, ""),
}


@pytest.mark.parametrize("trouble", sorted(TROUBLE))
def test_no_call_leaves_while_nothing_can_be_recorded(box: House, trouble: str) -> None:
    """Rounds in a row with a trail that cannot be written make no call; then the run goes on by itself."""
    makes, only = TROUBLE[trouble]
    if only and only != ("sqlite" if box.database.sqlite else "postgres"):
        makes = _headless
    change = box.approved()
    box.drive(change, lambda: len(box.outside.calls) >= 20)
    box.world.clock.at += 30
    had, world = len(box.outside.calls), list(box.world.calls)
    undo = makes(box)
    for _ in range(4):
        try:
            box.tick()
        except SignalboxError:
            pass  # the engine's own thread waits for its next round
        box.world.clock.at += 10
    assert len(box.outside.calls) == had
    assert box.world.calls == world
    undo()
    assert box.drive(change) == "done"
    assert all(call.announced for call in box.outside.calls)
    assert box.verified().exit_code == 0


@pytest.mark.parametrize("error", [TrailError("away"), LeaseLost("taken")])
def test_a_register_that_refuses_stops_the_call(box: House, error: SignalboxError) -> None:
    """Whatever the reason, an intent that raises means that nothing reaches the world."""
    register = box.outside.register
    change = box.approved()

    class Refusing:
        def intent(self, *_args: Any, **_kwargs: Any) -> str:
            raise error

        def outcome(self, *_args: Any, **_kwargs: Any) -> None:
            raise AssertionError("no call was made")

    box.outside.register = Refusing()
    for _ in range(5):
        box.tick()
        box.world.clock.at += 5
    assert box.world.calls == []
    box.outside.register = register
    box.drive(change, lambda: bool(box.holds(change)))
    for hold in box.holds(change).values():
        assert box.desk.vote(hold.id, "retry", ONCALL).counted
    box.drive(change, lambda: len(box.world.calls) > 3)


@pytest.mark.parametrize("words", ["/failover us-west-2", "/failover us-west-2 --planned"])
def test_every_call_is_announced_and_has_its_outcome(box: House, words: str) -> None:
    """At the moment that a call arrives its intent is committed; each intent is followed by one outcome."""
    change = box.approved(words)
    assert box.drive(change) == "done"
    assert len(box.outside.calls) > 50
    assert [c for c in box.outside.calls if not c.announced] == []
    intents = {e["unmapped"]["detail"]["intent"]: e["seq"] for e in box.entries("call:outside:intent")}
    outcomes = {e["unmapped"]["detail"]["intent"]: e["seq"] for e in box.entries("call:outside:outcome")}
    assert len(intents) == len(box.outside.calls)
    assert intents.keys() == outcomes.keys()
    assert all(outcomes[token] > seq for token, seq in intents.items())
    assert all(
        e["unmapped"]["change"]["step"] and e["actor"]["user"]["uid"] == "U0000ONCALL"
        for e in box.entries("call:outside:intent")
    )


def test_a_change_outside_any_step_is_refused(box: House) -> None:
    """Code that changes something without an approved step around it has no act, and so no intent."""
    from bot.engine.register import Intents

    with pytest.raises(TrailError, match="outside any approved step"):
        Intents(box.database, box.trail, box.lease).intent("rds", "FailoverGlobalCluster", "us-west-2", {})
    assert box.entries("call:outside:intent") == []


def test_a_command_that_cannot_be_recorded_is_not_run(box: House) -> None:
    """With a trail that is away nothing is proposed and nothing is decided; afterwards it can be asked again."""
    change = box.ask()
    undo = _headless(box)
    answer = box.vote(change)
    assert not answer.counted
    assert "head row" in answer.text
    with pytest.raises(TrailError):
        box.ask()
    undo()
    assert box.question(change).state == "open"
    assert box.vote(change).counted
