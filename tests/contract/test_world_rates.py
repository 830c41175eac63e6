"""Rates and throttles on the AWS and Kubernetes stand-ins: reads wait and pass, changes are told apart."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from world_clusters import SPACE, Clustered, clusters_outside
from world_outside import ACT, EAST, WEST, Outside, outside

from bot.act import acting
from bot.errors import Throttled, Unreachable
from bot.world.rates import RATES

API = "api.fintech.example"
_STUTTER_SECONDS = 2.0  # how much later than another call one may be noted, on busy cores


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Outside]:
    with outside(tmp_path) as found:
        yield found


@pytest.fixture
def clusters(tmp_path: Path) -> Iterator[Clustered]:
    with clusters_outside(tmp_path) as found:
        yield found


def asked_at_once(times: int, ask: Callable[[], object]) -> list[object]:
    """What each of them got: an answer, or why not."""

    def one(_: int) -> object:
        try:
            return ask()
        except Unreachable as error:
            return error

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(one, range(times)))


def test_fifty_questions_at_once_keep_the_rate_of_route_53(tmp_path: Path) -> None:
    """The stand-in never counts more than the burst and five a second; who would wait too long is told so."""
    with outside(tmp_path, speed=1) as world:
        zone = world.ids["zone_id"]
        # Making the first client takes its time, which would be taken for a pause.
        world.ports.dns.records(zone, API)
        time.sleep(0.5)
        found = asked_at_once(50, lambda: world.ports.dns.records(zone, API))
        calls = sorted(call["at"] for call in world.asked("ListResourceRecordSets"))[1:]

    refused = [answer for answer in found if isinstance(answer, Unreachable)]
    assert len(calls) == 50 - len(refused)
    assert len(calls) >= 30
    assert all("Too many questions to Route 53 at once" in str(error) for error in refused)
    rate = RATES["route53"]
    for first, begin in enumerate(calls):
        for last in range(first, len(calls)):
            window = calls[last] - begin + _STUTTER_SECONDS
            assert last - first + 1 <= rate.burst + rate.per_second * window


def test_a_read_passes_after_throttles(world: Outside) -> None:
    """Four throttles in a row are waited out."""
    world.faults.add("aws-throttle", service="route53", count=4)
    began = time.monotonic()
    assert len(world.ports.dns.records(world.ids["zone_id"], API)) == 2

    assert [call["outcome"] for call in world.asked("ListResourceRecordSets")] == ["400"] * 4 + ["200"]
    assert time.monotonic() - began < 8


def test_reads_pass_while_half_of_the_calls_are_throttled(world: Outside) -> None:
    """Ten questions, every second of them throttled: nearly all are answered, in time."""
    world.faults.add("aws-throttle", service="rds", rate=0.5)
    began = time.monotonic()
    found = asked_at_once(10, lambda: world.ports.databases.global_database(EAST, "payments"))

    assert sum(isinstance(answer, Unreachable) for answer in found) <= 2
    assert time.monotonic() - began < 10


def test_a_throttled_change_is_told_as_such(world: Outside) -> None:
    """Nothing was changed, and the same call may pass later: neither refused for good nor unknown."""
    world.faults.add("aws-throttle", operation="SwitchoverGlobalCluster", count=1)
    west = world.ports.databases.global_database(EAST, "payments").member(WEST)
    assert west is not None
    with acting(ACT):
        with pytest.raises(Throttled, match="Nothing was changed"):
            world.ports.databases.switchover(EAST, "payments", west.arn)
        world.ports.databases.switchover(EAST, "payments", west.arn)

    assert [o["ok"] for o in world.register.outcomes] == [False, True]


@pytest.mark.parametrize("service", ["ec2", "s3"])
def test_a_throttle_by_503_is_no_broken_server(world: Outside, service: str) -> None:
    """S3 and EC2 throttle with a 503: refused for now, not unknown."""
    world.faults.add("aws-throttle", service=service, operation="CreateNetworkAclEntry", count=1)
    world.faults.add("aws-throttle", service=service, operation="PutObject", count=1)
    changes = {
        "s3": lambda: world.ports.dns.stop(WEST, "stop-west", f"STOP-{EAST}", "test"),
        "ec2": lambda: world.ports.network.deny(EAST, world.ids["subnets"][EAST]),
    }
    with acting(ACT), pytest.raises(Throttled):
        changes[service]()

    assert [o["ok"] for o in world.register.outcomes] == [False]


def test_a_busy_cluster_is_asked_again(clusters: Clustered) -> None:
    """API priority and fairness says 429: the read passes later."""
    clusters.faults.add("kubernetes-throttle", region=EAST, count=3)

    assert clusters.port.nodes_ready(EAST) == 3


def test_a_throttled_change_of_a_cluster_is_told_as_such(clusters: Clustered) -> None:
    """A patch that was throttled changed nothing and may pass later."""
    worker = clusters.one("worker")
    clusters.faults.add("kubernetes-throttle", region=EAST)
    with acting(ACT), pytest.raises((Throttled, Unreachable)) as caught:
        clusters.session.patch(
            f"/apis/apps/v1/namespaces/{SPACE}/deployments/worker/scale",
            [{"op": "replace", "path": "/spec/replicas", "value": 0}],
        )

    assert isinstance(caught.value, Throttled)
    assert [o["ok"] for o in clusters.register.outcomes] == [False]
    for fault in clusters.faults.all():
        clusters.faults.remove(fault.id)
    assert clusters.one("worker").wanted == worker.wanted
