from __future__ import annotations

from typing import Any

import pytest
from memory_world import EAST, MemoryWorld
from visits import apply, look, settle

from bot.actions.jobs import refused
from bot.verdict import Kind

WORKLOADS = [
    {"namespace": "production", "name": "payment-service"},
    {"namespace": "internal", "name": "batch-settlement"},
]
STOP = {"region": EAST, "workloads": WORKLOADS}
CUT = {"region": EAST, "subnets": ["subnet-a"]}


def confirm_args(world: MemoryWorld) -> dict[str, Any]:
    """Try a write to payments in us-east-1."""
    secret = world.estate.databases["payments"].secret
    return {
        "region": EAST,
        "image": "postgres:16",
        "databases": [
            {
                "database": "payments",
                "namespace": secret.namespace,
                "secret": secret.name,
                "key": secret.key,
            }
        ],
    }


def test_workloads_are_stopped_once() -> None:
    """Those that run are scaled to zero; a repeat finds nothing to do."""
    world = MemoryWorld()
    for _ in range(2):
        assert settle(world.ports(), "fence.workloads@1", STOP).kind == Kind.PASS
    assert sorted(world.calls) == [f"scale {EAST} batch-settlement 0", f"scale {EAST} payment-service 0"]


def test_pods_that_still_stop_are_waited_for() -> None:
    """Zero wanted is not zero running."""
    world = MemoryWorld()
    settle(world.ports(), "fence.workloads@1", STOP)
    world._change(EAST, "production", "payment-service", total=1)
    assert look(world.ports(), "fence.workloads@1", STOP).kind == Kind.INCONCLUSIVE


def test_a_workload_that_is_not_deployed_runs_nowhere_and_is_told() -> None:
    """An absent Deployment does not keep the fence open; the preflight has told of it."""
    world = MemoryWorld()
    del world.pods[EAST, "internal/batch-settlement"]
    verdict = settle(world.ports(), "fence.workloads@1", STOP)
    assert verdict.kind == Kind.PASS
    assert "not deployed there: batch-settlement" in verdict.why
    assert verdict.evidence["stopped"] == 1


@pytest.mark.parametrize("do", ["fence.workloads@1", "fence.network@1", "fence.confirm@1"])
def test_a_fence_that_cannot_be_closed_names_the_way_on(do: str) -> None:
    """Where the plan knows another order the hold's text says how to ask for it."""
    world = MemoryWorld()
    args = {**STOP, **CUT, **confirm_args(world)}
    assert "--traffic-first" not in look(world.ports(), do, args).why
    found = look(world.ports(), do, {**args, "way_on": "ask again with --traffic-first"})
    assert "--traffic-first" in found.why


def test_the_network_is_cut_off_and_opened_again() -> None:
    """The undo leads back to where it was."""
    world = MemoryWorld()
    assert settle(world.ports(), "fence.network@1", CUT).kind == Kind.PASS
    assert world.denied[EAST]
    assert settle(world.ports(), "fence.open@1", CUT).kind == Kind.PASS
    assert not world.denied[EAST]


def test_a_dark_region_is_unknown_and_never_fenced() -> None:
    """No answer is no proof."""
    world = MemoryWorld(dark={EAST})
    for do, args in (("fence.workloads@1", STOP), ("fence.network@1", CUT)):
        assert look(world.ports(), do, args).kind == Kind.UNKNOWN


def test_a_write_that_is_refused_confirms_the_fence() -> None:
    """The proof is a write seen refused, through the service's own Secret."""
    world = MemoryWorld()
    world.denied[EAST] = True
    verdict = settle(world.ports(), "fence.confirm@1", confirm_args(world))
    assert verdict.kind == Kind.PASS
    assert "timeout expired" in verdict.evidence["refusals"]["payments"]


def test_a_write_that_is_accepted_is_tried_again_and_never_confirms() -> None:
    """An open path fails; once it is closed the same step passes with a fresh try."""
    world = MemoryWorld()
    args = confirm_args(world)
    verdict = settle(world.ports(), "fence.confirm@1", args)
    assert verdict.kind == Kind.FAIL
    assert "still accepts writes" in verdict.why
    world.denied[EAST] = True
    apply(world.ports(), "fence.confirm@1", args)
    assert look(world.ports(), "fence.confirm@1", args).kind == Kind.PASS


@pytest.mark.parametrize(
    ("message", "proves"),
    [
        ('psql: error: connection to server at "x", port 5432 failed: timeout expired', True),
        ("ERROR:  cannot execute INSERT in a read-only transaction", True),
        ("connection to server failed: No route to host", True),
        # None of these tells whether the next writer would be refused.
        ('could not translate host name "x" to address: Name or service not known', False),
        ('FATAL:  password authentication failed for user "payments"', False),
        ('ERROR:  relation "signalbox.probe" does not exist', False),
        ("DeadlineExceeded: Job was active longer than specified deadline", False),
        ("", False),
    ],
)
def test_only_the_network_or_a_read_only_server_proves_a_fence(message: str, *, proves: bool) -> None:
    """Other failures of the probe say nothing about writes."""
    assert refused({"state": "failed", "message": message}) is proves
    assert not refused({"state": "running", "message": message})
