"""EKS node groups: one update at a time, each takes a while, and nodes may not come."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

from moto.eks.models import eks_backends

from bot.sandbox.aws.cloud import ACCOUNT, Cloud

Key = tuple[str, str, str]
"""Region, cluster, node group."""


@dataclass
class Update:
    """An update of a node group's configuration."""

    key: Key
    params: list[dict[str, str]]
    created: float
    left: float
    token: str | None
    scaling: dict[str, int]
    status: str = "InProgress"
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def shape(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "status": self.status,
            "type": "ConfigUpdate",
            "params": self.params,
            "createdAt": self.created,
            "errors": [],
        }


class NodeGroups:
    """Updates of node groups and the nodes that EC2 grants. All methods need the cloud's lock."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._updates: dict[str, Update] = {}
        self._granted: dict[Key, int] = {}
        self._ticked = cloud.clock.now()

    def running(self, key: Key) -> Update | None:
        return next((u for u in self._updates.values() if u.key == key and u.status == "InProgress"), None)

    def repeated(self, key: Key, token: str | None) -> Update | None:
        """The update that an equal client request token began."""
        return next((u for u in self._updates.values() if token and u.key == key and u.token == token), None)

    def find(self, region: str, cluster: str, group: str | None) -> list[Update]:
        return [
            u for u in self._updates.values() if u.key[:2] == (region, cluster) and group in (None, u.key[2])
        ]

    def begin(
        self, key: Key, scaling: dict[str, int], params: list[dict[str, str]], token: str | None
    ) -> Update:
        """Start an update; it is applied when it is over."""
        update = Update(
            key, params, self._cloud.clock.now(), self._cloud.timings.nodegroup_update, token, scaling
        )
        self._updates[update.id] = update
        self._group(key).status = "UPDATING"
        return update

    def adopt(self, key: Key) -> None:
        """Take a seeded node group as it is: its nodes are there already."""
        self._granted[key] = self._group(key).scaling_config["desiredSize"]

    def tick(self) -> None:
        """Let simulated time pass: finish updates and hand out nodes."""
        passed, self._ticked = self._cloud.clock.now() - self._ticked, self._cloud.clock.now()
        for update in list(self._updates.values()):
            if update.status != "InProgress" or self._cloud.faults.dark(update.key[0]):
                continue
            update.left -= passed
            if update.left <= 0:
                update.status = "Successful"
                group = self._group(update.key)
                group.scaling_config.update(update.scaling)
                group.status = "ACTIVE"
        for key in list(self._granted):
            self._launch(key)

    def _launch(self, key: Key) -> None:
        region, _, name = key
        if self._cloud.faults.dark(region):
            return
        group = self._group(key)
        wanted = int(group.scaling_config["desiredSize"])
        if wanted > self._granted[key] and self._cloud.faults.find("capacity-short", region=region):
            scaling_group = group.resources["autoScalingGroups"][0]["name"]
            issue = {
                "code": "AsgInstanceLaunchFailures",
                "message": "Could not launch On-Demand Instances. InsufficientInstanceCapacity - We "
                f"currently do not have sufficient {group.instance_types[0]} capacity in {region}.",
                "resourceIds": [scaling_group],
            }
            group.health = {"issues": [issue]}
            return
        group.health = {"issues": []}
        if wanted != self._granted[key]:
            self._granted[key] = wanted
            self._cloud.clusters[region].set_nodes(name, wanted, group.instance_types[0])

    @staticmethod
    def _group(key: Key) -> Any:
        region, cluster, name = key
        return eks_backends[ACCOUNT][region].clusters[cluster].nodegroups[name]
