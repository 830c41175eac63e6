"""RDS events of global databases, as `DescribeEvents` tells them in each Region.

Texts follow the Aurora User Guide's list of DB cluster events; the API carries no event number.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from bot.sandbox.aws.cloud import Cloud

if TYPE_CHECKING:
    from bot.sandbox.aws.rds_global import Member


@dataclass(frozen=True)
class Event:
    """One event; `number` is AWS's (RDS-EVENT-0181 and so on) and only for tests and people."""

    number: str
    at: datetime
    member: Member
    message: str

    def shape(self) -> dict[str, Any]:
        """As boto3 shows it."""
        return {
            "SourceIdentifier": self.member.cluster_id,
            "SourceType": "db-cluster",
            "SourceArn": self.member.arn,
            "Message": self.message,
            "EventCategories": ["global-failover"],
            "Date": self.at,
        }


class EventLog:
    """What happened, in order. A Region that cannot be reached records nothing."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._events: list[Event] = []

    def find(self, region: str, since: datetime | None, until: datetime | None) -> list[Event]:
        """Events of one Region; without `since` those of the last hour."""
        since = since or self._cloud.time() - timedelta(hours=1)
        until = until or self._cloud.time()
        return [e for e in self._events if e.member.region == region and since <= e.at <= until]

    def switchover_started(self, source: Member, target: Member) -> None:
        text = f"Global switchover to DB cluster {target.cluster_id} in Region {target.region} started."
        self._note("0181", text, source, target)

    def waiting_for_sync(self, source: Member, target: Member) -> None:
        text = "Waiting for data synchronization across global cluster members."
        self._note("0183", text, source, target)

    def switchover_finished(self, source: Member, target: Member) -> None:
        old = f"Old primary DB cluster {source.cluster_id} in Region {source.region} successfully shut down."
        new = (
            f"New primary DB cluster {target.cluster_id} in Region {target.region} was successfully promoted."
        )
        end = f"Global switchover to DB cluster {target.cluster_id} in Region {target.region} finished."
        self._note("0182", old, source, target)
        self._note("0184", new, source, target)
        self._note("0185", end, source, target)

    def write_block(self, target: Member, *, done: bool) -> None:
        if done:
            self._note("0390", "Writes to the old primary DB cluster were blocked.", target)
        else:
            self._note("0391", "Blocking writes to the old primary DB cluster timed out.", target)

    def failover_completed(self, source: Member, target: Member) -> None:
        text = f"Global failover to DB cluster {target.cluster_id} in Region {target.region} completed."
        self._note("0238", text, source, target)

    def resync_started(self, member: Member) -> None:
        self._note(
            "0240", f"Started resynchronizing DB cluster {member.cluster_id} post global failover.", member
        )

    def resync_finished(self, member: Member) -> None:
        self._note(
            "0241", f"Finished resynchronizing DB cluster {member.cluster_id} post global failover.", member
        )

    def _note(self, number: str, message: str, *members: Member) -> None:
        for member in members:
            if not self._cloud.faults.unreachable(member.region):
                self._events.append(Event(number, self._cloud.time(), member, message))
