from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from aws_account import EAST, WEST, Account, refusal
from botocore.exceptions import ClientError

ZONE = "fintech.example."
ELSEWHERE = "badfintech.example"


@pytest.fixture
def account() -> Iterator[Account]:
    account = Account()
    yield account
    account.close()


@pytest.fixture(scope="module")
def standing() -> Iterator[Account]:
    """One account for all refusals: none of them may change anything."""
    account = Account()
    account.client("route53").change_resource_record_sets(
        HostedZoneId=account.ids["zone_id"],
        ChangeBatch={
            "Changes": [
                {"Action": "CREATE", "ResourceRecordSet": simple("plain")},
                {"Action": "CREATE", "ResourceRecordSet": simple("name", "CNAME", "plain.fintech.example")},
                {"Action": "CREATE", "ResourceRecordSet": weighted("pair", "a")},
                {"Action": "CREATE", "ResourceRecordSet": failover("duo", "first", "PRIMARY")},
            ]
        },
    )
    yield account
    account.close()


def simple(label: str, kind: str = "A", value: str = "192.0.2.1") -> dict[str, Any]:
    name = f"{label}.fintech.example" if "." not in label else label
    return {"Name": name, "Type": kind, "TTL": 60, "ResourceRecords": [{"Value": value}]}


def weighted(label: str, identifier: str, weight: int = 10, **more: Any) -> dict[str, Any]:
    return {**simple(label), "SetIdentifier": identifier, "Weight": weight, **more}


def failover(label: str, identifier: str, role: str) -> dict[str, Any]:
    return {**simple(label), "SetIdentifier": identifier, "Failover": role}


def alias(label: str, target: str, zone_id: str) -> dict[str, Any]:
    name = f"{label}.fintech.example"
    return {
        "Name": name,
        "Type": "A",
        "AliasTarget": {"HostedZoneId": zone_id, "DNSName": target, "EvaluateTargetHealth": False},
    }


def without(record: dict[str, Any], *fields: str) -> dict[str, Any]:
    return {k: v for k, v in record.items() if k not in fields}


