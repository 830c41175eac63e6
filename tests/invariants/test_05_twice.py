"""Any step may run twice."""

from __future__ import annotations

import copy
from collections import Counter
from pathlib import Path

import pytest
from house import EAST, ONCALL, House, Outside, house
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from memory_world import MemoryWorld
from steps_of import ACTING, Lone, lone, plan_of, plan_with_controls, planned_from, state
from test_failover_plan import worlds
from visits import apply, play

from bot.act import current
from bot.actions import guard
from bot.actions.kinds import KINDS
from bot.engine.judge import Next
from bot.errors import OutsideError
from bot.store.database import Database
from bot.verdict import Kind


@pytest.mark.parametrize(("way", "step"), ACTING)
def test_doing_it_again_changes_nothing(way: str, step: str) -> None:
    """After a step is done, its deed once more leaves the world as it is, and still seen done."""
    here = lone(way, step)
    ended = here.visit()
    if ended != Next.DONE:
        assert plan_of(way).step(step).on_fail == "go_on"
        return
    done = state(here.outside.world)
    apply(here.outside.ports(), here.step.do, here.step.args, step=step)
    assert here.verdict().kind == Kind.PASS
    assert state(here.outside.world) == done


@pytest.mark.parametrize(("way", "step"), ACTING)
def test_a_lost_answer_is_not_done_twice(way: str, step: str) -> None:
    """The call arrived and its answer was lost: the next look sees it done, and nothing is called again."""
    here = lone(way, step)
    if here.verdict().kind != Kind.FAIL:
        return
    lost: set[tuple[str, str]] = set()

    def lose(port: str, verb: str) -> bool:
        first = not lost
        lost.add((port, verb))
        return first

    here.outside.lose = lose
    here.outside.world.calls.clear()
    assert here.visit() == Next.DONE
    calls = Counter(here.outside.world.calls)
    assert max(calls.values(), default=1) == 1
    assert here.outside.calls


def test_the_plans_cover_every_verb_that_acts() -> None:
    """No kind with a deed is left out of the tests above and of the way back."""
    seen = {s.do for way in ("dark", "limping", "planned") for s in plan_of(way).steps}
    seen |= {s.undo.do for way in ("dark", "limping", "planned") for s in plan_of(way).steps if s.undo}
    seen |= {s.do for s in plan_with_controls().steps}
    seen |= {s.instead.do for way in ("dark", "limping") for s in plan_of(way).steps if s.instead}
    assert {kind for kind, action in KINDS.items() if action.apply} <= seen


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(world=worlds(), is_planned=st.booleans(), dice=st.randoms(use_true_random=False))
def test_a_run_full_of_repeats_ends_as_a_clean_one(
    world: MemoryWorld, dice: object, *, is_planned: bool
) -> None:
    """From any mixed state: deeds done twice, answers lost, looks repeated; the world ends the same."""
    guard._since.clear()
    twin = copy.deepcopy(world)
    plan = planned_from(world, planned=is_planned)
    clean = play(twin.ports(), plan)
    guard._since.clear()
    outside = Outside(world)
    lost: set[str] = set()

    def lose(_port: str, _verb: str) -> bool:
        """At most one answer of a step."""
        step = current().step
        if step in lost or dice.random() < 0.5:  # type: ignore[attr-defined]
            return False
        lost.add(step)
        return True

    outside.lose = lose
    for step in plan.steps:
        if step.id not in clean:
            break
        here = Lone(outside, step)
        if clean[step.id].kind == Kind.PASS:
            assert here.visit() == Next.DONE, step.id
            if KINDS[step.do].apply is not None and dice.random() < 0.5:  # type: ignore[attr-defined]
                try:
                    apply(outside.ports(), step.do, step.args, step=step.id)
                except OutsideError:
                    pass
            assert Lone(outside, step).visit() == Next.DONE, step.id
    ours, theirs = state(world), state(twin)
    if all(v.kind == Kind.PASS for v in clean.values()):
        assert ours == theirs
    assert ours["writer"] == theirs["writer"]


@pytest.fixture
def box(database: Database, tmp_path: Path) -> House:
    return house(database, tmp_path)


@pytest.mark.parametrize("dark", [False])
def test_a_run_in_which_every_answer_is_lost_does_everything_once(
    database: Database, tmp_path: Path, *, dark: bool
) -> None:
    """All calls arrive, no answer comes back: each promotion, Job and payment happens once and the run ends."""
    box = house(database, tmp_path, MemoryWorld(dark={EAST} if dark else set()))
    box.outside.lose = lambda _port, _verb: True
    change = box.approved()
    box.drive(change, lambda: bool(box.holds(change)), by=3)
    # Many calls belong to one step: it may use up its tries, and a person says go on.
    for _ in range(40):
        if box.run(change).ended_at is not None:
            break
        for hold in box.holds(change).values():
            assert box.desk.vote(hold.id, "retry", ONCALL).counted
        box.drive(change, lambda: bool(box.holds(change)), by=3)
    assert box.run(change).state == "done"
    once = [
        c
        for c in box.world.calls
        if c.startswith(("failover", "job", "pay", "stop", "deny", "restart", "scale"))
    ]
    assert max(Counter(once).values()) == 1
    assert box.verified().exit_code == 0


@pytest.mark.parametrize("every", [1, 3])
def test_replicas_that_die_again_and_again_do_nothing_twice(
    database: Database, tmp_path: Path, every: int
) -> None:
    """A new replica after every few rounds: the run goes on where it was and each effect happens once."""
    box = house(database, tmp_path, call_seconds=0.01)
    change = box.approved()
    count = 0
    while box.run(change).ended_at is None:
        for _ in range(every):
            box.tick()
            box.world.clock.at += 3
        box.lease.resign()
        count += 1
        assert count < 120
        box = house(database, tmp_path, box.world, f"replica-{count + 1}", call_seconds=0.01)
    assert box.run(change).state == "done"
    once = [c for c in box.world.calls if c.startswith(("failover", "job", "pay", "stop"))]
    assert max(Counter(once).values()) == 1
    assert count > 3
    assert box.verified().exit_code == 0
