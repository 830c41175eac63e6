"""What others wrote down about the same calls: CloudTrail's events and Kubernetes' audit events.

Strict: what is not such a record is an error with its place, never skipped in silence. Bodies, parameters and
tokens are not taken over, so that nothing secret gets into what is made of this.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

from bot.errors import SignalboxError

CLOUDTRAIL, KUBERNETES = "CloudTrail", "Kubernetes"
GLOBAL_REGION = "us-east-1"
"""Where CloudTrail has the events of services that are in no Region, such as Route 53."""
_UNFIT = re.compile(r"[^\w+=,.@-]", re.ASCII)
_LONGEST = 64
_READ_VERBS = frozenset({"get", "list", "watch"})
_CONNECTS = frozenset({"exec", "attach", "portforward", "proxy"})
_REVIEWS = frozenset(
    {
        "selfsubjectaccessreviews",
        "selfsubjectrulesreviews",
        "selfsubjectreviews",
        "subjectaccessreviews",
        "localsubjectaccessreviews",
        "tokenreviews",
    }
)


class BadRecord(SignalboxError):
    """This is no record of CloudTrail or of a Kubernetes audit log, or one that cannot be read."""

    not_done = "Nothing was compared."


@dataclass(frozen=True)
class AwsRecord:
    """An event of CloudTrail: `service` is boto3's name, `person` the SourceIdentity, `at` epoch seconds.

    `principal` is the role of an assumed role, otherwise the caller's ARN or the service's name; `kind` is
    the userIdentity's type. `data` says that it is a data event, which `LookupEvents` never tells.
    """

    event_id: str
    request_id: str
    at: float
    service: str
    operation: str
    region: str
    reads: bool
    kind: str
    principal: str
    session: str = ""
    person: str = ""
    error: str = ""
    data: bool = False
    bucket: str = ""


@dataclass(frozen=True)
class KubernetesRecord:
    """One request in an API server's audit log: `resource` may be `deployments/scale`, `code` 0 is no answer."""

    audit_id: str
    at: float
    region: str
    verb: str
    resource: str
    namespace: str
    name: str
    user: str
    as_user: str
    code: int
    reads: bool


@dataclass(frozen=True)
class Told:
    """What one log said of one Region: complete for `since` to `until` unless `lack` says why it is not.

    `asked_at` is when it was asked or, of a file, how new it is: what is told later may not have been there yet.
    """

    log: str
    region: str
    since: float
    until: float
    asked_at: float
    aws: tuple[AwsRecord, ...] = ()
    kubernetes: tuple[KubernetesRecord, ...] = ()
    lack: str = ""
    left_out: str = ""


class Records(Protocol):
    """The logs of others, asked now. What cannot be asked comes back as a `lack`, never as an error."""

    def cloudtrail(self, region: str, since: float, until: float) -> Told: ...
    def kubernetes(self, region: str, since: float, until: float) -> Told: ...


def fit_for_sts(name: str) -> str:
    r"""A name as STS takes it for SourceIdentity and RoleSessionName: `[\w+=,.@-]{2,64}`.

    One that is changed for it gets a few characters of its digest, so that no two names become one.
    """
    if 2 <= len(name) <= _LONGEST and not _UNFIT.search(name):
        return name
    mark = hashlib.sha256(name.encode()).hexdigest()[:12]
    return f"{_UNFIT.sub('-', name)[: _LONGEST - len(mark) - 1]}-{mark}"


def aws_record(event: Any, where: str) -> AwsRecord:
    """An event as CloudTrail writes it. Raises BadRecord, naming `where` and what is wrong."""
    found = _mapping(event, where)
    who = _mapping(found.get("userIdentity") or {}, f"{where}, userIdentity")
    context = _mapping(who.get("sessionContext") or {}, f"{where}, sessionContext")
    issuer = _mapping(context.get("sessionIssuer") or {}, f"{where}, sessionIssuer")
    asked = found.get("requestParameters")
    kind, error = _text(who, "type", where), _text(found, "errorCode", where)
    principal = (
        _text(issuer, "arn", where)
        or _text(who, "arn", where)
        or _text(who, "invokedBy", where)
        or _text(who, "principalId", where)
    )
    if found.get("eventType") == "AwsServiceEvent":
        kind = "AWSService"
    reads = found.get("readOnly")
    if reads is not None and not isinstance(reads, bool | str):
        raise BadRecord(f"{where}: readOnly is neither true nor false.")
    return AwsRecord(
        event_id=_needed(found, "eventID", where),
        request_id=_text(found, "requestID", where),
        at=_time(_needed(found, "eventTime", where), where),
        service=_service(_needed(found, "eventSource", where)),
        operation=_needed(found, "eventName", where),
        region=_needed(found, "awsRegion", where),
        # A sign-in and a dry run change nothing, whatever CloudTrail calls them; unknown is a change.
        reads=str(reads).lower() == "true"
        or found.get("eventType") == "AwsConsoleSignIn"
        or error.endswith("DryRunOperation"),
        kind=kind,
        principal=principal or _text(found, "eventSource", where),
        session=_text(who, "principalId", where).rpartition(":")[2] if issuer else "",
        person=_text(context, "sourceIdentity", where),
        error=error,
        data=found.get("managementEvent") is False or found.get("eventCategory") == "Data",
        bucket=_text(asked, "bucketName", where) if isinstance(asked, Mapping) else "",
    )


