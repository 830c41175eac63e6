"""Aurora global databases through `rds`; their replication lag through CloudWatch."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from bot.clock import Clock
from bot.errors import Rejected
from bot.ports import ClusterState, GlobalDatabase, Member
from bot.world.sessions import AwsSessions

_LAG_WINDOW = timedelta(minutes=5)


class AwsDatabases:
    """`bot.ports.Databases` on AWS."""

    def __init__(self, aws: AwsSessions, clock: Clock) -> None:
        self._aws = aws
        self._clock = clock

    def global_database(self, region: str, identifier: str) -> GlobalDatabase:
        """The global database as this Region's RDS tells it; the Regions can differ while it moves."""
        answer = self._aws.call("rds", region, "describe_global_clusters", GlobalClusterIdentifier=identifier)
        # The stand-ins of others ignore the identifier: look for it rather than take the first.
        found = [c for c in answer["GlobalClusters"] if c.get("GlobalClusterIdentifier") == identifier]
        if not found:
            raise Rejected(f"{region} knows no global database {identifier}.")
        cluster = found[0]
        # FailoverState is judged by its presence: its documented values and its enum differ.
        state = cluster.get("FailoverState") or {}
        return GlobalDatabase(
            identifier=identifier,
            status=cluster.get("Status", ""),
            engine_version=cluster.get("EngineVersion", ""),
            members=tuple(_member(member) for member in cluster.get("GlobalClusterMembers", [])),
            moving=state.get("Status") or ("unknown" if state else ""),
            moving_to=state.get("ToDbClusterArn", ""),
            data_loss_allowed=bool(state.get("IsDataLossAllowed", False)),
        )

    def cluster(self, region: str, cluster: str) -> ClusterState:
        """One cluster and its instances' statuses."""
        clusters = self._aws.call("rds", region, "describe_db_clusters", DBClusterIdentifier=cluster)
        instances = self._aws.call(
            "rds",
            region,
            "describe_db_instances",
            Filters=[{"Name": "db-cluster-id", "Values": [cluster]}],
        )
        found = next(iter(clusters["DBClusters"]), None)
        if found is None:
            raise Rejected(f"{region} knows no database cluster {cluster}.")
        return ClusterState(
            cluster=cluster,
            status=found.get("Status", ""),
            engine_version=found.get("EngineVersion", ""),
            instances=tuple(one.get("DBInstanceStatus", "") for one in instances["DBInstances"]),
        )

    def lag_seconds(self, region: str, cluster: str) -> float | None:
        """Newest AuroraGlobalDBRPOLag within five minutes, seconds (the metric is in milliseconds)."""
        now = datetime.fromtimestamp(self._clock.now(), UTC)
        answer = self._aws.call(
            "cloudwatch",
            region,
            "get_metric_statistics",
            Namespace="AWS/RDS",
            MetricName="AuroraGlobalDBRPOLag",
            Dimensions=[{"Name": "DBClusterIdentifier", "Value": cluster}],
            StartTime=now - _LAG_WINDOW,
            EndTime=now + timedelta(minutes=1),
            Period=60,
            Statistics=["Maximum"],
        )
        points = sorted(answer.get("Datapoints", []), key=lambda point: point["Timestamp"])
        return float(points[-1]["Maximum"]) / 1000 if points else None

    def switchover(self, region: str, identifier: str, target_arn: str) -> None:
        self._aws.call(
            "rds",
            region,
            "switchover_global_cluster",
            GlobalClusterIdentifier=identifier,
            TargetDbClusterIdentifier=target_arn,
        )

    def failover(self, region: str, identifier: str, target_arn: str) -> None:
        # Without AllowDataLoss the same call is a switchover, which waits for a primary that is dead.
        self._aws.call(
            "rds",
            region,
            "failover_global_cluster",
            GlobalClusterIdentifier=identifier,
            TargetDbClusterIdentifier=target_arn,
            AllowDataLoss=True,
        )

    def detach(self, region: str, identifier: str, cluster_arn: str) -> None:
        self._aws.call(
            "rds",
            region,
            "remove_from_global_cluster",
            GlobalClusterIdentifier=identifier,
            DbClusterIdentifier=cluster_arn,
        )


def _member(found: dict[str, Any]) -> Member:
    """`arn:aws:rds:REGION:ACCOUNT:cluster:NAME` holds the Region and the cluster's name."""
    arn = found["DBClusterArn"]
    parts = arn.split(":")
    return Member(
        arn=arn,
        region=parts[3],
        cluster=parts[6],
        writer=bool(found.get("IsWriter")),
        sync=found.get("SynchronizationStatus", ""),
    )