def change(account: Account, *changes: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    batch = {"Changes": [{"Action": action, "ResourceRecordSet": record} for action, record in changes]}
    client = account.client("route53")
    answer: dict[str, Any] = client.change_resource_record_sets(
        HostedZoneId=account.ids["zone_id"], ChangeBatch=batch
    )["ChangeInfo"]
    return answer


def refused(account: Account, *changes: tuple[str, dict[str, Any]]) -> tuple[str, int, str]:
    before = account.aws.cloud.zones.get(account.ids["zone_id"]).accepted
    with pytest.raises(ClientError) as caught:
        change(account, *changes)
    assert account.aws.cloud.zones.get(account.ids["zone_id"]).accepted == before
    return refusal(caught.value)


def served(account: Account, name: str) -> list[tuple[str, int]]:
    records = account.aws.records(account.ids["zone_id"])
    return [(r["SetIdentifier"], r["Weight"]) for r in records if r["Name"] == f"{name}."]


def test_estate_has_a_weighted_pair_per_name(account: Account) -> None:
    """The primary has weight 100, the standby 0; each checks a STOP object in the other Region's bucket."""
    assert served(account, "api.fintech.example") == [(EAST, 100), (WEST, 0)]
    check = account.ids["health_checks"]["api.fintech.example"][EAST]
    config = account.client("route53").get_health_check(HealthCheckId=check)["HealthCheck"][
        "HealthCheckConfig"
    ]
    assert config["FullyQualifiedDomainName"] == "fintech-stop-us-west-2.s3.us-west-2.amazonaws.com"
    assert config["ResourcePath"] == "/STOP-us-east-1"
    assert (config["Type"], config["Port"], config["Inverted"]) == ("HTTPS", 443, True)
    assert (config["RequestInterval"], config["FailureThreshold"]) == (10, 3)


def test_zone_is_served_by_the_sandbox_name_servers(account: Account) -> None:
    """The zone's delegation names the four name servers of the sandbox."""
    answer = account.client("route53").get_hosted_zone(Id=account.ids["zone_id"])

    assert answer["DelegationSet"]["NameServers"] == account.ids["name_servers"]
    assert answer["HostedZone"]["Name"] == ZONE


def test_change_is_served_once_it_is_insync(account: Account) -> None:
    """A change is listed at once and answered after 20 simulated seconds."""
    client = account.client("route53")
    pair = [r for r in list_all(client, account.ids["zone_id"]) if r["Name"].startswith("api.")]

    info = change(account, *(("UPSERT", {**r, "Weight": 100 - r["Weight"]}) for r in pair))

    assert info["Status"] == "PENDING"
    assert client.get_change(Id=info["Id"])["ChangeInfo"]["Status"] == "PENDING"
    assert {
        r["Weight"] for r in list_all(client, account.ids["zone_id"]) if r["Name"] == pair[0]["Name"]
    } == {0, 100}
    assert served(account, "api.fintech.example") == [(EAST, 100), (WEST, 0)]
    account.advance(20)
    assert client.get_change(Id=info["Id"])["ChangeInfo"]["Status"] == "INSYNC"
    assert served(account, "api.fintech.example") == [(EAST, 0), (WEST, 100)]


def test_later_changes_do_not_hurry_earlier_ones(account: Account) -> None:
    """Every change reaches the name servers in its own time, in order."""
    for weight in (10, 20):
        change(account, ("UPSERT", weighted("pair", "a", weight)))
        account.advance(15)

    assert served(account, "pair.fintech.example") == [("a", 10)]
    account.advance(10)
    assert served(account, "pair.fintech.example") == [("a", 20)]


def test_data_plane_goes_on_while_the_control_plane_is_dark(account: Account) -> None:
    """With us-east-1 dark the records are still served, and a pending change still arrives."""
    change(account, ("UPSERT", weighted("pair", "a")))
    account.faults.add("region-dark", region=EAST)
    account.advance(20)

    assert served(account, "pair.fintech.example") == [("a", 10)]


def test_before_image_is_deleted_and_made_anew_in_one_batch(account: Account) -> None:
    """A listed record can be deleted as it is and created with another weight in the same batch."""
    client = account.client("route53")
    image = next(r for r in list_all(client, account.ids["zone_id"]) if r["Name"].startswith("api."))

    change(account, ("DELETE", image), ("CREATE", {**image, "Weight": 7}))

    account.advance(20)
    assert (EAST, 7) in served(account, "api.fintech.example")


def test_batch_is_atomic(standing: Account) -> None:
    """A bad change keeps the good ones of its batch from happening."""
    code, status, message = refused(
        standing, ("CREATE", simple("fresh")), ("CREATE", simple("www.badfintech.example"))
    )

    assert (code, status) == ("InvalidChangeBatch", 400)
    assert message == f"[RRSet with DNS name www.badfintech.example. is not permitted in zone {ZONE}]"


def test_every_problem_of_a_batch_is_told(standing: Account) -> None:
    """The message lists all problems in brackets."""
    _, _, message = refused(standing, ("CREATE", simple("plain")), ("DELETE", simple("absent")))

    assert message == (
        "[Tried to create resource record set [name='plain.fintech.example.', type='A'] "
        "but it already exists, "
        "Tried to delete resource record set [name='absent.fintech.example.', type='A'] but it was not found]"
    )


@pytest.mark.parametrize(
    ("action", "record", "words"),
    [
        ("CREATE", simple("plain", value="192.0.2.9"), "type='A'] but it already exists"),
        ("CREATE", weighted("pair", "a", 99), "set-identifier='a'] but it already exists"),
        ("DELETE", weighted("pair", "a", 99), "but the values provided do not match the current values"),
        ("DELETE", weighted("other", "a"), "but it was not found"),
        ("UPSERT", simple(ELSEWHERE), f"is not permitted in zone {ZONE}"),
        (
            "CREATE",
            simple("fintech.example", "CNAME", "x.example"),
            "of type CNAME with DNS name fintech.example. is not permitted at apex",
        ),
        ("CREATE", simple("name"), "conflicting RRSet of type CNAME with the same DNS name already exists"),
        (
            "CREATE",
            simple("plain", "CNAME", "x.example"),
            "is not permitted as it conflicts with other records",
        ),
        ("CREATE", simple("pair"), "as other RRSets exist with the same name and type."),
        ("CREATE", weighted("plain", "b"), "SetIdentifier b cannot be created as a non-weighted set exists"),
        ("CREATE", weighted("pair", "b", TTL=30), "weighted sets must contain the same TTL."),
        ("CREATE", failover("duo", "second", "PRIMARY"), "a failover PRIMARY set exists"),
        (
            "CREATE",
            simple("typo", value="1.2.3.400"),
            "(Value is not a valid IPv4 address) encountered with '1.2.3.400'",
        ),
        ("CREATE", simple("typo", "AAAA", "fe80::zz"), "(Value is not a valid IPv6 address)"),
    ],
)
def test_batch_is_refused(standing: Account, action: str, record: dict[str, Any], words: str) -> None:
    """What contradicts the zone is an InvalidChangeBatch in Route 53's words."""
    code, status, message = refused(standing, (action, record))

    assert (code, status) == ("InvalidChangeBatch", 400)
    assert words in message


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (without(weighted("new", "a"), "SetIdentifier"), "Missing field 'SetIdentifier'"),
        (without(weighted("new", "a"), "Weight"), "SetIdentifier=a"),
        ({**weighted("new", "a"), "Failover": "PRIMARY"}, "found more than one"),
        ({**weighted("new", "a"), "Region": WEST}, "found more than one"),
        (weighted("new", "a", 256), "Weight must be between 0 and 255"),
        (
            without(simple("new"), "TTL", "ResourceRecords"),
            "all of [TTL, and ResourceRecords], or TrafficPolicyInstanceId], but found none",
        ),
        (
            without(simple("new"), "TTL"),
            "in Change with [Action=CREATE, Name=new.fintech.example., Type=A, SetIdentifier=null]",
        ),
        (alias("new", "x.example", "Z2") | {"TTL": 60}, "but found more than one"),
        (alias("new", "x.example", "Z2") | without(simple("new")), "but found more than one"),
    ],
)
def test_record_is_refused_for_its_shape(standing: Account, record: dict[str, Any], words: str) -> None:
    """A record that cannot be is an InvalidInput."""
    code, status, message = refused(standing, ("CREATE", record))

    assert (code, status) == ("InvalidInput", 400)
    assert words in message


