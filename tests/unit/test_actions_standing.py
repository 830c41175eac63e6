from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from memory_world import EAST, MemoryWorld
from visits import apply, look, settle

from bot.actions.kinds import KINDS
from bot.actions.sync import ours
from bot.errors import Rejected, Unreachable
from bot.facts.survey import survey
from bot.ports import JobResult, Workload
from bot.verdict import Kind

STANDING, LIFT = "fence.standing@1", "fence.lift@1"
WRITERS = [
    {"namespace": "production", "name": "payment-service"},
    {"namespace": "internal", "name": "batch-settlement"},
]


def args_of(world: MemoryWorld) -> dict[str, Any]:
    """Watch over us-east-1: two writers, one database."""
    secret = world.estate.databases["payments"].secret
    return {
        "region": EAST,
        "workloads": WRITERS,
        "subnets": ["subnet-a"],
        "databases": [
            {"database": "payments", "namespace": secret.namespace, "secret": secret.name, "key": secret.key}
        ],
        "image": "postgres:16",
        "confirm_steps": ["fence/confirm", "fence/standing"],
    }


def seen(world: MemoryWorld) -> Any:
    """One look at the step that stands."""
    return look(world.ports(), STANDING, args_of(world), step="fence/standing")


def settled(world: MemoryWorld) -> Any:
    """Look, and act as long as it is seen open."""
    return settle(world.ports(), STANDING, args_of(world), step="fence/standing")


def test_a_region_that_does_not_answer_is_waited_for() -> None:
    """Unknown is neither done nor acted on, however long it takes."""
    world = MemoryWorld(dark={EAST})
    verdict = seen(world)
    assert verdict.kind == Kind.UNKNOWN
    assert verdict.why == "waiting for us-east-1 to answer"


def test_the_moment_it_answers_it_is_closed_and_the_network_comes_first() -> None:
    """One call cuts every writer off; then Argo CD is held, writers go to zero, and a write is seen refused."""
    world = MemoryWorld(dark={EAST})
    assert settled(world).kind == Kind.UNKNOWN
    world.dark.clear()
    assert settled(world).kind == Kind.PASS
    assert world.calls[0] == f"deny {EAST}"
    assert world.calls[1:3] == [f"scale {EAST} batch-settlement 0", f"scale {EAST} payment-service 0"]
    assert world.calls[3].startswith(f"job {EAST}")
    assert any(ours(window) for window in world.windows[EAST])
    done = list(world.calls)
    assert settled(world).kind == Kind.PASS
    assert world.calls == done


def test_argo_cd_is_held_before_anything_is_stopped() -> None:
    """It would start the writers again."""

    class Ordered(MemoryWorld):
        def scale(self, region: str, namespace: str, name: str, replicas: int) -> None:
            assert any(ours(window) for window in self.windows[region])
            super().scale(region, namespace, name, replicas)

    assert settled(Ordered()).kind == Kind.PASS


def test_a_fence_that_the_bounded_tries_confirmed_passes_at_first_sight() -> None:
    """Their refused write counts as long as the rest is seen closed."""
    world = MemoryWorld()
    args = args_of(world)
    world.denied[EAST] = True
    settle(world.ports(), "fence.workloads@1", {"region": EAST, "workloads": WRITERS})
    settle(world.ports(), "sync.hold@1", {"region": EAST})
    settle(world.ports(), "fence.confirm@1", args, step="fence/confirm")
    done = list(world.calls)
    assert settled(world).kind == Kind.PASS
    assert world.calls == done


def test_it_is_closed_again_whenever_it_opens() -> None:
    """It acts as often as it must: someone starts a writer, opens the network, or lets Argo CD loose."""
    world = MemoryWorld()
    assert settled(world).kind == Kind.PASS
    world.denied[EAST] = False
    world.windows[EAST] = []
    world.scale(EAST, "production", "payment-service", 3)
    verdict = seen(world)
    assert verdict.kind == Kind.FAIL
    for words in ("subnets of us-east-1 are open", "Argo CD may start", "still wanted in us-east-1: payment"):
        assert words in verdict.why
    assert settled(world).kind == Kind.PASS


def test_a_region_without_argo_cd_is_fenced_without_holding_it() -> None:
    """Where nothing syncs by itself there is nothing to hold: the watch ends, and the way back opens it."""
    world = MemoryWorld()
    del world.windows[EAST]
    verdict = settled(world)
    assert verdict.kind == Kind.PASS
    for kind in ("sync.hold@1", "sync.release@1"):
        assert "no Argo CD" in look(world.ports(), kind, {"region": EAST}).why
        assert settle(world.ports(), kind, {"region": EAST}).kind == Kind.PASS
    lift = {"region": EAST, "subnets": ["subnet-a"], "workloads": [], "release": True}
    assert settle(world.ports(), LIFT, lift).kind == Kind.PASS
    region = survey(world.ports(), world.estate).regions[EAST]
    assert (region.held, region.windows) == (False, ())


