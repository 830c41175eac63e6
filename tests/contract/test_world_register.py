"""Register before movement: what leaves the process, when, and what is written about it."""

from __future__ import annotations

import ast
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from world_outside import ACT, EAST, WEST, Outside, outside

from bot.act import acting
from bot.errors import Conflict, Rejected, TrailError, Unreachable
from bot.world.hooks import changes_aws, changes_kubernetes

BOT = Path(__file__).parents[2] / "bot"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Outside]:
    with outside(tmp_path) as found:
        yield found


def test_no_change_leaves_when_the_intent_cannot_be_recorded(world: Outside) -> None:
    """An intent that raises stops the call before anything is sent."""
    world.register.refuses = TrailError("the disk is full")
    with acting(ACT):
        with pytest.raises(TrailError):
            world.ports.dns.stop(WEST, "stop-west", "STOP-us-east-1", "drill")
        with pytest.raises(TrailError):
            world.ports.databases.failover(WEST, "payments", "arn:aws:rds:us-west-2:123456789012:cluster:x")

    assert not world.asked("PutObject")
    assert not world.asked("FailoverGlobalCluster")
    assert world.register.outcomes == []


def test_no_change_leaves_without_an_act(world: Outside) -> None:
    """Outside an approved step a change is refused, and the register is not even asked."""
    with pytest.raises(TrailError):
        world.ports.dns.stop(WEST, "stop-west", "STOP-us-east-1", "drill")

    assert not world.asked("PutObject")
    assert world.register.intents == []


def test_a_done_change_has_its_request_id(world: Outside) -> None:
    """The outcome carries AWS's own id, by which CloudTrail is reconciled; bodies are withheld."""
    with acting(ACT):
        world.ports.dns.stop(WEST, "stop-west", "STOP-us-east-1", "secret reason")

    assert world.register.intents == [
        {
            "service": "s3",
            "operation": "PutObject",
            "region": WEST,
            "params": {"Bucket": "stop-west", "Key": "STOP-us-east-1", "withheld": ["Body", "ContentType"]},
        }
    ]
    (outcome,) = world.register.outcomes
    assert outcome["ok"] is True
    assert outcome["request_id"]


def test_a_refused_change_is_recorded_as_refused(world: Outside) -> None:
    """An answer that says no ends as not done, with AWS's code, and is a Rejected."""
    with acting(ACT), pytest.raises(Rejected, match="NoSuchBucket"):
        world.ports.dns.stop(WEST, "no-such-bucket", "STOP", "drill")

    assert [o["ok"] for o in world.register.outcomes] == [False]
    assert "NoSuchBucket" in world.register.outcomes[0]["error"]


def test_a_lost_reply_is_unknown_and_sent_once(world: Outside) -> None:
    """A change whose reply is lost is neither done nor refused, and is not sent again."""
    world.faults.add("aws-reply-lost", service="s3", operation="PutObject")
    with acting(ACT), pytest.raises(Unreachable, match="not known"):
        world.ports.dns.stop(WEST, "stop-west", "STOP-us-east-1", "drill")

    assert [o["ok"] for o in world.register.outcomes] == [None]
    assert len(world.asked("PutObject")) == 1
    assert world.aws.object_exists("stop-west", "STOP-us-east-1")


def test_a_throttled_change_is_sent_once(world: Outside) -> None:
    """Retries of changes are off: a throttle is an answer that says no."""
    world.faults.add("aws-throttle", service="rds")
    with acting(ACT), pytest.raises(Rejected, match="Throttling"):
        world.ports.databases.switchover(EAST, "payments", "arn:aws:rds:us-west-2:123456789012:cluster:x")

    assert len(world.asked("SwitchoverGlobalCluster")) == 1
    assert [o["ok"] for o in world.register.outcomes] == [False]


def test_a_read_survives_one_throttle(world: Outside) -> None:
    """A read that is throttled once is asked again."""
    world.faults.add("aws-throttle", service="rds", count=1)

    assert world.ports.databases.global_database(EAST, "payments").identifier == "payments"
    assert len(world.asked("DescribeGlobalClusters")) == 2


