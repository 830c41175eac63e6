"""CloudWatch over HTTP: replication lag as Aurora reports it, on secondaries only, once a minute."""

from __future__ import annotations

from collections import defaultdict, deque
from datetime import UTC, datetime
from typing import Any, ClassVar

from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.responses import ActionResult

from bot.sandbox.aws.cloud import GLOBAL_SERVICES_REGION, Cloud
from bot.sandbox.aws.refusals import Refusal

LAG_METRICS = ("AuroraGlobalDBRPOLag", "AuroraGlobalDBReplicationLag", "AuroraGlobalDBProgressLag")
_MINUTE = 60
_STATISTICS = ("Average", "Minimum", "Maximum", "Sum", "SampleCount")
Sample = tuple[float, float]
"""Simulated time of the minute, value."""


class LagSamples:
    """Lag of each secondary cluster, one sample a simulated minute, three hours of them.

    A dark Region reports nothing: a gap, not a zero.
    """

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._samples: dict[tuple[str, str], deque[Sample]] = defaultdict(lambda: deque(maxlen=180))

    def tick(self) -> None:
        """Take this minute's samples if they are missing."""
        minute = self._cloud.clock.now() // _MINUTE * _MINUTE
        for cluster in self._cloud.globals.all():
            for member in cluster.members:
                samples = self._samples[member.region, member.cluster_id]
                if member.writer or self._cloud.faults.dark(member.region):
                    continue
                if not samples or samples[-1][0] < minute:
                    samples.append((minute, self._cloud.databases.lag_ms(cluster.id)))

    def of(self, region: str, cluster_id: str) -> list[Sample]:
        self.tick()
        return list(self._samples.get((region, cluster_id), ()))


class LiveCloudWatch(CloudWatchResponse):  # type: ignore[misc]  # moto has no types
    """Handlers that replace moto's."""

    cloud: ClassVar[Cloud]

    def put_metric_data(self) -> ActionResult:
        if str(self._get_param("Namespace")).startswith("AWS/"):
            message = "The value AWS/ for parameter Namespace is invalid."
            raise Refusal("InvalidParameterValue", message)
        return super().put_metric_data()

    def put_metric_alarm(self) -> ActionResult:
        name = self._get_param("AlarmName")
        new = name not in self.cloudwatch_backend.alarms
        result = super().put_metric_alarm()
        if new:
            self.cloudwatch_backend.alarms[name].state_value = "INSUFFICIENT_DATA"
        return result

    def get_metric_statistics(self) -> ActionResult:
        samples = self._samples(
            self._get_param("Namespace"), self._get_param("MetricName"), self._get_param("Dimensions", [])
        )
        if samples is None:
            return super().get_metric_statistics()
        period = self._get_int_param("Period")
        start, end = _seconds(self._get_param("StartTime")), _seconds(self._get_param("EndTime"))
        unit = "Milliseconds" if self._get_param("MetricName") in LAG_METRICS else "None"
        points = [
            {
                "Timestamp": at,
                "Unit": unit,
                **{s: v for s, v in _statistics(values).items() if s in self._get_param("Statistics", [])},
            }
            for at, values in _grouped(samples, start, end, period).items()
        ]
        return ActionResult({"Label": self._get_param("MetricName"), "Datapoints": points})

    def get_metric_data(self) -> ActionResult:
        """Answer queries about our own metrics; moto answers a request that asks for others too."""
        start, end = _seconds(self._get_param("StartTime")), _seconds(self._get_param("EndTime"))
        results: list[dict[str, Any]] = []
        for query in self._get_param("MetricDataQueries", []):
            stat = query.get("MetricStat") or {"Metric": {}}
            metric = stat["Metric"]
            samples = self._samples(
                metric.get("Namespace"), metric.get("MetricName"), metric.get("Dimensions", [])
            )
            if samples is None:
                return super().get_metric_data()
            groups = sorted(_grouped(samples, start, end, int(stat["Period"])).items(), reverse=True)
            if self._get_param("ScanBy") == "TimestampAscending":
                groups.reverse()
            results.append(
                {
                    "Id": query["Id"],
                    "Label": query.get("Label") or metric["MetricName"],
                    "Timestamps": [at for at, _ in groups],
                    "Values": [_statistics(values).get(stat["Stat"], max(values)) for _, values in groups],
                    "StatusCode": "Complete",
                }
            )
        return ActionResult({"MetricDataResults": results})

    def _samples(
        self, namespace: str | None, metric: str | None, dimensions: list[dict[str, str]]
    ) -> list[Sample] | None:
        named = {d["Name"]: d["Value"] for d in dimensions}
        if namespace == "AWS/RDS" and metric in LAG_METRICS:
            return self.cloud.lags.of(self.region, named.get("DBClusterIdentifier", ""))
        if namespace == "AWS/Route53" and metric == "HealthCheckStatus":
            if (
                self.region != GLOBAL_SERVICES_REGION
                or named.get("HealthCheckId") not in self.cloud.health.ids()
            ):
                return []
            minute = self.cloud.clock.now() // _MINUTE * _MINUTE
            return [(minute, float(self.cloud.health.healthy(named["HealthCheckId"])))]
        return None


def _seconds(value: Any) -> float:
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _grouped(samples: list[Sample], start: float, end: float, period: int) -> dict[datetime, list[float]]:
    groups: dict[datetime, list[float]] = defaultdict(list)
    for at, value in samples:
        if start // _MINUTE * _MINUTE <= at < end:
            groups[datetime.fromtimestamp(at // period * period, UTC)].append(value)
    return groups


def _statistics(values: list[float]) -> dict[str, float]:
    numbers = (sum(values) / len(values), min(values), max(values), sum(values), float(len(values)))
    return dict(zip(_STATISTICS, numbers, strict=True))
