"""Clusters through EKS: tokens signed here, endpoints remembered, people named."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from world_outside import ACT, EAST, WEST, Outside, open_ports, outside

from bot.act import acting
from bot.clock import SystemClock
from bot.errors import Rejected, Unreachable
from bot.sandbox.clock import SimClock
from bot.sandbox.faults import Faults
from bot.sandbox.kubernetes import Cluster
from bot.world.hooks import Hooks
from bot.world.rates import Rates
from bot.world.sessions import AwsSessions


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    found = Cluster("east", EAST, SimClock(tmp_path / "cluster.json"), Faults())
    found.start()
    found.seed(
        [
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {"name": "web", "namespace": "default"},
                "spec": {
                    "replicas": 1,
                    "selector": {"matchLabels": {"app": "web"}},
                    "template": {
                        "metadata": {"labels": {"app": "web"}},
                        "spec": {"containers": [{"name": "main", "image": "web:1"}]},
                    },
                },
            }
        ]
    )
    yield found
    found.stop()


@pytest.fixture
def world(tmp_path: Path, cluster: Cluster) -> Iterator[Outside]:
    with outside(tmp_path, {EAST: cluster}) as found:
        yield found


def test_a_cluster_is_found_through_eks(world: Outside, cluster: Cluster) -> None:
    """Endpoint and CA come from EKS, the token from STS's signature without a call."""
    assert world.ports.clusters.reachable(EAST)
    assert [w.name for w in world.ports.clusters.workloads(EAST, ["default"])] == ["web"]
    assert {entry.user for entry in cluster.audit()} == {"eks:signalbox"}
    assert [c["operation"] for c in world.aws.log()] == ["DescribeCluster"]


def test_a_known_cluster_is_reached_while_eks_is_dark(world: Outside) -> None:
    """What was learned of a cluster outlives the process and the Region's EKS API."""
    assert world.ports.clusters.reachable(EAST)
    assert json.loads((world.state / "clusters.json").read_text())[EAST]["cluster"] == "east"
    world.faults.add("region-dark", region=EAST)
    again = open_ports(world.register, world.state / "clock.json", world.state)

    assert again.clusters.reachable(EAST)
    assert len(world.asked("DescribeCluster")) == 1


def test_an_old_memory_is_renewed_or_used(world: Outside) -> None:
    """A day later EKS is asked again, and when it is dark the old endpoint still serves."""
    assert world.ports.clusters.reachable(EAST)
    world.clock.advance(2 * 86400)
    assert open_ports(world.register, world.state / "clock.json", world.state).clusters.reachable(EAST)
    assert len(world.asked("DescribeCluster")) == 2
    world.clock.advance(2 * 86400)
    world.faults.add("region-dark", region=EAST)

    assert open_ports(world.register, world.state / "clock.json", world.state).clusters.reachable(EAST)


def test_an_unknown_cluster_in_a_dark_region_is_unreachable(world: Outside) -> None:
    """A cluster that was never seen cannot be addressed."""
    world.faults.add("region-dark", region=EAST)
    with pytest.raises(Unreachable):
        world.ports.clusters.workloads(EAST, ["default"])
    assert not world.ports.clusters.reachable(EAST)


def test_a_region_outside_the_estate_is_rejected(world: Outside) -> None:
    """No guess is made about a Region that the estate does not name."""
    with pytest.raises(Rejected, match="eu-west-1"):
        world.ports.clusters.reachable("eu-west-1")


def test_the_token_is_bound_to_region_and_cluster(world: Outside) -> None:
    """The token is the Region's own STS URL, unpadded, with the cluster's name signed."""
    token = AwsSessions(Hooks(world.register), Rates(SystemClock())).cluster_token(WEST, "west")

    assert token.startswith("k8s-aws-v1.")
    assert "=" not in token
    body = token.removeprefix("k8s-aws-v1.")
    url = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)).decode()
    query = parse_qs(urlsplit(url).query)
    assert query["X-Amz-SignedHeaders"] == ["host;x-k8s-aws-id"]
    assert query["Action"] == ["GetCallerIdentity"]
    assert f"/{WEST}/sts/" in query["X-Amz-Credential"][0]


def test_sts_is_asked_in_the_region(monkeypatch: pytest.MonkeyPatch, world: Outside) -> None:
    """Without an endpoint of its own, no token depends on the global STS of us-east-1."""
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    for region in (EAST, WEST):
        body = (
            AwsSessions(Hooks(world.register), Rates(SystemClock()))
            .cluster_token(region, "c")
            .removeprefix("k8s-aws-v1.")
        )
        url = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)).decode()

        assert urlsplit(url).netloc == f"sts.{region}.amazonaws.com"


def test_without_credentials_nothing_is_sent(monkeypatch: pytest.MonkeyPatch, world: Outside) -> None:
    """Missing credentials are an answer that says no, not a Region that is silent."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    ports = open_ports(world.register, world.state / "clock.json", world.state)
    with pytest.raises(Rejected, match="Credentials"):
        ports.databases.global_database(EAST, "payments")


def test_changes_can_be_made_as_the_person(world: Outside, cluster: Cluster) -> None:
    """With impersonation the cluster's audit log names who is behind a change; reads stay the bot's."""
    ports = open_ports(world.register, world.state / "clock.json", world.state, impersonate=True)
    with acting(ACT):
        ports.clusters.scale(EAST, "default", "web", 2)

    assert {e.as_user for e in cluster.audit() if e.verb == "PATCH"} == {ACT.person}
    assert {e.as_user for e in cluster.audit() if e.verb == "GET"} == {""}
