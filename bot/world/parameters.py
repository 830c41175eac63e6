"""Which parameters of a call may stand in the trail: an allow-list, since what is logged is locked for years.

Secrets, bodies of objects and headers never pass: a parameter is written only when its operation names it
here. The names of withheld parameters are kept, so that a reader sees that there was more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

from bot.scrub import scrub

_GLOBAL = frozenset({"GlobalClusterIdentifier", "TargetDbClusterIdentifier", "AllowDataLoss", "Switchover"})
_ACL_ENTRY = frozenset({"NetworkAclId", "RuleNumber", "Protocol", "RuleAction", "Egress", "CidrBlock"})
_OBJECT = frozenset({"Bucket", "Key", "VersionId"})

AWS: Mapping[str, frozenset[str]] = {
    "SwitchoverGlobalCluster": _GLOBAL,
    "FailoverGlobalCluster": _GLOBAL,
    "RemoveFromGlobalCluster": frozenset({"GlobalClusterIdentifier", "DbClusterIdentifier"}),
    "UpdateRoutingControlStates": frozenset({"UpdateRoutingControlStateEntries", "SafetyRulesToOverride"}),
    "CreateNetworkAclEntry": _ACL_ENTRY,
    "DeleteNetworkAclEntry": _ACL_ENTRY,
    "UpdateNodegroupConfig": frozenset(
        {"clusterName", "nodegroupName", "scalingConfig", "clientRequestToken"}
    ),
    "ChangeResourceRecordSets": frozenset({"HostedZoneId", "ChangeBatch"}),
    "PutObject": _OBJECT,
    "DeleteObject": _OBJECT,
}

_QUERY = frozenset(
    {"dryRun", "fieldManager", "fieldValidation", "force", "gracePeriodSeconds", "propagationPolicy"}
)
_PATCHED = frozenset({"deployments", "horizontalpodautoscalers", "appprojects"})
_LONGEST_TEXT = 512
_MOST_ITEMS = 64
_DEEPEST = 8
_LARGEST = 2**53 - 1


def of_aws(operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of an AWS operation that may be written, and the names of those withheld."""
    allowed = AWS.get(operation, frozenset())
    told: dict[str, Any] = {name: plain(value) for name, value in params.items() if name in allowed}
    if withheld := sorted(name for name in params if name not in allowed):
        told["withheld"] = withheld
    return told


def of_kubernetes(url: str, body: Any) -> tuple[str, dict[str, Any]]:
    """Resource (`deployments/scale`) and parameters of a Kubernetes call.

    JSON patches of the resources that Signalbox moves are written; of a Job, its image and arguments (its
    credentials are a reference to a Secret); of anything else only namespace and name. Of the query, what is
    named here.
    """
    parts = urlsplit(url)
    resource, told = _place(parts.path)
    plural = resource.partition("/")[0]
    asked = {name: plain(values[-1]) for name, values in parse_qs(parts.query).items()}
    told |= {name: value for name, value in asked.items() if name in _QUERY}
    withheld = sorted(_ascii(name) for name in asked.keys() - _QUERY)
    if isinstance(body, list) and plural in _PATCHED:
        told["patch"] = plain(body)
    elif isinstance(body, Mapping) and plural == "jobs" and "spec" in body:
        told["name"] = plain(body.get("metadata", {}).get("name", ""))
        containers = body["spec"]["template"]["spec"]["containers"]
        told["containers"] = [
            {"image": plain(one.get("image", "")), "args": plain(one.get("args", []))} for one in containers
        ]
    elif body:
        withheld.append("body")
    if withheld:
        told["withheld"] = withheld
    return resource, told


def of_http(url: str, host: str, key: str) -> dict[str, Any]:
    """Parameters of an HTTP request: URL without its query, the name asked for, the idempotency key."""
    return {"url": bare(url), "host": host, "key": key}


def bare(url: str) -> str:
    """The URL without what may be secret in it: user, password, query, fragment."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "<no URL>"
    place = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{place}{parts.path}"[:_LONGEST_TEXT]


def plain(value: Any, depth: int = 0) -> Any:
    """The value as small JSON without floats: the trail's canonical bytes know integers and text only."""
    if isinstance(value, str):
        value = scrub(value.encode("utf-8", "replace").decode())
        return value if len(value) <= _LONGEST_TEXT else value[: _LONGEST_TEXT - 1] + "…"
    if value is None or isinstance(value, bool) or (isinstance(value, int) and abs(value) <= _LARGEST):
        return value
    if isinstance(value, int | float):
        return str(value)
    if depth < _DEEPEST and isinstance(value, Mapping):
        items = list(value.items())[:_MOST_ITEMS]
        return {_ascii(str(name)): plain(item, depth + 1) for name, item in items}
    if depth < _DEEPEST and isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [plain(item, depth + 1) for item in value[:_MOST_ITEMS]]
    return f"<{type(value).__name__}>"


def _ascii(name: str) -> str:
    return name.encode("ascii", "backslashreplace").decode()


def _place(path: str) -> tuple[str, dict[str, Any]]:
    """`/apis/apps/v1/namespaces/production/deployments/web/scale` as (`deployments/scale`, its place)."""
    parts = [part for part in path.split("/") if part]
    parts = parts[2:] if parts[:1] == ["api"] else parts[3:]
    told: dict[str, Any] = {}
    if len(parts) > 2 and parts[0] == "namespaces":
        told["namespace"], parts = parts[1], parts[2:]
    if len(parts) > 1:
        told["name"] = parts[1]
    return "/".join([*parts[:1], *parts[2:3]]) or path, told
