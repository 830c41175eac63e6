"""What no bot can make faster: the world's own times, read from the stand-ins that keep them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from boto3.session import Session
from botocore.config import Config

from bot.plan import Plan, Step
from bot.sandbox.aws.cloud import Timings as AwsTimings
from bot.sandbox.kubernetes.controllers.plane import Timings as ClusterTimings
from tests.bench.sandbox import Sandbox
from tests.bench.way import ancestors

_CLOUD, _CLUSTER = AwsTimings(), ClusterTimings()
_POD = {"pod start": _CLUSTER.pod_start}
_RESIZE = {"node group update": _CLOUD.nodegroup_update}
_NODES = {**_RESIZE, "node join": _CLUSTER.node_join}


@dataclass(frozen=True)
class Limits:
    """Simulated seconds; `checker` is interval × threshold of the slowest health check, `ttl` the longest."""

    checker: float
    ttl: float

    def of(self, plan: Plan, step: Step) -> Mapping[str, float]:
        """The waits of the world that this step waits for, by name; empty when all of it is ours."""
        checker, ttl = {"health check": self.checker}, {"TTL": self.ttl}
        match step.do.partition("@")[0]:
            case "database.failover":
                return {"Aurora promotion": _CLOUD.failover}
            case "database.switchover":
                return {"Aurora switchover": _CLOUD.switchover}
            case "capacity.nodes":
                return _NODES
            case "capacity.replicas":
                # It waits for room itself where its plan does not; autoscalers look now and then.
                room = {} if self._waits(plan, step, "capacity.nodes") else _NODES
                return {**room, "autoscaler": _CLUSTER.hpa_sync, **_POD}
            case "capacity.restore":
                return _RESIZE
            case "workload.restart" | "workload.activate" | "probe.write" | "probe.heartbeat":
                return _POD
            case "traffic.answers":
                return checker
            case "traffic.drained":
                return ttl
            case "fence.guard":
                return ttl if self._waits(plan, step, "traffic.answers") else {**checker, **ttl}
        return {}

    @staticmethod
    def _waits(plan: Plan, step: Step, kind: str) -> bool:
        return any(plan.step(need).do.startswith(f"{kind}@") for need in ancestors(plan, step))


def limits(here: Sandbox) -> Limits:
    """Of a running sandbox; to be asked while every Region is up, since Route 53 tells of its checks."""
    estate: dict[str, Any] = yaml.safe_load((here.state / "estate.yaml").read_text())
    client = aws(here.get("sandbox")["aws"], "us-east-1", "route53")
    records = estate["dns"]["records"]
    checks = [check for record in records for check in record["health_checks"].values()]
    configs = [
        client.get_health_check(HealthCheckId=check)["HealthCheck"]["HealthCheckConfig"] for check in checks
    ]
    return Limits(
        checker=max(float(c["RequestInterval"] * c["FailureThreshold"]) for c in configs),
        ttl=max(float(record["ttl_seconds"]) for record in records),
    )


def aws(url: str, region: str, service: str) -> Any:
    """A client of the stand-in."""
    session = Session("sandbox", "sandbox", region_name=region)
    return session.client(
        service, endpoint_url=url, config=Config(proxies={}, retries={"total_max_attempts": 3})
    )
