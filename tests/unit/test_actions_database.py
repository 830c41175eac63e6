from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from memory_world import EAST, WEST, MemoryWorld
from visits import look, settle

from bot.actions.kinds import KINDS
from bot.ports import GlobalDatabase
from bot.verdict import Kind

FAILOVER, SWITCHOVER = "database.failover@1", "database.switchover@1"


def args_of(world: MemoryWorld, name: str = "payments") -> dict[str, Any]:
    """Promote `name` in us-west-2."""
    database = world.estate.databases[name]
    return {
        "database": name,
        "global_cluster": database.global_cluster,
        "from": EAST,
        "to": WEST,
        "target_arn": world.arn(name, WEST),
        "target_cluster": database.clusters[WEST],
    }


@pytest.mark.parametrize(
    ("writer", "moving", "status", "kind", "why"),
    [
        (EAST, ("", ""), "available", Kind.FAIL, "written in us-east-1"),
        (WEST, ("", ""), "available", Kind.PASS, "written in us-west-2"),
        # Promoted, and not yet taking writes.
        (WEST, ("", ""), "promoting", Kind.INCONCLUSIVE, "promoting"),
        (EAST, ("failing-over", "target"), "available", Kind.INCONCLUSIVE, "failing-over"),
        # Some states name no target.
        (EAST, ("switching-over", ""), "available", Kind.INCONCLUSIVE, "switching-over"),
        (EAST, ("failing-over", "arn:of:another"), "available", Kind.UNKNOWN, "someone else"),
        # A call now would be refused: wait for the cluster.
        (EAST, ("", ""), "stopped", Kind.INCONCLUSIVE, "stopped"),
    ],
)
@pytest.mark.parametrize("do", [FAILOVER, SWITCHOVER])
def test_a_promotion_is_judged_by_what_the_target_tells(
    do: str, writer: str, moving: tuple[str, str], status: str, kind: Kind, why: str
) -> None:
    """Done is: nothing moves, the target writes and its cluster is available."""
    world = MemoryWorld()
    args = args_of(world)
    world.writer["payments"] = writer
    if moving[0]:
        world.moving["payments"] = (moving[0], args["target_arn"] if moving[1] == "target" else moving[1])
    world.status[args["target_cluster"]] = status
    verdict = look(world.ports(), do, args)
    assert verdict.kind == kind
    assert why in verdict.why


def test_a_failover_needs_nothing_of_the_old_region() -> None:
    """With the old Region dark the promotion is observed and made in the target."""
    world = MemoryWorld(dark={EAST})
    assert settle(world.ports(), FAILOVER, args_of(world)).kind == Kind.PASS
    assert world.calls == ["failover payments"]


def test_a_switchover_is_asked_of_the_current_writer() -> None:
    """A dark writer's Region cannot be asked, so nothing is promoted."""
    world = MemoryWorld(dark={EAST})
    verdict = look(world.ports(), SWITCHOVER, args_of(world))
    assert verdict.kind == Kind.FAIL
    assert not world.calls


def test_a_promotion_made_already_is_not_made_again() -> None:
    """A second run of the step changes nothing."""
    world = MemoryWorld()
    for _ in range(2):
        assert settle(world.ports(), SWITCHOVER, args_of(world)).kind == Kind.PASS
    assert world.calls == ["switchover payments"]


def test_an_accepted_call_is_given_time_to_show() -> None:
    """AWS shows a move some seconds after it has accepted it; the grace keeps a second call away."""
    assert KINDS[FAILOVER].grace >= 30
    assert KINDS[SWITCHOVER].grace >= 30


@pytest.mark.parametrize(
    ("lag", "kind", "why"),
    [
        (300.0, Kind.FAIL, "written in us-east-1"),
        (301.0, Kind.UNKNOWN, "payments lags 5 min 1 s, approved were at most 5 min"),
        (None, Kind.UNKNOWN, "unknown, approved were at most 5 min"),
    ],
)
def test_nothing_is_promoted_while_more_would_be_lost_than_was_approved(
    lag: float | None, kind: Kind, why: str
) -> None:
    """The bound is compared with the target's lag at the last moment before the call."""
    world = MemoryWorld()
    world.lag["payments"] = lag
    verdict = settle(world.ports(), FAILOVER, {**args_of(world), "max_loss_ms": 300_000})
    assert (verdict.kind == Kind.PASS) is (kind == Kind.FAIL)
    assert bool(world.calls) is (kind == Kind.FAIL)
    if kind == Kind.UNKNOWN:
        assert why in verdict.why


def test_without_a_bound_lag_is_not_asked() -> None:
    """A dark Region's reading grows without a write being lost."""
    world = MemoryWorld(dark={EAST})
    world.lag["payments"] = 9000.0
    assert settle(world.ports(), FAILOVER, args_of(world)).kind == Kind.PASS


@pytest.mark.parametrize("status", ["pending", "switching-over"])
def test_a_switchover_that_waits_for_a_dead_writer_is_replaced_by_a_failover(status: str) -> None:
    """It would wait for ever; the switchover's own step goes on waiting."""
    world = MemoryWorld()
    args = args_of(world)
    world.moving["payments"] = (status, args["target_arn"])
    assert look(world.ports(), FAILOVER, args).kind == Kind.FAIL
    assert look(world.ports(), SWITCHOVER, args).kind == Kind.INCONCLUSIVE


def test_a_cluster_that_was_detached_by_hand_counts_as_promoted() -> None:
    """It stands alone and is available: the write that follows proves it. A switchover does not know."""

    class Detached(MemoryWorld):
        def global_database(self, region: str, identifier: str) -> GlobalDatabase:
            found = super().global_database(region, identifier)
            return replace(found, members=tuple(m for m in found.members if m.region == EAST))

    world = Detached()
    args = {**args_of(world), "max_loss_ms": 300_000}
    assert look(world.ports(), FAILOVER, args).kind == Kind.PASS
    assert look(world.ports(), SWITCHOVER, args).kind == Kind.UNKNOWN
    world.status[args["target_cluster"]] = "promoting"
    assert look(world.ports(), FAILOVER, args).kind == Kind.INCONCLUSIVE


def test_a_failover_that_does_not_take_names_the_way_by_hand() -> None:
    """What is told while it is not done says what a person can do."""
    assert "remove-from-global-cluster" in look(MemoryWorld().ports(), FAILOVER, args_of(MemoryWorld())).why