def test_alias_needs_its_target(standing: Account) -> None:
    """An alias within the zone may not dangle."""
    zone_id = standing.ids["zone_id"]

    code, _, message = refused(standing, ("CREATE", alias("new", "absent.fintech.example", zone_id)))

    assert code == "InvalidChangeBatch"
    assert message == (
        f"[Tried to create an alias that targets absent.fintech.example., type A in zone {zone_id}, "
        "but that target was not found]"
    )


def test_unknown_health_check_is_refused(standing: Account) -> None:
    """A record cannot name a health check that is not there."""
    record = weighted("new", "a", HealthCheckId="00000000-0000-0000-0000-000000000000")

    assert refused(standing, ("CREATE", record))[:2] == ("NoSuchHealthCheck", 404)


def test_delete_removes_one_record_only(account: Account) -> None:
    """Deleting a weighted record leaves those of other names with the same SetIdentifier."""
    change(account, *(("CREATE", weighted(label, "same")) for label in ("one", "two")))

    change(account, ("DELETE", weighted("one", "same")))

    account.advance(20)
    assert served(account, "one.fintech.example") == []
    assert served(account, "two.fintech.example") == [("same", 10)]


def test_ttl_of_a_group_changes_in_one_batch(account: Account) -> None:
    """All weighted records of a name may change their TTL together."""
    change(account, *(("CREATE", weighted("pair", i)) for i in "ab"))

    change(account, *(("UPSERT", weighted("pair", i, TTL=30)) for i in "ab"))


def list_all(client: Any, zone_id: str, page: int = 300) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    start: dict[str, Any] = {}
    while True:
        answer = client.list_resource_record_sets(HostedZoneId=zone_id, MaxItems=str(page), **start)
        found += answer["ResourceRecordSets"]
        if not answer["IsTruncated"]:
            return found
        names = {"Name": "StartRecordName", "Type": "StartRecordType", "Identifier": "StartRecordIdentifier"}
        start = {ours: answer[f"NextRecord{n}"] for n, ours in names.items() if f"NextRecord{n}" in answer}


def test_paging_by_one_ends(standing: Account) -> None:
    """Pages of one record list all of them, weighted ones too, in Route 53's order."""
    client, zone_id = standing.client("route53"), standing.ids["zone_id"]

    paged = list_all(client, zone_id, page=1)

    assert paged == list_all(client, zone_id)
    assert [r["Type"] for r in paged[:2]] == ["NS", "SOA"]
    assert len(paged) == 2 + 4 + 4


def test_unknown_change_is_refused(standing: Account) -> None:
    """Only ids that were given out are known."""
    with pytest.raises(ClientError) as caught:
        standing.client("route53").get_change(Id="C0000000000000000000")

    assert refusal(caught.value)[:2] == ("NoSuchChange", 404)


def test_caller_reference_makes_one_zone(standing: Account) -> None:
    """The same CallerReference does not make a second zone."""
    client = standing.client("route53")
    made = client.create_hosted_zone(Name="other.example", CallerReference="once")

    with pytest.raises(ClientError) as caught:
        client.create_hosted_zone(Name="other.example", CallerReference="once")

    assert made["ChangeInfo"]["Status"] == "PENDING"
    assert refusal(caught.value)[:2] == ("HostedZoneAlreadyExists", 409)
    client.delete_hosted_zone(Id=made["HostedZone"]["Id"])


def test_dns_answer_can_be_tested(account: Account) -> None:
    """TestDNSAnswer follows weights and health."""
    client, zone_id = account.client("route53"), account.ids["zone_id"]
    ask = {"HostedZoneId": zone_id, "RecordName": "api.fintech.example", "RecordType": "A"}
    assert client.test_dns_answer(**ask)["RecordData"] == ["127.0.1.1"]

    account.aws.set_health(account.ids["health_checks"]["api.fintech.example"][EAST], False)

    assert client.test_dns_answer(**ask)["RecordData"] == ["127.0.2.1"]
    assert (
        client.test_dns_answer(**ask | {"RecordName": "nobody.fintech.example"})["ResponseCode"] == "NXDOMAIN"
    )
