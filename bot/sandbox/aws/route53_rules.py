"""Route 53's rules for a batch of record changes: all or nothing, and what it refuses in which words.

Most messages were seen in public issues of tools that quote AWS; the facts page of the project names them.
Where no text was seen the code alone is certain, and nothing should depend on the words.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable
from typing import Any

from bot.sandbox.aws.refusals import Refusal

Record = dict[str, Any]
POLICIES = (
    "Weight",
    "Region",
    "Failover",
    "GeoLocation",
    "MultiValueAnswer",
    "CidrRoutingConfig",
    "GeoProximityLocation",
)
_FIELDS = (
    *POLICIES,
    "Name",
    "Type",
    "SetIdentifier",
    "TTL",
    "ResourceRecords",
    "AliasTarget",
    "HealthCheckId",
)


def absolute(name: str) -> str:
    """Return a name as Route 53 stores it: lower case, final dot, asterisk escaped."""
    return name.lower().rstrip(".").replace("*", "\\052") + "."


def order(records: Iterable[Record]) -> list[Record]:
    """Sort as Route 53 lists: labels reversed, then type, then set identifier."""
    return sorted(records, key=place)


def place(record: Record) -> tuple[list[str], str, str]:
    """Where a record stands in that order."""
    return (
        list(reversed(record["Name"].rstrip(".").split("."))),
        record["Type"],
        record.get("SetIdentifier", ""),
    )


def apply_batch(
    zone_id: str, zone: str, records: Iterable[Record], changes: list[dict[str, Any]], checks: Collection[str]
) -> tuple[Record, ...]:
    """Return the zone's records after the batch. Raise InvalidInput, NoSuchHealthCheck or such."""
    if not changes:
        raise _invalid("Invalid request: Expected at least one Change in the ChangeBatch")
    cleaned = [(change["Action"], _clean(change["ResourceRecordSet"])) for change in changes]
    for action, record in cleaned:
        _check_shape(action, record)
        if record.get("HealthCheckId") not in (None, *checks) and action != "DELETE":
            message = f"No health check exists with the specified ID {record['HealthCheckId']}"
            raise Refusal("NoSuchHealthCheck", message)
    draft = {_key(r): r for r in records}
    problems: list[str] = []
    for action, record in cleaned:
        if found := _apply(zone, draft, action, record):
            problems.append(found)
    problems += _check_result(zone_id, zone, draft, {_key(r)[:2] for a, r in cleaned if a != "DELETE"})
    if problems:
        raise Refusal("InvalidChangeBatch", f"[{', '.join(problems)}]")
    return tuple(order(draft.values()))


def _clean(given: dict[str, Any]) -> Record:
    record = {k: given[k] for k in _FIELDS if given.get(k) is not None and given[k] != []}
    record["Name"] = absolute(given["Name"])
    if alias := record.get("AliasTarget"):
        record["AliasTarget"] = {**alias, "DNSName": absolute(alias["DNSName"])}
    return record


def _key(record: Record) -> tuple[str, str, str | None]:
    return record["Name"], record["Type"], record.get("SetIdentifier")


def _invalid(message: str) -> Refusal:
    return Refusal("InvalidInput", message)


def _check_shape(action: str, record: Record) -> None:
    where = (
        f"in Change with [Action={action}, Name={record['Name']}, Type={record['Type']}, "
        f"SetIdentifier={record.get('SetIdentifier', 'null')}]"
    )
    if action not in ("CREATE", "DELETE", "UPSERT"):
        raise _invalid(
            f"Invalid XML ; cvc-enumeration-valid: Value '{action}' is not facet-valid with respect to "
            "enumeration '[CREATE, DELETE, UPSERT]'. It must be a value from the enumeration."
        )
    policies = [p for p in POLICIES if p in record]
    if len(policies) > 1:
        raise _invalid(
            f"Invalid request: Expected exactly one of [{', '.join(POLICIES)}], "
            f"but found more than one {where}"
        )
    if policies and "SetIdentifier" not in record:
        raise _invalid(f"Invalid request: Missing field 'SetIdentifier' {where}")
    if "SetIdentifier" in record and not policies:
        raise _invalid(
            f"Invalid request: Missing field for routing policy, one of [{', '.join(POLICIES)}], {where}"
        )
    if not 0 <= int(record.get("Weight", 0)) <= 255:
        raise _invalid(f"Invalid request: Weight must be between 0 and 255 {where}")
    values = "ResourceRecords" in record or "TTL" in record
    complete = "ResourceRecords" in record and "TTL" in record
    if ("AliasTarget" in record) == complete or values != complete:
        found = "more than one" if "AliasTarget" in record else "none"
        raise _invalid(
            "Invalid request: Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords], "
            f"or TrafficPolicyInstanceId], but found {found} {where}"
        )


