from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from memory_world import EAST, WEST, MemoryWorld
from visits import look, settle

from bot.act import Act, acting
from bot.actions import guard
from bot.actions.jobs import job_name
from bot.actions.kinds import KINDS
from bot.ports import JobResult, Sample
from bot.verdict import Kind, Verdict

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
        "confirm_steps": ["fence/confirm", "fence/standing"],
        "names": ["api.fintech.example"],
        "name_servers": list(world.estate.dns.name_servers),
        "addresses": [world.estate.regions[WEST].ingress.address],
        "share_query": world.estate.metrics.share,
        "last_write_query": world.estate.metrics.last_write,
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
    assert "not yet sent to us-west-2 alone" in verdict.why


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


def see(world: MemoryWorld, args: dict[str, Any], seconds: float = 0.0) -> Verdict:
    """Let time pass with a look every three seconds, as the engine does it; the last verdict."""
    ends = world.clock.at + seconds
    verdict = look(world.ports(), GUARD, args)
    while world.clock.at < ends:
        world.clock.at = min(ends, world.clock.at + 3)
        verdict = look(world.ports(), GUARD, args)
    return verdict


def measured(world: MemoryWorld, east: float, west: float, *, quiet: float | None) -> None:
    """The share and, `quiet` seconds ago, the last write of us-east-1, at any time of asking."""
    now = world.clock.now()
    world.figures[world.estate.metrics.share or ""] = _share(world, east, west)
    writes = () if quiet is None else (Sample({"region": EAST}, now - quiet, now),)
    world.figures[world.estate.metrics.last_write or ""] = writes


def test_customers_who_left_open_it_although_the_region_is_dark() -> None:
    """Every name has led to the target for a TTL, and the old side is measured to be quiet."""
    world = MemoryWorld(dark={EAST})
    send_away(world)
    assert see(world, args_of(world)).kind == Kind.INCONCLUSIVE
    verdict = see(world, args_of(world), 60)
    assert verdict.kind == Kind.PASS
    assert "receives 0 %" in verdict.why
    assert "no payment accepted there for 11 min" in verdict.why


@pytest.mark.parametrize(("seconds", "kind"), [(59.999, Kind.INCONCLUSIVE), (60.0, Kind.PASS)])
def test_old_answers_must_have_expired_once(seconds: float, kind: Kind) -> None:
    """A millisecond before the TTL is over a resolver may still send someone to the old side."""
    world = MemoryWorld(dark={EAST})
    send_away(world)
    verdict = see(world, args_of(world), seconds)
    assert verdict.kind == kind
    assert kind == Kind.PASS or "59 of 60 s" in verdict.why


@pytest.mark.parametrize(("quiet", "kind"), [(29.9, Kind.INCONCLUSIVE), (30.0, Kind.PASS)])
def test_the_old_region_must_have_been_quiet_for_thirty_seconds(quiet: float, kind: Kind) -> None:
    """Writes seen there keep it closed, and are told."""
    world = MemoryWorld(dark={EAST})
    send_away(world)
    measured(world, 0, 100, quiet=quiet)
    verdict = see(world, args_of(world), 60)
    assert verdict.kind == kind
    assert kind == Kind.PASS or "last payment accepted in us-east-1 29 s ago" in verdict.why


@pytest.mark.parametrize(
    ("east", "quiet", "need"),
    [
        (0.0, 30.0, 60),
        (1.0, 30.0, 60),  # one percent of requests, none of which was a payment
        (1.1, 30.0, None),
        (0.0, None, 60),
        (0.1, None, None),  # where no payment is measured any request may be one
        (None, 30.0, 120),  # a figure that is no longer collected looks quiet too
        (None, None, 120),
        (None, 29.0, None),
    ],
)
def test_what_is_not_measured_is_made_up_for_with_time(
    east: float | None, quiet: float | None, need: int | None
) -> None:
    """Each figure by itself and neither; None is closed for good."""
    world = MemoryWorld(dark={EAST})
    send_away(world)
    measured(world, east or 0, 100 - (east or 0), quiet=quiet)
    if east is None:
        world.figures[world.estate.metrics.share or ""] = ()
    args = args_of(world)
    verdict = see(world, args, 300 if need is None else need - 0.001)
    assert verdict.kind == Kind.INCONCLUSIVE
    if need is not None:
        world.clock.at += 0.002
        assert see(world, args).kind == Kind.PASS


def test_a_partitioned_region_whose_customers_stay_keeps_it_closed_until_they_leave() -> None:
    """Unreachable is not dead: payments on kept connections are seen, told, and waited for."""
    world = MemoryWorld(partitioned={EAST}, paying={EAST})
    send_away(world)
    args = args_of(world)
    verdict = see(world, args, 300)
    assert verdict.kind == Kind.INCONCLUSIVE
    assert "last payment accepted in us-east-1 0 s ago" in verdict.why
    world.paying.clear()
    assert see(world, args, 29).kind == Kind.INCONCLUSIVE
    assert see(world, args, 1).kind == Kind.PASS


def test_a_region_that_wakes_up_while_the_wait_runs_closes_it_again() -> None:
    """Its first payment counts, however quiet it was before."""
    world = MemoryWorld(dark={EAST}, paying={EAST})
    send_away(world)
    args = args_of(world)
    assert see(world, args, 57).kind == Kind.INCONCLUSIVE
    world.dark.clear()
    verdict = see(world, args, 30)
    assert verdict.kind == Kind.INCONCLUSIVE
    assert "last payment accepted" in verdict.why


