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
    s3.create_bucket(
        Bucket="open-archive",
        ObjectLockEnabledForBucket=True,
        CreateBucketConfiguration={"LocationConstraint": WEST},
    )
    s3.put_object(Bucket="open-archive", Key="open", Body=b"x")

    assert refused(s3.get_object_retention, Bucket="open-archive", Key="open")[:2] == (
        "NoSuchObjectLockConfiguration",
        404,
    )


def test_whatever_is_put_into_the_archive_is_locked(s3: Any) -> None:
    """Its default retention holds for a put that asks for none."""
    s3.put_object(Bucket=TRAIL, Key="default", Body=b"x")

    found = s3.get_object(Bucket=TRAIL, Key="default")
    assert (
        found["ObjectLockMode"]
        == s3.head_object(Bucket=TRAIL, Key="default")["ObjectLockMode"]
        == "COMPLIANCE"
    )
    left = found["ObjectLockRetainUntilDate"] - datetime.now(UTC)
    assert timedelta(days=399) < left <= timedelta(days=400)
    assert refused(s3.delete_object, Bucket=TRAIL, Key="default", VersionId=found["VersionId"])[:2] == (
        "AccessDenied",
        403,
    )


def test_versions_are_dated_by_the_simulated_clock(account: Account, s3: Any) -> None:
    """What a verifier compares with the times in the trail; a marker has its own date."""
    s3.put_object(Bucket=TRAIL, Key="dated", Body=b"x")
    account.advance(3600)
    s3.delete_object(Bucket=TRAIL, Key="dated")

    found = s3.list_object_versions(Bucket=TRAIL, Prefix="dated")
    assert found["Versions"][0]["LastModified"].timestamp() == account.clock.now() - 3600
    assert found["DeleteMarkers"][0]["LastModified"].timestamp() == account.clock.now()
    assert [one["IsLatest"] for one in (*found["Versions"], *found["DeleteMarkers"])] == [False, True]


@pytest.mark.parametrize(
    "checksum",
    [{"ChecksumAlgorithm": "SHA256", "ChecksumSHA256": "A" * 43 + "="}, {"ContentMD5": "A" * 22 + "=="}],
)
def test_bytes_that_are_not_those_of_their_checksum_are_refused(s3: Any, checksum: dict[str, str]) -> None:
    """Nothing broken is locked for years."""
    assert refused(s3.put_object, Bucket=TRAIL, Key="broken", Body=b"x", **checksum)[:2] == ("BadDigest", 400)


def test_what_is_locked_needs_a_checksum(account: Account) -> None:
    """A put that says nothing about its bytes is refused where they would be locked."""
    import boto3
    from botocore.config import Config

    config = Config(request_checksum_calculation="when_required", retries={"total_max_attempts": 1})
    session = boto3.Session(aws_access_key_id="AKIASIGNALBOX", aws_secret_access_key="x", region_name=WEST)
    plain = session.client("s3", endpoint_url=account.url, config=config)
    try:
        code, status, message = refused(plain.put_object, Bucket=TRAIL, Key="unsummed", Body=b"x")
        plain.put_object(**STOP, Body=b"x")
        plain.delete_object(**STOP)
    finally:
        plain.close()

    assert (code, status) == ("InvalidRequest", 400)
    assert "x-amz-checksum-" in message


def test_versions_are_listed_in_pages(s3: Any) -> None:
    """By key, the newest version first; a page may end inside a key, and a marker need not be a key."""
    for key in ("paged/a", "paged/b", "paged/b", "paged/b", "paged/c"):
        s3.put_object(Bucket=TRAIL, Key=key, Body=b"x")
    pages = s3.get_paginator("list_object_versions").paginate(
        Bucket=TRAIL, Prefix="paged/", PaginationConfig={"PageSize": 2}
    )

    found = [[(one["Key"][-1], one["IsLatest"]) for one in page["Versions"]] for page in pages]
    assert found == [[("a", True), ("b", True)], [("b", False), ("b", False)], [("c", True)]]
    after = s3.list_object_versions(Bucket=TRAIL, Prefix="paged/", KeyMarker="paged/aa")
    assert [one["Key"] for one in after["Versions"]] == ["paged/b"] * 3 + ["paged/c"]


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
