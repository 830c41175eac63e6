"""EKS over HTTP: moto's clusters with the Kubernetes stand-in's address, and updates that take time."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from moto.core.responses import ActionResult
from moto.eks.exceptions import InvalidParameterException, ResourceInUseException, ResourceNotFoundException
from moto.eks.responses import EKSResponse

from bot.sandbox.aws.cloud import Cloud

_LIMITS = {"minSize": "MinSize", "maxSize": "MaxSize", "desiredSize": "DesiredSize"}


class TimedEks(EKSResponse):  # type: ignore[misc]  # moto has no types
    """Handlers that replace moto's."""

    cloud: ClassVar[Cloud]
    serves = "eks"
    more_paths = (
        "/clusters/<regex('[^/]+'):name>/updates",
        "/clusters/<regex('[^/]+'):name>/updates/<regex('[^/]+'):updateId>",
    )

    def describe_cluster(self) -> ActionResult:
        cluster = self.eks_backend.describe_cluster(name=self._get_param("name"))
        if port := self.cloud.clusters.get(self.region):
            cluster.endpoint = port.server_url
            cluster.certificate_authority = {"data": port.ca_data}
        return ActionResult({"cluster": cluster})

    def describe_nodegroup(self) -> ActionResult:
        self.cloud.nodegroups.tick()
        return super().describe_nodegroup()

    def create_nodegroup(self) -> ActionResult:
        result = super().create_nodegroup()
        key = (self.region, self._get_param("name"), self._get_param("nodegroupName"))
        self.cloud.nodegroups.adopt(key)
        return result

    def update_nodegroup_config(self) -> ActionResult:
        """Begin an update; partial limits are merged before they are judged, as AWS does."""
        self.cloud.nodegroups.tick()
        cluster, name = self._get_param("name"), self._get_param("nodegroupName")
        group = self.eks_backend.describe_nodegroup(cluster_name=cluster, nodegroup_name=name)
        key, token = (self.region, cluster, name), self._get_param("clientRequestToken")
        if repeated := self.cloud.nodegroups.repeated(key, token):
            return ActionResult({"update": repeated.shape()})
        if running := self.cloud.nodegroups.running(key):
            message = (
                f"Nodegroup cannot be updated as it is currently not in Active State, update {running.id}"
            )
            raise ResourceInUseException(clusterName=cluster, nodegroupName=name, message=message)
        wanted = {k: int(v) for k, v in (self._get_param("scalingConfig") or {}).items()}
        scaling = {**group.scaling_config, **wanted}
        if problem := _problem(scaling):
            raise InvalidParameterException(clusterName=cluster, nodegroupName=name, message=problem)
        params = [{"type": _LIMITS[k], "value": str(v)} for k, v in wanted.items()]
        if labels := self._get_param("labels"):
            group.labels.update(labels.get("addOrUpdateLabels") or {})
            for label in labels.get("removeLabels") or []:
                group.labels.pop(label, None)
            added = json.dumps(labels.get("addOrUpdateLabels") or {})
            params.append({"type": "LabelsToAdd", "value": added})
        update = self.cloud.nodegroups.begin(key, scaling, params, token)
        return ActionResult({"update": update.shape()})

    def describe_update(self) -> ActionResult:
        self.cloud.nodegroups.tick()
        wanted = self.path.rpartition("/")[2]
        for update in self._updates():
            if update.id == wanted:
                return ActionResult({"update": update.shape()})
        raise ResourceNotFoundException(message=f"No update found for ID: {wanted}")

    def list_updates(self) -> ActionResult:
        self.cloud.nodegroups.tick()
        return ActionResult({"updateIds": [u.id for u in self._updates()]})

    def _updates(self) -> list[Any]:
        cluster = self.path.split("/")[2]
        self.eks_backend.describe_cluster(name=cluster)
        group = self.querystring.get("nodegroupName", [None])[0]
        return self.cloud.nodegroups.find(self.region, cluster, group)


def _problem(scaling: dict[str, int]) -> str | None:
    low, high, desired = scaling["minSize"], scaling["maxSize"], scaling["desiredSize"]
    if high < 1:
        return "Maximum capacity must be at least 1"
    if low > high:
        return f"Minimum capacity {low} can't be greater than maximum size {high}"
    if low > desired:
        return f"Minimum capacity {low} can't be greater than desired size {desired}"
    if desired > high:
        return f"Desired capacity {desired} can't be greater than max size {high}"
    return None