def _apply(
    zone: str, draft: dict[tuple[str, str, str | None], Record], action: str, record: Record
) -> str | None:
    """Apply one change to the draft, or return why not."""
    name, kind, identifier = key = _key(record)
    label = f"[name='{name}', type='{kind}'" + (f", set-identifier='{identifier}']" if identifier else "]")
    existing = draft.get(key)
    if name != zone and not name.endswith("." + zone):
        return f"RRSet with DNS name {name} is not permitted in zone {zone}"
    if action == "DELETE":
        if existing is None:
            return f"Tried to delete resource record set {label} but it was not found"
        if existing != record:
            return (
                f"Tried to delete resource record set {label} "
                "but the values provided do not match the current values"
            )
        if name == zone and kind in ("NS", "SOA"):
            return f"A HostedZone must contain at least one {kind} record for the zone itself."
        del draft[key]
        return None
    if action == "CREATE" and existing is not None:
        return f"Tried to create resource record set {label} but it already exists"
    if refused := _conflict(zone, draft, record) or _bad_value(record):
        return refused
    draft[key] = record
    return None


def _conflict(zone: str, draft: dict[tuple[str, str, str | None], Record], record: Record) -> str | None:
    name, kind, identifier = _key(record)
    if kind == "CNAME" and name == zone:
        return f"RRSet of type CNAME with DNS name {name} is not permitted at apex in zone {zone}"
    for other in draft.values():
        if other["Name"] != name or _key(other) == _key(record):
            continue
        if other["Type"] != kind and "CNAME" in (kind, other["Type"]):
            if kind == "CNAME":
                return (
                    f"RRSet of type CNAME with DNS name {name} is not permitted as it conflicts with "
                    f"other records with the same DNS name in zone {zone}"
                )
            return (
                f"RRSet of type {kind} with DNS name {name} is not permitted because a conflicting RRSet "
                f"of type CNAME with the same DNS name already exists in zone {zone}"
            )
        if other["Type"] != kind:
            continue
        if identifier is None:
            return (
                f"RRSet with DNS name {name}, type {kind} cannot be created as other RRSets exist "
                "with the same name and type."
            )
        policy = next(p for p in POLICIES if p in record)
        what = f"RRSet with DNS name {name}, type {kind}, SetIdentifier {identifier} cannot be created as"
        if policy not in other:
            word = "weighted" if policy == "Weight" else policy.lower()
            return f"{what} a non-{word} set exists with the same name and type."
        if policy == "Failover" and other["Failover"] == record["Failover"]:
            return f"{what} a failover {record['Failover']} set exists with the same name and type."
    return None


def _bad_value(record: Record) -> str | None:
    classes = {
        "A": (ipaddress.IPv4Address, "ARRDATAIllegalIPv4Address (Value is not a valid IPv4 address)"),
        "AAAA": (ipaddress.IPv6Address, "AAAARRDATAIllegalIPv6Address (Value is not a valid IPv6 address)"),
    }
    if record["Type"] not in classes:
        return None
    parse, problem = classes[record["Type"]]
    for value in (r["Value"] for r in record.get("ResourceRecords", [])):
        try:
            parse(value)
        except ValueError:
            return f"Invalid Resource Record: FATAL problem: {problem} encountered with '{value}'"
    return None


def _check_result(
    zone_id: str, zone: str, draft: dict[tuple[str, str, str | None], Record], touched: set[tuple[str, str]]
) -> list[str]:
    """Check what only the whole result can tell: equal TTLs in a group, and targets of aliases."""
    problems = []
    for name, kind in sorted(touched):
        group = [r for k, r in draft.items() if k[:2] == (name, kind)]
        if len({r["TTL"] for r in group if "Weight" in r and "TTL" in r}) > 1:
            identifier = group[-1]["SetIdentifier"]
            problems.append(
                f"RRSet with DNS name {name}, type {kind}, SetIdentifier {identifier} cannot be created as "
                "weighted sets must contain the same TTL."
            )
        for target in (r["AliasTarget"] for r in group if "AliasTarget" in r):
            inside = target["HostedZoneId"].removeprefix("/hostedzone/") == zone_id
            if inside and not any(k[:2] == (target["DNSName"], kind) for k in draft):
                problems.append(
                    f"Tried to create an alias that targets {target['DNSName']}, type {kind} in zone "
                    f"{zone_id}, but that target was not found"
                )
    return problems