def test_a_read_throttled_for_long_is_unreachable(world: Outside) -> None:
    """Questions that are throttled are asked six times within the budget, and no oftener."""
    began = time.monotonic()
    world.faults.add("aws-throttle", service="rds")
    with pytest.raises(Unreachable, match="Throttling"):
        world.ports.databases.global_database(EAST, "payments")

    assert len(world.asked("DescribeGlobalClusters")) == 6
    assert time.monotonic() - began < 8


def test_a_dark_region_is_unreachable_in_time(world: Outside) -> None:
    """Asking a dark Region ends within 15 seconds, and the other Region still answers."""
    world.faults.add("region-dark", region=EAST)
    began = time.monotonic()
    with pytest.raises(Unreachable):
        world.ports.databases.global_database(EAST, "payments")
    with acting(ACT), pytest.raises(Unreachable):
        world.ports.dns.stop(EAST, "stop-east", "STOP-us-west-2", "drill")

    assert time.monotonic() - began < 2 * 8
    assert world.ports.databases.global_database(WEST, "payments").identifier == "payments"


def test_a_second_move_is_a_conflict(world: Outside) -> None:
    """A global database that moves already refuses another move as a conflict."""
    west = world.ports.databases.global_database(EAST, "payments").member(WEST)
    assert west is not None
    with acting(ACT):
        world.ports.databases.switchover(EAST, "payments", west.arn)
        with pytest.raises(Conflict):
            world.ports.databases.switchover(EAST, "payments", west.arn)


@pytest.mark.parametrize(
    ("operation", "params", "changes"),
    [
        ("DescribeDBClusters", {}, False),
        ("ListResourceRecordSets", {}, False),
        ("GetObject", {}, False),
        ("HeadObject", {}, False),
        ("AssumeRoleWithWebIdentity", {}, False),
        ("SelectObjectContent", {}, False),
        ("CreateNetworkAclEntry", {"DryRun": True}, False),
        ("CreateNetworkAclEntry", {}, True),
        ("PutObject", {}, True),
        ("Sign", {}, True),
        ("SomethingNew", {}, True),
    ],
)
def test_an_aws_operation_is_a_change_unless_known_as_a_read(
    operation: str, params: dict[str, bool], changes: bool
) -> None:
    """Operations nobody has thought of are recorded."""
    assert changes_aws(operation, params) is changes


@pytest.mark.parametrize(
    ("method", "url", "changes"),
    [
        ("GET", "https://k/api/v1/pods", False),
        ("GET", "https://k/api/v1/namespaces/n/pods/p/log", False),
        ("GET", "https://k/api/v1/namespaces/n/pods/p/exec?command=rm", True),
        ("GET", "https://k/api/v1/namespaces/n/services/s/proxy/path", True),
        ("POST", "https://k/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", False),
        ("POST", "https://k/apis/batch/v1/namespaces/n/jobs", True),
        ("PATCH", "https://k/apis/apps/v1/namespaces/n/deployments/d?dryRun=All", False),
        ("PATCH", "https://k/apis/apps/v1/namespaces/n/deployments/d?dryRun=None", True),
        ("DELETE", "https://k/api/v1/namespaces/n/pods/p", True),
    ],
)
def test_a_kubernetes_request_is_a_change_unless_known_as_a_read(
    method: str, url: str, changes: bool
) -> None:
    """Dry runs and access reviews read; a command in a pod changes although it is a GET."""
    assert changes_kubernetes(method, url) is changes


def test_only_the_world_imports_the_outside() -> None:
    """No other module of the bot can make a client that the hooks do not watch."""
    clients = {"boto3", "botocore", "kubernetes", "httpx", "dns", "urllib3"}
    found = []
    for path in BOT.rglob("*.py"):
        inside = path.relative_to(BOT).parts[0]
        if inside in {"world", "sandbox"}:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            found += [
                f"{path.relative_to(BOT)}: {name}" for name in names if name.partition(".")[0] in clients
            ]

    assert found == []
