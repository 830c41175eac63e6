"""Route 53 health checks: configuration with versions, and what the checkers last concluded."""

from __future__ import annotations

import math
import uuid
from typing import Any

from bot.sandbox.aws.cloud import ACCOUNT, Cloud
from bot.sandbox.aws.refusals import Refusal
from bot.sandbox.aws.s3 import has_object

Check = dict[str, Any]
CHECKER_REGIONS = (
    *("us-east-1", "us-west-1", "us-west-2", "eu-west-1"),
    *("ap-southeast-1", "ap-southeast-2", "ap-northeast-1", "sa-east-1"),
)
_IMMUTABLE = {"HealthCheckVersion", "ResetElements"}


class HealthChecks:
    """Every health check of the account.

    `conclude` stores the checkers' conclusion about a check, after `Inverted` was applied; a check that
    nobody looked at yet is healthy. Reading takes no lock.
    """

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._checks: dict[str, Check] = {}
        self._concluded: dict[str, bool] = {}

    def ids(self) -> set[str]:
        return set(self._checks)

    def all(self) -> list[Check]:
        return sorted(self._checks.copy().values(), key=lambda c: str(c["Id"]))

    def get(self, check_id: str) -> Check:
        """Raise NoSuchHealthCheck when there is none."""
        try:
            return self._checks[check_id]
        except KeyError:
            message = f"A health check with id {check_id} does not exist."
            raise Refusal("NoSuchHealthCheck", message) from None

    def create(self, caller_reference: str, config: dict[str, Any]) -> Check:
        """Create one; the same request again returns it, another one under its reference is refused."""
        wanted = _complete(config)
        for check in self._checks.values():
            if check["CallerReference"] == caller_reference:
                if check["HealthCheckConfig"] != wanted:
                    message = "A health check with the same CallerReference but other settings exists."
                    raise Refusal("HealthCheckAlreadyExists", message)
                return check
        check = {
            "Id": str(uuid.uuid4()),
            "CallerReference": caller_reference,
            "HealthCheckConfig": wanted,
            "HealthCheckVersion": 1,
        }
        self._checks[check["Id"]] = check
        return check

    def update(self, check_id: str, wanted: dict[str, Any]) -> Check:
        """Change a configuration; a version that is not the current one raises HealthCheckVersionMismatch."""
        check = self.get(check_id)
        version = wanted.get("HealthCheckVersion")
        if version is not None and int(version) != check["HealthCheckVersion"]:
            message = (
                "The value of HealthCheckVersion in the request doesn't match the value of HealthCheckVersion"
            )
            raise Refusal("HealthCheckVersionMismatch", message)
        config = {**check["HealthCheckConfig"], **{k: v for k, v in wanted.items() if k not in _IMMUTABLE}}
        for name in wanted.get("ResetElements", []):
            config.pop(name, None)
        updated = {
            **check,
            "HealthCheckConfig": _complete(config),
            "HealthCheckVersion": check["HealthCheckVersion"] + 1,
        }
        self._checks[check_id] = updated
        return updated

    def delete(self, check_id: str) -> None:
        self.get(check_id)
        del self._checks[check_id]
        self._concluded.pop(check_id, None)

    def conclude(self, check_id: str, *, healthy: bool) -> None:
        """Store a conclusion; one about a check that was deleted meanwhile is dropped."""
        if check_id in self._checks:
            self._concluded[check_id] = healthy

    def healthy(self, check_id: str) -> bool:
        """What DNS takes it for; a check that was deleted counts as healthy."""
        check = self._checks.get(check_id)
        if check is None:
            return True
        config = check["HealthCheckConfig"]
        if config["Disabled"]:
            return True
        if config["Type"] == "CALCULATED":
            children = sum(self.healthy(child) for child in config.get("ChildHealthChecks", []))
            return bool((children >= config.get("HealthThreshold", 0)) != config["Inverted"])
        if config["Type"] == "CLOUDWATCH_METRIC":
            return bool(self._alarm_healthy(check_id, config) != config["Inverted"])
        if config["Type"] == "RECOVERY_CONTROL":
            return self._cloud.routing.on(config["RoutingControlArn"]) != bool(config["Inverted"])
        return self._concluded.get(check_id, True)

    def _alarm_healthy(self, check_id: str, config: dict[str, Any]) -> bool:
        from moto.cloudwatch.models import cloudwatch_backends

        named = config["AlarmIdentifier"]
        alarm = cloudwatch_backends[ACCOUNT][named["Region"]].alarms.get(named["Name"])
        state = alarm.state_value if alarm else "INSUFFICIENT_DATA"
        if state in ("OK", "ALARM"):
            self._concluded[check_id] = state == "OK"
            return state == "OK"
        policy = config.get("InsufficientDataHealthStatus", "LastKnownStatus")
        return self._concluded.get(check_id, True) if policy == "LastKnownStatus" else policy == "Healthy"

    def observations(self, check_id: str) -> list[dict[str, Any]]:
        """One report per checker Region; calculated checks have none [Route 53 developer guide]."""
        config = self.get(check_id)["HealthCheckConfig"]
        if config["Type"] == "CALCULATED":
            message = "GetHealthCheckStatus is not supported for calculated health checks."
            raise Refusal("InvalidInput", message)
        regions = config.get("Regions") or CHECKER_REGIONS
        seeing = self._seeing(check_id, config, len(regions))
        return [
            {
                "Region": region,
                "IPAddress": f"192.0.2.{number}",
                "StatusReport": {
                    "Status": self._status(check_id, config, seeing, number),
                    "CheckedTime": self._cloud.time(),
                },
            }
            for number, region in enumerate(regions, start=1)
        ]

    def _seeing(self, check_id: str, config: Check, checkers: int) -> int | None:
        """How many Regions' checkers get an answer while they disagree; None when they agree."""
        domain = str(config.get("FullyQualifiedDomainName", ""))
        for fault in self._cloud.faults.all():
            meant = fault.params.get("check", check_id) == check_id
            if fault.kind == "checkers-disagree" and meant and str(fault.params.get("region", "")) in domain:
                return math.ceil(float(fault.params["share"]) * checkers)
        return None

    def _status(self, check_id: str, config: Check, seeing: int | None, number: int) -> str:
        healthy = self.healthy(check_id)
        if config["Type"] == "RECOVERY_CONTROL":
            return f"{_verdict(healthy)}: routing control"
        found = (healthy != config["Inverted"]) or config["Disabled"]
        if seeing is not None:
            bucket = str(config.get("FullyQualifiedDomainName", "")).partition(".s3")[0]
            there = has_object(bucket, str(config.get("ResourcePath", "/")).lstrip("/"))
            found = there and number <= seeing
            healthy = found != config["Inverted"]
            if number > seeing:
                return f"{_verdict(healthy)}: connection timed out"
        return f"{_verdict(healthy)}: HTTP Status Code {'200, OK' if found else '404, Not Found'}"

    def choose(self, records: list[dict[str, Any]]) -> dict[str, Any] | None:
        """The record that is answered first: healthy with weight, then healthy without, else any."""

        def usable(record: dict[str, Any]) -> bool:
            return "HealthCheckId" not in record or self.healthy(record["HealthCheckId"])

        healthy = [r for r in records if usable(r)] or records
        weighted = [r for r in healthy if r.get("Weight", 1) > 0] or healthy
        primary = [r for r in weighted if r.get("Failover") == "PRIMARY"] or weighted
        return max(primary, key=lambda r: int(r.get("Weight", 1)), default=None)


