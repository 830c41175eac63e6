from __future__ import annotations

from memory_world import WEST, MemoryWorld

from bot.errors import Unreachable
from bot.facts.survey import survey
from bot.plan import Plan
from bot.ports import NodeGroup
from runbooks.failover import failover
from runbooks.request import Request


def plan_from(world: MemoryWorld, *, planned: bool = True) -> Plan:
    """The plan that a fresh look gives."""
    seen = survey(world.ports(), world.estate)
    return failover(world.estate, seen, Request(WEST, planned, "a test"), peaks={}, durations={})


def test_one_throttled_read_of_a_node_group_changes_no_plan() -> None:
    """What was approved stays approved: the way back is the estate's rest, not a momentary size."""

    class Throttled(MemoryWorld):
        def node_group(self, region: str, cluster: str, name: str) -> NodeGroup:
            raise Unreachable("EKS is throttled.")

    assert plan_from(Throttled()).digest == plan_from(MemoryWorld()).digest


def test_what_was_off_is_off_again_after_a_rollback() -> None:
    """A service at zero in the target returns to zero; the others only to their minimum."""
    world = MemoryWorld()
    world._change(WEST, "production", "api-gateway", wanted=0, ready=0, updated=0, total=0)
    step = next(s for s in plan_from(world).steps if s.id == "capacity/replicas")
    assert step.undo is not None
    rest = {item["name"]: item for item in step.undo.args["workloads"]}
    assert (rest["api-gateway"]["off"], rest["api-gateway"]["minimum"]) == (True, 1)
    assert "off" not in rest["help-center"]


def test_argo_cd_is_released_when_git_agrees_and_never_holds_the_run() -> None:
    """The step says its condition; the way back from a hold has none."""
    steps = {step.id: step for step in plan_from(MemoryWorld()).steps}
    for region in MemoryWorld().estate.regions:
        release = steps[f"sync/release/{region}"]
        assert release.title == f"Let Argo CD sync in {region} again once Git says what runs there"
        assert (release.on_fail, release.phase) == ("go_on", "restore")
        undo = steps[f"sync/hold/{region}"].undo
        assert undo is not None
        assert undo.args == {"region": region}


def test_services_that_are_off_do_not_wait_for_the_step_that_waits_for_nodes() -> None:
    """Nodes may take their whole time and never come; the fence still waits for both."""
    for planned in (True, False):
        steps = {step.id: step for step in plan_from(MemoryWorld(), planned=planned).steps}
        assert steps["capacity/replicas"].needs == (f"sync/hold/{WEST}",)
        assert {"capacity/nodes/general", "capacity/replicas"} <= set(steps["fence/workloads"].needs)
