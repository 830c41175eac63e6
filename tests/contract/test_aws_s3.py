from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aws_account import EAST, WEST, Account, refusal
from botocore.exceptions import BotoCoreError, ClientError

TRAIL = "signalbox-trail"
STOP = {"Bucket": "fintech-stop-us-west-2", "Key": "STOP-us-east-1"}
SOON = datetime(2100, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    account = Account()
    yield account
    account.close()


@pytest.fixture
def s3(account: Account) -> Any:
    return account.client("s3", WEST)


@pytest.fixture
def locked(s3: Any, request: pytest.FixtureRequest) -> dict[str, Any]:
    """A version in the trail's bucket under COMPLIANCE."""
    key = {"Bucket": TRAIL, "Key": request.node.name}
    made = s3.put_object(**key, Body=b"x", ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate=SOON)
    return {**key, "VersionId": made["VersionId"]}


def refused(call: Any, **params: Any) -> tuple[str, int, str]:
    with pytest.raises(ClientError) as caught:
        call(**params)
    return refusal(caught.value)


def test_stop_object_comes_and_goes(account: Account, s3: Any) -> None:
    """The stand-in's health checkers see a STOP object as soon as it is put, and its removal."""
    assert not account.aws.object_exists(**_named(STOP))
    s3.put_object(**STOP, Body=b"why", ContentType="text/plain")

    assert account.aws.object_exists(**_named(STOP))
    assert s3.get_object(**STOP)["Body"].read() == b"why"
    assert s3.head_object(**STOP)["ContentLength"] == 3
    s3.delete_object(**STOP)
    assert not account.aws.object_exists(**_named(STOP))
    assert refused(s3.head_object, **STOP)[:2] == ("404", 404)


def _named(where: dict[str, str]) -> dict[str, str]:
    return {k.lower(): v for k, v in where.items()}


def test_bucket_answers_when_its_own_region_does(account: Account) -> None:
    """A bucket's Region decides whether it can be reached, whatever Region the request was signed for."""
    dark = account.faults.add("region-dark", region=EAST)
    try:
        account.client("s3", EAST).put_object(**STOP, Body=b"why")
        with pytest.raises(BotoCoreError):
            account.client("s3", WEST).put_object(Bucket="fintech-stop-us-east-1", Key="x", Body=b"")
        account.client("s3", WEST).put_object(Bucket=TRAIL, Key="reachable", Body=b"")
    finally:
        account.faults.remove(dark)
    assert not account.aws.object_exists("fintech-stop-us-east-1", "x")


def test_trail_bucket_locks_in_a_third_region(s3: Any) -> None:
    """The archive's bucket has Object Lock and is in neither Region."""
    assert s3.get_bucket_location(Bucket=TRAIL)["LocationConstraint"] == "us-east-2"
    assert (
        s3.get_object_lock_configuration(Bucket=TRAIL)["ObjectLockConfiguration"]["ObjectLockEnabled"]
        == "Enabled"
    )
    assert s3.get_bucket_versioning(Bucket=TRAIL)["Status"] == "Enabled"


def test_retention_is_told(s3: Any, locked: dict[str, Any]) -> None:
    """Mode and date come back as they were put."""
    retention = s3.get_object_retention(**locked)["Retention"]

    assert retention == {"Mode": "COMPLIANCE", "RetainUntilDate": SOON}


@pytest.mark.parametrize(
    "retention",
    [
        {"Mode": "COMPLIANCE", "RetainUntilDate": SOON - timedelta(days=1)},
        {"Mode": "GOVERNANCE", "RetainUntilDate": SOON},
        {"Mode": "GOVERNANCE", "RetainUntilDate": SOON + timedelta(days=1)},
    ],
)
@pytest.mark.parametrize("bypass", [False, True])
def test_compliance_is_neither_shortened_nor_weakened(
    s3: Any, locked: dict[str, Any], retention: dict[str, Any], bypass: bool
) -> None:
    """COMPLIANCE stays, whoever asks."""
    assert refused(s3.put_object_retention, **locked, Retention=retention, BypassGovernanceRetention=bypass)[
        :2
    ] == ("AccessDenied", 403)
    assert s3.get_object_retention(**locked)["Retention"] == {"Mode": "COMPLIANCE", "RetainUntilDate": SOON}


def test_compliance_is_extended(s3: Any, locked: dict[str, Any]) -> None:
    """A later date is accepted."""
    later = {"Mode": "COMPLIANCE", "RetainUntilDate": SOON + timedelta(days=1)}

    s3.put_object_retention(**locked, Retention=later)

    assert s3.get_object_retention(**locked)["Retention"] == later


def test_governance_is_shortened_with_the_bypass_only(s3: Any) -> None:
    """GOVERNANCE yields to those who say so."""
    key = {"Bucket": TRAIL, "Key": "governed"}
    s3.put_object(**key, Body=b"x", ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=SOON)
    sooner = {"Mode": "GOVERNANCE", "RetainUntilDate": SOON - timedelta(days=1)}
    assert refused(s3.put_object_retention, **key, Retention=sooner)[:2] == ("AccessDenied", 403)

    s3.put_object_retention(**key, Retention=sooner, BypassGovernanceRetention=True)


def test_locked_version_cannot_be_deleted(s3: Any, locked: dict[str, Any]) -> None:
    """A locked version stays, with the bypass too; a delete marker hides it only."""
    assert refused(s3.delete_object, **locked)[:2] == ("AccessDenied", 403)
    assert refused(s3.delete_object, **locked, BypassGovernanceRetention=True)[:2] == ("AccessDenied", 403)
    s3.delete_object(Bucket=TRAIL, Key=locked["Key"])
    assert s3.get_object(**locked)["Body"].read() == b"x"


@pytest.mark.parametrize(
    ("lock", "words"),
    [
        (
            {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": datetime(2020, 1, 1, tzinfo=UTC)},
            "The retain until date must be in the future!",
        ),
        ({"ObjectLockMode": "COMPLIANCE"}, "must both be supplied"),
        ({"ObjectLockRetainUntilDate": SOON}, "must both be supplied"),
    ],
)
def test_lock_that_locks_nothing_is_refused(s3: Any, lock: dict[str, Any], words: str) -> None:
    """A past date, or half of a lock, is refused instead of leaving evidence unprotected."""
    code, status, message = refused(s3.put_object, Bucket=TRAIL, Key="half", Body=b"x", **lock)

    assert (code, status) == ("InvalidArgument", 400)
    assert words in message


def test_object_without_lock_says_so(s3: Any) -> None:
    """An object that is not locked is told by its own error."""
    s3.put_object(Bucket=TRAIL, Key="open", Body=b"x")

    assert refused(s3.get_object_retention, Bucket=TRAIL, Key="open")[:2] == (
        "NoSuchObjectLockConfiguration",
        404,
    )


def test_object_is_written_once_when_asked(s3: Any) -> None:
    """If-None-Match keeps a second writer out."""
    s3.put_object(Bucket=TRAIL, Key="once", Body=b"1", IfNoneMatch="*")

    assert refused(s3.put_object, Bucket=TRAIL, Key="once", Body=b"2", IfNoneMatch="*")[:2] == (
        "PreconditionFailed",
        412,
    )


def test_versioning_of_a_locked_bucket_stays_on(s3: Any) -> None:
    """Without versions a lock protects nothing."""
    suspended = {"Bucket": TRAIL, "VersioningConfiguration": {"Status": "Suspended"}}

    assert refused(s3.put_bucket_versioning, **suspended)[:2] == ("InvalidBucketState", 409)
    assert s3.get_bucket_versioning(Bucket=TRAIL)["Status"] == "Enabled"
