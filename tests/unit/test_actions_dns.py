from __future__ import annotations

from typing import Any

import pytest
from memory_world import EAST, WEST, MemoryWorld
from visits import look, settle

from bot.verdict import Kind

NAME = "api.fintech.example"
PLACE = {"bucket_region": WEST, "bucket": "fintech-stop-us-west-2", "key": f"STOP-{EAST}"}
STOP = {
    "region": EAST,
    "to": WEST,
    "names": [NAME],
    "stop": PLACE,
    "never": {"bucket_region": EAST, "bucket": "fintech-stop-us-east-1", "key": f"STOP-{WEST}"},
}
WEIGHTS = {
    "zone_id": "Z1",
    "name": NAME,
    "weights": {EAST: 0, WEST: 100},
    "before": {EAST: 100, WEST: 0},
}


def answers_args(world: MemoryWorld, *, every: bool) -> dict[str, Any]:
    """See us-west-2 answered."""
    return {
        "to": WEST,
        "names": [NAME],
        "name_servers": list(world.estate.dns.name_servers),
        "addresses": [world.estate.regions[WEST].ingress.address],
        "all": every,
    }


def test_traffic_is_stopped_from_the_other_region() -> None:
    """The STOP object lies where the Region being left is not needed."""
    world = MemoryWorld(dark={EAST})
    assert settle(world.ports(), "traffic.stop@1", STOP).kind == Kind.PASS
    assert world.is_stopped(EAST)
    assert look(world.ports(), "traffic.answers@1", answers_args(world, every=True)).kind == Kind.PASS


def test_never_both_regions_are_stopped() -> None:
    """With both stopped Route 53 answers both, so the second is refused."""
    world = MemoryWorld()
    world.stops.add(("fintech-stop-us-east-1", f"STOP-{WEST}"))
    verdict = settle(world.ports(), "traffic.stop@1", STOP)
    assert verdict.kind == Kind.UNKNOWN
    assert "both" in verdict.why
    assert not world.calls


def test_traffic_may_come_back() -> None:
    """The undo removes the object."""
    world = MemoryWorld()
    settle(world.ports(), "traffic.stop@1", STOP)
    assert settle(world.ports(), "traffic.unstop@1", {"region": EAST, "stop": PLACE}).kind == Kind.PASS
    assert not world.stops


def test_weights_move_and_move_back() -> None:
    """The undo is the same verb with the old weights."""
    world = MemoryWorld()
    assert settle(world.ports(), "traffic.weights@1", WEIGHTS).kind == Kind.PASS
    assert world.weights[NAME] == {EAST: 0, WEST: 100}
    back = {**WEIGHTS, "weights": WEIGHTS["before"], "before": WEIGHTS["weights"]}
    assert settle(world.ports(), "traffic.weights@1", back).kind == Kind.PASS
    assert world.weights[NAME] == {EAST: 100, WEST: 0}


def test_weights_that_someone_else_changed_are_left() -> None:
    """Neither before nor after: whoever did that must be asked first."""
    world = MemoryWorld()
    world.weights[NAME] = {EAST: 50, WEST: 50}
    verdict = settle(world.ports(), "traffic.weights@1", WEIGHTS)
    assert verdict.kind == Kind.UNKNOWN
    assert "someone else" in verdict.why
    assert not world.calls


@pytest.mark.parametrize(
    ("silent", "every", "kind"),
    [
        (0, True, Kind.PASS),
        # A planned move wants every server, an unplanned one those that answer.
        (1, True, Kind.UNKNOWN),
        (1, False, Kind.PASS),
        (2, False, Kind.UNKNOWN),
    ],
)
def test_silent_name_servers_count_by_the_kind_of_move(silent: int, *, every: bool, kind: Kind) -> None:
    """No answer is never an answer."""
    world = MemoryWorld()
    world.stops.add(("bucket", f"STOP-{EAST}"))
    world.silent = set(world.estate.dns.name_servers[:silent])
    assert look(world.ports(), "traffic.answers@1", answers_args(world, every=every)).kind == kind


def test_one_old_answer_is_enough_to_wait() -> None:
    """Every server that answers must answer the target alone."""
    world = MemoryWorld()
    args = answers_args(world, every=False)
    assert look(world.ports(), "traffic.answers@1", args).kind == Kind.INCONCLUSIVE


@pytest.mark.parametrize(
    ("share", "kind"),
    [({EAST: 100.0, WEST: 0.0}, Kind.INCONCLUSIVE), (None, Kind.UNKNOWN)],
)
def test_the_old_side_is_measured_and_never_assumed_empty(share: dict[str, float] | None, kind: Kind) -> None:
    """Missing telemetry holds."""
    world = MemoryWorld()
    world.share = share
    args = {"region": EAST, "share_query": world.estate.metrics.share, "limit_percent": 1}
    assert look(world.ports(), "traffic.drained@1", args).kind == kind
    world.stops.add(("bucket", f"STOP-{EAST}"))
    after = look(world.ports(), "traffic.drained@1", args).kind
    assert after == (Kind.PASS if share else Kind.UNKNOWN)
