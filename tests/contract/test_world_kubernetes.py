"""Clusters on the Kubernetes stand-in: how services run there, and what is moved."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from world_clusters import SPACE, Clustered, clusters_outside, deployment
from world_outside import ACT, EAST, WEST, becomes, open_ports

from bot.act import acting
from bot.errors import Conflict, Rejected, TrailError, Unreachable


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Clustered]:
    with clusters_outside(tmp_path) as found:
        yield found


def test_workloads_tell_pods_and_bounds(world: Clustered) -> None:
    """A Deployment comes with its counts, image and the HPA that targets it, whatever the HPA's name."""
    web = world.one("web")

    assert (web.wanted, web.ready, web.minimum, web.maximum) == (2, 2, 2, 8)
    assert (web.images, web.stuck, web.serving) == (("registry/web:1.0",), "", True)
    assert world.one("worker").minimum is None


def test_workloads_cost_three_lists_a_namespace(world: Clustered) -> None:
    """No object is read by itself, however many there are."""
    before = len(world.clusters[EAST].audit())
    world.port.workloads(EAST, [SPACE])

    assert len(world.clusters[EAST].audit()) - before == 3


def test_nodes_that_are_ready(world: Clustered) -> None:
    """Ready nodes are counted."""
    assert world.port.nodes_ready(EAST) == 3


def test_scale_to_zero_and_back(world: Clustered) -> None:
    """A scale of zero has no field on the wire, and both ways are one patch each; a repeat is none."""
    with acting(ACT):
        for replicas in (0, 0, 2, 2):
            world.port.scale(EAST, SPACE, "worker", replicas)

    assert world.one("worker").wanted == 2
    assert world.changes() == ["PATCH", "PATCH"]
    assert [i["operation"] for i in world.register.intents] == ["patch deployments/scale"] * 2
    assert world.register.intents[0]["params"]["patch"][1]["value"] == 0
    assert all(o["ok"] and o["request_id"] for o in world.register.outcomes)


def test_no_scale_without_an_act_or_an_intent(world: Clustered) -> None:
    """Neither without an act nor without a recorded intent does a patch leave."""
    with pytest.raises(TrailError):
        world.port.scale(EAST, SPACE, "worker", 3)
    world.register.refuses = TrailError("the disk is full")
    with acting(ACT), pytest.raises(TrailError):
        world.port.scale(EAST, SPACE, "worker", 3)

    assert world.changes() == []


def test_a_failed_test_changes_nothing(world: Clustered) -> None:
    """A JSON patch from an old before-image is a conflict and leaves everything as it is."""
    path = f"/apis/apps/v1/namespaces/{SPACE}/deployments/worker/scale"
    with acting(ACT), pytest.raises(Conflict):
        world.session.patch(
            path,
            [
                {"op": "test", "path": "/spec/replicas", "value": 7},
                {"op": "add", "path": "/spec/replicas", "value": 9},
            ],
        )

    assert world.one("worker").wanted == 1
    assert [o["ok"] for o in world.register.outcomes] == [False]


def test_the_minimum_is_raised_on_the_hpa(world: Clustered) -> None:
    """The HPA is found by its target; above its maximum it is refused as wrong, not as late."""
    with acting(ACT):
        world.port.set_minimum(EAST, SPACE, "web", 4)
        world.port.set_minimum(EAST, SPACE, "web", 4)
        with pytest.raises(Rejected, match="maxReplicas") as refused:
            world.port.set_minimum(EAST, SPACE, "web", 9)
        with pytest.raises(Rejected, match="No HPA"):
            world.port.set_minimum(EAST, SPACE, "worker", 2)

    assert not isinstance(refused.value, Conflict)
    assert world.one("web").minimum == 4
    assert world.changes() == ["PATCH", "PATCH"]
    assert becomes(lambda: world.one("web").ready == 4)


def test_restart_rolls_once_per_stamp(world: Clustered) -> None:
    """The stamp lands in the template, the rollout is seen to begin and to end, a repeat is none."""
    with acting(ACT):
        world.port.restart(EAST, SPACE, "web", "run-1/step-1")
        world.port.restart(EAST, SPACE, "web", "run-1/step-1")
        assert not world.one("web").serving
        assert becomes(lambda: world.one("web").serving)
        world.port.restart(EAST, SPACE, "web", "run-1/step-2")

    assert world.one("web").restarted_at == "run-1/step-2"
    assert world.changes() == ["PATCH", "PATCH"]


def test_a_stuck_workload_says_why(world: Clustered) -> None:
    """Pods that do not become ready give their first reason."""
    resources = {"requests": {"cpu": "900"}}
    container = {"name": "main", "image": "registry/huge:1", "resources": resources}
    template = {"metadata": {"labels": {"app": "huge"}}, "spec": {"containers": [container]}}
    world.clusters[EAST].seed([deployment("huge", template=template)])

    assert becomes(lambda: world.one("huge").stuck.startswith("Unschedulable: "))
    assert any("Insufficient cpu" in line for line in world.port.pending(EAST, [SPACE]))
    assert world.port.pending(EAST, ["kube-system"]) == ()


def test_an_absent_deployment_is_rejected(world: Clustered) -> None:
    """What is not there cannot be scaled."""
    with acting(ACT), pytest.raises(Rejected, match="not found"):
        world.port.scale(EAST, SPACE, "nothing", 3)


def test_a_dark_region_is_unreachable_in_time(world: Clustered) -> None:
    """Reads and changes end in time, the change is unknown and was sent once; the other Region answers."""
    world.faults.add("region-dark", region=EAST)
    began = time.monotonic()
    assert not world.port.reachable(EAST)
    with acting(ACT), pytest.raises(Unreachable, match="not known"):
        world.session.patch(f"/apis/apps/v1/namespaces/{SPACE}/deployments/web", [])

    assert time.monotonic() - began < 2 * 8
    assert [o["ok"] for o in world.register.outcomes] == [None]
    assert world.port.reachable(WEST)


def test_a_context_that_is_not_there_is_named(world: Clustered, tmp_path: Path) -> None:
    """A Region without a context says what was looked for."""
    given = {"kubeconfig": str(tmp_path / f"{EAST}.yaml"), "clusters": {WEST: "elsewhere"}}
    port = open_ports(world.register, tmp_path / "clock.json", tmp_path, **given).clusters
    with pytest.raises(Rejected, match="elsewhere"):
        port.reachable(WEST)
