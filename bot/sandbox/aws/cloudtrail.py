"""CloudTrail's event history: what was called, by whom and in whose name, as `LookupEvents` tells it.

It knows a call at once, where AWS takes up to fifteen minutes. As in AWS it tells management events alone:
calls for S3 objects are data events, which only a trail of one's own has (`exported`).
"""

from __future__ import annotations

import base64
import json
import re
import uuid
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from bot.sandbox.aws import wire

if TYPE_CHECKING:
    from bot.sandbox.aws.cloud import Cloud

SERVICE = "cloudtrail"
PAGE = 50
_GLOBAL = ("route53", "iam")
_SOURCES = {"cloudwatch": "monitoring", "elbv2": "elasticloadbalancing"}
# CloudTrail has these as reads, whatever their names say.
_READS = frozenset({"AssumeRole", "Sign", "FilterLogEvents"})
_CODE = re.compile(rb"<Code>([^<]+)</Code>")
_BODY_ID = re.compile(rb"<(RequestI[dD]|requestId)>([^<]+)</\1>")


@dataclass(frozen=True)
class AssumedSession:
    """Who uses an access key of STS: role, session name and the person that was named when it was assumed."""

    role_arn: str
    session_arn: str
    principal: str
    person: str


class EventHistory:
    """Keeps the latest calls, changes longer than reads. Thread-safe under the cloud's lock."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._changes: deque[dict[str, Any]] = deque(maxlen=20_000)
        self._reads: deque[dict[str, Any]] = deque(maxlen=2_000)
        self.sessions: dict[str, AssumedSession] = {}

    def note(self, call: wire.Call, reply: wire.Reply) -> None:
        """Write down a call that was answered, be the answer lost or not."""
        status = reply[0]
        data = call.service == "s3" and "Object" in call.operation
        reads = not call.mutates or call.operation in _READS
        event = {
            "eventVersion": "1.11",
            "userIdentity": self._identity(call.access_key),
            "eventTime": datetime.fromtimestamp(self._cloud.clock.now(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "eventSource": f"{_SOURCES.get(call.service, call.service)}.amazonaws.com",
            "eventName": call.operation,
            "awsRegion": "us-east-1" if call.service in _GLOBAL else call.region,
            "sourceIPAddress": "127.0.0.1",
            "requestParameters": {"bucketName": call.bucket} if call.bucket else None,
            "responseElements": None,
            "requestID": request_id(reply),
            "eventID": str(uuid.uuid4()),
            "readOnly": reads,
            "eventType": "AwsApiCall",
            "managementEvent": not data,
            "recipientAccountId": "123456789012",
            "eventCategory": "Data" if data else "Management",
        }
        if status >= 300:
            event["errorCode"] = _code(reply)
        with self._cloud.lock:
            (self._reads if reads else self._changes).append(event)

    def exported(self) -> list[dict[str, Any]]:
        """Every event, data events too, oldest first: what a trail writes into its bucket's files."""
        with self._cloud.lock:
            return sorted([*self._changes, *self._reads], key=lambda e: str(e["eventTime"]))

    def serve(self, call: wire.Call, environ: Mapping[str, Any]) -> wire.Reply:
        """Answer `LookupEvents`."""
        asked = json.loads(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)) or b"{}")
        if call.operation != "LookupEvents":
            return wire.refusal(call, 501, "NotImplemented", call.operation)
        attributes = asked.get("LookupAttributes", [])
        if len(attributes) > 1:
            message = "You can only specify one lookup attribute."
            return wire.refusal(call, 400, "InvalidLookupAttributesException", message)
        since, until = asked.get("StartTime", 0.0), asked.get("EndTime", float("inf"))
        if since > until:
            return wire.refusal(call, 400, "InvalidTimeRangeException", "StartTime is after EndTime.")
        found = [
            shown
            for event in reversed(self.exported())
            if event["awsRegion"] == call.region and event["managementEvent"]
            for shown in [_shown(event)]
            if since <= shown["EventTime"] <= until and all(_fits(shown, a) for a in attributes)
        ]
        first = _place(asked.get("NextToken", ""))
        last = first + min(int(asked.get("MaxResults", PAGE)), PAGE)
        more = {"NextToken": base64.b64encode(str(last).encode()).decode()} if last < len(found) else {}
        return answer({"Events": found[first:last], **more})

    def _identity(self, key: str) -> dict[str, Any]:
        account = "123456789012"
        if session := self.sessions.get(key):
            context: dict[str, Any] = {
                "sessionIssuer": {
                    "type": "Role",
                    "arn": session.role_arn,
                    "accountId": account,
                    "userName": session.role_arn.rpartition("/")[2],
                },
                "attributes": {"mfaAuthenticated": "false"},
            }
            if session.person:
                context["sourceIdentity"] = session.person
            return {
                "type": "AssumedRole",
                "principalId": session.principal,
                "arn": session.session_arn,
                "accountId": account,
                "accessKeyId": key,
                "sessionContext": context,
            }
        name = "by-hand" if key == "AKIABYHAND" else f"signalbox-{key.lower()}"
        return {
            "type": "IAMUser",
            "principalId": f"AIDA{name.upper()}",
            "arn": f"arn:aws:iam::{account}:user/{name}",
            "accountId": account,
            "accessKeyId": key,
            "userName": name,
        }


