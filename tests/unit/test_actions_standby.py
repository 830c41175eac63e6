from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from memory_world import EAST, MemoryWorld
from visits import apply, look, settle

from bot.errors import Rejected
from bot.verdict import Kind

ARGS: dict[str, Any] = {
    "region": EAST,
    "workloads": [
        {"namespace": "production", "name": "payment-service", "replicas": 1, "start": True},
        {"namespace": "production", "name": "api-gateway", "replicas": 1, "start": False},
    ],
    "groups": [{"cluster": "fintech-prod-primary", "group": "general", "minimum": 3}],
}


@pytest.fixture
def world() -> MemoryWorld:
    """The writing service is off, the other one and the nodes are of a serving Region's size."""
    world = MemoryWorld()
    world.scale(EAST, "production", "payment-service", 0)
    world.groups[EAST, "general"] = replace(world.groups[EAST, "general"], minimum=6, desired=6)
    world.calls.clear()
    return world


def test_what_writes_is_started_small_and_the_rest_left_to_autoscalers(world: MemoryWorld) -> None:
    """The minimum comes before the pods; pods and nodes that run are never taken away."""
    readers = world.pods[EAST, "production/api-gateway"].wanted
    assert "off in us-east-1: payment-service" in look(world.ports(), "capacity.standby@1", ARGS).why
    assert settle(world.ports(), "capacity.standby@1", ARGS).kind == Kind.PASS
    assert world.calls == [
        f"minimum {EAST} payment-service 1",
        f"scale {EAST} payment-service 1",
        f"minimum {EAST} api-gateway 1",
        f"resize {EAST} 6",
    ]
    assert world.pods[EAST, "production/api-gateway"].wanted == readers
    assert (world.groups[EAST, "general"].minimum, world.groups[EAST, "general"].desired) == (3, 6)


def test_more_pods_than_a_standby_needs_are_no_fault(world: MemoryWorld) -> None:
    """An autoscaler above its minimum has its reasons."""
    settle(world.ports(), "capacity.standby@1", ARGS)
    world.scale(EAST, "production", "payment-service", 5)
    assert look(world.ports(), "capacity.standby@1", ARGS).kind == Kind.PASS


def test_one_that_refuses_leaves_no_other_cold(world: MemoryWorld) -> None:
    """The refusal is told after everything else was done."""

    class Refusing(MemoryWorld):
        def set_minimum(self, region: str, namespace: str, name: str, minimum: int) -> None:
            if name == "payment-service":
                raise Rejected("The API server says no.")
            super().set_minimum(region, namespace, name, minimum)

    refusing = Refusing()
    refusing.__dict__.update(world.__dict__)
    with pytest.raises(Rejected, match="payment-service in us-east-1 is not as a standby keeps it"):
        apply(refusing.ports(), "capacity.standby@1", ARGS)
    assert refusing.pods[EAST, "production/api-gateway"].minimum == 1
    assert refusing.groups[EAST, "general"].minimum == 3


def test_pods_that_are_not_ready_yet_are_waited_for(world: MemoryWorld) -> None:
    """Started is not standing by."""
    settle(world.ports(), "capacity.standby@1", ARGS)
    world._change(EAST, "production", "payment-service", ready=0)
    assert look(world.ports(), "capacity.standby@1", ARGS).kind == Kind.INCONCLUSIVE
