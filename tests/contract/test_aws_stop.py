"""STOP objects end to end: put on S3, looked at by health checkers, seen in Route 53's answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from aws_account import EAST, WEST, Account

from bot.sandbox.net.health import HealthCheckers

APP = "app.fintech.example"
BUCKET, KEY = "fintech-stop-us-west-2", "STOP-us-east-1"


@pytest.fixture
def account() -> Iterator[Account]:
    account = Account()
    yield account
    account.close()


class Route53:
    """The stand-in with its checkers; `pass_by` lets them look as often as they are due."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.checkers = HealthCheckers(account.aws, account.faults)
        self.client: Any = account.client("route53")
        self.pass_by(0)

    def pass_by(self, seconds: int) -> None:
        for _ in range(seconds + 1):
            self.checkers.look(self.account.clock.now())
            self.account.clock.seconds += 1 if seconds else 0

    def answer(self) -> list[str]:
        answered = self.client.test_dns_answer(
            HostedZoneId=self.account.ids["zone_id"], RecordName=APP, RecordType="A"
        )
        return list(answered["RecordData"])

    def said(self) -> list[str]:
        check = self.account.ids["health_checks"][APP][EAST]
        found = self.client.get_health_check_status(HealthCheckId=check)["HealthCheckObservations"]
        return [o["StatusReport"]["Status"].partition(":")[0] for o in found]


def test_stop_is_seen_after_three_looks(account: Account) -> None:
    """Not before the third look, which is 20 to 30 seconds later; and as long to come back."""
    route53, s3 = Route53(account), account.client("s3", WEST)
    assert route53.answer() == ["127.0.1.1"]
    s3.put_object(Bucket=BUCKET, Key=KEY, Body=b"traffic moves")
    route53.pass_by(15)
    assert route53.answer() == ["127.0.1.1"]
    route53.pass_by(16)

    assert route53.answer() == ["127.0.2.1"]
    assert set(route53.said()) == {"Failure"}
    s3.delete_object(Bucket=BUCKET, Key=KEY)
    route53.pass_by(31)
    assert route53.answer() == ["127.0.1.1"]
    assert set(route53.said()) == {"Success"}


def test_stop_is_seen_while_the_region_that_is_left_is_dark(account: Account) -> None:
    """The object lies in the other Region: neither the one that is left nor us-east-1's control plane is needed."""
    route53 = Route53(account)
    account.faults.add("region-dark", region=EAST)
    account.client("s3", WEST).put_object(Bucket=BUCKET, Key=KEY, Body=b"traffic moves")
    route53.pass_by(31)

    check = account.ids["health_checks"][APP]
    assert (account.aws.healthy(check[EAST]), account.aws.healthy(check[WEST])) == (False, True)


def test_a_dark_bucket_stops_nobody(account: Account) -> None:
    """Inverted: trouble of the Region that keeps the object never takes customers off the other one."""
    route53 = Route53(account)
    account.faults.add("region-dark", region=WEST)
    route53.pass_by(60)

    assert route53.answer() == ["127.0.1.1"]


@pytest.mark.parametrize(("share", "seen"), [(0.15, False), (0.25, True)])
def test_more_than_18_percent_of_the_checkers_decide(account: Account, share: float, *, seen: bool) -> None:
    """Checker Regions that disagree: what a fifth of them sees is believed, what fewer see is not."""
    route53 = Route53(account)
    account.faults.add("checkers-disagree", share=share, region=WEST)
    account.client("s3", WEST).put_object(Bucket=BUCKET, Key=KEY, Body=b"traffic moves")
    route53.pass_by(31)

    assert (route53.answer() == ["127.0.2.1"]) is seen
    assert set(route53.said()) == {"Failure", "Success"}
