"""EC2 over HTTP: network ACLs as strict as AWS's, and whether they close the database subnets."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Any, ClassVar

from moto.core.responses import ActionResult
from moto.ec2.models import ec2_backends
from moto.ec2.responses import EC2Response

from bot.sandbox.aws.cloud import ACCOUNT, Cloud
from bot.sandbox.aws.refusals import Refusal

LAST_RULE = 32767
"""The rule that denies what no other rule matched; nobody can touch it."""
_TCP, _ALL, _POSTGRES = "6", "-1", 5432


class NetworkEc2(EC2Response):  # type: ignore[misc]  # moto has no types
    """Handlers that replace moto's."""

    cloud: ClassVar[Cloud]

    def create_network_acl(self) -> ActionResult:
        result = super().create_network_acl()
        deny_rest(self.ec2_backend, result.result["NetworkAcl"].id)
        return result

    def create_network_acl_entry(self) -> ActionResult:
        self._check_number()
        return super().create_network_acl_entry()

    def replace_network_acl_entry(self) -> ActionResult:
        self._check_number()
        self._check_exists()
        return super().replace_network_acl_entry()

    def delete_network_acl_entry(self) -> ActionResult:
        self._check_number()
        self._check_exists()
        return super().delete_network_acl_entry()

    def replace_network_acl_association(self) -> ActionResult:
        wanted = self._get_param("AssociationId")
        if not any(wanted in acl._associations for acl in self.ec2_backend.network_acls.values()):
            message = f"The association ID '{wanted}' does not exist"
            raise Refusal("InvalidAssociationID.NotFound", message)
        self.ec2_backend.get_network_acl(self._get_param("NetworkAclId"))
        return super().replace_network_acl_association()

    def _check_number(self) -> None:
        number = int(self._get_param("RuleNumber"))
        if not 1 <= number < LAST_RULE:
            message = f"Value ({number}) for parameter ruleNumber is invalid. Invalid value for rule number."
            raise Refusal("InvalidParameterValue", message)

    def _check_exists(self) -> None:
        acl = self.ec2_backend.get_network_acl(self._get_param("NetworkAclId"))
        number, egress = int(self._get_param("RuleNumber")), bool(self._get_param("Egress"))
        if not any(e.rule_number == number and e.egress == egress for e in acl.network_acl_entries):
            way = "egress" if egress else "ingress"
            message = f"The specified {way} rule number {number} does not exist in network ACL {acl.id}"
            raise Refusal("InvalidNetworkAclEntry.NotFound", message)


def add_rule(backend: Any, acl_id: str, number: int, action: str, cidr: str, *, egress: bool) -> None:
    """Add a rule for all traffic of a range."""
    backend.create_network_acl_entry(
        network_acl_id=acl_id,
        rule_number=number,
        protocol=_ALL,
        rule_action=action,
        egress=egress,
        cidr_block=cidr,
        icmp_code=None,
        icmp_type=None,
        port_range_from=None,
        port_range_to=None,
        ipv6_cidr_block=None,
    )


def deny_rest(backend: Any, acl_id: str) -> None:
    """Add the last rules that moto leaves out of an ACL that is not the default one."""
    for egress in (True, False):
        add_rule(backend, acl_id, LAST_RULE, "deny", "0.0.0.0/0", egress=egress)


def denied(region: str, subnets: list[str]) -> bool:
    """Whether every one of these subnets is closed for its VPC's database traffic; reads without a lock.

    A network ACL is stateless: closing one direction is enough to break every connection.
    """
    backend = ec2_backends[ACCOUNT][region]
    acls = list(backend.network_acls.values())
    closed = []
    for subnet in subnets:
        acl = next((a for a in acls if any(s.subnet_id == subnet for s in a.associations)), None)
        if acl is None:
            return False
        vpc = backend.vpcs[acl.vpc_id].cidr_block
        closed.append(any(_blocks(acl, vpc, egress=egress) for egress in (True, False)))
    return bool(closed) and all(closed)


def _blocks(acl: Any, vpc: str, *, egress: bool) -> bool:
    """Whether the first rule that says anything about the VPC's traffic denies all of it."""
    own = IPv4Network(vpc)
    rules = sorted(
        (e for e in list(acl.network_acl_entries) if e.egress == egress), key=lambda e: int(e.rule_number)
    )
    for rule in rules:
        if not rule.cidr_block or str(rule.protocol) not in (_ALL, _TCP):
            continue
        theirs, everything = IPv4Network(rule.cidr_block), str(rule.protocol) == _ALL
        ports = (int(rule.port_range_from or 0), int(rule.port_range_to or 65535))
        covers = everything or egress or ports[0] <= _POSTGRES <= ports[1]
        if rule.rule_action == "deny" and theirs.supernet_of(own) and covers and (not egress or everything):
            return True
        if rule.rule_action == "allow" and theirs.overlaps(own) and covers:
            return False
    return True
