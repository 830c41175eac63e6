"""A fence of network ACL entries around database subnets.

Network ACLs are stateless: a deny cuts the connections that exist, which a security group's edit spares.
Rule number 1 comes before every rule that people write by custom; IPv4 only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bot.errors import Conflict, Rejected
from bot.world.sessions import AwsSessions

_RULE = 1
_EVERYTHING = {"Protocol": "-1", "RuleAction": "deny", "CidrBlock": "0.0.0.0/0"}
_DIRECTIONS = (False, True)  # ingress, egress


class AwsNetwork:
    """`bot.ports.Network` on AWS."""

    def __init__(self, aws: AwsSessions) -> None:
        self._aws = aws

    def denied(self, region: str, subnets: Sequence[str]) -> bool:
        """Whether both directions of every subnet are denied."""
        acls = self._acls(region, subnets)
        return all(_ours(acl, egress) for acl in acls for egress in _DIRECTIONS)

    def deny(self, region: str, subnets: Sequence[str]) -> None:
        """Add what is missing of the fence. Raises Conflict when someone else's entry holds rule 1."""
        acls = self._acls(region, subnets)
        for acl in acls:
            others = {a["SubnetId"] for a in acl["Associations"]} - set(subnets)
            if others:
                raise Rejected(
                    f"{acl['NetworkAclId']} also guards {', '.join(sorted(others))}.",
                    not_done="Nothing was fenced.",
                    then="A deny would cut them off too: give database subnets a network ACL of their own.",
                )
        for acl in acls:
            for egress in _DIRECTIONS:
                taken = _entry(acl, egress)
                if _ours(acl, egress):
                    continue
                if taken is not None:
                    raise Conflict(
                        f"{acl['NetworkAclId']}: rule {_RULE} {_way(egress)} is taken by another entry."
                    )
                self._aws.call(
                    "ec2",
                    region,
                    "create_network_acl_entry",
                    NetworkAclId=acl["NetworkAclId"],
                    RuleNumber=_RULE,
                    Egress=egress,
                    **_EVERYTHING,
                )

    def allow(self, region: str, subnets: Sequence[str]) -> None:
        """Remove the fence's entries and no others."""
        for acl in self._acls(region, subnets):
            for egress in _DIRECTIONS:
                if _ours(acl, egress):
                    self._aws.call(
                        "ec2",
                        region,
                        "delete_network_acl_entry",
                        NetworkAclId=acl["NetworkAclId"],
                        RuleNumber=_RULE,
                        Egress=egress,
                    )

    def _acls(self, region: str, subnets: Sequence[str]) -> list[dict[str, Any]]:
        if not subnets:
            raise Rejected(f"The estate names no database subnets in {region}.")
        answer = self._aws.call(
            "ec2",
            region,
            "describe_network_acls",
            Filters=[{"Name": "association.subnet-id", "Values": list(subnets)}],
        )
        acls: list[dict[str, Any]] = answer["NetworkAcls"]
        known = {a["SubnetId"] for acl in acls for a in acl.get("Associations", [])}
        if missing := sorted(set(subnets) - known):
            raise Rejected(f"{region} has no network ACL for {', '.join(missing)}.")
        return acls


def _entry(acl: dict[str, Any], egress: bool) -> dict[str, Any] | None:
    return next((e for e in acl["Entries"] if e["RuleNumber"] == _RULE and e["Egress"] == egress), None)


def _ours(acl: dict[str, Any], egress: bool) -> bool:
    entry = _entry(acl, egress)
    return entry is not None and all(entry.get(name) == value for name, value in _EVERYTHING.items())


def _way(egress: bool) -> str:
    return "out" if egress else "in"
