"""EKS managed node groups."""

from __future__ import annotations

from bot.ports import NodeGroup
from bot.world.sessions import AwsSessions


class AwsCapacity:
    """`bot.ports.Capacity` on AWS."""

    def __init__(self, aws: AwsSessions) -> None:
        self._aws = aws

    def node_group(self, region: str, cluster: str, name: str) -> NodeGroup:
        """Sizes, status and health issues; nodes that joined are counted in Kubernetes, not here."""
        answer = self._aws.call("eks", region, "describe_nodegroup", clusterName=cluster, nodegroupName=name)
        group = answer["nodegroup"]
        sizes = group["scalingConfig"]
        return NodeGroup(
            name=name,
            minimum=int(sizes["minSize"]),
            desired=int(sizes["desiredSize"]),
            maximum=int(sizes["maxSize"]),
            status=group["status"],
            issues=tuple(issue["code"] for issue in group.get("health", {}).get("issues", [])),
        )

    def resize(self, region: str, cluster: str, name: str, *, minimum: int, desired: int, token: str) -> None:
        """Set minimum and desired together: EKS refuses a minimum above the desired size.

        Lowering the desired size would terminate nodes at once, so it stays at least what it is; the
        autoscaler shrinks the group when its minimum allows. Nothing is sent when nothing would change.
        """
        now = self.node_group(region, cluster, name)
        wanted = max(minimum, desired, now.desired)
        if (minimum, wanted) == (now.minimum, now.desired):
            return
        self._aws.call(
            "eks",
            region,
            "update_nodegroup_config",
            clusterName=cluster,
            nodegroupName=name,
            scalingConfig={"minSize": minimum, "desiredSize": wanted},
            clientRequestToken=token,
        )
