from __future__ import annotations

from typing import Any

import pytest
from memory_world import EAST, WEST, MemoryWorld
from visits import look, settle

from bot.actions import guard
from bot.actions.kinds import KINDS
from bot.verdict import Kind

GUARD = "fence.guard@1"


@pytest.fixture(autouse=True)
def nothing_remembered() -> None:
    """What other tests saw is not seen here."""
    guard._since.clear()


def args_of(world: MemoryWorld, how: str = "emptied") -> dict[str, Any]:
    """Before payments is promoted in us-west-2."""
    database = world.estate.databases["payments"]
    return {
        "how": how,
        "from": EAST,
        "to": WEST,
        "workloads": [{"namespace": "production", "name": "payment-service"}],
        "subnets": ["subnet-a"],
        "databases": [
            {
                "database": "payments",
                "namespace": database.secret.namespace,
                "secret": database.secret.name,
                "key": database.secret.key,
                "global_cluster": database.global_cluster,
            }
        ],
        "confirm_step": "fence/confirm",
        "names": ["api.fintech.example"],
        "name_servers": list(world.estate.dns.name_servers),
        "addresses": [world.estate.regions[WEST].ingress.address],
        "share_query": world.estate.metrics.share,
        "limit_percent": 1,
        "ttl_seconds": 60,
    }


def fence(world: MemoryWorld, args: dict[str, Any]) -> None:
    """Close us-east-1 and see a write refused."""
    world.scale(EAST, "production", "payment-service", 0)
    world.denied[EAST] = True
    confirm = {"region": EAST, "image": "postgres:16", "databases": args["databases"]}
    assert settle(world.ports(), "fence.confirm@1", confirm, step="fence/confirm").kind == Kind.PASS


def send_away(world: MemoryWorld) -> None:
    """Name servers answer us-west-2 alone."""
    world.stops.add(("bucket", f"STOP-{EAST}"))


def test_nothing_done_keeps_the_guard_closed() -> None:
    """With customers on the old side and no fence nothing may be promoted."""
    world = MemoryWorld()
    verdict = look(world.ports(), GUARD, args_of(world))
    assert verdict.kind == Kind.INCONCLUSIVE
    assert "sent elsewhere" in verdict.why


def test_a_confirmed_fence_opens_it() -> None:
    """Refused writes, nothing running and a closed network are one of the two proofs."""
    world = MemoryWorld()
    args = args_of(world, "fenced")
    fence(world, args)
    verdict = look(world.ports(), GUARD, args)
    assert verdict.kind == Kind.PASS
    assert "fenced" in verdict.why


@pytest.mark.parametrize("gap", ["network", "workload", "confirmation", "run"])
def test_every_part_of_the_fence_is_looked_at_again(gap: str) -> None:
    """A fence that was opened since it was confirmed, or was another run's, is none."""
    world = MemoryWorld()
    args = args_of(world, "fenced")
    fence(world, args)
    if gap == "network":
        world.denied[EAST] = False
    if gap == "workload":
        world.scale(EAST, "production", "payment-service", 1)
    if gap == "confirmation":
        world.jobs.clear()
    run = "run-2" if gap == "run" else "run-1"
    assert look(world.ports(), GUARD, args, run=run).kind == Kind.INCONCLUSIVE


def test_customers_who_left_open_it_although_the_region_is_dark() -> None:
    """Every name leads to the target and the old side is measured to receive nothing."""
    world = MemoryWorld(dark={EAST})
    send_away(world)
    verdict = look(world.ports(), GUARD, args_of(world))
    assert verdict.kind == Kind.PASS
    assert "receives 0 %" in verdict.why


def test_customers_on_kept_connections_keep_it_closed() -> None:
    """Answers alone are not enough while requests are still measured on the old side."""
    world = MemoryWorld(dark={EAST})
    send_away(world)
    world.figures[world.estate.metrics.share or ""] = _share(world, 40, 60)
    verdict = look(world.ports(), GUARD, args_of(world))
    assert verdict.kind == Kind.INCONCLUSIVE
    assert "40 %" in verdict.why


def _share(world: MemoryWorld, east: float, west: float) -> Any:
    from bot.ports import Sample

    now = world.clock.now()
    return (Sample({"region": EAST}, east, now), Sample({"region": WEST}, west, now))


