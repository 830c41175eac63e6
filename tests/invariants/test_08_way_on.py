"""Always a way on: back before the point of no return, forward after it, never both."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from house import EAST, LEAD, ONCALL, ONCALL2, STRANGER, WEST, House, house
from memory_world import MemoryWorld

from bot.ports import Sample
from bot.store.database import Database


@pytest.fixture
def box(database: Database, tmp_path: Path) -> House:
    return house(database, tmp_path)


def at_rest(world: MemoryWorld) -> None:
    """As it was before anyone asked; pods above their minimum are the autoscaler's business."""
    fresh = MemoryWorld()
    for name in ("writer", "denied", "windows", "stops", "weights"):
        assert getattr(world, name) == getattr(fresh, name), name
    for key, group in fresh.groups.items():
        assert world.groups[key].minimum == group.minimum
    for key, workload in fresh.pods.items():
        assert world.pods[key].minimum == workload.minimum, key
        if key[0] == EAST:
            assert world.pods[key].wanted == workload.wanted, key


def _calls(count: int) -> Callable[[House, str], bool]:
    return lambda box, _change: len(box.outside.calls) >= count


def _seen(step: str, state: str) -> Callable[[House, str], bool]:
    return lambda box, change: box.steps(change)[step].state == state


POINTS = {
    "at once": lambda _box, _change: True,
    "first call": _calls(1),
    "capacity half way": _calls(15),
    "fenced half way": _seen("fence/workloads", "active"),
    "fenced": _seen("fence/confirm", "active"),
}


@pytest.mark.parametrize("point", sorted(POINTS))
def test_rolling_back_undoes_everything(box: House, point: str) -> None:
    """Stopped anywhere before the first promotion: the world is as it was, and the trail is whole."""
    change = box.approved()
    box.drive(change, lambda: POINTS[point](box, change), by=1)
    assert not box.run(change).committed
    assert box.desk.stop(change, "rollback", ONCALL2).counted
    assert box.drive(change) == "rolled_back"
    assert box.see(change).state == "rolled_back"
    at_rest(box.world)
    assert box.verified().exit_code == 0
    assert not [c for c in box.outside.calls if c.verb == "failover"]


def stays(world: MemoryWorld) -> None:
    """Customers go on using the old Region, so that a dark plan waits at its guard."""
    query = world.estate.metrics.share or ""
    world.figures[query] = (Sample({"region": EAST}, 80.0, 0.0), Sample({"region": WEST}, 20.0, 0.0))


def test_traffic_goes_back_first(box: House) -> None:
    """In a dark plan customers were sent away first: the way back begins by letting them in again."""
    box.world.dark.add(EAST)
    change = box.approved()
    stays(box.world)
    box.drive(
        change, lambda: bool(box.world.stops) and box.steps(change)["capacity/replicas"].state == "done"
    )
    had = len(box.outside.calls)
    assert box.desk.stop(change, "rollback", ONCALL).counted
    assert box.drive(change) == "rolled_back"
    assert box.outside.calls[had].verb == "unstop"
    box.world.dark.clear()
    at_rest(box.world)


def test_what_was_skipped_after_acting_is_undone_too(box: House) -> None:
    """Skipping says that nobody waits for it, not that nothing was done."""
    silent = False
    box.outside.blind = lambda _port, verb: silent and verb == "denied"
    change = box.approved()
    box.drive(change, lambda: box.steps(change)["fence/network"].attempts > 0)
    silent = True
    box.drive(change, lambda: "fence/network" in box.holds(change), by=10)
    assert box.desk.vote(box.holds(change)["fence/network"].id, "skip", ONCALL).counted
    silent = False
    assert box.desk.stop(change, "rollback", ONCALL).counted
    assert box.drive(change) == "rolled_back"
    at_rest(box.world)


def test_after_the_first_promotion_there_is_no_way_back(box: House) -> None:
    """Rolling back is refused with the reason and the way on, by hold and by board; the run goes on."""
    box.outside.swallow = lambda _port, verb: verb == "failover"
    change = box.approved()
    box.drive(change, lambda: len(box.holds(change)) == 3, by=10)
    assert box.run(change).committed
    answer = box.desk.stop(change, "rollback", ONCALL)
    assert not answer.counted
    assert "fail back" in answer.text
    for hold in box.holds(change).values():
        assert hold.options.split(",") == ["retry", "instead", "abort"]
        assert not box.desk.vote(hold.id, "rollback", LEAD).counted
    box.outside.swallow = lambda _port, _verb: False
    for hold in box.holds(change).values():
        assert box.desk.vote(hold.id, "retry", ONCALL).counted
    assert box.drive(change) == "done"


