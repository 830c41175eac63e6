from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from aws_account import EAST, WEST, Account, refusal
from botocore.exceptions import BotoCoreError, ClientError

PAYMENTS = "fintech-payments"
OLD = f"arn:aws:rds:{EAST}:123456789012:cluster:fintech-payments-use1"
NEW = f"arn:aws:rds:{WEST}:123456789012:cluster:fintech-payments-usw2"
MOVE = {"GlobalClusterIdentifier": PAYMENTS, "TargetDbClusterIdentifier": NEW}


@pytest.fixture
def account() -> Iterator[Account]:
    account = Account()
    yield account
    account.close()


@pytest.fixture
def west(account: Account) -> Any:
    return account.client("rds", WEST)


def told(client: Any) -> dict[str, Any]:
    found: dict[str, Any] = client.describe_global_clusters(GlobalClusterIdentifier=PAYMENTS)[
        "GlobalClusters"
    ][0]
    return found


def writer(client: Any) -> str:
    return next(str(m["DBClusterArn"]) for m in told(client)["GlobalClusterMembers"] if m["IsWriter"])


def synchronization(client: Any) -> dict[str, str]:
    return {m["DBClusterArn"]: m["SynchronizationStatus"] for m in told(client)["GlobalClusterMembers"]}


def refused(call: Any, **params: Any) -> tuple[str, int]:
    with pytest.raises(ClientError) as caught:
        call(**params)
    return refusal(caught.value)[:2]


def test_estate_has_three_global_databases_with_two_instances_a_region(account: Account, west: Any) -> None:
    """The seed is the case's estate: three writers in us-east-1, instances of db.r6g.2xlarge everywhere."""
    found = west.describe_global_clusters()["GlobalClusters"]

    assert {c["GlobalClusterIdentifier"] for c in found} == {PAYMENTS, "fintech-ledger", "fintech-reporting"}
    assert all(c["EngineVersion"] == "16.6" and c["Status"] == "available" for c in found)
    assert writer(west) == OLD
    for region in (EAST, WEST):
        instances = account.client("rds", region).describe_db_instances()["DBInstances"]
        assert [i["DBInstanceClass"] for i in instances] == ["db.r6g.2xlarge"] * 6
        assert {i["DBInstanceStatus"] for i in instances} == {"available"}


def test_one_instance_filter_finds_a_clusters_instances(west: Any) -> None:
    """Instances are found by their cluster."""
    wanted = [{"Name": "db-cluster-id", "Values": ["fintech-payments-usw2"]}]

    found = west.describe_db_instances(Filters=wanted)["DBInstances"]

    assert [i["DBInstanceIdentifier"] for i in found] == [
        "fintech-payments-usw2-1",
        "fintech-payments-usw2-2",
    ]


def test_describe_honors_the_identifier(west: Any) -> None:
    """A global cluster that is not there is a 404, not a list of others."""
    assert refused(west.describe_global_clusters, GlobalClusterIdentifier="nobody") == (
        "GlobalClusterNotFoundFault",
        404,
    )


def test_switchover_flips_the_writer_at_its_end(account: Account, west: Any) -> None:
    """A switchover takes 25 s and the lag, shows where it is, and the writer changes last."""
    account.databases.lag = 4000
    east = account.client("rds", EAST)

    answer = east.switchover_global_cluster(**MOVE)["GlobalCluster"]

    assert answer["Status"] == "switching-over"
    assert answer["FailoverState"] == {
        "Status": "pending", "FromDbClusterArn": OLD, "ToDbClusterArn": NEW, "IsDataLossAllowed": False,
    }  # fmt: skip
    account.advance(28)
    assert told(west)["FailoverState"]["Status"] == "switching-over"
    assert writer(west) == OLD
    assert account.databases.calls == [("freeze", PAYMENTS)]
    account.advance(2)
    assert writer(west) == NEW
    assert "FailoverState" not in told(west)
    assert told(west)["Status"] == "available"
    assert set(synchronization(west).values()) == {"connected"}
    assert account.databases.calls[1:] == [("promote", PAYMENTS, WEST, False)]


def test_failover_works_while_the_old_region_is_dark(account: Account, west: Any) -> None:
    """The surviving Region alone is enough to fail over."""
    account.faults.add("region-dark", region=EAST)

    answer = west.failover_global_cluster(**MOVE, AllowDataLoss=True)["GlobalCluster"]

    assert answer["Status"] == "failing-over"
    assert answer["FailoverState"]["IsDataLossAllowed"] is True
    status = west.describe_db_clusters(DBClusterIdentifier="fintech-payments-usw2")["DBClusters"][0]["Status"]
    assert status == "promoting"
    account.advance(44)
    assert writer(west) == OLD
    account.advance(2)
    assert writer(west) == NEW
    status = west.describe_db_clusters(DBClusterIdentifier="fintech-payments-usw2")["DBClusters"][0]["Status"]
    assert status == "available"
    assert account.databases.calls == [("promote", PAYMENTS, WEST, True)]


