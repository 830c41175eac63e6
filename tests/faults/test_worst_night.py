"""Nights that nobody rehearsed, on a whole Signalbox over the world in memory."""

from __future__ import annotations

import random
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "invariants"))

from house import EAST, LEAD, LEAD2, ONCALL, WEST, House, house

from bot.errors import Throttled, Unreachable
from bot.store.database import Database

NOW = "/failover us-west-2 --reason dark"


@pytest.fixture
def box(database: Database, tmp_path: Path) -> House:
    return house(database, tmp_path)


def settled(box: House, change: str, *, by: float = 2.0) -> str:
    """Drive until production has moved; the run's state."""
    return box.drive(change, lambda: box.run(change).settled_at is not None, by=by)


def promotions(box: House) -> Counter[str]:
    """How often each database was promoted."""
    return Counter(c for c in box.world.calls if c.startswith(("failover", "switchover", "detach")))


def flaky(box: House, seed: int) -> None:
    """Every second question to the old Region goes unanswered; no customer is served there."""
    dice = random.Random(seed)
    reach = box.world._reach

    def half(region: str) -> None:
        if region == EAST and dice.random() < 0.5:
            raise Unreachable(f"{EAST} does not answer.")
        reach(region)

    box.world._reach = half  # type: ignore[method-assign]
    box.world.share = {EAST: 0.0, WEST: 1.0}


def started(box: House, words: str) -> str:
    """Asked, and approved as often as the picture of the Region changes meanwhile."""
    change = box.ask(words)
    for _ in range(20):
        if box.run(change) is not None:
            break
        box.vote(change, person=LEAD)
    return change


@pytest.mark.parametrize("seed", [1, 4489, 5170])
def test_a_region_that_answers_half_of_the_calls_is_left_all_the_same(box: House, seed: int) -> None:
    """Customers first: one writer, each promotion once, nobody is asked before production has moved."""
    flaky(box, seed)
    change = started(box, "/failover us-west-2 --traffic-first")
    settled(box, change)
    assert not [h for h in box.holds(change) if box.steps(change)[h].state == "held"]
    assert set(box.world.writer.values()) == {WEST}
    assert set(promotions(box).values()) == {1}
    assert box.verified().exit_code == 0


@pytest.mark.parametrize("seed", [1, 4489, 5170])
def test_a_region_that_half_answers_is_fenced_or_the_way_on_is_told(box: House, seed: int) -> None:
    """Fenced first: either its fence is seen closed, or the hold says how to go on without it."""
    flaky(box, seed)
    change = started(box, NOW)

    def held() -> bool:
        return any(box.steps(change)[step].state == "held" for step in box.holds(change))

    box.drive(change, lambda: box.run(change).settled_at is not None or held())
    if box.run(change).settled_at is None:
        assert not promotions(box) or box.world.denied[EAST]
        words = [d.question for d in box.holds(change).values()]
        assert all("does not answer" in w or "--traffic-first" in w for w in words)
    else:
        assert set(promotions(box).values()) == {1}


def test_name_servers_that_disagree_keep_writers_where_they_are(box: House) -> None:
    """As long as one of them sends anyone to the old Region, nothing is promoted; then it goes on by itself."""
    box.world.dark.add(EAST)
    box.world.share = {EAST: 0.0, WEST: 1.0}
    answers = box.world.answers
    stale = {"on": True}

    def disagreeing(name: str, servers: Any) -> Any:
        found = answers(name, servers)
        if stale["on"]:
            found[next(iter(servers))] = (box.estates.now.regions[EAST].ingress.address,)
        return found

    box.world.answers = disagreeing  # type: ignore[method-assign]
    change = box.approved(NOW)
    box.drive(change, lambda: box.steps(change)["guard"].state == "active")
    began = box.world.clock.at
    box.drive(change, lambda: box.world.clock.at > began + 120)
    assert not promotions(box)
    assert "alone" in box.steps(change)["guard"].why
    stale["on"] = False
    assert settled(box, change) == "standing"
    assert set(promotions(box).values()) == {1}


def test_a_writer_moved_by_hand_during_the_approval_is_asked_about_again(box: House) -> None:
    """The click on the old plan starts nothing and says what changed; the new plan leaves that writer alone."""
    change = box.ask(NOW)
    box.world.writer["ledger"] = WEST
    box.planner.kept.clear()
    answer = box.vote(change, person=LEAD)
    assert not answer.counted
    assert "promote/ledger is no longer needed" in answer.text
    assert box.vote(change, person=LEAD2).counted
    settled(box, change)
    assert promotions(box) == {"failover payments": 1, "failover reporting": 1}


