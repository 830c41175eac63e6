"""What the tests of `bot.world` share: stand-ins that are up, a register that only remembers, an act."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bot.act import Act
from bot.clock import FileClock
from bot.ports import Ports
from bot.sandbox.aws import AwsStandIn, Timings
from bot.sandbox.clock import SimClock
from bot.sandbox.faults import Faults
from bot.world import open_world

EAST, WEST = "us-east-1", "us-west-2"
ACT = Act(person="U0000ONCALL", run="run-1", step="step-1")
ESTATE: dict[str, Any] = {
    "regions": {
        EAST: {
            "cluster": "east",
            "node_groups": {"general": {"instance_type": "m5.large", "min": 3, "desired": 6, "max": 12}},
            "ingress": {"address": "127.0.1.1"},
            "stop_bucket": "stop-east",
        },
        WEST: {
            "cluster": "west",
            "node_groups": {"general": {"instance_type": "m5.large", "min": 3, "desired": 3, "max": 12}},
            "ingress": {"address": "127.0.2.1"},
            "stop_bucket": "stop-west",
        },
    },
    "databases": {
        "payments": {
            "global_cluster": "payments",
            "engine_version": "16.6",
            "clusters": {EAST: "payments-east", WEST: "payments-west"},
        }
    },
    "dns": {"zone": "fintech.example", "records": [{"name": "api.fintech.example", "ttl_seconds": 60}]},
}


@dataclass
class Recorded:
    """A register that remembers; with `refuses` set, every intent raises it."""

    intents: list[dict[str, Any]] = field(default_factory=list)
    outcomes: list[dict[str, Any]] = field(default_factory=list)
    refuses: Exception | None = None

    def intent(self, service: str, operation: str, region: str, params: Mapping[str, Any]) -> str:
        if self.refuses is not None:
            raise self.refuses
        given = {"service": service, "operation": operation, "region": region, "params": dict(params)}
        self.intents.append(given)
        return f"intent-{len(self.intents)}"

    def outcome(self, intent: str, *, ok: bool | None, request_id: str, error: str = "") -> None:
        self.outcomes.append({"intent": intent, "ok": ok, "request_id": request_id, "error": error})


class SteadyDatabases:
    """Databases that do at once what they are told; lag 250 ms."""

    def lag_ms(self, global_id: str) -> float:
        return 250.0

    def freeze(self, global_id: str) -> None:
        return

    def thaw(self, global_id: str) -> None:
        return

    def promote(self, global_id: str, region: str, *, data_loss: bool) -> None:
        return

    def detach(self, global_id: str, region: str) -> None:
        return

    def rejoin(self, global_id: str, region: str) -> None:
        return


@dataclass
class Outside:
    """The AWS stand-in, and the world opened onto it."""

    aws: AwsStandIn
    ids: dict[str, Any]
    faults: Faults
    clock: SimClock
    register: Recorded
    ports: Ports
    state: Path

    def asked(self, operation: str) -> list[dict[str, Any]]:
        """The calls of this operation that arrived."""
        wanted = operation.replace("_", "").lower()
        return [c for c in self.aws.log() if c["operation"].replace("_", "").lower() == wanted]


def becomes(true: Callable[[], bool], seconds: float = 20) -> bool:
    """Whether it becomes true; the stand-in's own time does not stand still."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if true():
            return True
        time.sleep(0.05)
    return False


def open_ports(register: Recorded, clock: Path, state: Path, **given: Any) -> Ports:
    """The world with defaults for what a test does not care about."""
    defaults: dict[str, Any] = {
        "resolver": None,
        "kubeconfig": None,
        "clusters": {EAST: "east", WEST: "west"},
        "prometheus": None,
    }
    return open_world(register=register, clock=FileClock(clock), state=state, **(defaults | given))


@contextmanager
def outside(
    tmp_path: Path,
    clusters: Mapping[str, Any] | None = None,
    *,
    arc: bool = False,
    speed: float = 10,
    **given: Any,
) -> Iterator[Outside]:
    """AWS with the estate planted, faster than the wall; with `arc` it has routing controls."""
    clock, faults, register = SimClock(tmp_path / "clock.json", rate=speed), Faults(), Recorded()
    aws = AwsStandIn(clock, faults, SteadyDatabases(), clusters or {}, Timings(switchover=5, failover=5))
    with pytest.MonkeyPatch.context() as environment:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            environment.delenv(name)
        environment.setenv("AWS_ACCESS_KEY_ID", "test")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "test")
        environment.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
        environment.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
        try:
            environment.setenv("AWS_ENDPOINT_URL", aws.start())
            ids = aws.seed(ESTATE, arc=arc)
            ports = open_ports(register, tmp_path / "clock.json", tmp_path, **given)
            yield Outside(aws, ids, faults, clock, register, ports, tmp_path)
        finally:
            aws.stop()
