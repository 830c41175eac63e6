from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from memory_world import WEST, MemoryWorld
from visits import apply, look, settle

from bot.verdict import Kind

NODES = {
    "region": WEST,
    "cluster": "fintech-prod-secondary",
    "group": "general",
    "minimum": 6,
    "desired": 6,
    "ready": 6,
    "needed": [{"namespace": "production", "name": "api-gateway", "replicas": 9}],
    "spare": [
        {"namespace": "insights", "name": "help-center"},
        {"namespace": "insights", "name": "analytics-dashboard"},
    ],
}
API = {"namespace": "production", "name": "api-gateway", "replicas": 9, "critical": True}
HELP = {"namespace": "insights", "name": "help-center", "replicas": 2, "critical": False}


def replicas(*items: dict[str, Any]) -> dict[str, Any]:
    """Bring these services to their peak in us-west-2."""
    return {"region": WEST, "workloads": list(items), "nodes": 3}


@pytest.mark.parametrize(
    ("group", "kind", "why"),
    [
        ({}, Kind.FAIL, "kept at 3 nodes"),
        ({"minimum": 6, "desired": 6}, Kind.PASS, "6 nodes ready"),
        # More than asked for is never taken away.
        ({"minimum": 7, "desired": 8}, Kind.PASS, "8 nodes ready"),
        ({"minimum": 6, "desired": 6, "status": "UPDATING"}, Kind.INCONCLUSIVE, "being changed"),
        # The autoscaler could go below the peak again.
        ({"desired": 6}, Kind.FAIL, "6 are wanted"),
    ],
)
def test_a_node_group_is_judged_by_size_and_ready_nodes(group: dict[str, Any], kind: Kind, why: str) -> None:
    """Done is: active, minimum and desired raised, and as many nodes ready."""
    world = MemoryWorld()
    world.groups[WEST, "general"] = replace(world.groups[WEST, "general"], **group)
    verdict = look(world.ports(), "capacity.nodes@1", NODES)
    assert verdict.kind == kind
    assert why in verdict.why


class Short(MemoryWorld):
    """Three nodes are all there is."""

    def nodes_ready(self, region: str) -> int:
        return 3


def test_nodes_that_do_not_come_are_waited_for_with_what_aws_says() -> None:
    """EC2's capacity may come back while the step has time; asking again changes nothing."""
    world = Short()
    world.groups[WEST, "general"] = replace(
        world.groups[WEST, "general"], minimum=6, desired=6, issues=("AsgInstanceLaunchFailures", "Other")
    )
    verdict = look(world.ports(), "capacity.nodes@1", NODES)
    assert verdict.kind == Kind.INCONCLUSIVE
    assert "EC2 has no capacity: AsgInstanceLaunchFailures, Other; 3 of 6 nodes are ready" in verdict.why
    world.groups[WEST, "general"] = replace(world.groups[WEST, "general"], issues=())
    assert look(world.ports(), "capacity.nodes@1", NODES).kind == Kind.INCONCLUSIVE


def test_a_hold_for_nodes_carries_the_numbers_and_what_could_be_freed() -> None:
    """Who is asked at 3 a.m. reads how much is missing, and what customers can do without."""
    world = Short()
    world.groups[WEST, "general"] = replace(world.groups[WEST, "general"], minimum=6, desired=6)
    world._change(WEST, "insights", "analytics-dashboard", total=2)
    verdict = look(world.ports(), "capacity.nodes@1", NODES)
    assert verdict.why == (
        "3 of 6 nodes are ready in us-west-2; critical services lack 8 pods (api-gateway ×8); "
        "freeing analytics-dashboard ×2, help-center ×1 gives 3 pods"
    )
    world._change(WEST, "production", "api-gateway", ready=9)
    assert "every critical service has its pods" in look(world.ports(), "capacity.nodes@1", NODES).why
    del world.pods[WEST, "production/api-gateway"]
    off(world, *({"namespace": "insights", "name": n} for n in ("analytics-dashboard", "help-center")))
    assert look(world.ports(), "capacity.nodes@1", NODES).why.endswith("lack 9 pods (api-gateway ×9)")


def test_a_critical_service_that_never_gets_ready_is_named_with_its_reason() -> None:
    """The hold says which one and what its pods say."""
    world = MemoryWorld()
    apply(world.ports(), "capacity.replicas@1", replicas(API, HELP))
    world._change(WEST, "production", "api-gateway", ready=2, stuck="ImagePullBackOff: api-gateway:17")
    verdict = look(world.ports(), "capacity.replicas@1", replicas(API, HELP))
    assert verdict.kind == Kind.INCONCLUSIVE
    assert "not yet at their peak in us-west-2: api-gateway; ImagePullBackOff" in verdict.why


def test_every_retry_and_every_group_has_a_token_of_its_own() -> None:
    """EKS answers a known token with the old update; a crash within one try repeats the token."""
    world = MemoryWorld()
    size = world.groups[WEST, "general"]
    world.groups[WEST, "batch"] = size
    for group, retry in (("general", 0), ("general", 0), ("general", 1), ("batch", 0)):
        world.groups[WEST, group] = size
        apply(world.ports(), "capacity.nodes@1", {**NODES, "group": group}, retry=retry)
    again, *others = world.tokens[1:]
    assert again == world.tokens[0]
    assert len({again, *others}) == 3


def test_a_larger_group_is_left_as_it_is() -> None:
    """Raising never lowers what an autoscaler has added."""
    world = MemoryWorld()
    world.groups[WEST, "general"] = replace(world.groups[WEST, "general"], desired=8)
    assert settle(world.ports(), "capacity.nodes@1", NODES).kind == Kind.PASS
    assert (world.groups[WEST, "general"].minimum, world.groups[WEST, "general"].desired) == (6, 8)