def test_old_primary_follows_again_when_its_region_was_back_for_two_minutes(
    account: Account, west: Any
) -> None:
    """After a lossy failover the old primary is pending-resync until its Region was reachable for 120 s."""
    dark = account.faults.add("region-dark", region=EAST)
    west.failover_global_cluster(**MOVE, AllowDataLoss=True)
    account.advance(600)
    assert synchronization(west) == {OLD: "pending-resync", NEW: "connected"}
    account.advance(600)
    account.faults.remove(dark)
    account.advance(119)
    assert synchronization(west)[OLD] == "pending-resync"

    account.advance(2)

    assert synchronization(west)[OLD] == "connected"
    assert account.databases.calls[-1] == ("rejoin", PAYMENTS, EAST)


def test_failover_without_data_loss_is_a_switchover(account: Account, west: Any) -> None:
    """Leaving out both flags means a switchover."""
    answer = west.failover_global_cluster(**MOVE)["GlobalCluster"]

    assert (answer["Status"], answer["FailoverState"]["IsDataLossAllowed"]) == ("switching-over", False)


def test_planned_move_hangs_while_the_old_region_is_dark(account: Account, west: Any) -> None:
    """A switchover waits for a primary that does not answer, and goes on when it does."""
    west.failover_global_cluster(**MOVE, Switchover=True)
    account.advance(3)
    dark = account.faults.add("region-dark", region=EAST)

    account.advance(3600)

    assert told(west)["FailoverState"]["Status"] == "switching-over"
    assert writer(west) == OLD
    account.faults.remove(dark)
    account.advance(30)
    assert writer(west) == NEW


def test_removing_the_target_ends_a_switchover_that_hangs(account: Account, west: Any) -> None:
    """Detaching the secondary is the way out: it is promoted alone, and the old primary may write again."""
    west.failover_global_cluster(**MOVE, Switchover=True)
    account.advance(3)
    account.faults.add("region-dark", region=EAST)

    west.remove_from_global_cluster(GlobalClusterIdentifier=PAYMENTS, DbClusterIdentifier=NEW)

    cluster = west.describe_db_clusters(DBClusterIdentifier="fintech-payments-usw2")["DBClusters"][0]
    assert cluster["Status"] == "promoting"
    assert "FailoverState" not in told(west)
    account.advance(11)
    assert account.databases.calls == [("freeze", PAYMENTS), ("thaw", PAYMENTS), ("detach", PAYMENTS, WEST)]
    assert list(synchronization(west)) == [OLD]


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({**MOVE, "AllowDataLoss": True, "Switchover": True}, ("InvalidParameterCombination", 400)),
        ({**MOVE, "GlobalClusterIdentifier": "nobody"}, ("GlobalClusterNotFoundFault", 404)),
        ({**MOVE, "TargetDbClusterIdentifier": NEW + "x"}, ("DBClusterNotFoundFault", 404)),
        ({**MOVE, "TargetDbClusterIdentifier": OLD}, ("InvalidGlobalClusterStateFault", 400)),
    ],
)
def test_failover_refuses(west: Any, params: dict[str, Any], expected: tuple[str, int]) -> None:
    """Contradictory flags, unknown names and the writer itself are refused with AWS's codes."""
    assert refused(west.failover_global_cluster, **params) == expected


def test_second_move_is_refused_while_one_is_under_way(west: Any) -> None:
    """A global cluster moves once at a time."""
    west.switchover_global_cluster(**MOVE)

    assert refused(west.failover_global_cluster, **MOVE, AllowDataLoss=True) == (
        "InvalidGlobalClusterStateFault",
        400,
    )


def test_switchover_back_to_an_unsynchronized_cluster_is_refused(account: Account, west: Any) -> None:
    """Failing back has to wait for the resynchronization."""
    west.failover_global_cluster(**MOVE, AllowDataLoss=True)
    account.advance(46)

    back = {"GlobalClusterIdentifier": PAYMENTS, "TargetDbClusterIdentifier": OLD}

    assert refused(west.switchover_global_cluster, **back) == ("InvalidDBClusterStateFault", 400)


def test_stuck_resync_leaves_the_old_writer_behind(account: Account, west: Any) -> None:
    """After a failover the old cluster follows again only when nothing holds its resync."""
    stuck = account.faults.add("aws-stuck", operation="resync", database=PAYMENTS)
    west.failover_global_cluster(**MOVE, AllowDataLoss=True)
    account.advance(60)
    account.advance(600)
    assert synchronization(west)[OLD] == "pending-resync"

    account.faults.remove(stuck)
    account.advance(120)
    assert synchronization(west)[OLD] == "connected"


