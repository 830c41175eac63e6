from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from aws_account import EAST, WEST, Account, refusal
from botocore.exceptions import ClientError

GROUP = {"clusterName": "fintech-prod-secondary", "nodegroupName": "general"}


@pytest.fixture
def account() -> Iterator[Account]:
    account = Account()
    yield account
    account.close()


@pytest.fixture
def eks(account: Account) -> Any:
    return account.client("eks", WEST)


def group(eks: Any) -> dict[str, Any]:
    found: dict[str, Any] = eks.describe_nodegroup(**GROUP)["nodegroup"]
    return found


def refused(call: Any, **params: Any) -> tuple[str, int, str]:
    with pytest.raises(ClientError) as caught:
        call(**params)
    return refusal(caught.value)


def test_cluster_is_where_the_kubernetes_stand_in_listens(account: Account) -> None:
    """DescribeCluster tells the address and CA of the Region's Kubernetes stand-in."""
    for region, name in ((EAST, "fintech-prod-primary"), (WEST, "fintech-prod-secondary")):
        cluster = account.client("eks", region).describe_cluster(name=name)["cluster"]
        assert cluster["endpoint"] == account.clusters[region].server_url
        assert cluster["certificateAuthority"]["data"] == "Q0E="
        assert cluster["status"] == "ACTIVE"


def test_update_takes_its_time_and_then_nodes_are_asked_for(account: Account, eks: Any) -> None:
    """An update is InProgress for 15 s, the group UPDATING; then nodes join."""
    update = eks.update_nodegroup_config(**GROUP, scalingConfig={"minSize": 6, "desiredSize": 6})["update"]

    assert (update["status"], update["type"], update["errors"]) == ("InProgress", "ConfigUpdate", [])
    assert {p["type"]: p["value"] for p in update["params"]} == {"MinSize": "6", "DesiredSize": "6"}
    where = {"name": GROUP["clusterName"], "nodegroupName": "general", "updateId": update["id"]}
    assert eks.describe_update(**where)["update"]["status"] == "InProgress"
    assert (group(eks)["status"], group(eks)["scalingConfig"]["desiredSize"]) == ("UPDATING", 3)
    account.advance(16)
    assert eks.describe_update(**where)["update"]["status"] == "Successful"
    assert group(eks)["status"] == "ACTIVE"
    assert group(eks)["scalingConfig"] == {"minSize": 6, "maxSize": 12, "desiredSize": 6}
    assert account.clusters[WEST].nodes == [("general", 6, "m5.2xlarge")]
    assert account.clusters[EAST].nodes == []
    assert eks.list_updates(name=GROUP["clusterName"], nodegroupName="general")["updateIds"] == [update["id"]]


def test_second_update_is_refused(account: Account, eks: Any) -> None:
    """One update at a time; the next may come when it is over."""
    eks.update_nodegroup_config(**GROUP, scalingConfig={"desiredSize": 6})

    assert refused(eks.update_nodegroup_config, **GROUP, scalingConfig={"desiredSize": 7})[:2] == (
        "ResourceInUseException",
        409,
    )
    account.advance(16)
    eks.update_nodegroup_config(**GROUP, scalingConfig={"desiredSize": 7})


def test_token_makes_one_update(eks: Any) -> None:
    """The same client request token returns the same update."""
    wanted = {**GROUP, "scalingConfig": {"desiredSize": 6}, "clientRequestToken": "run-1/grow"}

    first, second = (eks.update_nodegroup_config(**wanted)["update"]["id"] for _ in range(2))

    assert first == second


@pytest.mark.parametrize(
    ("scaling", "words"),
    [
        ({"minSize": 8}, "Minimum capacity 8 can't be greater than desired size 3"),
        ({"desiredSize": 13}, "Desired capacity 13 can't be greater than max size 12"),
        ({"minSize": 13, "desiredSize": 13}, "Minimum capacity 13 can't be greater than maximum size 12"),
    ],
)
def test_contradicting_limits_are_refused(eks: Any, scaling: dict[str, int], words: str) -> None:
    """Limits are judged after they were merged with those in force: raising minSize alone can fail."""
    code, status, message = refused(eks.update_nodegroup_config, **GROUP, scalingConfig=scaling)

    assert (code, status) == ("InvalidParameterException", 400)
    assert words in message
    assert group(eks)["status"] == "ACTIVE"


def test_short_capacity_accepts_the_update_but_no_nodes_come(account: Account, eks: Any) -> None:
    """EC2 cannot launch: the update is Successful, health says why, and nodes come once it can."""
    short = account.faults.add("capacity-short", region=WEST)
    update = eks.update_nodegroup_config(**GROUP, scalingConfig={"desiredSize": 9})["update"]
    account.advance(16)

    where = {"name": GROUP["clusterName"], "nodegroupName": "general", "updateId": update["id"]}
    assert eks.describe_update(**where)["update"]["status"] == "Successful"
    assert [i["code"] for i in group(eks)["health"]["issues"]] == ["AsgInstanceLaunchFailures"]
    assert account.clusters[WEST].nodes == []
    account.faults.remove(short)
    account.advance(1)
    assert group(eks)["health"]["issues"] == []
    assert account.clusters[WEST].nodes == [("general", 9, "m5.2xlarge")]


def test_unknown_names_are_refused(eks: Any) -> None:
    """Clusters, node groups and updates that are not there are 404s."""
    assert refused(eks.describe_cluster, name="nobody")[:2] == ("ResourceNotFoundException", 404)
    assert refused(eks.describe_nodegroup, **{**GROUP, "nodegroupName": "x"})[:2] == (
        "ResourceNotFoundException",
        404,
    )
    unknown = {"name": GROUP["clusterName"], "updateId": "00000000-0000-0000-0000-000000000000"}
    assert refused(eks.describe_update, **unknown)[:2] == ("ResourceNotFoundException", 404)
