"""ARC's data plane as boto3 meets it: five endpoints, states that change together, a rule that refuses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from aws_account import EAST, WEST, Account, refusal
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError

from bot.sandbox.aws.routing import ENDPOINT_REGIONS, RULE

_SESSION = boto3.Session(aws_access_key_id="AKIASIGNALBOX", aws_secret_access_key="not-a-secret")
APP = "app.fintech.example"


@pytest.fixture
def account() -> Iterator[Account]:
    account = Account(arc=True)
    yield account
    account.close()


def client(account: Account, endpoint: str, *, signed: str | None = None) -> Any:
    config = Config(retries={"total_max_attempts": 1}, read_timeout=5, connect_timeout=2)
    url = account.ids["routing"]["endpoints"][endpoint]
    return _SESSION.client(
        "route53-recovery-cluster", region_name=signed or endpoint, endpoint_url=url, config=config
    )


def flip(asked: Any, states: dict[str, str], **more: Any) -> None:
    entries = [{"RoutingControlArn": arn, "RoutingControlState": state} for arn, state in states.items()]
    asked.update_routing_control_states(UpdateRoutingControlStateEntries=entries, **more)


def test_every_endpoint_tells_the_same_states(account: Account) -> None:
    """A flip at one endpoint is seen at the other four."""
    controls = account.ids["routing"]["controls"]
    flip(client(account, "eu-west-1"), {controls[EAST]: "Off", controls[WEST]: "On"})

    for region in ENDPOINT_REGIONS:
        asked = client(account, region)
        found = {r: asked.get_routing_control_state(RoutingControlArn=c) for r, c in controls.items()}
        assert {r: f["RoutingControlState"] for r, f in found.items()} == {EAST: "Off", WEST: "On"}
        assert found[EAST]["RoutingControlName"] == EAST
    listed = client(account, WEST).list_routing_controls()["RoutingControls"]
    assert sorted(c["RoutingControlState"] for c in listed) == ["Off", "On"]


def test_the_safety_rule_keeps_one_on(account: Account) -> None:
    """All off is refused as a whole, and may be overridden by the rule's name."""
    controls, asked = account.ids["routing"]["controls"], client(account, WEST)
    off = dict.fromkeys(controls.values(), "Off")
    with pytest.raises(ClientError) as caught:
        flip(asked, off)

    code, status, message = refusal(caught.value)
    assert (code, status) == ("ConflictException", 409)
    assert RULE in message
    assert account.aws.routed() == {EAST: True, WEST: True}
    flip(asked, off, SafetyRulesToOverride=[RULE])
    assert account.aws.routed() == {EAST: False, WEST: False}


def test_one_control_at_a_time_meets_the_rule_too(account: Account) -> None:
    """The second control cannot be turned off, one by one either."""
    east, west = (account.ids["routing"]["controls"][r] for r in (EAST, WEST))
    asked = client(account, WEST)
    asked.update_routing_control_state(RoutingControlArn=east, RoutingControlState="Off")
    with pytest.raises(ClientError) as caught:
        asked.update_routing_control_state(RoutingControlArn=west, RoutingControlState="Off")

    assert refusal(caught.value)[0] == "ConflictException"
    assert account.aws.routed() == {EAST: False, WEST: True}


def test_an_unknown_control_changes_none(account: Account) -> None:
    """Entries are applied together or not at all."""
    east = account.ids["routing"]["controls"][EAST]
    with pytest.raises(ClientError) as caught:
        flip(client(account, WEST), {east: "Off", f"{east}0": "On"})

    assert refusal(caught.value)[:2] == ("ResourceNotFoundException", 404)
    assert account.aws.routed()[EAST]


def test_an_endpoint_is_as_dark_as_its_region(account: Account) -> None:
    """One endpoint goes with its Region; the others answer."""
    east = account.ids["routing"]["controls"][EAST]
    account.faults.add("region-dark", region="eu-west-1")
    with pytest.raises(ConnectionClosedError):
        client(account, "eu-west-1").get_routing_control_state(RoutingControlArn=east)

    answer = client(account, "ap-northeast-1").get_routing_control_state(RoutingControlArn=east)
    assert answer["RoutingControlState"] == "On"


def test_an_endpoint_wants_its_own_regions_signature(account: Account) -> None:
    """A client that was made for another Region is refused."""
    east = account.ids["routing"]["controls"][EAST]
    with pytest.raises(ClientError) as caught:
        client(account, WEST, signed=EAST).get_routing_control_state(RoutingControlArn=east)

    assert refusal(caught.value)[:2] == ("InvalidSignatureException", 403)


def test_each_endpoint_takes_three_changes_a_second(account: Account) -> None:
    """The fourth in a second is throttled there, and passes at another endpoint."""
    east, asked = account.ids["routing"]["controls"][EAST], client(account, WEST)
    for _ in range(3):
        flip(asked, {east: "On"})
    with pytest.raises(ClientError) as caught:
        flip(asked, {east: "On"})

    assert refusal(caught.value)[:2] == ("ThrottlingException", 429)
    flip(client(account, EAST), {east: "On"})
    account.advance(1)
    flip(asked, {east: "On"})


def test_health_checks_follow_their_control(account: Account) -> None:
    """RECOVERY_CONTROL checks are what the records hang on, and they turn with the control."""
    route53, controls = account.client("route53"), account.ids["routing"]["controls"]
    check = account.ids["health_checks"][APP][EAST]
    config = route53.get_health_check(HealthCheckId=check)["HealthCheck"]["HealthCheckConfig"]
    assert (config["Type"], config["RoutingControlArn"]) == ("RECOVERY_CONTROL", controls[EAST])
    assert account.aws.healthy(check)
    flip(client(account, WEST), {controls[EAST]: "Off"})

    assert not account.aws.healthy(check)
    answer = route53.test_dns_answer(HostedZoneId=account.ids["zone_id"], RecordName=APP, RecordType="A")
    assert answer["RecordData"] == ["127.0.2.1"]
    found = route53.get_health_check_status(HealthCheckId=check)["HealthCheckObservations"]
    assert {o["StatusReport"]["Status"].partition(":")[0] for o in found} == {"Failure"}


def test_a_check_of_a_control_needs_the_control(account: Account) -> None:
    """The type and the control's name go together."""
    with pytest.raises(ClientError) as caught:
        account.client("route53").create_health_check(
            CallerReference="none", HealthCheckConfig={"Type": "RECOVERY_CONTROL"}
        )

    assert refusal(caught.value)[:2] == ("InvalidInput", 400)
