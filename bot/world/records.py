"""CloudTrail and the clusters' audit logs, asked live: what AWS and Kubernetes wrote down about changes.

What cannot be asked, or is too much to read, comes back as a lack: a comparison must not take silence for
agreement.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from bot.clock import Clock
from bot.errors import OutsideError, Rejected
from bot.records import (
    CLOUDTRAIL,
    KUBERNETES,
    AwsRecord,
    BadRecord,
    KubernetesRecord,
    Told,
    aws_record,
    kubernetes_record,
    requests,
)
from bot.world.sessions import AwsSessions

MOST_PAGES = 400
"""Of 50 events each; CloudTrail answers two pages a second."""
MOST_LOG_PAGES = 200
_STREAM = "kube-apiserver-audit"
_QUIET = ("leases", "events")
# Everything but reading, and a command in a pod, which is a GET. Leases and events alone are most of the rest.
_PATTERN = (
    '{ ($.objectRef.resource != "leases") && ($.objectRef.resource != "events") && '
    '(($.verb = "create") || ($.verb = "update") || ($.verb = "patch") || ($.verb = "delete") || '
    '($.verb = "deletecollection") || ($.objectRef.subresource = "exec") || ($.objectRef.subresource = "attach") || '
    '($.objectRef.subresource = "portforward") || ($.objectRef.subresource = "proxy")) }'
)


class AwsRecords:
    """`bot.records.Records` on CloudTrail's event history and on CloudWatch Logs, with read-only calls.

    `clusters` maps a Region to its EKS cluster, whose log group is `/aws/eks/CLUSTER/cluster`.
    """

    def __init__(self, aws: AwsSessions, clusters: Mapping[str, str], clock: Clock) -> None:
        self._aws = aws
        self._clusters = clusters
        self._clock = clock

    def cloudtrail(self, region: str, since: float, until: float) -> Told:
        """Management events that change something. Event history lasts 90 days and has no data events."""
        asked_at = self._clock.now()
        found: list[AwsRecord] = []
        token: dict[str, str] = {}
        lack = f"CloudTrail of {region} has more than {MOST_PAGES * 50:,} changes in this time: ask for less"
        try:
            for _ in range(MOST_PAGES):
                page = self._aws.call(
                    "cloudtrail",
                    region,
                    "lookup_events",
                    LookupAttributes=[{"AttributeKey": "ReadOnly", "AttributeValue": "false"}],
                    StartTime=datetime.fromtimestamp(since, UTC),
                    EndTime=datetime.fromtimestamp(until, UTC),
                    MaxResults=50,
                    **token,
                )
                for event in page["Events"]:
                    where = f"CloudTrail of {region}, event {event.get('EventId', '')}"
                    found.append(aws_record(_json(event["CloudTrailEvent"], where), where))
                if not page.get("NextToken"):
                    lack = ""
                    break
                token = {"NextToken": page["NextToken"]}
        except (OutsideError, BadRecord) as error:
            lack = str(error)
        return Told(CLOUDTRAIL, region, since, until, asked_at, aws=tuple(found), lack=lack)

    def kubernetes(self, region: str, since: float, until: float) -> Told:
        """Requests that change something, without leases and events. A log that tells nothing is not enabled."""
        asked_at = self._clock.now()
        staged: list[tuple[str, KubernetesRecord]] = []
        token: dict[str, str] = {}
        cluster = self._clusters.get(region, "")
        lack = "" if cluster else f"there is no cluster in {region}"
        try:
            for page_number in range(MOST_LOG_PAGES if cluster else 0):
                page = self._aws.call(
                    "logs",
                    region,
                    "filter_log_events",
                    logGroupName=f"/aws/eks/{cluster}/cluster",
                    logStreamNamePrefix=_STREAM,
                    startTime=int(since * 1000),
                    endTime=int(until * 1000),
                    filterPattern=_PATTERN,
                    **token,
                )
                for event in page.get("events", []):
                    where = f"audit log of {cluster}, event {event.get('eventId', '')}"
                    staged.append(kubernetes_record(_json(event["message"], where), region, where))
                if not page.get("nextToken"):
                    break
                token = {"nextToken": page["nextToken"]}
                if page_number == MOST_LOG_PAGES - 1:
                    lack = f"the audit log of {cluster} has too many changes in this time: ask for less"
        except Rejected as error:
            missing = "ResourceNotFound" in error.what
            lack = f"audit logs of {cluster} are not enabled (no log group)" if missing else str(error)
        except (OutsideError, BadRecord) as error:
            lack = str(error)
        if not staged and not lack:
            # Its own controllers write all the time, so an API server is never silent.
            lack = f"the audit log of {cluster} tells nothing at all of this time: audit logs are not enabled"
        kept = [
            (stage, record) for stage, record in staged if record.resource.partition("/")[0] not in _QUIET
        ]
        told = requests(kept)
        return Told(
            KUBERNETES,
            region,
            since,
            until,
            asked_at,
            kubernetes=told,
            lack=lack,
            left_out="without leases and events",
        )


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadRecord(f"{where}: no JSON.") from error