@pytest.mark.parametrize("when", ["guard", "promote/payments", "write/payments"])
def test_a_region_that_wakes_up_in_mid_run_is_closed(box: House, when: str) -> None:
    """Whenever the old Region answers again, its writers are stopped and its databases cut off; the run ends."""
    box.world.dark.add(EAST)
    box.world.share = {EAST: 0.0, WEST: 1.0}
    change = box.approved(NOW)
    box.drive(change, lambda: box.steps(change)[when].state == "active", by=1)
    box.world.dark.clear()
    assert box.drive(change) == "done"
    assert box.world.denied[EAST]
    assert set(box.world.writer.values()) == {WEST}
    writing = [k for k, s in box.estates.now.services.items() if s.writes or s.kind != "service"]
    assert not [w for w in writing if box.world.pods[EAST, f"{place(box, w)}/{w}"].wanted]
    assert box.verified().exit_code == 0


def place(box: House, service: str) -> str:
    """The service's namespace."""
    return box.estates.now.services[service].namespace


def test_a_run_stands_for_weeks_and_closes_the_region_the_moment_it_answers(box: House) -> None:
    """Nothing gives up, nobody is asked twice, only what the fence needs is held; then it is closed in seconds."""
    box.world.dark.add(EAST)
    box.world.share = {EAST: 0.0, WEST: 1.0}
    change = box.approved(NOW)
    assert settled(box, change) == "standing"
    assert set(box.blocks()) >= {f"region/{EAST}"}
    assert not any(block.startswith(("traffic/", "database/")) for block in box.blocks())
    box.world.clock.at += 14 * 86_400
    box.drive(change, lambda: box.world.clock.at > 0)
    assert len(box.decisions(change, "hold")) <= 1
    box.world.dark.clear()
    back = box.world.clock.at
    assert box.drive(change, by=1) == "done"
    assert box.world.clock.at - back < 120
    assert box.world.denied[EAST]
    assert not box.blocks()


def test_throttled_calls_change_nothing_and_count_as_no_try(box: House) -> None:
    """Three of four changes are throttled: each is made once in the end, and nobody is asked."""
    dice = random.Random(3)
    ask = box.outside.ask

    def throttled(port: str, verb: str, deed: Any, args: Any, kwargs: Any) -> Any:
        from outside import MUTATING

        if verb in MUTATING[port] and dice.random() < 0.75:
            raise Throttled("rds Throttling: Rate exceeded.", not_done="Nothing was changed by it.")
        return ask(port, verb, deed, args, kwargs)

    box.outside.ask = throttled  # type: ignore[method-assign]
    change = box.approved(NOW)
    box.finish(change)
    assert box.run(change).state == "done"
    assert not box.decisions(change, "hold")
    assert set(promotions(box).values()) == {1}


def test_what_is_throttled_for_ever_is_asked_about(box: House) -> None:
    """A call that never passes ends in a question, not in silence."""

    def throttled(*_: Any) -> Any:
        raise Throttled("rds Throttling: Rate exceeded.", not_done="Nothing was changed by it.")

    box.world.failover = throttled  # type: ignore[method-assign]
    change = box.approved(NOW)
    box.drive(change, lambda: bool(box.holds(change)))
    hold = next(iter(box.holds(change).values()))
    assert hold.step.startswith("promote/")
    assert "not seen done" in hold.question


def test_the_target_that_goes_dark_in_mid_run_holds_and_can_be_left(box: House) -> None:
    """The second fault: the run waits in words, and a failover back to where production came from goes before it."""
    first = box.approved(NOW)
    box.drive(first, lambda: box.run(first).committed)
    box.world.dark.add(WEST)
    box.drive(first, lambda: bool(box.holds(first)) or box.run(first).ended_at is not None)
    assert box.run(first).state == "running"
    box.world.share = {EAST: 1.0, WEST: 0.0}
    back = box.ask("/failover us-east-1 --reason 'us-west-2 is dark too'")
    assert any(first in line for line in box.see(back).preempts)
    assert box.vote(back, person=LEAD).counted
    assert settled(box, back) == "standing"
    assert set(box.world.writer.values()) == {EAST}
    assert not box.world.denied[EAST]
    box.world.dark.clear()
    assert box.drive(back) == "done"
    assert box.world.denied[WEST]
    assert [key for _, key in box.world.stops] == [f"STOP-{WEST}"], (
        "never both stopped, once both can be seen"
    )
    assert box.verified().exit_code == 0


def test_a_way_back_that_holds_can_be_seen_and_left(box: House) -> None:
    """The Region goes dark while its fence is being taken away: the hold is shown, and everything else too."""
    change = box.approved(NOW)
    box.drive(change, lambda: box.world.denied[EAST], by=1)
    box.world.dark.add(EAST)
    assert box.desk.stop(change, "rollback", ONCALL).counted
    box.drive(change, lambda: any(step.startswith("undo:") for step in box.holds(change)))
    assert any(hold.step.startswith("undo:") for hold in box.see(change).holds)
    assert [c.id for c in box.desk.changes()] == [change]
    assert box.desk.stop(change, "abort", ONCALL).counted
    assert box.drive(change) == "aborted"
    assert box.see(change).state == "aborted"
