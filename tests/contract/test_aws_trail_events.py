"""CloudTrail in the stand-in: who did what, under which request id, and in whose name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from aws_account import EAST, WEST, Account, refusal
from botocore.config import Config
from botocore.exceptions import ClientError

ACL_ENTRY: dict[str, Any] = {
    "RuleNumber": 1,
    "Protocol": "-1",
    "RuleAction": "deny",
    "CidrBlock": "0.0.0.0/0",
}


@pytest.fixture
def account() -> Iterator[Account]:
    account = Account()
    yield account
    account.close()


def changes(account: Account, region: str, **asked: Any) -> list[dict[str, Any]]:
    """Every change that CloudTrail tells of a Region, newest first."""
    pages = (
        account.client("cloudtrail", region)
        .get_paginator("lookup_events")
        .paginate(LookupAttributes=[{"AttributeKey": "ReadOnly", "AttributeValue": "false"}], **asked)
    )
    return [json.loads(event["CloudTrailEvent"]) for page in pages for event in page["Events"]]


def deny(account: Account, client: Any, *, egress: bool = True) -> str:
    """Fence with a rule; the request's id."""
    answer = client.create_network_acl_entry(
        NetworkAclId=account.ids["network_acls"][WEST], Egress=egress, **ACL_ENTRY
    )
    return str(answer["ResponseMetadata"]["RequestId"])


def test_a_change_is_there_under_the_request_id_that_was_answered(account: Account) -> None:
    """EC2's ids, too, differ from call to call and are those in CloudTrail; other Regions know nothing of it."""
    ec2 = account.client("ec2")
    first, second = deny(account, ec2), deny(account, ec2, egress=False)

    assert first != second
    assert [event["requestID"] for event in changes(account, WEST)] == [second, first]
    assert {event["eventSource"] for event in changes(account, WEST)} == {"ec2.amazonaws.com"}
    assert changes(account, EAST) == []


def test_a_session_names_the_person_and_the_role(account: Account) -> None:
    """Calls with assumed credentials carry the SourceIdentity that they were assumed with."""
    found = account.client("sts").assume_role(
        RoleArn=account.ids["role_arn"], RoleSessionName="signalbox-run-7", SourceIdentity="U0000LEAD01"
    )["Credentials"]
    ec2 = boto3.client(
        "ec2", region_name=WEST, endpoint_url=account.url, aws_access_key_id=found["AccessKeyId"],
        aws_secret_access_key=found["SecretAccessKey"], aws_session_token=found["SessionToken"],
        config=Config(retries={"total_max_attempts": 1}),
    )  # fmt: skip

    deny(account, ec2)
    ec2.close()

    (event,) = changes(account, WEST)
    who = event["userIdentity"]
    assert who["type"] == "AssumedRole"
    assert who["arn"].endswith(":assumed-role/signalbox/signalbox-run-7")
    assert who["sessionContext"]["sourceIdentity"] == "U0000LEAD01"
    assert who["sessionContext"]["sessionIssuer"]["arn"] == account.ids["role_arn"]


def test_refused_throttled_and_unanswered_calls_are_there(account: Account) -> None:
    """CloudTrail knows what the caller does not: a call whose answer was lost was served."""
    ec2 = account.client("ec2")
    deny(account, ec2)
    with pytest.raises(ClientError):
        deny(account, ec2)
    throttle = account.faults.add("aws-throttle", service="ec2")
    with pytest.raises(ClientError):
        deny(account, ec2)
    account.faults.remove(throttle)
    account.faults.add("aws-reply-lost", service="ec2", operation="CreateNetworkAclEntry", count=1)
    with pytest.raises(Exception, match=r"[Cc]onnection"):
        deny(account, ec2, egress=False)

    lost, throttled, refused, done = changes(account, WEST)
    assert "errorCode" not in lost
    assert throttled["errorCode"] == "RequestLimitExceeded"
    assert refused["errorCode"] == "NetworkAclEntryAlreadyExists"
    assert "errorCode" not in done


def test_what_never_arrived_is_not_there(account: Account) -> None:
    """A dark Region saw nothing of a call."""
    dark = account.faults.add("region-dark", region=WEST)
    with pytest.raises(Exception, match=r"[Cc]onnection"):
        deny(account, account.client("ec2"))
    account.faults.remove(dark)

    assert changes(account, WEST) == []


def test_s3_objects_are_data_events(account: Account) -> None:
    """`LookupEvents` does not tell of them; a trail's own files do."""
    account.client("s3").put_object(Bucket="fintech-stop-us-west-2", Key="STOP-us-east-1", Body=b"drill")

    assert changes(account, WEST) == []
    (event,) = [event for event in account.aws.events() if event["eventName"] == "PutObject"]
    assert event["managementEvent"] is False
    assert event["requestParameters"] == {"bucketName": "fintech-stop-us-west-2"}


def test_pages_are_of_fifty_and_tell_everything_once(account: Account) -> None:
    """Following the token gives every event of the window and none twice."""
    ec2 = account.client("ec2")
    for number in range(60):
        ec2.create_tags(
            Resources=[account.ids["network_acls"][WEST]], Tags=[{"Key": "k", "Value": str(number)}]
        )
        account.clock.seconds += 1
    first = account.client("cloudtrail").lookup_events(
        LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "CreateTags"}]
    )

    ids = [event["eventID"] for event in changes(account, WEST)]
    assert len(first["Events"]) == 50
    assert len(ids) == len(set(ids)) == 60
    assert len(changes(account, WEST, StartTime=account.clock.seconds - 10)) == 10


def test_one_attribute_at_a_time(account: Account) -> None:
    """As AWS: two are refused, and so is a window that ends before it begins."""
    client = account.client("cloudtrail")
    two = [{"AttributeKey": "ReadOnly", "AttributeValue": "false"}] * 2
    with pytest.raises(ClientError) as many:
        client.lookup_events(LookupAttributes=two)
    with pytest.raises(ClientError) as backwards:
        client.lookup_events(StartTime=2_000_000_000, EndTime=1_900_000_000)

    assert refusal(many.value)[0] == "InvalidLookupAttributesException"
    assert refusal(backwards.value)[0] == "InvalidTimeRangeException"


def test_a_log_group_that_nobody_made_is_not_there(account: Account) -> None:
    """A cluster without audit logging has no log group."""
    with pytest.raises(ClientError) as caught:
        account.client("logs").filter_log_events(logGroupName="/aws/eks/fintech-prod-secondary/cluster")

    assert refusal(caught.value)[0] == "ResourceNotFoundException"
