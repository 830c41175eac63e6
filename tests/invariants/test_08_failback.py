"""The way back after the point of no return: a failback, asked for and approved like any planned move."""

from __future__ import annotations

from pathlib import Path

import pytest
from house import EAST, LEAD, LEAD2, ONCALL, WEST, House, house
from left_region import left

from bot.store.database import Database

BACK = f"/failover {EAST} --planned --reason back"


@pytest.fixture
def box(database: Database, tmp_path: Path) -> House:
    return house(database, tmp_path, left())


def test_a_failback_is_its_own_change_with_its_own_approval(box: House) -> None:
    """Proposed under its own name, changed nothing before two leads, and everything ends where it began."""
    change = box.ask(BACK)
    assert box.see(change).title == f"Fail back from {WEST} to {EAST}"
    assert not box.outside.calls
    assert box.vote(change, person=LEAD).counted
    assert box.vote(change, person=LEAD2).counted
    assert box.drive(change) == "done"
    assert set(box.world.writer.values()) == {EAST}
    assert not box.world.stops
    assert not box.world.denied[EAST]
    sends = [c.verb for c in box.outside.calls if c.port == "dns"]
    assert sends == ["unstop"]
    assert box.verified().exit_code == 0


@pytest.mark.parametrize("step", ["fence/open", "capacity/replicas", "fence/workloads", "guard"])
def test_rolling_back_a_failback_leaves_the_region_as_the_failover_left_it(box: House, step: str) -> None:
    """Fenced, stopped and held as before, customers where they were."""
    change = box.approved(BACK)
    box.drive(change, lambda: box.steps(change)[step].state != "pending", by=1)
    assert not box.run(change).committed
    assert box.desk.stop(change, "rollback", ONCALL).counted
    assert box.drive(change) == "rolled_back"
    fresh = left()
    for name in ("writer", "denied", "windows", "stops", "weights"):
        assert getattr(box.world, name) == getattr(fresh, name), name
    for key, workload in fresh.pods.items():
        assert box.world.pods[key].minimum == workload.minimum, key
        if key[0] == WEST or workload.wanted == 0:
            assert box.world.pods[key].wanted == workload.wanted, key
    assert not [c for c in box.outside.calls if c.port == "dns"]
    assert box.verified().exit_code == 0


def test_after_the_first_switchover_a_failback_goes_on(box: House) -> None:
    """There is no way back but another move."""
    change = box.approved(BACK)
    box.drive(change, lambda: box.run(change).committed, by=1)
    assert not box.desk.stop(change, "rollback", ONCALL).counted
    assert box.drive(change) == "done"


def failed_over(box: House) -> str:
    """A dark failover whose old Region has come back and was closed by the standing fence; the change's id."""
    box.world.dark.add(EAST)
    change = box.approved()
    box.drive(change, lambda: box.run(change).state == "standing" or "activate/check" in box.holds(change))
    if "activate/check" in box.holds(change):
        assert box.desk.vote(box.holds(change)["activate/check"].id, "skip", ONCALL).counted
        box.drive(change, lambda: box.run(change).state == "standing")
    box.world.dark.clear()
    assert box.drive(change) == "done"
    return change


def test_from_a_dark_region_and_back(database: Database, tmp_path: Path) -> None:
    """The failover's losses are signed off by a lead, once; production ends where it was, without a STOP or a fence."""
    box = house(database, tmp_path)
    first = failed_over(box)
    world = box.world
    assert world.denied[EAST]
    assert world.is_stopped(EAST)
    change = box.approved(BACK)
    box.drive(change, lambda: "losses/signed" in box.holds(change), by=1)
    question = box.holds(change)["losses/signed"]
    assert first in question.question
    assert "acknowledge" in question.options.split(",")
    assert "skip" not in question.options.split(",")
    assert not box.desk.vote(question.id, "acknowledge", ONCALL).counted
    assert box.steps(change)["fence/workloads"].state == "pending"
    assert box.desk.vote(question.id, "acknowledge", LEAD).counted
    assert box.drive(change) == "done"
    assert set(world.writer.values()) == {EAST}
    assert not world.stops
    assert world.denied == {EAST: False, WEST: False}
    assert [len(w) for w in world.windows.values()] == [0, 0]
    again = box.ask(f"/failover {WEST} --planned --reason again")
    assert "losses/signed" not in {step.id for step in box.see(again).plan}
    assert box.verified().exit_code == 0