def test_without_metrics_old_answers_must_have_expired_twice() -> None:
    """Twice the TTL since the answers changed, seen without a break, stands in for the share."""
    world = MemoryWorld(dark={EAST})
    world.share = None
    send_away(world)
    args = args_of(world)
    assert look(world.ports(), GUARD, args).kind == Kind.INCONCLUSIVE
    world.clock.at += 119
    assert look(world.ports(), GUARD, args).kind == Kind.INCONCLUSIVE
    world.clock.at += 1
    assert look(world.ports(), GUARD, args).kind == Kind.PASS


def test_an_answer_that_comes_back_starts_the_wait_anew() -> None:
    """A break in what was seen counts from its end."""
    world = MemoryWorld(dark={EAST})
    world.share = None
    send_away(world)
    args = args_of(world)
    look(world.ports(), GUARD, args)
    world.clock.at += 100
    world.stops.clear()
    look(world.ports(), GUARD, args)
    send_away(world)
    look(world.ports(), GUARD, args)
    world.clock.at += 100
    assert look(world.ports(), GUARD, args).kind == Kind.INCONCLUSIVE


def test_silent_name_servers_and_a_dark_region_are_unknown() -> None:
    """Nothing seen is nothing proved."""
    world = MemoryWorld(dark={EAST})
    world.silent = set(world.estate.dns.name_servers)
    assert look(world.ports(), GUARD, args_of(world)).kind == Kind.UNKNOWN


def test_before_a_switchover_nothing_that_writes_may_run() -> None:
    """Aurora moves the writer without loss; what would go on writing must have stopped."""
    world = MemoryWorld()
    args = args_of(world, "switchover")
    assert look(world.ports(), GUARD, args).kind == Kind.INCONCLUSIVE
    world.scale(EAST, "production", "payment-service", 0)
    assert look(world.ports(), GUARD, args).kind == Kind.PASS
    world.writer["payments"] = "eu-west-1"
    assert look(world.ports(), GUARD, args).kind == Kind.UNKNOWN


def test_requests_measured_nowhere_do_not_open_it_at_once() -> None:
    """A share of nothing is no proof: then old answers must have expired twice."""
    world = MemoryWorld(dark={EAST})
    send_away(world)
    world.figures[world.estate.metrics.share or ""] = _share(world, 0, 0)
    assert look(world.ports(), GUARD, args_of(world)).kind == Kind.INCONCLUSIVE
    world.clock.at += 120
    verdict = look(world.ports(), GUARD, args_of(world))
    assert verdict.kind == Kind.PASS
    assert "is not measured" in verdict.why


def sure_args(world: MemoryWorld) -> dict[str, Any]:
    """Before batch-settlement starts in us-west-2."""
    args = {k: v for k, v in args_of(world, "fenced").items() if k not in ("names", "addresses")}
    return {**args, "start": ["batch-settlement"]}


def test_jobs_that_run_once_wait_for_a_fence_and_not_for_customers() -> None:
    """Customers who left prove nothing about a job; a confirmed fence does."""
    world = MemoryWorld()
    send_away(world)
    args = sure_args(world)
    verdict = look(world.ports(), "fence.sure@1", args)
    assert verdict.kind == Kind.INCONCLUSIVE
    assert "Start batch-settlement in us-west-2 anyway?" in verdict.why
    fence(world, args)
    assert look(world.ports(), "fence.sure@1", args).kind == Kind.PASS


def test_a_dark_region_s_jobs_may_still_run() -> None:
    """Unknown asks a person, soon."""
    world = MemoryWorld(dark={EAST})
    verdict = look(world.ports(), "fence.sure@1", sure_args(world))
    assert verdict.kind == Kind.UNKNOWN
    assert "us-east-1 could not be fenced: jobs that must run once may still run there" in verdict.why
    assert KINDS["fence.sure@1"].timeout <= 30
    assert KINDS["fence.sure@1"].apply is None


def test_with_every_writer_there_already_stopped_workloads_are_enough() -> None:
    """Nothing is promoted, so no database has to be cut off."""
    world = MemoryWorld()
    args = {**sure_args(world), "databases": []}
    assert look(world.ports(), "fence.sure@1", args).kind == Kind.INCONCLUSIVE
    world.scale(EAST, "production", "payment-service", 0)
    assert look(world.ports(), "fence.sure@1", args).kind == Kind.PASS


def test_a_guard_that_waits_for_a_fence_names_the_way_on() -> None:
    """Who cannot fence is told which order needs none."""
    world = MemoryWorld()
    args = {**args_of(world, "fenced"), "way_on": "ask again with --traffic-first"}
    assert "--traffic-first" in look(world.ports(), GUARD, args).why