def kubernetes_record(event: Any, region: str, where: str) -> tuple[str, KubernetesRecord]:
    """The stage and the request of an audit event (`audit.k8s.io/v1`). Raises BadRecord."""
    found = _mapping(event, where)
    if not str(found.get("apiVersion", "")).startswith("audit.k8s.io/") or found.get("kind") != "Event":
        raise BadRecord(f"{where}: no audit event (apiVersion audit.k8s.io, kind Event).")
    user = _mapping(found.get("user") or {}, f"{where}, user")
    as_user = _mapping(found.get("impersonatedUser") or {}, f"{where}, impersonatedUser")
    thing = _mapping(found.get("objectRef") or {}, f"{where}, objectRef")
    status = _mapping(found.get("responseStatus") or {}, f"{where}, responseStatus")
    code = status.get("code", 0)
    if not isinstance(code, int):
        raise BadRecord(f"{where}: responseStatus.code is no number.")
    uri = urlsplit(_text(found, "requestURI", where))
    verb, resource = _needed(found, "verb", where), _text(thing, "resource", where)
    sub = _text(thing, "subresource", where)
    dry = parse_qs(uri.query).get("dryRun") == ["All"]
    record = KubernetesRecord(
        audit_id=_needed(found, "auditID", where),
        at=_time(_needed(found, "requestReceivedTimestamp", where), where),
        region=region,
        verb=verb,
        resource=(f"{resource}/{sub}" if sub else resource) or uri.path,
        namespace=_text(thing, "namespace", where),
        name=_text(thing, "name", where),
        user=_text(user, "username", where),
        as_user=_text(as_user, "username", where),
        code=code,
        reads=(verb in _READ_VERBS and sub not in _CONNECTS)
        or dry
        or not _REVIEWS.isdisjoint((resource, uri.path.rpartition("/")[2])),
    )
    return _text(found, "stage", where) or "ResponseComplete", record


def requests(staged: list[tuple[str, KubernetesRecord]]) -> tuple[KubernetesRecord, ...]:
    """One record a request: the log has a line for each stage of it, under one audit ID.

    An audit ID is the client's to choose, so two ends under one ID are two requests.
    """
    ends = [record for stage, record in staged if stage in ("ResponseComplete", "Panic")]
    ended = {record.audit_id for record in ends}
    begun = {record.audit_id: record for _, record in staged if record.audit_id not in ended}
    return tuple(sorted([*ends, *begun.values()], key=lambda r: (r.at, r.audit_id)))


def _service(source: str) -> str:
    """`rds.amazonaws.com` as boto3 calls it."""
    name = source.removesuffix(".amazonaws.com")
    return {"monitoring": "cloudwatch", "elasticloadbalancing": "elbv2"}.get(name, name)


def _mapping(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise BadRecord(f"{where}: an object is expected here, found {type(value).__name__}.")
    return value


def _text(found: Mapping[str, Any], name: str, where: str) -> str:
    value = found.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > 2048:
        raise BadRecord(f"{where}: {name} is no text, or too long.")
    return value


def _needed(found: Mapping[str, Any], name: str, where: str) -> str:
    if not (value := _text(found, name, where)):
        raise BadRecord(f"{where}: {name} is missing.")
    return value


def _time(text: str, where: str) -> float:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise BadRecord(f"{where}: {text[:40]!r} is no time.") from None
    if at.tzinfo is None:
        raise BadRecord(f"{where}: the time {text[:40]!r} has no zone.")
    return at.timestamp()
