"""RDS over HTTP: moto's clusters and instances, our global clusters and events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from moto.core.responses import ActionResult
from moto.rds.models import rds_backends
from moto.rds.responses import RDSResponse

from bot.sandbox.aws.cloud import ACCOUNT, Cloud
from bot.sandbox.aws.rds_global import GlobalCluster
from bot.sandbox.aws.refusals import Refusal


class GlobalRds(RDSResponse):  # type: ignore[misc]  # moto has no types
    """Handlers that replace moto's."""

    cloud: ClassVar[Cloud]

    def describe_global_clusters(self) -> ActionResult:
        found = self.cloud.globals
        found.tick()
        wanted = self.params.get("GlobalClusterIdentifier")
        clusters = [found.get(wanted)] if wanted else found.all()
        for condition in self.params.get("Filters", []):
            if condition["Name"] == "db-cluster-id":
                clusters = [c for c in clusters if _has_any(c, condition["Values"])]
        return ActionResult({"GlobalClusters": [c.shape() for c in clusters]})

    def create_global_cluster(self) -> ActionResult:
        name, source = (
            self.params["GlobalClusterIdentifier"].lower(),
            self.params.get("SourceDBClusterIdentifier"),
        )
        engine, version = self.params.get("Engine"), self.params.get("EngineVersion")
        database = _database(source) if source else None
        if database is not None:
            if engine:
                message = "Engine is taken from the source cluster and cannot be given beside it"
                raise Refusal("InvalidParameterCombination", message)
            engine, version = database.engine, database.engine_version
        if not engine:
            message = "When creating standalone global cluster, value for engineName should be specified"
            raise Refusal("InvalidParameterValue", message)
        protected = str(self.params.get("DeletionProtection")).lower() == "true"
        cluster = self.cloud.globals.create(GlobalCluster(name, engine, version or "16.6", protected))
        if database is not None:
            database.global_cluster_identifier = name
            self.cloud.globals.join(name, database.db_cluster_arn)
        return ActionResult({"GlobalCluster": cluster.shape()})

    def delete_global_cluster(self) -> ActionResult:
        cluster = self.cloud.globals.delete(self.params["GlobalClusterIdentifier"])
        return ActionResult({"GlobalCluster": {**cluster.shape(), "Status": "deleting"}})

    def switchover_global_cluster(self) -> ActionResult:
        return self._move(data_loss=False)

    def failover_global_cluster(self) -> ActionResult:
        """Without AllowDataLoss this IS a switchover, and hangs with the old primary [botocore's model]."""
        data_loss, planned = (_true(self.params.get(k)) for k in ("AllowDataLoss", "Switchover"))
        if data_loss and planned:
            message = "AllowDataLoss and Switchover can't be specified together"
            raise Refusal("InvalidParameterCombination", message)
        return self._move(data_loss=data_loss)

    def _move(self, *, data_loss: bool) -> ActionResult:
        self.cloud.globals.tick()
        target = self.params["TargetDbClusterIdentifier"]
        cluster = self.cloud.globals.move(self.params["GlobalClusterIdentifier"], target, data_loss=data_loss)
        return ActionResult({"GlobalCluster": cluster.shape()})

    def remove_from_global_cluster(self) -> ActionResult:
        self.cloud.globals.tick()
        arn = self.params["DbClusterIdentifier"]
        cluster = self.cloud.globals.remove(self.params["GlobalClusterIdentifier"], arn)
        _database(arn).global_cluster_identifier = None
        return ActionResult({"GlobalCluster": cluster.shape()})

    def create_db_cluster(self) -> ActionResult:
        global_id = self.params.get("GlobalClusterIdentifier")
        if global_id:
            self.cloud.globals.get(global_id)
        result = super().create_db_cluster()
        if global_id:
            cluster = self.backend.clusters[self.params["DBClusterIdentifier"]]
            self.cloud.globals.join(global_id, cluster.db_cluster_arn)
        return result

    def delete_db_cluster(self) -> ActionResult:
        cluster = self.backend.clusters.get(self.params["DBClusterIdentifier"])
        if cluster is not None and self.cloud.globals.of(cluster.db_cluster_arn):
            message = "This cluster is a part of a global cluster, please remove it from globalcluster first"
            raise Refusal("InvalidDBClusterStateFault", message)
        return super().delete_db_cluster()

    def describe_db_clusters(self) -> ActionResult:
        self.cloud.globals.tick()
        return super().describe_db_clusters()

    def describe_events(self) -> ActionResult:
        self.cloud.globals.tick()
        wanted, kind = self.params.get("SourceIdentifier"), self.params.get("SourceType")
        if wanted and not kind:
            message = "Cannot specify source identifier without source type"
            raise Refusal("InvalidParameterCombination", message)
        since, until = _moment(self.params.get("StartTime")), _moment(self.params.get("EndTime"))
        if minutes := self.params.get("Duration"):
            since = self.cloud.time() - timedelta(minutes=int(minutes))
        events = [e.shape() for e in self.cloud.globals.events.find(self.region, since, until)]
        return ActionResult(
            {
                "Events": [
                    e
                    for e in events
                    if kind in (None, e["SourceType"]) and wanted in (None, e["SourceIdentifier"])
                ]
            }
        )


def _has_any(cluster: GlobalCluster, names: list[str]) -> bool:
    return any(name in (m.arn, m.cluster_id) for m in cluster.members for name in names)


def _database(arn: str) -> Any:
    parts = arn.split(":")
    region, name = (parts[3], parts[6]) if len(parts) > 6 else ("", arn)
    cluster = rds_backends[ACCOUNT][region].clusters.get(name) if region else None
    if cluster is None:
        raise Refusal("DBClusterNotFoundFault", f"DBCluster {arn} not found")
    return cluster


def _true(value: Any) -> bool:
    return str(value).lower() == "true"


def _moment(value: Any) -> datetime | None:
    if value is None or isinstance(value, datetime):
        return value if value is None or value.tzinfo else value.replace(tzinfo=UTC)
    return datetime.fromisoformat(str(value)).astimezone(UTC)
