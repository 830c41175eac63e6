from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from aws_account import EAST, WEST, Account, refusal
from botocore.exceptions import ClientError

EVERYTHING = {"Protocol": "-1", "RuleAction": "deny", "CidrBlock": "0.0.0.0/0"}


@pytest.fixture
def account() -> Iterator[Account]:
    account = Account()
    yield account
    account.close()


@pytest.fixture
def ec2(account: Account) -> Any:
    return account.client("ec2", EAST)


@pytest.fixture
def acl(account: Account) -> str:
    return str(account.ids["network_acls"][EAST])


def refused(call: Any, **params: Any) -> tuple[str, int, str]:
    with pytest.raises(ClientError) as caught:
        call(**params)
    return refusal(caught.value)


def test_database_subnets_share_one_acl_of_their_own(account: Account, ec2: Any, acl: str) -> None:
    """Three subnets a Region, guarded by one network ACL that guards nothing else."""
    subnets = account.ids["subnets"][EAST]

    found = ec2.describe_network_acls(Filters=[{"Name": "association.subnet-id", "Values": subnets}])[
        "NetworkAcls"
    ]

    assert [a["NetworkAclId"] for a in found] == [acl]
    assert {a["SubnetId"] for a in found[0]["Associations"]} == set(subnets)
    assert len(subnets) == 3
    rules = {(e["RuleNumber"], e["Egress"], e["RuleAction"]) for e in found[0]["Entries"]}
    assert rules == {(n, e, a) for n, a in ((100, "allow"), (32767, "deny")) for e in (True, False)}


def test_deny_before_every_allow_closes_the_subnets(account: Account, ec2: Any, acl: str) -> None:
    """A deny of everything with the lowest number cuts the databases off; removing it opens them again."""
    assert not account.aws.database_subnets_denied(EAST)
    for egress in (False, True):
        ec2.create_network_acl_entry(NetworkAclId=acl, RuleNumber=1, Egress=egress, **EVERYTHING)

    assert account.aws.database_subnets_denied(EAST)
    assert not account.aws.database_subnets_denied(WEST)
    for egress in (False, True):
        ec2.delete_network_acl_entry(NetworkAclId=acl, RuleNumber=1, Egress=egress)
    assert not account.aws.database_subnets_denied(EAST)


@pytest.mark.parametrize(
    ("entry", "closed"),
    [
        ({"RuleNumber": 1, "Egress": False, **EVERYTHING}, True),
        ({"RuleNumber": 1, "Egress": True, **EVERYTHING}, True),
        ({"RuleNumber": 1, "Egress": False, **EVERYTHING, "CidrBlock": "10.10.0.0/16"}, True),
        (
            {
                "RuleNumber": 1,
                "Egress": False,
                **EVERYTHING,
                "Protocol": "6",
                "PortRange": {"From": 5432, "To": 5432},
            },
            True,
        ),
        (
            {
                "RuleNumber": 1,
                "Egress": False,
                **EVERYTHING,
                "Protocol": "6",
                "PortRange": {"From": 80, "To": 80},
            },
            False,
        ),
        ({"RuleNumber": 1, "Egress": False, **EVERYTHING, "CidrBlock": "10.10.1.0/24"}, False),
        ({"RuleNumber": 200, "Egress": False, **EVERYTHING}, False),
    ],
)
def test_one_direction_is_enough_if_it_is_all_of_it(
    account: Account, ec2: Any, acl: str, entry: dict[str, Any], closed: bool
) -> None:
    """Network ACLs are stateless and the first matching rule decides."""
    ec2.create_network_acl_entry(NetworkAclId=acl, **entry)

    assert account.aws.database_subnets_denied(EAST) is closed


def test_replacing_the_allow_by_a_deny_closes_too(account: Account, ec2: Any, acl: str) -> None:
    """What counts is the rules, not who wrote them."""
    ec2.replace_network_acl_entry(NetworkAclId=acl, RuleNumber=100, Egress=False, **EVERYTHING)

    assert account.aws.database_subnets_denied(EAST)


def test_rule_number_is_taken_once(ec2: Any, acl: str) -> None:
    """Somebody else's rule is not overwritten."""
    entry = {"NetworkAclId": acl, "RuleNumber": 100, "Egress": False, **EVERYTHING}

    assert refused(ec2.create_network_acl_entry, **entry)[0] == "NetworkAclEntryAlreadyExists"


def test_rule_that_is_not_there_cannot_be_deleted(ec2: Any, acl: str) -> None:
    """Deleting twice is told."""
    entry = {"NetworkAclId": acl, "RuleNumber": 1, "Egress": False}

    assert refused(ec2.delete_network_acl_entry, **entry)[:2] == ("InvalidNetworkAclEntry.NotFound", 400)


def test_last_rule_is_out_of_reach(ec2: Any, acl: str) -> None:
    """The rule that denies the rest cannot be touched."""
    entry = {"NetworkAclId": acl, "RuleNumber": 32767, "Egress": False}

    assert refused(ec2.delete_network_acl_entry, **entry)[0] == "InvalidParameterValue"
