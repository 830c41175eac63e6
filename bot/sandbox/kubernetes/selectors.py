"""Label and field selectors: those of requests (text) and those of specs (objects)."""

from __future__ import annotations

import re
from collections.abc import Callable

from bot.sandbox.kubernetes import kinds
from bot.sandbox.kubernetes.errors import ApiError, bad_request
from bot.sandbox.kubernetes.kinds import Kind
from bot.sandbox.kubernetes.meta import Obj, labels

Match = Callable[[Obj], bool]
_KEY = r"[A-Za-z0-9]([A-Za-z0-9._/-]*[A-Za-z0-9])?"
_SET = re.compile(rf"^(?P<key>{_KEY})\s+(?P<op>in|notin)\s*\((?P<values>[^()]*)\)$")
_EQUAL = re.compile(rf"^(?P<key>{_KEY})\s*(?P<op>==|=|!=)\s*(?P<value>[A-Za-z0-9._-]*)$")
_EXISTS = re.compile(rf"^(?P<no>!?)\s*(?P<key>{_KEY})$")
_FIELDS = {
    kinds.POD: (
        "spec.nodeName",
        "status.phase",
        "spec.restartPolicy",
        "spec.serviceAccountName",
        "status.podIP",
    ),
    kinds.NODE: ("spec.unschedulable",),
    kinds.NAMESPACE: ("status.phase",),
    kinds.SECRET: ("type",),
    kinds.JOB: ("status.successful",),
    kinds.EVENT: (
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "reason",
        "type",
    ),
}
_PLAIN = (kinds.CONFIG_MAP, kinds.SERVICE, kinds.LEASE, kinds.SERVICE_ACCOUNT, kinds.ENDPOINTS)


def by_labels(text: str) -> Match:
    """Match of a `labelSelector`. Raises 400 for one that cannot be parsed."""
    tests = [_requirement(part.strip()) for part in _parts(text)] if text.strip() else []
    return lambda obj: all(test(labels(obj)) for test in tests)


def by_fields(kind: Kind, text: str) -> Match:
    """Match of a `fieldSelector`. Raises 400 for a field this kind cannot be selected by."""
    tests: list[Match] = []
    for part in filter(None, text.split(",")):
        found = re.match(r"^([^=!]+)(==|=|!=)(.*)$", part)
        if not found:
            raise bad_request(f"invalid selector: '{text}'; can't understand '{part}'")
        path, op, value = found.group(1), found.group(2), found.group(3)
        if path not in ("metadata.name", "metadata.namespace", *_FIELDS.get(kind, ())):
            raise _unknown_field(kind, path)
        tests.append(lambda o, p=path, v=value, same=op != "!=": (_field(o, p) == v) is same)  # type: ignore[misc]
    return lambda obj: all(test(obj) for test in tests)


def matches(selector: Obj | None, found: dict[str, str]) -> bool:
    """Whether labels match a `metav1.LabelSelector`; an absent one matches nothing, an empty one all."""
    if selector is None:
        return False
    for key, value in (selector.get("matchLabels") or {}).items():
        if found.get(key) != value:
            return False
    for rule in selector.get("matchExpressions") or []:
        has, values = rule["key"] in found, rule.get("values") or []
        verdict = {
            "In": has and found.get(rule["key"]) in values,
            "NotIn": not has or found[rule["key"]] not in values,
            "Exists": has,
            "DoesNotExist": not has,
        }
        if not verdict[rule["operator"]]:
            return False
    return True


def _parts(text: str) -> list[str]:
    parts, depth = [""], 0
    for char in text:
        depth += (char == "(") - (char == ")")
        if char == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += char
    if depth > 0:
        raise bad_request("unable to parse requirement: found '', expected: ',' or ')'")
    return parts


def _requirement(part: str) -> Callable[[dict[str, str]], bool]:
    if found := _SET.match(part):
        key, values = found["key"], {v.strip() for v in found["values"].split(",")}
        if found["op"] == "in":
            return lambda have: key in have and have[key] in values
        return lambda have: have.get(key) not in values
    if found := _EQUAL.match(part):
        key, value = found["key"], found["value"]
        if found["op"] == "!=":
            return lambda have: have.get(key) != value
        return lambda have: have.get(key) == value
    if found := _EXISTS.match(part):
        key, absent = found["key"], bool(found["no"])
        return lambda have: (key in have) is not absent
    word = part.split()[1] if len(part.split()) > 1 else part
    raise bad_request(
        f"unable to parse requirement: found '{word}', expected: in, notin, =, ==, !=, gt, lt, ',' or ')'"
    )


def _field(obj: Obj, path: str) -> str:
    value: object = obj
    for step in path.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    if path == "spec.unschedulable":
        return "true" if value else "false"
    return "" if value is None else str(value)


def _unknown_field(kind: Kind, path: str) -> ApiError:
    if kind in _PLAIN:
        return bad_request(
            f'"{path}" is not a known field selector: only "metadata.name", "metadata.namespace"'
        )
    return bad_request(f"field label not supported: {path}")
