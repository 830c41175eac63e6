"""Databases, fences, capacity, weights and STOP objects on the AWS stand-in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import boto3
import pytest
from world_outside import ACT, EAST, WEST, Outside, becomes, outside

from bot.act import acting
from bot.errors import Conflict, Rejected, Unreachable

API = "api.fintech.example"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Outside]:
    with outside(tmp_path) as found:
        yield found


def test_a_global_database_names_its_members(world: Outside) -> None:
    """Both Regions tell the same members, one of them the writer."""
    found = world.ports.databases.global_database(WEST, "payments")

    assert found == world.ports.databases.global_database(EAST, "payments")
    assert found.writer is not None
    assert (found.writer.region, found.writer.cluster) == (EAST, "payments-east")
    west = found.member(WEST)
    assert west is not None
    assert west.sync == "connected"
    assert found.engine_version == "16.6"
    assert found.moving == ""


def test_an_absent_global_database_is_rejected(world: Outside) -> None:
    """A name that AWS does not know is an answer that says no."""
    with pytest.raises(Rejected, match="nothing"):
        world.ports.databases.global_database(EAST, "nothing")


def test_a_cluster_tells_its_instances(world: Outside) -> None:
    """A cluster's status, version and instances."""
    found = world.ports.databases.cluster(WEST, "payments-west")

    assert (found.status, found.engine_version) == ("available", "16.6")
    assert len(found.instances) == 2


def test_lag_is_in_seconds(world: Outside) -> None:
    """The secondary's lag is read from CloudWatch; a writer has none."""
    assert becomes(lambda: world.ports.databases.lag_seconds(WEST, "payments-west") is not None)
    assert world.ports.databases.lag_seconds(WEST, "payments-west") == pytest.approx(0.25)
    assert world.ports.databases.lag_seconds(EAST, "payments-east") is None


def test_a_switchover_moves_the_writer(world: Outside) -> None:
    """After a switchover the target writes and nothing moves."""
    databases = world.ports.databases
    west = databases.global_database(EAST, "payments").member(WEST)
    assert west is not None
    with acting(ACT):
        databases.switchover(EAST, "payments", west.arn)

    moving = databases.global_database(WEST, "payments")
    assert (moving.moving != "", moving.moving_to) == (True, west.arn)
    assert becomes(lambda: not databases.global_database(WEST, "payments").moving)
    writer = databases.global_database(EAST, "payments").writer
    assert writer is not None
    assert writer.region == WEST


def test_a_failover_accepts_data_loss(world: Outside) -> None:
    """A failover is asked of the target and works while the writer's Region is dark."""
    databases = world.ports.databases
    west = databases.global_database(WEST, "payments").member(WEST)
    assert west is not None
    world.faults.add("region-dark", region=EAST)
    with acting(ACT):
        databases.failover(WEST, "payments", west.arn)

    assert databases.global_database(WEST, "payments").data_loss_allowed
    assert world.register.intents[-1]["params"]["AllowDataLoss"] is True
    assert becomes(
        lambda: (w := databases.global_database(WEST, "payments").writer) is not None and w.region == WEST
    )


def test_a_fence_denies_and_allows(world: Outside) -> None:
    """The fence closes both directions once, is seen, and is taken away whole."""
    network, subnets = world.ports.network, world.ids["subnets"][EAST]
    assert not network.denied(EAST, subnets)
    with acting(ACT):
        network.deny(EAST, subnets)
        assert network.denied(EAST, subnets)
        assert world.aws.database_subnets_denied(EAST)
        network.deny(EAST, subnets)
        assert len(world.register.intents) == 2
        network.allow(EAST, subnets)
        network.allow(EAST, subnets)

    assert not network.denied(EAST, subnets)
    assert not world.aws.database_subnets_denied(EAST)
    assert len(world.register.intents) == 4


def test_half_a_fence_is_none(world: Outside) -> None:
    """A fence that lacks a direction is not one, and is completed."""
    network, subnets = world.ports.network, world.ids["subnets"][EAST]
    with acting(ACT):
        network.deny(EAST, subnets)
        boto3.client("ec2", region_name=EAST).delete_network_acl_entry(
            NetworkAclId=world.ids["network_acls"][EAST], RuleNumber=1, Egress=True
        )
        assert not network.denied(EAST, subnets)
        network.deny(EAST, subnets)

    assert network.denied(EAST, subnets)


def test_a_fence_spares_what_shares_its_acl(world: Outside) -> None:
    """An ACL that guards other subnets too is refused: the deny would cut them off."""
    with acting(ACT), pytest.raises(Rejected, match="also guards"):
        world.ports.network.deny(EAST, world.ids["subnets"][EAST][:1])

    assert world.register.intents == []


def test_a_taken_rule_is_a_conflict(world: Outside) -> None:
    """Someone else's rule 1 is neither overwritten nor taken for the fence."""
    acl = world.ids["network_acls"][EAST]
    boto3.client("ec2", region_name=EAST).create_network_acl_entry(
        NetworkAclId=acl, RuleNumber=1, Protocol="6", RuleAction="deny", Egress=False, CidrBlock="10.0.0.0/8"
    )
    with acting(ACT), pytest.raises(Conflict, match="rule 1"):
        world.ports.network.deny(EAST, world.ids["subnets"][EAST])
    world_allowed = world.ports.network
    with acting(ACT):
        world_allowed.allow(EAST, world.ids["subnets"][EAST])

    assert world.register.intents == []