class HalfDead(MemoryWorld):
    """The cluster of us-east-1 does not answer, its AWS API does; or the other way round."""

    silent_half = "cluster"

    def workloads(self, region: str, namespaces: Any) -> tuple[Workload, ...]:
        self._half(region, "cluster")
        return super().workloads(region, namespaces)

    def sync_windows(self, region: str) -> tuple[dict[str, Any], ...] | None:
        self._half(region, "cluster")
        return super().sync_windows(region)

    def job(self, region: str, namespace: str, name: str) -> JobResult:
        self._half(region, "cluster")
        return super().job(region, namespace, name)

    def _half(self, region: str, half: str) -> None:
        if region == EAST and half == self.silent_half:
            raise Unreachable(f"The {half} of {region} does not answer.")


def test_the_half_that_answers_is_closed_at_once() -> None:
    """A cluster that is silent keeps the network from nothing; and half a fence is none."""
    world = HalfDead()
    assert seen(world).kind == Kind.FAIL
    with pytest.raises(Unreachable):
        apply(world.ports(), STANDING, args_of(world), step="fence/standing")
    assert world.denied[EAST]
    verdict = seen(world)
    assert verdict.kind == Kind.UNKNOWN
    assert "waiting for us-east-1 to answer whole: argocd, workloads, writes cannot be seen" in verdict.why
    world.silent_half = ""
    assert settled(world).kind == Kind.PASS


def test_a_network_that_refuses_does_not_keep_the_writers_running() -> None:
    """Every part is tried, whatever the one before said."""
    world = MemoryWorld()
    ports = world.ports()

    class Refusing:
        def denied(self, region: str, subnets: Any) -> bool:
            return ports.network.denied(region, subnets)

        def deny(self, region: str, subnets: Any) -> None:
            raise Rejected("Not authorised.")

        def allow(self, region: str, subnets: Any) -> None:
            raise Rejected("Not authorised.")

    with pytest.raises(Rejected):
        apply(replace(ports, network=Refusing()), STANDING, args_of(world), step="fence/standing")
    assert world.pods[EAST, "production/payment-service"].wanted == 0
    assert seen(world).kind == Kind.FAIL


def test_a_write_that_still_passes_keeps_it_open() -> None:
    """Cut off and stopped as it may look: what was accepted from inside is no fence, and is tried again."""
    world = MemoryWorld()
    assert settled(world).kind == Kind.PASS
    for key in world.jobs:
        world.jobs[key] = JobResult("succeeded", "1")
    verdict = seen(world)
    assert verdict.kind == Kind.FAIL
    assert "still accepts writes to payments" in verdict.why
    assert settled(world).kind == Kind.PASS


def test_pods_and_jobs_that_are_on_their_way_are_waited_for() -> None:
    """Zero wanted is not zero running, and a Job takes its time."""
    world = MemoryWorld()
    assert settled(world).kind == Kind.PASS
    key = next(iter(world.jobs))
    refused = world.jobs[key]
    world.jobs[key] = JobResult("running")
    assert seen(world).kind == Kind.INCONCLUSIVE
    world.jobs[key] = refused
    world._change(EAST, "production", "payment-service", total=1)
    assert seen(world).kind == Kind.INCONCLUSIVE


def test_a_rollback_opens_what_it_has_closed() -> None:
    """Network, Argo CD and writers are as before; a second time changes nothing."""
    world = MemoryWorld()
    settled(world)
    lift = {
        "region": EAST,
        "subnets": ["subnet-a"],
        "workloads": [{**w, "replicas": 2} for w in WRITERS],
        "release": True,
    }
    assert look(world.ports(), LIFT, lift).kind == Kind.FAIL
    for _ in range(2):
        assert settle(world.ports(), LIFT, lift).kind == Kind.PASS
    assert not world.denied[EAST]
    assert world.windows[EAST] == []
    assert world.pods[EAST, "production/payment-service"].wanted == 2
    assert world.calls.count(f"allow {EAST}") == 1


def test_its_words_say_that_it_takes_as_long_as_it_takes() -> None:
    """A human approves it."""
    assert "for as long as it takes" in KINDS[STANDING].describe(args_of(MemoryWorld()))
    assert KINDS[STANDING].poll == KINDS[STANDING].grace == 5
