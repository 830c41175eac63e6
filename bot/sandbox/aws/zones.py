"""Hosted zones: what the control plane has accepted, and what the name servers answer by now."""

from __future__ import annotations

import secrets
import string
from dataclasses import dataclass, field
from typing import Any

from bot.sandbox.aws.cloud import NAME_SERVERS, Cloud
from bot.sandbox.aws.refusals import Refusal
from bot.sandbox.aws.route53_rules import Record, absolute, apply_batch, order

_LETTERS = string.ascii_uppercase + string.digits


def new_id(letter: str) -> str:
    """Return an id that looks like Route 53's."""
    return letter + "".join(secrets.choice(_LETTERS) for _ in range(20))


@dataclass(frozen=True)
class Change:
    """A change on its way to the name servers."""

    id: str
    submitted: float
    due: float
    comment: str | None = None


@dataclass
class Zone:
    """A public hosted zone. `served` is replaced as a whole, so the data plane reads it without a lock."""

    id: str
    name: str
    caller_reference: str
    comment: str | None
    accepted: tuple[Record, ...]
    served: list[tuple[float, tuple[Record, ...]]] = field(default_factory=list)

    def shape(self) -> dict[str, Any]:
        return {
            "Id": f"/hostedzone/{self.id}",
            "Name": self.name,
            "CallerReference": self.caller_reference,
            "Config": {"Comment": self.comment, "PrivateZone": False},
            "ResourceRecordSetCount": len(self.accepted),
        }


class Zones:
    """Every hosted zone. Methods that change something expect the cloud's lock to be held."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._zones: dict[str, Zone] = {}
        self._changes: dict[str, Change] = {}

    def all(self) -> list[Zone]:
        return list(self._zones.values())

    def get(self, zone_id: str) -> Zone:
        """Raise NoSuchHostedZone when there is none."""
        try:
            return self._zones[zone_id.removeprefix("/hostedzone/")]
        except KeyError:
            raise Refusal("NoSuchHostedZone", f"No hosted zone found with ID: {zone_id}") from None

    def create(self, name: str, caller_reference: str, comment: str | None) -> tuple[Zone, Change]:
        """Raise HostedZoneAlreadyExists for a caller reference that was used before."""
        if any(z.caller_reference == caller_reference for z in self._zones.values()):
            message = (
                "A hosted zone has already been created with the specified caller reference.: "
                f"{caller_reference}"
            )
            raise Refusal("HostedZoneAlreadyExists", message)
        name = absolute(name)
        soa = f"{NAME_SERVERS[0]}. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400"
        records: tuple[Record, ...] = (
            _simple(name, "NS", 172800, [f"{server}." for server in NAME_SERVERS]),
            _simple(name, "SOA", 900, [soa]),
        )
        zone = Zone(new_id("Z"), name, caller_reference, comment, records, [(0.0, records)])
        self._zones[zone.id] = zone
        return zone, self._submit(None)

    def delete(self, zone_id: str) -> Change:
        """Raise HostedZoneNotEmpty while there is more than NS and SOA."""
        zone = self.get(zone_id)
        if len(zone.accepted) > 2:
            message = "The hosted zone contains resource record sets other than NS and SOA."
            raise Refusal("HostedZoneNotEmpty", message)
        del self._zones[zone.id]
        return self._submit(None)

    def change(self, zone_id: str, changes: list[dict[str, Any]], comment: str | None) -> Change:
        """Apply all changes or none; name servers answer them when the change is INSYNC."""
        zone = self.get(zone_id)
        zone.accepted = apply_batch(zone.id, zone.name, zone.accepted, changes, self._cloud.health.ids())
        change = self._submit(comment)
        kept = self._current(zone.served)
        zone.served = [*zone.served[kept:], (change.due, zone.accepted)]
        return change

    def seed(self, zone: Zone, changes: list[dict[str, Any]]) -> None:
        """Apply changes that have been served for long."""
        zone.accepted = apply_batch(zone.id, zone.name, zone.accepted, changes, self._cloud.health.ids())
        zone.served = [(0.0, zone.accepted)]

    def status(self, change_id: str) -> dict[str, Any]:
        """Raise NoSuchChange for an id that was never given out."""
        change = self._changes.get(change_id.removeprefix("/change/"))
        if change is None:
            message = f"A change with the specified change ID {change_id} does not exist."
            raise Refusal("NoSuchChange", message)
        return self.info(change)

    def info(self, change: Change) -> dict[str, Any]:
        """A ChangeInfo as boto3 shows it."""
        return {
            "Id": f"/change/{change.id}",
            "Status": "INSYNC" if change.due <= self._cloud.clock.now() else "PENDING",
            "SubmittedAt": change.submitted,
            "Comment": change.comment,
        }

    def records(self, zone_id: str) -> list[Record]:
        """What the name servers answer now. Takes no lock."""
        served = self.get(zone_id).served
        return order(served[self._current(served)][1])

    def _current(self, served: list[tuple[float, tuple[Record, ...]]]) -> int:
        now = self._cloud.clock.now()
        return max(index for index, (due, _) in enumerate(served) if due <= now or index == 0)

    def _submit(self, comment: str | None) -> Change:
        now = self._cloud.clock.now()
        change = Change(new_id("C"), now, now + self._cloud.timings.dns_change, comment)
        self._changes[change.id] = change
        return change


def _simple(name: str, kind: str, ttl: int, values: list[str]) -> Record:
    return {"Name": name, "Type": kind, "TTL": ttl, "ResourceRecords": [{"Value": v} for v in values]}