def test_a_promotion_that_hangs_goes_on_by_the_other_way(box: House) -> None:
    """Past its time the button of the plan's other way promotes alone; the run ends, and no failover repeats."""
    box.outside.swallow = lambda _port, verb: verb == "failover"
    change = box.approved()
    box.drive(change, lambda: len(box.holds(change)) == 3, by=10)
    for hold in box.holds(change).values():
        assert "Detach and promote alone" in hold.question
        assert box.desk.vote(hold.id, "instead", ONCALL).counted
    had = len(box.outside.calls)
    assert box.drive(change) == "done"
    verbs = [c.verb for c in box.outside.calls[had:]]
    assert (verbs.count("detach"), verbs.count("failover")) == (3, 0)
    assert set(box.world.writer.values()) == {WEST}


@pytest.mark.parametrize("round_", range(3))
def test_a_rollback_and_a_promotion_at_once_never_both_win(box: House, round_: int) -> None:
    """The click and the first promotion race: either nothing was promoted and all is undone, or it goes on."""
    change = box.approved()
    box.drive(change, lambda: box.steps(change)["guard"].state == "done", by=1)
    assert not box.run(change).committed
    barrier = threading.Barrier(2)
    answers = []

    def click() -> None:
        barrier.wait(10)
        answers.append(box.desk.stop(change, "rollback", ONCALL))

    def drive() -> None:
        barrier.wait(10)
        box.tick()

    threads = [threading.Thread(target=t) for t in (click, drive)]
    for thread in threads[:: 1 if round_ % 2 else -1]:
        thread.start()
    for thread in threads:
        thread.join(30)
    ends = box.drive(change)
    promoted = [c for c in box.outside.calls if c.verb == "failover"]
    assert answers[0].counted is (ends == "rolled_back")
    assert bool(promoted) is (ends == "done")
    if ends == "rolled_back":
        at_rest(box.world)
    else:
        assert set(box.world.writer.values()) == {WEST}


def test_aborting_leaves_everything_as_it_is(box: House) -> None:
    """No call is made after an abort, the report says so, and a new failover may be asked for."""
    change = box.approved()
    box.drive(change, lambda: len(box.outside.calls) > 20, by=1)
    assert box.desk.stop(change, "abort", ONCALL).counted
    had = list(box.world.calls)
    assert box.drive(change) == "aborted"
    assert box.world.calls == had
    assert "stays as it is" in box.see(change).report.outcome
    assert box.ask() != change


@pytest.mark.parametrize("how", ["rollback", "abort"])
def test_who_has_no_role_stops_nothing(box: House, how: str) -> None:
    """Strangers and auditors are told; a second click on a stopping run is told as well."""
    change = box.approved()
    for person in (STRANGER, "U0000AUDIT1", ""):
        assert not box.desk.stop(change, how, person).counted
    assert box.run(change).stop == ""
    assert box.desk.stop(change, how, ONCALL).counted
    assert not box.desk.stop(change, how, LEAD).counted
    assert not box.desk.stop("nothing", how, LEAD).counted


def test_what_was_done_before_a_retry_is_undone_too(box: House) -> None:
    """A step that acted, held and was tried again still counts as having acted."""
    silent = False
    box.outside.blind = lambda _port, verb: silent and verb == "denied"
    change = box.approved()
    box.drive(change, lambda: box.steps(change)["fence/network"].attempts > 0)
    silent = True
    assert box.world.denied[EAST]
    box.drive(change, lambda: "fence/network" in box.holds(change), by=10)
    assert box.desk.vote(box.holds(change)["fence/network"].id, "retry", ONCALL).counted
    box.tick()
    silent = False
    assert box.desk.stop(change, "rollback", ONCALL).counted
    assert box.drive(change) == "rolled_back"
    at_rest(box.world)


def held_then_committed(box: House) -> str:
    """A dark run whose capacity holds before its promotions are sent."""
    box.world.dark.add(EAST)
    box.outside.swallow = lambda _port, verb: verb in ("set_minimum", "scale")
    change = box.approved()
    stays(box.world)
    box.drive(change, lambda: "capacity/replicas" in box.holds(change), by=10)
    assert "rollback" in box.holds(change)["capacity/replicas"].options
    assert [o.action for h in box.see(change).holds for o in h.options].count("rollback") == 1
    box.world.figures.clear()
    for hold in box.holds(change).values():
        if hold.step == "guard":
            assert box.desk.vote(hold.id, "retry", ONCALL).counted
    box.drive(change, lambda: box.run(change).committed)
    return change


def test_the_button_of_an_older_hold_goes_too(box: House) -> None:
    """A question that was opened before the point of no return offers no way back after it."""
    change = held_then_committed(box)
    card = box.holds(change)["capacity/replicas"].id
    answer = box.desk.vote(card, "rollback", ONCALL)
    assert not answer.counted
    assert "no way back" in answer.text
    assert box.question(change).state == "decided"
    assert card in {h.id for h in box.see(change).holds if h.state == "open"}
    assert "rollback" not in [o.action for h in box.see(change).holds for o in h.options]