def test_an_unknown_subnet_is_rejected(world: Outside) -> None:
    """A subnet without an ACL is never taken for denied."""
    with pytest.raises(Rejected, match="subnet-0"):
        world.ports.network.denied(EAST, ["subnet-0"])


def test_a_node_group_grows_and_never_shrinks(world: Outside) -> None:
    """Minimum and desired size rise together; a lower wish keeps the nodes that run."""
    capacity = world.ports.capacity
    with acting(ACT):
        capacity.resize(WEST, "west", "general", minimum=6, desired=6, token="run-1/step-1/resize")
        assert becomes(lambda: not capacity.node_group(WEST, "west", "general").updating)
        capacity.resize(WEST, "west", "general", minimum=3, desired=3, token="run-1/step-2/resize")
        assert becomes(lambda: not capacity.node_group(WEST, "west", "general").updating)

    found = capacity.node_group(WEST, "west", "general")
    assert (found.minimum, found.desired, found.maximum) == (3, 6, 12)
    assert [i["params"]["scalingConfig"] for i in world.register.intents] == [
        {"minSize": 6, "desiredSize": 6},
        {"minSize": 3, "desiredSize": 6},
    ]


def test_a_second_resize_is_a_conflict(world: Outside) -> None:
    """EKS takes one update at a time; the second one changes nothing."""
    capacity = world.ports.capacity
    with acting(ACT):
        capacity.resize(WEST, "west", "general", minimum=6, desired=6, token="one")
        with pytest.raises(Conflict):
            capacity.resize(WEST, "west", "general", minimum=7, desired=7, token="two")


def test_weights_change_in_one_batch(world: Outside) -> None:
    """Both records of a pair move together, keeping everything but their weights."""
    dns, zone = world.ports.dns, world.ids["zone_id"]
    before = dns.records(zone, API)
    assert [(r.set_id, r.weight, r.values) for r in before] == [
        (EAST, 100, ("127.0.1.1",)),
        (WEST, 0, ("127.0.2.1",)),
    ]
    with acting(ACT):
        change = dns.set_weights(zone, before, {EAST: 0, WEST: 100})

    assert becomes(lambda: dns.change_done(change))
    east, west = before
    assert dns.records(zone, API) == (replace(east, weight=0), replace(west, weight=100))
    assert len(world.register.intents) == 1


def test_weights_that_moved_are_a_conflict(world: Outside) -> None:
    """Weights are set from what was planned; if someone changed them meanwhile, nothing is written."""
    dns, zone = world.ports.dns, world.ids["zone_id"]
    before = dns.records(zone, API)
    with acting(ACT):
        dns.set_weights(zone, before, {EAST: 50, WEST: 50})
        with pytest.raises(Conflict, match="planned"):
            dns.set_weights(zone, before, {EAST: 0, WEST: 100})

    assert [r.weight for r in dns.records(zone, API)] == [50, 50]


def test_weights_that_are_right_are_not_written(world: Outside) -> None:
    """A repeat sends nothing and counts as done."""
    dns, zone = world.ports.dns, world.ids["zone_id"]
    with acting(ACT):
        change = dns.set_weights(zone, dns.records(zone, API), {EAST: 100, WEST: 0})

    assert (change, dns.change_done(change)) == ("", True)
    assert world.register.intents == []


def test_a_stop_object_comes_and_goes(world: Outside) -> None:
    """STOP is a latch: set twice and removed twice it is still one object."""
    dns = world.ports.dns
    assert not dns.stopped(WEST, "stop-west", f"STOP-{EAST}")
    with acting(ACT):
        dns.stop(WEST, "stop-west", f"STOP-{EAST}", "run-1")
        dns.stop(WEST, "stop-west", f"STOP-{EAST}", "run-1")
        assert dns.stopped(WEST, "stop-west", f"STOP-{EAST}")
        assert not dns.stopped(WEST, "stop-west", "STOP")
        dns.unstop(WEST, "stop-west", f"STOP-{EAST}")
        dns.unstop(WEST, "stop-west", f"STOP-{EAST}")

    assert not dns.stopped(WEST, "stop-west", f"STOP-{EAST}")


def test_a_missing_stop_bucket_is_not_unstopped(world: Outside) -> None:
    """A bucket that is not there is an answer that says no, never "not stopped"."""
    with pytest.raises(Rejected, match="NoSuchBucket"):
        world.ports.dns.stopped(WEST, "no-such-bucket", "STOP")


def test_stop_objects_work_while_the_control_plane_is_dark(world: Outside) -> None:
    """With us-east-1 gone records cannot be read, and traffic can still be turned away from it."""
    world.faults.add("region-dark", region=EAST)
    with pytest.raises(Unreachable):
        world.ports.dns.records(world.ids["zone_id"], API)
    with acting(ACT):
        world.ports.dns.stop(WEST, "stop-west", f"STOP-{EAST}", "dark")

    assert world.ports.dns.stopped(WEST, "stop-west", f"STOP-{EAST}")
