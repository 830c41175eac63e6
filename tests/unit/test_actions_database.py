from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from memory_world import EAST, WEST, MemoryWorld
from visits import look, settle

from bot.actions.database import DETACH_LABEL
from bot.actions.kinds import KINDS
from bot.ports import GlobalDatabase, Member
from bot.verdict import Kind

FAILOVER, SWITCHOVER, DETACH = "database.failover@1", "database.switchover@1", "database.detach@1"


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


def test_a_failover_that_does_not_take_names_the_button() -> None:
    """What is told while it is not done says what a person can do."""
    world = MemoryWorld()
    assert f"“{DETACH_LABEL}”" in look(world.ports(), FAILOVER, args_of(world)).why
    world.moving["payments"] = ("failing-over", world.arn("payments", WEST))
    assert f"“{DETACH_LABEL}”" in look(world.ports(), FAILOVER, args_of(world)).why
    assert "by hand" not in look(world.ports(), FAILOVER, args_of(world)).why


def test_someone_else_s_move_elsewhere_is_waited_for_and_then_taken_over() -> None:
    """A failover waits until it is at rest and promotes from wherever it ended; a switchover asks people."""
    world = MemoryWorld()
    args = args_of(world)
    world.moving["payments"] = ("failing-over", world.arn("payments", EAST))
    verdict = look(world.ports(), FAILOVER, args)
    assert verdict.kind == Kind.INCONCLUSIVE
    assert "is being moved to us-east-1 by someone else; waiting until it is at rest" in verdict.why
    assert look(world.ports(), SWITCHOVER, args).kind == Kind.UNKNOWN
    assert not world.calls
    world.moving.clear()
    assert settle(world.ports(), FAILOVER, args).kind == Kind.PASS


class Third(MemoryWorld):
    """The writer is in a Region that the estate does not have."""

    def global_database(self, region: str, identifier: str) -> GlobalDatabase:
        found = super().global_database(region, identifier)
        if any(m.writer for m in found.members):
            return found
        arn = "arn:aws:rds:eu-west-1:123456789012:cluster:elsewhere"
        return replace(found, members=(*found.members, Member(arn, "eu-west-1", "elsewhere", writer=True)))


def test_a_writer_in_a_region_that_nobody_named_is_promoted_away_by_a_failover_only() -> None:
    """Planned from as found; a switchover does not know whom to ask."""
    world = Third()
    world.writer["payments"] = "eu-west-1"
    args = args_of(world)
    assert look(world.ports(), FAILOVER, args).kind == Kind.FAIL
    assert look(world.ports(), SWITCHOVER, args).kind == Kind.UNKNOWN


def test_detaching_promotes_alone_and_once() -> None:
    """Whatever moves, the target is taken out of its global database; seen done, it is not done again."""
    world = MemoryWorld(dark={EAST})
    args = args_of(world)
    world.moving["payments"] = ("failing-over", args["target_arn"])
    for _ in range(2):
        assert settle(world.ports(), DETACH, args).kind == Kind.PASS
    assert world.calls == ["detach payments"]
    assert look(world.ports(), FAILOVER, args).kind == Kind.PASS
    world.status[args["target_cluster"]] = "promoting"
    assert look(world.ports(), DETACH, args).kind == Kind.INCONCLUSIVE


def test_a_failover_that_ends_while_people_think_is_not_detached() -> None:
    """The global database stays whole when the target writes within it after all."""
    world = MemoryWorld()
    world.writer["payments"] = WEST
    args = args_of(world)
    assert settle(world.ports(), DETACH, args).kind == Kind.PASS
    world.status[args["target_cluster"]] = "promoting"
    assert look(world.ports(), DETACH, args).kind == Kind.INCONCLUSIVE
    assert not world.calls


def test_detaching_keeps_to_the_loss_that_was_approved() -> None:
    """The other way to the same end is bound by the same number."""
    world = MemoryWorld()
    world.lag["payments"] = 301.0
    verdict = settle(world.ports(), DETACH, {**args_of(world), "max_loss_ms": 300_000})
    assert verdict.kind == Kind.UNKNOWN
    assert "approved were at most 5 min" in verdict.why
    assert not world.calls


def test_what_detaching_costs_is_told_before_it_is_chosen() -> None:
    """Topology, fencing and what comes later."""
    words = KINDS[DETACH].describe(args_of(MemoryWorld()))
    assert "alone" in words
    assert "Aurora does not fence us-east-1" in words
    assert "must be rebuilt later" in words
