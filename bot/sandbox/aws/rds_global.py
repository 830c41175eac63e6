"""Aurora global databases: who writes, who follows, and moves that take time.

The state belongs to no Region: the surviving Region can fail over while the other one is dark.
Semantics, statuses and error codes follow botocore's service model and the Aurora User Guide.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any

from moto.rds.models import rds_backends

from bot.sandbox.aws.cloud import ACCOUNT, Cloud
from bot.sandbox.aws.rds_events import EventLog
from bot.sandbox.aws.refusals import Refusal

PENDING_SECONDS = 2.0
"""How long a move is `pending` before it touches the databases [own choice; AWS gives no number]."""


@dataclass
class Member:
    """One cluster of a global cluster."""

    arn: str
    writer: bool
    synchronization: str = "connected"
    resync_left: float = 0.0
    """Seconds in which the Region must be reachable before this cluster follows again."""

    @property
    def region(self) -> str:
        return self.arn.split(":")[3]

    @property
    def cluster_id(self) -> str:
        return self.arn.split(":")[6]


@dataclass
class Move:
    """A switchover or failover under way."""

    source: Member
    target: Member
    data_loss: bool
    left: float
    """Simulated seconds still to go; they only pass while the Regions that it needs are up."""
    waited: float = 0.0
    started: bool = False

    @property
    def status(self) -> str:
        if not self.started:
            return "pending"
        return "failing-over" if self.data_loss else "switching-over"


@dataclass
class GlobalCluster:
    """A global cluster, as `DescribeGlobalClusters` tells it."""

    id: str
    engine: str
    engine_version: str
    deletion_protection: bool = False
    members: list[Member] = field(default_factory=list)
    move: Move | None = None
    resource: str = field(default_factory=lambda: secrets.token_hex(8))

    @property
    def writer(self) -> Member | None:
        return next((m for m in self.members if m.writer), None)

    @property
    def arn(self) -> str:
        return f"arn:aws:rds::{ACCOUNT}:global-cluster:{self.id}"

    def shape(self) -> dict[str, Any]:
        """As boto3 shows it."""
        moving = "failing-over" if self.move and self.move.data_loss else "switching-over"
        return {
            "GlobalClusterIdentifier": self.id,
            "GlobalClusterResourceId": f"cluster-{self.resource}",
            "GlobalClusterArn": self.arn,
            "Status": moving if self.move else "available",
            "Engine": self.engine,
            "EngineVersion": self.engine_version,
            "StorageEncrypted": True,
            "DeletionProtection": self.deletion_protection,
            "Endpoint": f"{self.id}.global-{self.resource[:12]}.global.rds.amazonaws.com",
            "GlobalClusterMembers": [self._member(m) for m in self.members],
            "FailoverState": self._failover_state(),
        }

    def _member(self, member: Member) -> dict[str, Any]:
        return {
            "DBClusterArn": member.arn,
            "Readers": [m.arn for m in self.members if not m.writer] if member.writer else [],
            "IsWriter": member.writer,
            "GlobalWriteForwardingStatus": None if member.writer else "disabled",
            "SynchronizationStatus": member.synchronization,
        }

    def _failover_state(self) -> dict[str, Any] | None:
        if self.move is None:
            return None
        return {
            "Status": self.move.status,
            "FromDbClusterArn": self.move.source.arn,
            "ToDbClusterArn": self.move.target.arn,
            "IsDataLossAllowed": self.move.data_loss,
        }


class GlobalDatabases:
    """Every global cluster of the account. All methods expect the cloud's lock to be held."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._clusters: dict[str, GlobalCluster] = {}
        self._leaving: list[tuple[str, Member, float]] = []
        self._ticked = cloud.clock.now()
        self.events = EventLog(cloud)

    def all(self) -> list[GlobalCluster]:
        return list(self._clusters.values())

    def get(self, global_id: str) -> GlobalCluster:
        """Raise GlobalClusterNotFoundFault when there is none."""
        try:
            return self._clusters[global_id.lower()]
        except KeyError:
            raise Refusal("GlobalClusterNotFoundFault", f"Global cluster {global_id} not found") from None

    def create(self, cluster: GlobalCluster) -> GlobalCluster:
        """Raise GlobalClusterAlreadyExistsFault for a name that is taken."""
        if cluster.id in self._clusters:
            raise Refusal("GlobalClusterAlreadyExistsFault", f"Global cluster {cluster.id} already exists")
        self._clusters[cluster.id] = cluster
        return cluster

    def delete(self, global_id: str) -> GlobalCluster:
        """Raise InvalidGlobalClusterStateFault while it has members."""
        cluster = self.get(global_id)
        if cluster.members:
            raise Refusal("InvalidGlobalClusterStateFault", f"Global Cluster {cluster.arn} is not empty")
        if cluster.deletion_protection:
            raise Refusal("InvalidParameterCombination", "Cannot delete protected Global Cluster")
        return self._clusters.pop(cluster.id)

    def join(self, global_id: str, arn: str) -> None:
        """Make a cluster a member: the first one is the writer."""
        cluster = self.get(global_id)
        cluster.members.append(Member(arn, writer=cluster.writer is None))

    def of(self, arn: str) -> GlobalCluster | None:
        """The global cluster that this cluster is in."""
        return next((g for g in self._clusters.values() if any(m.arn == arn for m in g.members)), None)

    def move(self, global_id: str, target_arn: str, *, data_loss: bool) -> GlobalCluster:
        """Begin a switchover, or with `data_loss` a failover, to a secondary cluster."""
        cluster = self.get(global_id)
        target = self._movable(cluster, target_arn)
        source = cluster.writer
        assert source is not None
        seconds = self._cloud.timings.failover
        if not data_loss:
            if source.synchronization != "connected" or target.synchronization != "connected":
                raise Refusal("InvalidDBClusterStateFault", f"{target.cluster_id} is not synchronized yet")
            lag = max(self._cloud.databases.lag_ms(cluster.id), 0) / 1000
            seconds = self._cloud.timings.switchover + lag
            self.events.switchover_started(source, target)
        cluster.move = Move(source, target, data_loss, seconds)
        self._set_status(target, "promoting")
        self._set_status(source, "failing-over" if data_loss else "modifying")
        return cluster

    def _movable(self, cluster: GlobalCluster, target_arn: str) -> Member:
        if cluster.move or any(left[0] == cluster.id for left in self._leaving):
            message = f"Global cluster {cluster.id} is in an invalid state: another operation is in progress"
            raise Refusal("InvalidGlobalClusterStateFault", message)
        member = self._member(cluster, target_arn)
        if member.writer:
            message = f"{target_arn} is already the primary cluster of {cluster.id}"
            raise Refusal("InvalidGlobalClusterStateFault", message)
        database = self._database(member)
        if not database.members:
            message = f"{member.cluster_id} has no DB instance to be promoted"
            raise Refusal("InvalidDBClusterStateFault", message)
        if str(database.engine_version).split(".")[:2] != cluster.engine_version.split(".")[:2]:
            raise Refusal("InvalidDBClusterStateFault", f"{member.cluster_id} has another engine version")
        if database.status != "available":
            raise Refusal("InvalidDBClusterStateFault", f"{member.cluster_id} is {database.status}")
        return member

    @staticmethod
    def _member(cluster: GlobalCluster, arn: str) -> Member:
        if member := next((m for m in cluster.members if m.arn == arn), None):
            return member
        raise Refusal("DBClusterNotFoundFault", f"DBCluster {arn} not found in {cluster.id}")

    def remove(self, global_id: str, arn: str) -> GlobalCluster:
        """Detach a secondary; it becomes a writer of its own. Also the way out of a move that hangs."""
        cluster = self.get(global_id)
        member = self._member(cluster, arn)
        if member.writer and len(cluster.members) > 1:
            message = f"The primary cluster {arn} can only be removed last"
            raise Refusal("InvalidGlobalClusterStateFault", message)
        if cluster.move:
            if cluster.move.target is not member:
                raise Refusal("InvalidGlobalClusterStateFault", f"Global cluster {cluster.id} is moving")
            self._set_status(cluster.move.source, "available")
            self._cloud.databases.thaw(cluster.id)
            cluster.move = None
        cluster.members.remove(member)
        self._set_status(member, "promoting")
        self._leaving.append((cluster.id, member, self._cloud.timings.detach))
        return cluster

    def tick(self) -> None:
        """Let simulated time pass; whatever is due happens now."""
        passed, self._ticked = self._cloud.clock.now() - self._ticked, self._cloud.clock.now()
        for cluster in self._clusters.values():
            if cluster.move:
                self._advance(cluster, cluster.move, passed)
            for member in cluster.members:
                self._resync(cluster, member, passed)
        leaving, self._leaving = self._leaving, []
        for global_id, member, left in leaving:
            if self._reachable(member) and left <= passed:
                self._cloud.databases.detach(global_id, member.region)
                self._set_status(member, "available")
            else:
                self._leaving.append((global_id, member, left - passed * self._reachable(member)))

    def _advance(self, cluster: GlobalCluster, move: Move, passed: float) -> None:
        alive = self._reachable(move.target) and (move.data_loss or self._reachable(move.source))
        if not alive:
            return
        operation = "failover_global_cluster" if move.data_loss else "switchover_global_cluster"
        if self._cloud.faults.find("aws-stuck", operation=operation, database=cluster.id):
            # Begun and never over: what it has to wait for does not come.
            move.waited = min(move.waited + passed, PENDING_SECONDS)
            if not move.started and move.waited >= PENDING_SECONDS:
                self._begin(cluster, move)
            return
        move.waited += passed
        if not move.started and move.waited >= PENDING_SECONDS:
            self._begin(cluster, move)
        if move.waited >= move.left:
            self._finish(cluster, move)

    def _begin(self, cluster: GlobalCluster, move: Move) -> None:
        move.started = True
        fenced = self._reachable(move.source)
        if fenced:
            self._cloud.databases.freeze(cluster.id)
        if move.data_loss:
            self.events.write_block(move.target, done=fenced)
        else:
            self.events.waiting_for_sync(move.source, move.target)

    def _finish(self, cluster: GlobalCluster, move: Move) -> None:
        self._cloud.databases.promote(cluster.id, move.target.region, data_loss=move.data_loss)
        cluster.move = None
        for member in cluster.members:
            member.writer = member is move.target
            if move.data_loss and not member.writer:
                member.synchronization, member.resync_left = "pending-resync", self._cloud.timings.resync
            self._set_status(member, "available" if member.synchronization == "connected" else "modifying")
        if move.data_loss:
            self.events.failover_completed(move.source, move.target)
        else:
            self.events.switchover_finished(move.source, move.target)

    def _resync(self, cluster: GlobalCluster, member: Member, passed: float) -> None:
        if member.synchronization == "connected" or not self._reachable(member):
            return
        if member.resync_left == self._cloud.timings.resync:
            self.events.resync_started(member)
        if self._cloud.faults.find("aws-stuck", operation="resync", database=cluster.id):
            return
        member.resync_left -= passed
        if member.resync_left <= 0:
            member.synchronization = "connected"
            self._cloud.databases.rejoin(cluster.id, member.region)
            self._set_status(member, "available")
            self.events.resync_finished(member)

    def _reachable(self, member: Member) -> bool:
        """A partitioned Region is cut off from AWS's own replication too: the harder case of the two."""
        return not self._cloud.faults.unreachable(member.region)

    @staticmethod
    def _database(member: Member) -> Any:
        return rds_backends[ACCOUNT][member.region].clusters[member.cluster_id]

    def _set_status(self, member: Member, status: str) -> None:
        self._database(member).status = status
