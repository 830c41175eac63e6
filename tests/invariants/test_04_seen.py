"""Seen, not assumed: an OK without an effect never ends a step."""

from __future__ import annotations

from pathlib import Path

import pytest
from house import EAST, ONCALL, House, Outside, house
from steps_of import ACTING, Lone, back_of, lone, state

from bot.engine.judge import Next
from bot.store.database import Database
from bot.verdict import Kind


@pytest.mark.parametrize(("way", "step"), ACTING)
def test_an_ok_without_effect_is_never_done(way: str, step: str) -> None:
    """Every step of every plan: the world accepts the call and does nothing; the step is not done."""
    here = lone(way, step)
    first = here.verdict()
    here.outside.swallow = lambda _port, _verb: True
    ended = here.visit()
    assert ended == (Next.DONE if first.kind == Kind.PASS else here.in_vain)
    if first.kind == Kind.FAIL:
        assert here.applied >= 1


@pytest.mark.parametrize("way", ["dark", "limping", "planned"])
def test_an_undo_without_effect_is_never_done(way: str) -> None:
    """The way back is looked at as closely as the way there."""
    world, back = back_of(way)
    assert back.steps
    before = state(world)
    for step in back.steps:
        here = Lone(Outside(world, swallow=lambda _port, _verb: True), step)
        if here.verdict().kind != Kind.PASS:
            assert here.visit() == Next.GIVE_UP, step.id
    assert state(world) == before


@pytest.fixture
def box(database: Database, tmp_path: Path) -> House:
    return house(database, tmp_path)


def test_a_promotion_that_is_only_promised_holds_the_run(box: House) -> None:
    """AWS says OK and the writer stays: nothing that needs it starts, customers stay where they are."""
    box.outside.swallow = lambda _port, verb: verb == "failover"
    change = box.approved()
    box.drive(change, lambda: len(box.holds(change)) == 3, by=10)
    assert set(box.holds(change)) == {f"promote/{name}" for name in box.world.writer}
    rows = box.steps(change)
    assert {rows[s].state for s in ("services/payments", "traffic/stop", "check/payments")} == {"pending"}
    assert not box.world.stops
    assert "is written in us-east-1" in rows["promote/payments"].why
    box.outside.swallow = lambda _port, _verb: False
    for hold in box.holds(change).values():
        assert box.desk.vote(hold.id, "retry", ONCALL).counted
    assert box.drive(change) == "done"


def test_a_way_back_that_is_only_promised_holds_too(box: House) -> None:
    """An undo that has no effect is asked about, retried, and the run ends only when it is undone."""
    change = box.approved()
    box.drive(change, lambda: box.world.denied[EAST])
    box.outside.swallow = lambda _port, verb: verb == "allow"
    assert box.desk.stop(change, "rollback", ONCALL).counted
    box.drive(change, lambda: bool(box.holds(change)), by=10)
    assert list(box.holds(change)) == ["undo:fence/network"]
    assert box.run(change).state == "rolling_back"
    box.outside.swallow = lambda _port, _verb: False
    assert box.desk.vote(box.holds(change)["undo:fence/network"].id, "retry", ONCALL).counted
    assert box.drive(change) == "rolled_back"
    assert not box.world.denied[EAST]