def test_stuck_failover_never_ends_until_its_target_is_detached(account: Account, west: Any) -> None:
    """A managed failover that hangs: nobody else may move the database; removing the target is the way on."""
    account.faults.add("aws-stuck", operation="failover_global_cluster", database=PAYMENTS)
    account.faults.add("region-dark", region=EAST)
    west.failover_global_cluster(**MOVE, AllowDataLoss=True)
    account.advance(900)
    assert told(west)["FailoverState"]["Status"] == "failing-over"
    assert refused(west.failover_global_cluster, **MOVE, AllowDataLoss=True) == (
        "InvalidGlobalClusterStateFault",
        400,
    )

    west.remove_from_global_cluster(GlobalClusterIdentifier=PAYMENTS, DbClusterIdentifier=NEW)
    account.advance(11)

    cluster = west.describe_db_clusters(DBClusterIdentifier="fintech-payments-usw2")["DBClusters"][0]
    assert cluster["Status"] == "available"
    assert account.databases.calls[-1] == ("detach", PAYMENTS, WEST)


def test_secondary_without_instance_cannot_be_promoted(west: Any) -> None:
    """A headless secondary needs an instance first."""
    for number in (1, 2):
        west.delete_db_instance(
            DBInstanceIdentifier=f"fintech-payments-usw2-{number}", SkipFinalSnapshot=True
        )

    assert refused(west.switchover_global_cluster, **MOVE) == ("InvalidDBClusterStateFault", 400)


def test_primary_cannot_be_removed_first(account: Account, west: Any) -> None:
    """The writer leaves a global cluster last."""
    removal = {"GlobalClusterIdentifier": PAYMENTS, "DbClusterIdentifier": OLD}
    east = account.client("rds", EAST)

    assert refused(east.remove_from_global_cluster, **removal) == ("InvalidGlobalClusterStateFault", 400)


def test_member_cannot_be_deleted(west: Any) -> None:
    """A cluster has to leave the global cluster before it is deleted."""
    for number in (1, 2):
        west.delete_db_instance(
            DBInstanceIdentifier=f"fintech-payments-usw2-{number}", SkipFinalSnapshot=True
        )
    cluster = {"DBClusterIdentifier": "fintech-payments-usw2", "SkipFinalSnapshot": True}

    assert refused(west.delete_db_cluster, **cluster) == ("InvalidDBClusterStateFault", 400)


def test_global_cluster_cannot_be_created_twice(west: Any) -> None:
    """A name that is taken is refused."""
    params = {"GlobalClusterIdentifier": PAYMENTS, "Engine": "aurora-postgresql"}

    assert refused(west.create_global_cluster, **params) == ("GlobalClusterAlreadyExistsFault", 400)


def test_source_cluster_of_any_region_becomes_the_writer(west: Any) -> None:
    """A global cluster can begin in any Region, and its first cluster writes."""
    made = west.create_db_cluster(
        DBClusterIdentifier="alone",
        Engine="aurora-postgresql",
        MasterUsername="root",
        MasterUserPassword="long-enough",
    )["DBCluster"]

    answer = west.create_global_cluster(
        GlobalClusterIdentifier="begun", SourceDBClusterIdentifier=made["DBClusterArn"]
    )

    members = answer["GlobalCluster"]["GlobalClusterMembers"]
    assert [(m["DBClusterArn"], m["IsWriter"]) for m in members] == [(made["DBClusterArn"], True)]


def test_events_of_a_switchover_are_told_in_both_regions(account: Account, west: Any) -> None:
    """RDS-EVENT-0181 to 0185, by their texts."""
    west.switchover_global_cluster(**MOVE)
    account.advance(3)
    account.advance(30)

    for region in (EAST, WEST):
        events = account.client("rds", region).describe_events(SourceType="db-cluster")["Events"]
        texts = [e["Message"] for e in events]
        assert next(t for t in texts if "switchover" in t).endswith("started.")
        assert any("Waiting for data synchronization" in t for t in texts)
        assert any("Old primary" in t for t in texts)
        assert any("successfully promoted" in t for t in texts)
        assert texts[-1].endswith("finished.")


def test_events_of_a_failover_are_told_by_the_survivor_alone(account: Account, west: Any) -> None:
    """RDS-EVENT-0238, and 0391: writes of the old primary could not be blocked."""
    account.faults.add("region-dark", region=EAST)
    west.failover_global_cluster(**MOVE, AllowDataLoss=True)
    account.advance(3)
    account.advance(60)

    texts = [e["Message"] for e in west.describe_events(SourceType="db-cluster")["Events"]]

    assert texts == [
        "Blocking writes to the old primary DB cluster timed out.",
        "Global failover to DB cluster fintech-payments-usw2 in Region us-west-2 completed.",
    ]


def test_dark_regions_endpoint_answers_nothing(account: Account) -> None:
    """A call to the dark Region breaks instead of answering."""
    account.faults.add("region-dark", region=EAST)

    with pytest.raises(BotoCoreError):
        account.client("rds", EAST).describe_global_clusters()
