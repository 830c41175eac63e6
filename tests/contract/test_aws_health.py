from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from aws_account import EAST, Account, refusal
from botocore.exceptions import ClientError

BASIC = {"Type": "HTTPS", "FullyQualifiedDomainName": "stop.example", "ResourcePath": "/x", "Inverted": True}


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    account = Account()
    yield account
    account.close()


@pytest.fixture
def client(account: Account) -> Any:
    return account.client("route53")


def create(client: Any, reference: str, **config: Any) -> str:
    answer = client.create_health_check(CallerReference=reference, HealthCheckConfig={**BASIC, **config})
    return str(answer["HealthCheck"]["Id"])


def test_conclusion_of_the_checkers_is_told(account: Account, client: Any) -> None:
    """A check is healthy until the checkers say otherwise; the status API repeats them, Region by Region."""
    check = account.ids["health_checks"]["app.fintech.example"][EAST]
    assert account.aws.healthy(check)

    account.aws.set_health(check, False)

    assert not account.aws.healthy(check)
    found = client.get_health_check_status(HealthCheckId=check)["HealthCheckObservations"]
    assert len({o["Region"] for o in found}) == 8
    assert all(o["StatusReport"]["Status"].startswith("Failure") for o in found)
    account.aws.set_health(check, True)


def test_checkers_are_told_every_configuration(account: Account) -> None:
    """The simulated checkers see ids and configurations."""
    stops = [c for c in account.aws.checkers() if c["config"].get("ResourcePath") == "/STOP-us-east-1"]

    assert len(stops) == 2


def test_stale_version_is_refused(client: Any) -> None:
    """An update of a version that somebody else has replaced is refused."""
    check = create(client, "versions")
    updated = client.update_health_check(HealthCheckId=check, HealthCheckVersion=1, FailureThreshold=5)

    with pytest.raises(ClientError) as caught:
        client.update_health_check(HealthCheckId=check, HealthCheckVersion=1, FailureThreshold=9)

    assert updated["HealthCheck"]["HealthCheckVersion"] == 2
    assert refusal(caught.value)[:2] == ("HealthCheckVersionMismatch", 409)
    config = client.get_health_check(HealthCheckId=check)["HealthCheck"]["HealthCheckConfig"]
    assert (config["FailureThreshold"], config["FullyQualifiedDomainName"]) == (5, "stop.example")


def test_disabled_check_is_healthy(account: Account, client: Any) -> None:
    """Disabled means always healthy, so it is no way to push traffic away."""
    check = create(client, "disabled")
    account.aws.set_health(check, False)

    client.update_health_check(HealthCheckId=check, Disabled=True)

    assert account.aws.healthy(check)


def test_calculated_check_follows_its_children(account: Account, client: Any) -> None:
    """A calculated check counts its healthy children against the threshold."""
    children = [create(client, f"child-{n}") for n in (1, 2)]
    config = {"Type": "CALCULATED", "ChildHealthChecks": children, "HealthThreshold": 1}
    check = client.create_health_check(CallerReference="parent", HealthCheckConfig=config)["HealthCheck"][
        "Id"
    ]
    account.aws.set_health(children[0], False)
    assert account.aws.healthy(check)

    account.aws.set_health(children[1], False)

    assert not account.aws.healthy(check)
    with pytest.raises(ClientError) as caught:
        client.get_health_check_status(HealthCheckId=check)
    assert refusal(caught.value)[:2] == ("InvalidInput", 400)


def test_alarm_check_follows_its_alarm(account: Account, client: Any) -> None:
    """A metric check keeps its alarm's name and follows its state; without data it does as configured."""
    watch = account.client("cloudwatch", "us-west-2")
    watch.put_metric_alarm(
        AlarmName="stop", Namespace="StopPattern", MetricName="FailoverToSecondary", Period=60,
        EvaluationPeriods=1, Threshold=1, ComparisonOperator="GreaterThanOrEqualToThreshold",
        Statistic="Maximum",
    )  # fmt: skip
    config = {
        "Type": "CLOUDWATCH_METRIC",
        "AlarmIdentifier": {"Region": "us-west-2", "Name": "stop"},
        "InsufficientDataHealthStatus": "Unhealthy",
    }
    made = client.create_health_check(CallerReference="alarm", HealthCheckConfig=config)["HealthCheck"]
    assert made["HealthCheckConfig"]["AlarmIdentifier"] == config["AlarmIdentifier"]
    assert not account.aws.healthy(made["Id"])

    for state, healthy in (("OK", True), ("ALARM", False)):
        watch.set_alarm_state(AlarmName="stop", StateValue=state, StateReason="test")
        assert account.aws.healthy(made["Id"]) is healthy


def test_alarm_on_a_basic_check_is_refused(client: Any) -> None:
    """Only metric checks have an alarm."""
    with pytest.raises(ClientError) as caught:
        create(client, "mixed", AlarmIdentifier={"Region": "us-west-2", "Name": "stop"})

    code, status, message = refusal(caught.value)
    assert (code, status) == ("InvalidInput", 400)
    assert message == "Invalid parameter : Basic health checks must not have an metric region specified."


def test_reference_makes_one_check(client: Any) -> None:
    """The same request again returns the same check; another configuration under its reference is refused."""
    check = create(client, "same")

    assert create(client, "same") == check
    with pytest.raises(ClientError) as caught:
        create(client, "same", ResourcePath="/y")
    assert refusal(caught.value)[:2] == ("HealthCheckAlreadyExists", 409)


def test_check_in_use_can_be_deleted(account: Account, client: Any) -> None:
    """Route 53 does not prevent it; the record then counts as healthy."""
    check = account.ids["health_checks"]["api.fintech.example"][EAST]
    account.aws.set_health(check, False)

    client.delete_health_check(HealthCheckId=check)

    assert account.aws.healthy(check)
    with pytest.raises(ClientError) as caught:
        client.get_health_check(HealthCheckId=check)
    assert refusal(caught.value)[:2] == ("NoSuchHealthCheck", 404)


def test_paging_lists_every_check(client: Any) -> None:
    """Pages of two list all health checks once."""
    pages = client.get_paginator("list_health_checks").paginate(PaginationConfig={"PageSize": 2})
    paged = [c["Id"] for page in pages for c in page["HealthChecks"]]

    assert paged == [c["Id"] for c in client.list_health_checks()["HealthChecks"]]


def test_checkers_may_disagree(account: Account, client: Any) -> None:
    """While they do, a part of the checkers' Regions sees the STOP object and the others get no answer."""
    check = account.ids["health_checks"]["app.fintech.example"][EAST]
    account.client("s3").put_object(Bucket="fintech-stop-us-west-2", Key="STOP-us-east-1", Body=b"stop")
    fault = account.faults.add("checkers-disagree", share=0.25, region="us-west-2")
    found = client.get_health_check_status(HealthCheckId=check)["HealthCheckObservations"]
    said = [o["StatusReport"]["Status"] for o in found]

    # The check is inverted: what is there means failure, and no answer is as good as nothing there.
    assert [s for s in said if s == "Failure: HTTP Status Code 200, OK"] == said[:2]
    assert set(said[2:]) == {"Success: connection timed out"}
    account.faults.remove(fault)
    account.client("s3").delete_object(Bucket="fintech-stop-us-west-2", Key="STOP-us-east-1")
