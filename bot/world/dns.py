"""DNS: weights in Route 53's control plane, STOP objects that its health checkers read, and who answers what.

Route 53's control plane is in us-east-1, so weights are for planned moves. STOP objects lie in the Region
that is *not* left, and health checkers and name servers go on without a control plane.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bot import act
from bot.errors import Conflict, Rejected
from bot.ports import WeightedRecord
from bot.world.name_servers import NameServers
from bot.world.sessions import AwsSessions

_CONTROL_PLANE = "us-east-1"


class AwsDns:
    """`bot.ports.Dns` on Route 53, S3 and DNS itself."""

    def __init__(self, aws: AwsSessions, name_servers: NameServers) -> None:
        self._aws = aws
        self._name_servers = name_servers

    def answers(self, name: str, name_servers: Sequence[str]) -> dict[str, tuple[str, ...] | None]:
        return self._name_servers.answers(name, name_servers)

    def records(self, zone_id: str, name: str) -> tuple[WeightedRecord, ...]:
        """The weighted records of this name, ordered by set id."""
        found = [_record(one) for one in self._sets(zone_id, name) if "Weight" in one]
        return tuple(sorted(found, key=lambda record: (record.type, record.set_id)))

    def set_weights(self, zone_id: str, records: Sequence[WeightedRecord], weights: Mapping[str, int]) -> str:
        """Change weights by set id in one batch; empty when nothing would change.

        Each changed record is deleted with its exact before-image and created anew: Route 53 refuses the
        whole batch when an image no longer matches, which an UPSERT would silently overwrite. Everything
        but the weight is taken from the live record. Raises Conflict when a record is not as `records` says.
        """
        changes: list[dict[str, Any]] = []
        for name in dict.fromkeys(record.name for record in records):
            live = {(one["Type"], one.get("SetIdentifier")): one for one in self._sets(zone_id, name)}
            for record in (r for r in records if r.name == name):
                image = live.get((record.type, record.set_id))
                if image is None or _record(image) != record:
                    raise Conflict(
                        f"{record.name} {record.type} {record.set_id} is no longer as it was planned from.",
                        not_done="No weight was changed.",
                    )
                weight = weights.get(record.set_id, record.weight)
                if weight != record.weight:
                    changes += [
                        {"Action": "DELETE", "ResourceRecordSet": image},
                        {"Action": "CREATE", "ResourceRecordSet": image | {"Weight": weight}},
                    ]
        if unknown := sorted(set(weights) - {record.set_id for record in records}):
            raise Rejected(f"No record for {', '.join(unknown)}.", not_done="No weight was changed.")
        if not changes:
            return ""
        now = act.current()
        answer = self._aws.call(
            "route53",
            _CONTROL_PLANE,
            "change_resource_record_sets",
            HostedZoneId=zone_id,
            ChangeBatch={"Comment": f"signalbox {now.run} {now.step}"[:256], "Changes": changes},
        )
        return str(answer["ChangeInfo"]["Id"])

    def change_done(self, change_id: str) -> bool:
        """Whether all of Route 53's servers have the change; it says nothing of resolvers."""
        if not change_id:
            return True
        answer = self._aws.call("route53", _CONTROL_PLANE, "get_change", Id=change_id)
        return bool(answer["ChangeInfo"]["Status"] == "INSYNC")

    def stopped(self, region: str, bucket: str, key: str) -> bool:
        # A HEAD answers 404 for a missing bucket too, which must not look like "not stopped".
        answer = self._aws.call("s3", region, "list_objects_v2", Bucket=bucket, Prefix=key, MaxKeys=1)
        return any(found["Key"] == key for found in answer.get("Contents", []))

    def stop(self, region: str, bucket: str, key: str, why: str) -> None:
        self._aws.call(
            "s3", region, "put_object", Bucket=bucket, Key=key, Body=why.encode(), ContentType="text/plain"
        )

    def unstop(self, region: str, bucket: str, key: str) -> None:
        self._aws.call("s3", region, "delete_object", Bucket=bucket, Key=key)

    def _sets(self, zone_id: str, name: str) -> list[dict[str, Any]]:
        """Every record set of exactly this name; Route 53 lists from a name on, in its own order."""
        full = name.rstrip(".").lower() + "."
        found: list[dict[str, Any]] = []
        start: dict[str, str] = {"StartRecordName": full}
        while True:
            page = self._aws.call(
                "route53", _CONTROL_PLANE, "list_resource_record_sets", HostedZoneId=zone_id, **start
            )
            sets = page["ResourceRecordSets"]
            found += [one for one in sets if one["Name"].lower() == full]
            if not page.get("IsTruncated") or any(one["Name"].lower() != full for one in sets):
                return found
            start = {"StartRecordName": page["NextRecordName"], "StartRecordType": page["NextRecordType"]}
            if "NextRecordIdentifier" in page:
                start["StartRecordIdentifier"] = page["NextRecordIdentifier"]


def _record(found: Mapping[str, Any]) -> WeightedRecord:
    alias = found.get("AliasTarget")
    values = [alias["DNSName"]] if alias else [one["Value"] for one in found.get("ResourceRecords", [])]
    return WeightedRecord(
        name=found["Name"].rstrip("."),
        type=found["Type"],
        set_id=found.get("SetIdentifier", ""),
        weight=int(found.get("Weight", 0)),
        ttl=int(found.get("TTL", 60)),
        values=tuple(values),
        health_check=found.get("HealthCheckId", ""),
    )
