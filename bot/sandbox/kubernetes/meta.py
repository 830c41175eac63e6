"""What every object carries: times, names, versions and the record of who wrote it."""

from __future__ import annotations

import random
import string
from datetime import UTC, datetime
from typing import Any

import orjson

Obj = dict[str, Any]
# Conditions of the newer `metav1.Condition`, whose reason and message are never left out.
_COMPLETE = ("DisruptionAllowed",)


def copied(value: Any) -> Any:
    """A deep copy of JSON data; faster than `copy.deepcopy` by an order of magnitude."""
    return orjson.loads(orjson.dumps(value))


def stamp(epoch: float) -> str:
    """Epoch seconds as `metav1.Time`: whole seconds, Z."""
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def epoch(text: str) -> float:
    """Epoch seconds of a `metav1.Time` or `metav1.MicroTime`."""
    return datetime.fromisoformat(text).timestamp()


def suffix(length: int = 5) -> str:
    """Random end of a generated name; no vowels and no look-alikes, as Kubernetes makes them."""
    return "".join(random.choices("bcdfghjklmnpqrstvwxz2456789", k=length))


def template_hash(template: Obj) -> str:
    """Stable short name of a pod template: the `pod-template-hash`."""
    number = int.from_bytes(orjson.dumps(template, option=orjson.OPT_SORT_KEYS), "big") % (27**9 + 7)
    letters = "bcdf" + string.digits[2:] + "ghjklmnpqrstvwx"
    out = ""
    while number:
        number, place = divmod(number, len(letters))
        out += letters[place]
    return out or "b"


def labels(obj: Obj) -> dict[str, str]:
    """Labels of an object; empty when it has none."""
    found: dict[str, str] = obj["metadata"].get("labels") or {}
    return found


def notes_of(obj: Obj) -> dict[str, str]:
    """Annotations of an object; empty when it has none."""
    found: dict[str, str] = obj["metadata"].get("annotations") or {}
    return found


def key_of(obj: Obj) -> tuple[str, str]:
    """Namespace ("" for cluster-wide kinds) and name."""
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def controller_of(obj: Obj) -> Obj | None:
    """The owner reference of the controller, if any."""
    for owner in obj["metadata"].get("ownerReferences") or []:
        if owner.get("controller"):
            return dict(owner)
    return None


def owner_reference(owner: Obj, api_version: str, kind: str) -> Obj:
    """Reference that makes `owner` the controller of a new object."""
    meta = owner["metadata"]
    return {
        "apiVersion": api_version,
        "kind": kind,
        "name": meta["name"],
        "uid": meta["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def sign(obj: Obj, writer: str, subresource: str, api_version: str, now: float) -> None:
    """Record the writer in managedFields, newest last; the field sets themselves are left out."""
    entries = obj["metadata"].get("managedFields") or []
    mine = (writer, subresource)
    kept = [e for e in entries if (e.get("manager"), e.get("subresource", "")) != mine]
    entry: Obj = {
        "manager": writer,
        "operation": "Update",
        "apiVersion": api_version,
        "time": stamp(now),
        "fieldsType": "FieldsV1",
        "fieldsV1": {},
    }
    if subresource:
        entry["subresource"] = subresource
    obj["metadata"]["managedFields"] = [*kept, entry]


def condition(obj: Obj, type_: str) -> Obj | None:
    """The status condition of this type, if present."""
    for found in obj.get("status", {}).get("conditions") or []:
        if found["type"] == type_:
            return dict(found)
    return None


def set_condition(
    status: Obj, type_: str, value: str, reason: str, message: str, now: float, *, updates: bool = False
) -> None:
    """Set a status condition; its transition time moves only when the value does.

    With `updates` the condition also carries lastUpdateTime (Deployments do).
    """
    conditions: list[Obj] = status.setdefault("conditions", [])
    old = next((c for c in conditions if c["type"] == type_), None)
    if old and (old["status"], old.get("reason", ""), old.get("message", "")) == (value, reason, message):
        return
    fresh: Obj = {"type": type_, "status": value, "reason": reason, "message": message}
    if type_ not in _COMPLETE:
        fresh = {key: value for key, value in fresh.items() if value}
    if updates:
        fresh["lastUpdateTime"] = stamp(now)
    same = old is not None and old["status"] == value
    fresh["lastTransitionTime"] = old["lastTransitionTime"] if old and same else stamp(now)
    if old:
        conditions[conditions.index(old)] = fresh
    else:
        conditions.append(fresh)