def test_minimums_rise_to_the_peak_and_services_follow() -> None:
    """The HPA's minimum is raised, never the Deployment's replicas under it."""
    world = MemoryWorld()
    assert settle(world.ports(), "capacity.replicas@1", replicas(API, HELP)).kind == Kind.PASS
    assert world.calls == [f"minimum {WEST} api-gateway 9", f"minimum {WEST} help-center 2"]


def test_the_hpa_s_own_maximum_is_the_limit() -> None:
    """A peak above the maximum is met at the maximum."""
    world = MemoryWorld()
    assert settle(world.ports(), "capacity.replicas@1", replicas({**API, "replicas": 50})).kind == Kind.PASS
    assert world.pods[WEST, "production/api-gateway"].minimum == 20


def test_a_deployment_without_hpa_is_scaled() -> None:
    """Where no autoscaler decides, the replicas are the peak."""
    world = MemoryWorld()
    world._change(WEST, "insights", "help-center", minimum=None, maximum=None)
    assert settle(world.ports(), "capacity.replicas@1", replicas(HELP)).kind == Kind.PASS
    assert world.calls == [f"scale {WEST} help-center 2"]


@pytest.mark.parametrize(("item", "kind"), [(API, Kind.INCONCLUSIVE), (HELP, Kind.PASS)])
def test_only_critical_services_are_waited_for(item: dict[str, Any], kind: Kind) -> None:
    """One sick report service does not hold payments; it is named."""
    world = MemoryWorld()
    apply(world.ports(), "capacity.replicas@1", replicas(item))
    world._change(WEST, item["namespace"], item["name"], ready=0)
    verdict = look(world.ports(), "capacity.replicas@1", replicas(item))
    assert verdict.kind == kind
    assert item["name"] in verdict.why


def test_services_are_raised_when_there_is_room() -> None:
    """Pods that find no node would block a restart; they wait for the nodes instead."""
    world = MemoryWorld()
    args = {**replicas(API), "nodes": 6}
    verdict = settle(world.ports(), "capacity.replicas@1", args)
    assert verdict.kind == Kind.INCONCLUSIVE
    assert "3 of 6 nodes" in verdict.why
    assert not world.calls
    settle(world.ports(), "capacity.nodes@1", NODES)
    assert settle(world.ports(), "capacity.replicas@1", args).kind == Kind.PASS


def off(world: MemoryWorld, *items: dict[str, Any]) -> None:
    """Turn services off in us-west-2, as a fence leaves them."""
    for item in items:
        world._change(WEST, item["namespace"], item["name"], wanted=0, ready=0, updated=0, total=0)


def test_services_that_are_off_never_wait_for_nodes() -> None:
    """With a node missing they are started small, the critical first; the rest follows with the room."""
    world = Short()
    off(world, HELP, API)
    args = {**replicas(HELP, API), "nodes": 6}
    assert look(world.ports(), "capacity.replicas@1", args).kind == Kind.FAIL
    verdict = settle(world.ports(), "capacity.replicas@1", args)
    assert world.calls == [f"scale {WEST} api-gateway 1", f"scale {WEST} help-center 1"]
    assert verdict.kind == Kind.INCONCLUSIVE
    assert "3 of 6 nodes" in verdict.why


def test_a_service_that_is_off_starts_at_its_hpa_s_minimum() -> None:
    """What its owners call the least is the least, within the peak."""
    world = Short()
    world._change(WEST, "production", "api-gateway", minimum=4)
    off(world, API)
    settle(world.ports(), "capacity.replicas@1", {**replicas(API), "nodes": 6})
    assert world.calls == [f"scale {WEST} api-gateway 4"]


def test_a_service_that_was_off_is_off_again_after_a_rollback() -> None:
    """Its HPA's minimum comes back too; others keep running."""
    world = MemoryWorld()
    off(world, API)
    settle(world.ports(), "capacity.replicas@1", replicas(API, HELP))
    assert world.pods[WEST, "production/api-gateway"].wanted == 9
    before = [
        {"namespace": "production", "name": "api-gateway", "minimum": 1, "off": True},
        {"namespace": "insights", "name": "help-center", "minimum": 1},
    ]
    rest = {"region": WEST, "workloads": before, "groups": []}
    assert settle(world.ports(), "capacity.restore@1", rest).kind == Kind.PASS
    api, help_center = (world.pods[WEST, name] for name in ("production/api-gateway", "insights/help-center"))
    assert (api.minimum, api.wanted) == (1, 0)
    assert (help_center.minimum, help_center.wanted) == (1, 2)


def test_rest_comes_back_and_nodes_stay_for_the_autoscaler() -> None:
    """Minimums go down to rest; nobody terminates a node by hand."""
    world = MemoryWorld()
    settle(world.ports(), "capacity.nodes@1", NODES)
    settle(world.ports(), "capacity.replicas@1", replicas(API))
    rest = {
        "region": WEST,
        "workloads": [{"namespace": "production", "name": "api-gateway", "minimum": 4}],
        "groups": [{"cluster": "fintech-prod-secondary", "group": "general", "minimum": 3}],
    }
    assert settle(world.ports(), "capacity.restore@1", rest).kind == Kind.PASS
    assert world.pods[WEST, "production/api-gateway"].minimum == 4
    assert (world.groups[WEST, "general"].minimum, world.groups[WEST, "general"].desired) == (3, 6)
