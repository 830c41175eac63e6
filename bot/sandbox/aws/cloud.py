"""What every part of the AWS stand-in shares: neighbors, clock, and the state that moto does not hold."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from bot.sandbox.faults import Faults

if TYPE_CHECKING:
    from bot.sandbox.aws.cloudtrail import EventHistory
    from bot.sandbox.aws.health import HealthChecks
    from bot.sandbox.aws.logs import AuditLogs
    from bot.sandbox.aws.metrics import LagSamples
    from bot.sandbox.aws.nodegroups import NodeGroups
    from bot.sandbox.aws.rds_global import GlobalDatabases
    from bot.sandbox.aws.routing import RoutingControls
    from bot.sandbox.aws.zones import Zones

ACCOUNT = "123456789012"
GLOBAL_SERVICES_REGION = "us-east-1"
"""Where the control planes of Route 53 and IAM are: they are gone when this Region is gone."""
NAME_SERVERS = tuple(f"ns-{n}.signalbox-dns.example" for n in (1, 2, 3, 4))


class Clock(Protocol):
    """Simulated time, epoch seconds."""

    def now(self) -> float: ...


class Databases(Protocol):
    """The databases behind the global clusters. Calls come from any thread, with the stand-in's lock held.

    So these methods must not wait for an HTTP call to the stand-in. Its Python methods take no lock.
    """

    def lag_ms(self, global_id: str) -> float: ...
    def freeze(self, global_id: str) -> None: ...
    def thaw(self, global_id: str) -> None: ...
    def promote(self, global_id: str, region: str, *, data_loss: bool) -> None: ...
    def detach(self, global_id: str, region: str) -> None: ...
    def rejoin(self, global_id: str, region: str) -> None: ...


class ClusterPort(Protocol):
    """The Kubernetes stand-in of one Region, as EKS sees it."""

    @property
    def server_url(self) -> str: ...
    @property
    def ca_data(self) -> str: ...
    def set_nodes(self, group: str, count: int, instance_type: str) -> None: ...


@dataclass(frozen=True)
class Timings:
    """How long AWS takes, in simulated seconds."""

    switchover: float = 25
    """Without the replication lag, which is added."""
    failover: float = 45
    detach: float = 10
    resync: float = 120
    """From the old Region's return until its cluster is a secondary again."""
    dns_change: float = 20
    nodegroup_update: float = 15
    hang: float = 2
    """REAL seconds that a call to an unreachable Region hangs before its connection breaks: a client's connecting."""


class Cloud:
    """The state of the whole account, guarded by one lock: moto's own objects are not safe in parallel.

    The server that owns it sets the parts that moto does not hold.
    """

    globals: GlobalDatabases
    zones: Zones
    health: HealthChecks
    nodegroups: NodeGroups
    routing: RoutingControls
    lags: LagSamples
    events: EventHistory
    audit_logs: AuditLogs

    def __init__(
        self,
        clock: Clock,
        faults: Faults,
        databases: Databases,
        clusters: Mapping[str, ClusterPort],
        timings: Timings,
    ) -> None:
        self.clock = clock
        self.faults = faults
        self.databases = databases
        self.clusters = clusters
        self.timings = timings
        self.lock = threading.RLock()
        self.database_subnets: dict[str, list[str]] = {}
        """By Region."""

    def time(self) -> datetime:
        """Simulated now."""
        return datetime.fromtimestamp(self.clock.now(), UTC)
