"""Route 53 over HTTP. Zones and health checks are ours altogether; tags and the rest stay moto's."""

from __future__ import annotations

from typing import Any, ClassVar

from moto.core.responses import ActionResult, EmptyResult
from moto.route53.responses import Route53

from bot.sandbox.aws.cloud import NAME_SERVERS, Cloud
from bot.sandbox.aws.refusals import Refusal
from bot.sandbox.aws.route53_rules import absolute, order, place
from bot.sandbox.aws.zones import Change, Zone

_SERVERS = {"NameServers": list(NAME_SERVERS)}
_BATCH_VALUES = 1000


class LiveRoute53(Route53):  # type: ignore[misc]  # moto has no types
    """Handlers that replace moto's."""

    cloud: ClassVar[Cloud]
    serves = "route53"
    more_paths = (r"/<regex('[\d_-]+'):api_version>/testdnsanswer",)

    def create_hosted_zone(self) -> ActionResult:
        zone, change = self.cloud.zones.create(
            self._get_param("Name"),
            self._get_param("CallerReference"),
            self._get_param("HostedZoneConfig.Comment"),
        )
        return ActionResult(
            {
                "HostedZone": zone.shape(),
                "ChangeInfo": self._info(change),
                "DelegationSet": _SERVERS,
                "Location": f"https://route53.amazonaws.com/2013-04-01/hostedzone/{zone.id}",
            }
        )

    def get_hosted_zone(self) -> ActionResult:
        zone = self.cloud.zones.get(self._get_param("Id"))
        return ActionResult({"HostedZone": zone.shape(), "DelegationSet": _SERVERS})

    def delete_hosted_zone(self) -> ActionResult:
        return ActionResult({"ChangeInfo": self._info(self.cloud.zones.delete(self._get_param("Id")))})

    def get_hosted_zone_count(self) -> ActionResult:
        return ActionResult({"HostedZoneCount": len(self.cloud.zones.all())})

    def list_hosted_zones(self) -> ActionResult:
        zones = sorted(self.cloud.zones.all(), key=lambda z: z.id)
        marker, limit = self._get_param("Marker"), self._get_int_param("MaxItems", 100)
        page = [z for z in zones if not marker or z.id >= marker]
        following = page[limit].id if len(page) > limit else None
        return ActionResult(
            {
                "HostedZones": [z.shape() for z in page[:limit]],
                "Marker": marker,
                "IsTruncated": following is not None,
                "NextMarker": following,
                "MaxItems": limit,
            }
        )

    def list_hosted_zones_by_name(self) -> ActionResult:
        wanted, limit = self._get_param("DNSName"), self._get_int_param("MaxItems", 100)
        zones = sorted(self.cloud.zones.all(), key=_reversed_labels)
        if wanted:
            zones = [z for z in zones if _labels(z.name) >= _labels(absolute(wanted))]
        more = zones[limit] if len(zones) > limit else None
        return ActionResult(
            {
                "DNSName": wanted,
                "HostedZones": [z.shape() for z in zones[:limit]],
                "IsTruncated": more is not None,
                "NextDNSName": more and more.name,
                "NextHostedZoneId": more and more.id,
                "MaxItems": limit,
            }
        )

    def change_resource_record_sets(self) -> ActionResult:
        changes = [dict(c) for c in self._get_param("ChangeBatch.Changes")]
        values = [
            (len(c["ResourceRecordSet"].get("ResourceRecords") or []), c["Action"] == "UPSERT")
            for c in changes
        ]
        if sum(count * (2 if upsert else 1) for count, upsert in values) > _BATCH_VALUES:
            raise Refusal("InvalidChangeBatch", "[Number of records limit of 1000 exceeded.]")
        change = self.cloud.zones.change(
            self._get_param("HostedZoneId"), changes, self._get_param("ChangeBatch.Comment")
        )
        return ActionResult({"ChangeInfo": self._info(change)})

    def list_resource_record_sets(self) -> ActionResult:
        """List the newest records, pending ones too, in Route 53's order and pages [API reference]."""
        zone = self.cloud.zones.get(self._get_param("HostedZoneId"))
        name, kind = self._get_param("StartRecordName"), self._get_param("StartRecordType")
        identifier = self._get_param("StartRecordIdentifier")
        if (kind and not name) or (identifier and not (name and kind)):
            raise Refusal("InvalidInput", "The input is not valid")
        limit = min(self._get_int_param("MaxItems", 300), 300)
        start = {"Name": absolute(name or "."), "Type": kind or "", "SetIdentifier": identifier or ""}
        page = [r for r in order(zone.accepted) if not name or place(r) >= place(start)]
        more = page[limit] if len(page) > limit else {}
        return ActionResult(
            {
                "ResourceRecordSets": page[:limit],
                "IsTruncated": bool(more),
                "NextRecordName": more.get("Name"),
                "NextRecordType": more.get("Type"),
                "NextRecordIdentifier": more.get("SetIdentifier"),
                "MaxItems": str(limit),
            }
        )

    def get_change(self) -> ActionResult:
        return ActionResult({"ChangeInfo": self.cloud.zones.status(self._get_param("Id"))})

    def create_health_check(self) -> ActionResult:
        config = dict(self._get_param("HealthCheckConfig"))
        check = self.cloud.health.create(self._get_param("CallerReference"), config)
        location = f"https://route53.amazonaws.com/2013-04-01/healthcheck/{check['Id']}"
        return ActionResult({"HealthCheck": check, "Location": location})

    def get_health_check(self) -> ActionResult:
        return ActionResult({"HealthCheck": self.cloud.health.get(self._get_param("HealthCheckId"))})

    def update_health_check(self) -> ActionResult:
        wanted = {k: v for k, v in self.params.items() if v is not None}
        wanted.pop("HealthCheckId", None)
        check = self.cloud.health.update(self._get_param("HealthCheckId"), wanted)
        return ActionResult({"HealthCheck": check})

    def delete_health_check(self) -> ActionResult:
        """Delete it even when records use it: Route 53 does not prevent that [botocore's model]."""
        self.cloud.health.delete(self._get_param("HealthCheckId"))
        return EmptyResult()

    def list_health_checks(self) -> ActionResult:
        checks = self.cloud.health.all()
        marker, limit = self._get_param("Marker"), self._get_int_param("MaxItems", 100)
        page = [c for c in checks if not marker or c["Id"] >= marker]
        following = page[limit]["Id"] if len(page) > limit else None
        return ActionResult(
            {
                "HealthChecks": page[:limit],
                "Marker": marker or "",
                "IsTruncated": following is not None,
                "NextMarker": following,
                "MaxItems": str(limit),
            }
        )

    def get_health_check_status(self) -> ActionResult:
        observations = self.cloud.health.observations(self._get_param("HealthCheckId"))
        return ActionResult({"HealthCheckObservations": observations})

    def test_dns_answer(self) -> ActionResult:
        """Answer as one name server would, from what is served now."""
        zone = self.cloud.zones.get(self.querystring["hostedzoneid"][0])
        name, kind = absolute(self.querystring["recordname"][0]), self.querystring["recordtype"][0]
        records = [r for r in self.cloud.zones.records(zone.id) if r["Name"] == name]
        chosen = self.cloud.health.choose([r for r in records if r["Type"] == kind])
        return ActionResult(
            {
                "Nameserver": NAME_SERVERS[0],
                "RecordName": name,
                "RecordType": kind,
                "RecordData": [v["Value"] for v in (chosen or {}).get("ResourceRecords", [])],
                "ResponseCode": "NOERROR" if records else "NXDOMAIN",
                "Protocol": "UDP",
            }
        )

    def _info(self, change: Change) -> dict[str, Any]:
        return self.cloud.zones.info(change)


def _labels(name: str) -> list[str]:
    return list(reversed(name.rstrip(".").split(".")))


def _reversed_labels(zone: Zone) -> list[str]:
    return _labels(zone.name)
