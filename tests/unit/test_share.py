from __future__ import annotations

import pytest
from memory_world import EAST, WEST, MemoryWorld
from visits import look

from bot.ports import Sample
from bot.routers.share import measured
from bot.verdict import Kind


def measure(world: MemoryWorld, **rates: float) -> None:
    """Let the query for the share find these requests per second; `east`, `west`."""
    names = {"east": EAST, "west": WEST}
    found = tuple(Sample({"region": names[n]}, rate, world.clock.now()) for n, rate in rates.items())
    world.figures[world.estate.metrics.share or ""] = found


@pytest.mark.parametrize(
    ("rates", "permille", "why"),
    [
        ({"east": 30.0, "west": 10.0}, {EAST: 750, WEST: 250}, ""),
        ({"east": 0.0, "west": 10.0}, {EAST: 0, WEST: 1000}, ""),
        # Nobody counted anywhere: customers may all be failing, or the measuring is broken.
        ({"east": 0.0, "west": 0.0}, {}, "no requests were measured anywhere"),
        ({}, {}, "the query for the share found no series"),
    ],
)
def test_a_share_is_of_something(rates: dict[str, float], permille: dict[str, int], why: str) -> None:
    """Nothing measured anywhere is unknown, never a share of zero for everyone."""
    world = MemoryWorld()
    measure(world, **rates)
    share = measured(world.ports().metrics, world.estate.metrics.share)
    assert (share.permille, share.why) == (permille, why)


def test_nothing_measured_anywhere_is_no_proof_that_customers_have_left() -> None:
    """Seeing the old Region drained stays unknown until the target is seen to receive requests."""
    world = MemoryWorld()
    args = {"region": EAST, "share_query": world.estate.metrics.share, "limit_percent": 1}
    measure(world, east=0.0, west=0.0)
    verdict = look(world.ports(), "traffic.drained@1", args)
    assert verdict.kind == Kind.UNKNOWN
    assert "no requests were measured anywhere" in verdict.why
    measure(world, east=0.0, west=5.0)
    assert look(world.ports(), "traffic.drained@1", args).kind == Kind.PASS