def request_id(reply: wire.Reply) -> str:
    """The id that a client takes from this answer: the body's if it has one, else the header's."""
    _, headers, body = reply
    if found := _BODY_ID.search(body):
        return found[2].decode()
    return {name.lower(): value for name, value in headers.items()}.get("x-amzn-requestid", "")


def with_request_id(call: wire.Call, reply: wire.Reply) -> wire.Reply:
    """Give an answer of EC2 the id in its header: moto writes one and the same into every body."""
    status, headers, body = reply
    own = {name.lower(): value for name, value in headers.items()}.get("x-amzn-requestid", "")
    if call.service != "ec2" or not own:
        return reply
    changed = _BODY_ID.sub(lambda m: b"<%b>%b</%b>" % (m[1], own.encode(), m[1]), body, count=1)
    same = {name: value for name, value in headers.items() if name.lower() != "content-length"}
    return status, {**same, "Content-Length": str(len(changed))}, changed


def answer(content: Mapping[str, Any]) -> wire.Reply:
    """An answer of a service that speaks JSON 1.1."""
    data = json.dumps(content).encode()
    headers = {
        "x-amzn-RequestId": str(uuid.uuid4()),
        "Content-Type": "application/x-amz-json-1.1",
        "Content-Length": str(len(data)),
    }
    return 200, headers, data


def _code(reply: wire.Reply) -> str:
    status, headers, body = reply
    if found := _CODE.search(body):
        return found[1].decode()
    said = {name.lower(): value for name, value in headers.items()}.get("x-amzn-errortype", "")
    if not said and body[:1] == b"{":
        said = str(json.loads(body).get("__type", ""))
    return said.rpartition("#")[2].partition(":")[0] or str(status)


def _shown(event: Mapping[str, Any]) -> dict[str, Any]:
    who = event["userIdentity"]
    return {
        "EventId": event["eventID"],
        "EventName": event["eventName"],
        "ReadOnly": str(event["readOnly"]).lower(),
        "AccessKeyId": who["accessKeyId"],
        "EventTime": datetime.fromisoformat(event["eventTime"]).timestamp(),
        "EventSource": event["eventSource"],
        "Username": who.get("userName") or who["arn"].rpartition("/")[2],
        "Resources": [],
        "CloudTrailEvent": json.dumps(event),
    }


def _fits(shown: Mapping[str, Any], attribute: Mapping[str, str]) -> bool:
    return bool(shown.get(attribute["AttributeKey"]) == attribute["AttributeValue"])


def _place(token: str) -> int:
    try:
        return int(base64.b64decode(token))
    except ValueError:
        return 0
