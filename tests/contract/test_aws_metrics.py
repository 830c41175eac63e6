from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aws_account import EAST, WEST, Account, refusal
from botocore.exceptions import ClientError

LAG = {"Namespace": "AWS/RDS", "MetricName": "AuroraGlobalDBRPOLag"}


@pytest.fixture
def account() -> Iterator[Account]:
    account = Account()
    yield account
    account.close()


def lags(account: Account, region: str, cluster: str) -> list[float]:
    now = datetime.fromtimestamp(account.clock.now(), UTC)
    points = account.client("cloudwatch", region).get_metric_statistics(
        **LAG, Dimensions=[{"Name": "DBClusterIdentifier", "Value": cluster}],
        StartTime=now - timedelta(minutes=5), EndTime=now + timedelta(minutes=1), Period=60,
        Statistics=["Maximum"],
    )["Datapoints"]  # fmt: skip
    return [p["Maximum"] for p in sorted(points, key=lambda p: p["Timestamp"])]


def test_secondary_reports_its_lag_every_minute(account: Account) -> None:
    """Lag comes in milliseconds from the secondary; the primary has no such metric."""
    for account.databases.lag in (100.0, 900.0):
        account.advance(60)

    assert lags(account, WEST, "fintech-ledger-usw2")[-1] == 900.0
    assert lags(account, EAST, "fintech-ledger-use1") == []


def test_dark_region_leaves_a_gap(account: Account) -> None:
    """While the secondary's Region is dark nothing is reported: not even zero."""
    account.advance(60)
    dark = account.faults.add("region-dark", region=WEST)
    for _ in range(6):
        account.advance(60)
    account.faults.remove(dark)

    assert len(lags(account, WEST, "fintech-ledger-usw2")) == 1


def test_metric_data_comes_newest_first(account: Account) -> None:
    """GetMetricData answers the same samples, newest first."""
    for account.databases.lag in (100.0, 200.0, 300.0):
        account.advance(60)
    now = datetime.fromtimestamp(account.clock.now(), UTC)
    metric = {**LAG, "Dimensions": [{"Name": "DBClusterIdentifier", "Value": "fintech-ledger-usw2"}]}
    query = {"Id": "lag", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Average"}}

    found = account.client("cloudwatch").get_metric_data(
        MetricDataQueries=[query], StartTime=now - timedelta(minutes=10), EndTime=now + timedelta(minutes=1)
    )["MetricDataResults"][0]

    assert found["Values"][:2] == [300.0, 200.0]
    assert found["StatusCode"] == "Complete"


def test_health_check_status_is_a_metric_in_us_east_1(account: Account) -> None:
    """Route 53 reports there and nowhere else."""
    check = account.ids["health_checks"]["api.fintech.example"][EAST]
    account.aws.set_health(check, False)
    now = datetime.fromtimestamp(account.clock.now(), UTC)
    wanted: dict[str, Any] = {
        "Namespace": "AWS/Route53", "MetricName": "HealthCheckStatus", "Period": 60,
        "Statistics": ["Minimum"],
        "Dimensions": [{"Name": "HealthCheckId", "Value": check}],
        "StartTime": now - timedelta(minutes=5), "EndTime": now + timedelta(minutes=1),
    }  # fmt: skip

    assert [
        p["Minimum"] for p in account.client("cloudwatch", EAST).get_metric_statistics(**wanted)["Datapoints"]
    ] == [0.0]
    assert account.client("cloudwatch", WEST).get_metric_statistics(**wanted)["Datapoints"] == []


def test_nobody_writes_into_awss_namespaces(account: Account) -> None:
    """Metrics of AWS cannot be made up."""
    with pytest.raises(ClientError) as caught:
        account.client("cloudwatch").put_metric_data(
            Namespace="AWS/RDS", MetricData=[{"MetricName": LAG["MetricName"], "Value": 0}]
        )

    assert refusal(caught.value)[:2] == ("InvalidParameterValue", 400)


def test_new_alarm_has_no_data(account: Account) -> None:
    """A new alarm is not OK before it saw anything."""
    client = account.client("cloudwatch")
    client.put_metric_alarm(
        AlarmName="errors", Namespace="App", MetricName="Errors", Period=60, EvaluationPeriods=1, Threshold=1,
        ComparisonOperator="GreaterThanThreshold", Statistic="Sum",
    )  # fmt: skip

    assert (
        client.describe_alarms(AlarmNames=["errors"])["MetricAlarms"][0]["StateValue"] == "INSUFFICIENT_DATA"
    )
