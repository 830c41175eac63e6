from __future__ import annotations

from collections.abc import Iterator

import boto3
import pytest
from aws_account import EAST, WEST, Account, refusal
from botocore.exceptions import ClientError


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    account = Account()
    yield account
    account.close()


def test_source_identity_comes_back(account: Account) -> None:
    """The person behind a call is part of the session."""
    answer = account.client("sts").assume_role(
        RoleArn=account.ids["role_arn"], RoleSessionName="run-7", SourceIdentity="U0000LEAD01"
    )

    assert answer["SourceIdentity"] == "U0000LEAD01"
    assert answer["AssumedRoleUser"]["Arn"] == "arn:aws:sts::123456789012:assumed-role/signalbox/run-7"


def test_session_is_who_it_says(account: Account) -> None:
    """Calls with a session's credentials are the role's."""
    found = account.client("sts").assume_role(RoleArn=account.ids["role_arn"], RoleSessionName="run-8")[
        "Credentials"
    ]
    client = boto3.client(
        "sts", region_name=WEST, endpoint_url=account.url, aws_access_key_id=found["AccessKeyId"],
        aws_secret_access_key=found["SecretAccessKey"], aws_session_token=found["SessionToken"],
    )  # fmt: skip

    arn = client.get_caller_identity()["Arn"]

    client.close()
    assert arn == "arn:aws:sts::123456789012:assumed-role/signalbox/run-8"


def test_absent_role_cannot_be_assumed(account: Account) -> None:
    """A role that is not there is an AccessDenied, as in AWS."""
    with pytest.raises(ClientError) as caught:
        account.client("sts").assume_role(
            RoleArn="arn:aws:iam::123456789012:role/nobody", RoleSessionName="x1"
        )

    assert refusal(caught.value)[0] == "AccessDenied"


def test_source_identity_has_an_alphabet(account: Account) -> None:
    """Spaces are refused."""
    with pytest.raises(ClientError) as caught:
        account.client("sts").assume_role(
            RoleArn=account.ids["role_arn"], RoleSessionName="run-9", SourceIdentity="On call"
        )

    assert refusal(caught.value)[:2] == ("ValidationError", 400)


def test_regional_sts_works_while_us_east_1_is_dark(account: Account) -> None:
    """STS of a Region depends on no other."""
    dark = account.faults.add("region-dark", region=EAST)

    identity = account.client("sts", WEST).get_caller_identity()

    account.faults.remove(dark)
    assert identity["Account"] == "123456789012"
