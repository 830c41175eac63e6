from __future__ import annotations

from typing import Any

import pytest
from memory_world import EAST, WEST, MemoryWorld
from visits import look, settle

from bot.actions.kinds import KINDS
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
