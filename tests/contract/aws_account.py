"""The AWS stand-in with neighbors that only remember, and real boto3 clients for it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import boto3
import yaml
from botocore.config import Config
from botocore.exceptions import ClientError

from bot.sandbox.aws import AwsStandIn, Timings
from bot.sandbox.faults import Faults

ESTATE = Path(__file__).parents[2] / "bot" / "sandbox" / "estate.yaml"
EAST, WEST = "us-east-1", "us-west-2"
_SESSION = boto3.Session(aws_access_key_id="AKIASIGNALBOX", aws_secret_access_key="not-a-secret")


class HandClock:
    """Time that only moves by hand."""

    def __init__(self) -> None:
        self.seconds = 1_800_000_000.0

    def now(self) -> float:
        return self.seconds


class RecordedDatabases:
    """Remembers what the stand-in asked of the databases."""

    def __init__(self) -> None:
        self.lag = 0.0
        self.calls: list[tuple[Any, ...]] = []

    def lag_ms(self, global_id: str) -> float:
        return self.lag

    def freeze(self, global_id: str) -> None:
        self.calls.append(("freeze", global_id))

    def thaw(self, global_id: str) -> None:
        self.calls.append(("thaw", global_id))

    def promote(self, global_id: str, region: str, *, data_loss: bool) -> None:
        self.calls.append(("promote", global_id, region, data_loss))

    def detach(self, global_id: str, region: str) -> None:
        self.calls.append(("detach", global_id, region))

    def rejoin(self, global_id: str, region: str) -> None:
        self.calls.append(("rejoin", global_id, region))


class RecordedCluster:
    """Remembers the nodes that EKS handed out."""

    ca_data = "Q0E="

    def __init__(self, server_url: str) -> None:
        self.server_url = server_url
        self.nodes: list[tuple[str, int, str]] = []

    def set_nodes(self, group: str, count: int, instance_type: str) -> None:
        self.nodes.append((group, count, instance_type))


class Account:
    """A started stand-in. `advance` moves simulated time and does what is due."""

    def __init__(self, *, seeded: bool = True, hang: float = 0.4, arc: bool = False) -> None:
        self.clock, self.faults, self.databases = HandClock(), Faults(), RecordedDatabases()
        self.clusters = {
            EAST: RecordedCluster("http://127.0.0.1:6443"),
            WEST: RecordedCluster("http://127.0.0.2:6443"),
        }
        self.aws = AwsStandIn(self.clock, self.faults, self.databases, self.clusters, Timings(hang=hang))
        self.url = self.aws.start()
        planted = yaml.safe_load(ESTATE.read_text())
        self.ids: dict[str, Any] = self.aws.seed(planted, arc=arc) if seeded else {}
        self._clients: list[Any] = []

    def close(self) -> None:
        self.aws.stop()
        for client in self._clients:
            client.close()

    def await_connection(self) -> None:
        """Wait until a client is connected."""
        until = time.monotonic() + 10
        while not self.aws.connected() and time.monotonic() < until:
            time.sleep(0.01)

    def client(self, service: str, region: str = WEST, *, attempts: int = 1) -> Any:
        config = Config(retries={"total_max_attempts": attempts}, read_timeout=5, connect_timeout=2)
        client = _SESSION.client(service, region_name=region, endpoint_url=self.url, config=config)
        self._clients.append(client)
        return client

    def advance(self, seconds: float) -> None:
        self.aws.tick()
        self.clock.seconds += seconds
        self.aws.tick()


def refusal(error: ClientError) -> tuple[str, int, str]:
    """Code, HTTP status and message of an AWS error."""
    found = error.response["Error"]
    return found["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"], found.get("Message", "")