def _verdict(healthy: bool) -> str:
    return "Success" if healthy else "Failure"


def _complete(config: dict[str, Any]) -> dict[str, Any]:
    """Fill in Route 53's defaults."""
    kind = config["Type"]
    if kind != "CLOUDWATCH_METRIC" and "AlarmIdentifier" in config:
        message = "Invalid parameter : Basic health checks must not have an metric region specified."
        raise Refusal("InvalidInput", message)
    if (kind == "RECOVERY_CONTROL") != ("RoutingControlArn" in config):
        raise Refusal("InvalidInput", "Invalid parameter : RoutingControlArn goes with RECOVERY_CONTROL.")
    if kind == "CLOUDWATCH_METRIC" and "AlarmIdentifier" not in config:
        raise Refusal("InvalidInput", "Invalid parameter : AlarmIdentifier must be specified.")
    defaults: dict[str, Any] = {"Inverted": False, "Disabled": False}
    if kind not in ("CALCULATED", "CLOUDWATCH_METRIC", "RECOVERY_CONTROL"):
        defaults |= {"RequestInterval": 30, "FailureThreshold": 3, "MeasureLatency": False}
        defaults |= {"Port": 443 if kind.startswith("HTTPS") else 80, "EnableSNI": kind.startswith("HTTPS")}
    return {**defaults, **{k: v for k, v in config.items() if v is not None}}
