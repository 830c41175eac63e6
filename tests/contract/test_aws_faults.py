from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from aws_account import EAST, WEST, Account, refusal
from botocore.exceptions import ClientError, ConnectionClosedError

READS: dict[str, tuple[str, dict[str, Any], tuple[str, int]]] = {
    "rds": ("describe_global_clusters", {}, ("Throttling", 400)),
    "route53": ("list_hosted_zones", {}, ("Throttling", 400)),
    "sts": ("get_caller_identity", {}, ("Throttling", 400)),
    "cloudwatch": ("describe_alarms", {}, ("Throttling", 400)),
    "eks": ("list_clusters", {}, ("ThrottlingException", 429)),
    "kms": ("list_keys", {}, ("ThrottlingException", 400)),
    "ec2": ("describe_vpcs", {}, ("RequestLimitExceeded", 503)),
    "s3": ("list_objects_v2", {"Bucket": "signalbox-trail"}, ("SlowDown", 503)),
}


@pytest.fixture(scope="module")
def standing() -> Iterator[Account]:
    account = Account()
    yield account
    account.close()


@pytest.fixture
def account(standing: Account) -> Iterator[Account]:
    yield standing
    for fault in standing.faults.all():
        standing.faults.remove(fault.id)


@pytest.mark.parametrize("service", READS)
def test_throttle_speaks_each_services_language(account: Account, service: str) -> None:
    """boto3 decodes the throttle of every service to its own code."""
    operation, params, expected = READS[service]
    account.faults.add("aws-throttle", service=service)

    with pytest.raises(ClientError) as caught:
        getattr(account.client(service), operation)(**params)

    assert refusal(caught.value)[:2] == expected


@pytest.mark.parametrize("operation", ["DescribeGlobalClusters", "describe_global_clusters"])
def test_throttle_of_one_operation_ends_when_it_is_spent(account: Account, operation: str) -> None:
    """A throttle can be for one operation, in either spelling, and for a number of calls."""
    account.faults.add("aws-throttle", operation=operation, count=2)
    client = account.client("rds")
    client.describe_db_clusters()

    for _ in range(2):
        with pytest.raises(ClientError):
            client.describe_global_clusters()
    client.describe_global_clusters()


@pytest.mark.parametrize(
    ("service", "operation", "params"),
    [
        ("route53", "ListHostedZones", {}),
        ("eks", "ListClusters", {}),
        ("s3", "ListObjectsV2", {"Bucket": "signalbox-trail"}),
    ],
)
def test_rest_operations_are_known_by_path(
    account: Account, service: str, operation: str, params: dict[str, Any]
) -> None:
    """Services without an operation in their requests are told apart by method and path."""
    account.faults.add("aws-throttle", operation=operation)

    with pytest.raises(ClientError):
        getattr(account.client(service), READS[service][0])(**params)


def test_lost_reply_was_applied(account: Account) -> None:
    """The connection breaks, but what was asked for has happened; reads are spared."""
    account.faults.add("aws-reply-lost", count=1)
    client = account.client("s3")
    client.list_objects_v2(Bucket="fintech-stop-us-west-2")

    with pytest.raises(ConnectionClosedError):
        client.put_object(Bucket="fintech-stop-us-west-2", Key="lost", Body=b"x")

    assert account.aws.object_exists("fintech-stop-us-west-2", "lost")
    client.put_object(Bucket="fintech-stop-us-west-2", Key="lost", Body=b"x")


def test_lost_reply_of_a_query_service(account: Account) -> None:
    """A node group was resized although the answer never came."""
    account.faults.add("aws-reply-lost", service="eks", operation="UpdateNodegroupConfig", count=1)

    with pytest.raises(ConnectionClosedError):
        account.client("eks").update_nodegroup_config(
            clusterName="fintech-prod-secondary", nodegroupName="general", scalingConfig={"desiredSize": 4}
        )

    group = account.client("eks").describe_nodegroup(
        clusterName="fintech-prod-secondary", nodegroupName="general"
    )
    assert group["nodegroup"]["status"] == "UPDATING"


def test_rate_throttles_a_share_of_the_calls_for_as_long_as_it_is_on(account: Account) -> None:
    """Some calls are refused, some are served, and so it stays."""
    account.faults.add("aws-throttle", service="sts", rate=0.5)
    client = account.client("sts")
    outcomes = []
    for _ in range(40):
        try:
            client.get_caller_identity()
            outcomes.append("served")
        except ClientError:
            outcomes.append("throttled")

    assert 8 < outcomes.count("served") < 32


def test_flaky_region_answers_a_share_of_the_calls(account: Account) -> None:
    """The rest hang and break like a dark Region's; the other Region is as usual."""
    account.faults.add("region-flaky", region=EAST, rate=0.5)
    client = account.client("sts", EAST)
    outcomes = []
    for _ in range(16):
        began = time.monotonic()
        try:
            client.get_caller_identity()
            outcomes.append("served")
        except ConnectionClosedError:
            assert time.monotonic() - began >= 0.4
            outcomes.append("silent")

    assert 1 < outcomes.count("served") < 15
    account.client("sts", WEST).get_caller_identity()


@pytest.mark.parametrize("kind", ["region-dark", "region-partitioned"])
def test_unreachable_region_hangs_and_breaks(account: Account, kind: str) -> None:
    """Calls into the Region hang, then break; the other Region answers."""
    account.faults.add(kind, region=EAST)
    began = time.monotonic()

    with pytest.raises(ConnectionClosedError):
        account.client("rds", EAST).describe_global_clusters()

    assert time.monotonic() - began >= 0.4
    assert account.client("rds", WEST).describe_global_clusters()["GlobalClusters"]


def test_control_plane_of_route53_is_in_us_east_1(account: Account) -> None:
    """Whatever Region the client is pinned to, Route 53 and IAM are gone with us-east-1."""
    account.faults.add("region-dark", region=EAST)

    for service, operation in (("route53", "list_hosted_zones"), ("iam", "list_roles")):
        with pytest.raises(ConnectionClosedError):
            getattr(account.client(service, WEST), operation)()


def test_dark_standby_leaves_route53_alone(account: Account) -> None:
    """With us-west-2 dark the control plane of Route 53 answers a client that is pinned there."""
    account.faults.add("region-dark", region=WEST)

    assert account.client("route53", WEST).list_hosted_zones()["HostedZones"]


def test_slow_aws_answers_late(account: Account) -> None:
    """Latency is in real seconds."""
    account.faults.add("latency", seconds=0.3, target="aws")
    began = time.monotonic()

    account.client("sts").get_caller_identity()

    assert time.monotonic() - began >= 0.3


def test_latency_of_others_does_not_matter(account: Account) -> None:
    """A fault for another target leaves AWS as it is."""
    account.faults.add("latency", seconds=30, target="slack")

    account.client("sts").get_caller_identity()


def test_unserved_operation_is_an_aws_error(account: Account) -> None:
    """What the stand-in does not do is told in AWS's format, so that botocore can read it."""
    with pytest.raises(ClientError) as caught:
        account.client("rds").describe_tenant_databases()

    assert refusal(caught.value)[:2] == ("NotImplemented", 501)


def test_every_call_is_in_the_log(account: Account) -> None:
    """The log names service, Region, operation, key and outcome."""
    account.client("sts").get_caller_identity()

    last = account.aws.log()[-1]
    assert (last["service"], last["region"], last["operation"]) == ("sts", WEST, "GetCallerIdentity")
    assert (last["access_key"], last["outcome"]) == ("AKIASIGNALBOX", "200")
