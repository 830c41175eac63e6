"""CloudWatch Logs, as far as EKS writes into it: the API servers' audit logs, read by `FilterLogEvents`.

Filter patterns are not applied, so more may come back than was asked for. Events are there at once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from bot.sandbox.aws import wire
from bot.sandbox.aws.cloudtrail import answer

if TYPE_CHECKING:
    from bot.sandbox.aws.cloud import Cloud

SERVICE = "logs"
STREAM = "kube-apiserver-audit-0a1b2c3d4e5f60718293a4b5c6d7e8f9"
PAGE = 10_000


@runtime_checkable
class Audited(Protocol):
    """A cluster that keeps an audit log."""

    name: str

    def audit_log(self) -> list[tuple[float, dict[str, Any]]]: ...


class AuditLogs:
    """Log groups `/aws/eks/CLUSTER/cluster` of clusters that keep an audit log."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def serve(self, call: wire.Call, environ: Mapping[str, Any]) -> wire.Reply:
        """Answer `FilterLogEvents`."""
        asked = json.loads(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)) or b"{}")
        if call.operation != "FilterLogEvents":
            return wire.refusal(call, 501, "NotImplemented", call.operation)
        cluster = self._cloud.clusters.get(call.region)
        known = (
            isinstance(cluster, Audited) and asked.get("logGroupName") == f"/aws/eks/{cluster.name}/cluster"
        )
        if not known:
            message = "The specified log group does not exist."
            return wire.refusal(call, 400, "ResourceNotFoundException", message)
        assert isinstance(cluster, Audited)
        prefix = asked.get("logStreamNamePrefix", "")
        since, until = asked.get("startTime", 0), asked.get("endTime", float("inf"))
        found = [
            {
                "logStreamName": STREAM,
                "timestamp": at,
                "ingestionTime": at,
                "eventId": f"{number:056d}",
                "message": json.dumps(event),
            }
            for number, (seconds, event) in enumerate(cluster.audit_log())
            for at in [int(seconds * 1000)]
            if since <= at <= until and STREAM.startswith(prefix)
        ]
        first = int(asked.get("nextToken") or 0)
        last = first + min(int(asked.get("limit", PAGE)), PAGE)
        more = {"nextToken": str(last)} if last < len(found) else {}
        return answer({"events": found[first:last], "searchedLogStreams": [], **more})