@pytest.mark.parametrize("jump", [3600.0, -3600.0])
def test_a_clock_that_jumps_opens_nothing(jump: float) -> None:
    """What nobody looked at does not count: one gap is worth half a TTL at most."""
    world = MemoryWorld(dark={EAST})
    send_away(world)
    measured(world, 0, 100, quiet=600)
    args = args_of(world)
    look(world.ports(), GUARD, args)
    world.clock.at += jump
    assert see(world, args).kind == Kind.INCONCLUSIVE
    assert see(world, args, 29).kind == Kind.INCONCLUSIVE
    assert see(world, args, 31).kind == Kind.PASS


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    permille=st.none() | st.integers(0, 1000),
    quiet_ms=st.none() | st.integers(0, 90_000),
    seconds=st.integers(0, 200),
    told=st.lists(st.sampled_from([None, [], ["1"], ["2"], ["1", "2"]]), min_size=1, max_size=4),
)
def test_it_never_opens_on_half_a_proof(
    permille: int | None, quiet_ms: int | None, seconds: int, told: list[list[str] | None]
) -> None:
    """Whatever is seen: open means that all who answer name the target, for long enough, and nobody pays there."""
    answers = {"api": {f"ns-{i}": values for i, values in enumerate(told)}}
    sent = {"answers": answers, "why": "", "permille": permille, "quiet_ms": quiet_ms, "seconds": seconds}
    args = {
        "how": "emptied",
        "from": EAST,
        "to": WEST,
        "addresses": ["2"],
        "databases": [],
        "ttl_seconds": 60,
        "limit_percent": 1,
    }
    verdict = guard.GUARD.judge(args, {"sent": sent, "fence": {"why": "dark"}})
    heard = [values for values in told if values is not None]
    led = bool(heard) and all(values == ["2"] for values in heard)
    expired = seconds >= (60 if permille is not None else 120)
    unpaid = quiet_ms >= 30_000 if quiet_ms is not None else permille in (0, None)
    left = permille is None or permille <= 10
    assert (verdict.kind == Kind.PASS) is (led and expired and unpaid and left)


class TwoMinds(MemoryWorld):
    """Name servers that do not agree: `behind` still answer us-east-1."""

    behind: frozenset[str] = frozenset()

    def answers(self, name: str, name_servers: Sequence[str]) -> dict[str, tuple[str, ...] | None]:
        old = (self.estate.regions[EAST].ingress.address,)
        found = super().answers(name, name_servers)
        return {server: old if server in self.behind else told for server, told in found.items()}


def test_a_name_server_that_disagrees_is_waited_for_and_named() -> None:
    """One that is behind sends customers to the old side; a silent one is not counted."""
    world = TwoMinds(dark={EAST})
    send_away(world)
    args = args_of(world)
    first, *others = args["name_servers"]
    world.behind = frozenset({first})
    verdict = see(world, args, 300)
    assert verdict.kind == Kind.INCONCLUSIVE
    assert f"{first}: api.fintech.example → 127.0.1.1" in verdict.why
    world.behind, world.silent = frozenset(), {first}
    assert see(world, args, 57).kind == Kind.INCONCLUSIVE
    assert see(world, args, 3).kind == Kind.PASS
    world.silent = {first, *others}
    assert see(world, args).kind == Kind.UNKNOWN


def test_customers_on_kept_connections_keep_it_closed() -> None:
    """Answers alone are not enough while requests are still measured on the old side."""
    world = MemoryWorld(dark={EAST})
    send_away(world)
    world.figures[world.estate.metrics.share or ""] = _share(world, 40, 60)
    verdict = look(world.ports(), GUARD, args_of(world))
    assert verdict.kind == Kind.INCONCLUSIVE
    assert "40 %" in verdict.why


def _share(world: MemoryWorld, east: float, west: float) -> tuple[Sample, ...]:
    now = world.clock.now()
    return (Sample({"region": EAST}, east, now), Sample({"region": WEST}, west, now))


def test_without_metrics_old_answers_must_have_expired_twice() -> None:
    """Twice the TTL since the answers changed, seen without a break, stands in for the share."""
    world = MemoryWorld(dark={EAST})
    world.share = None
    send_away(world)
    args = args_of(world)
    assert see(world, args, 119).kind == Kind.INCONCLUSIVE
    assert see(world, args, 1).kind == Kind.PASS


def test_an_answer_that_comes_back_starts_the_wait_anew() -> None:
    """A break in what was seen counts from its end."""
    world = MemoryWorld(dark={EAST})
    world.share = None
    send_away(world)
    args = args_of(world)
    see(world, args, 100)
    world.stops.clear()
    see(world, args)
    send_away(world)
    assert see(world, args, 119).kind == Kind.INCONCLUSIVE
    assert see(world, args, 1).kind == Kind.PASS


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
    assert see(world, args_of(world), 119).kind == Kind.INCONCLUSIVE
    verdict = see(world, args_of(world), 1)
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


def test_a_fence_that_was_closed_later_counts_and_one_that_leaks_since_does_not() -> None:
    """The last try that shows something decides: of the bounded tries, or of the fence that stands."""
    world = MemoryWorld()
    args = sure_args(world)
    fence(world, args)
    secret = world.estate.databases["payments"].secret
    with acting(Act("U0000ONCALL", "run-1", "fence/standing")):
        later = (EAST, secret.namespace, job_name("fence/standing", "payments"))
    world.jobs[later] = JobResult("succeeded", "1")
    assert look(world.ports(), "fence.sure@1", args).kind == Kind.INCONCLUSIVE
    world.jobs[later] = JobResult("running")
    assert look(world.ports(), "fence.sure@1", args).kind == Kind.PASS
    world.jobs = {later: JobResult("failed", "timeout expired")}
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
