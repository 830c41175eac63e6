"""Merge patch (RFC 7386) and strategic merge patch: the same walk, except for lists."""

from __future__ import annotations

from typing import Any

from bot.sandbox.kubernetes.errors import bad_request
from bot.sandbox.kubernetes.meta import Obj, copied

# Lists that strategic patches merge, with the key that identifies an element (API types' patchMergeKey).
_KEYS = {
    "containers": ("name",),
    "initContainers": ("name",),
    "env": ("name",),
    "volumes": ("name",),
    "volumeMounts": ("mountPath",),
    "imagePullSecrets": ("name",),
    "conditions": ("type",),
    "addresses": ("type",),
    "taints": ("key",),
    "ports": ("containerPort", "port"),
    "ownerReferences": ("uid",),
    "hostAliases": ("ip",),
    "topologySpreadConstraints": ("topologyKey",),
    "secrets": ("name",),
}
_SETS = ("finalizers",)


def merge(document: Any, patch: Any) -> Any:
    """The merge-patched copy: null deletes, lists are replaced whole."""
    if isinstance(patch, list):
        raise bad_request(
            "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}"
        )
    if not isinstance(patch, dict):
        return patch
    result = dict(document) if isinstance(document, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key), value) if isinstance(value, dict) else copied(value)
    return result


def strategic(document: Any, patch: Any) -> Any:
    """The strategically patched copy: known lists are merged by key, `$patch` directives obeyed."""
    if not isinstance(patch, dict):
        raise bad_request(
            "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}"
        )
    return _object(document if isinstance(document, dict) else {}, patch)


def _object(old: Obj, patch: Obj) -> Obj:
    match patch.get("$patch"):
        case "replace":
            return {k: copied(v) for k, v in patch.items() if k != "$patch"}
        case "delete":
            return {}
    result = dict(old)
    for key, value in patch.items():
        if key.startswith("$deleteFromPrimitiveList/"):
            field = key.partition("/")[2]
            result[field] = [v for v in result.get(field, []) if v not in value]
        elif key == "$retainKeys":
            result = {k: v for k, v in result.items() if k in value}
        elif key.startswith("$"):
            continue
        elif value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            found = result.get(key)
            result[key] = _object(found if isinstance(found, dict) else {}, value)
        elif isinstance(value, list):
            result[key] = _list(key, result.get(key) or [], value)
        else:
            result[key] = value
    return result


def _list(field: str, old: list[Any], patch: list[Any]) -> list[Any]:
    if field in _SETS and all(isinstance(v, str) for v in patch):
        return [*old, *(v for v in patch if v not in old)]
    keys = _KEYS.get(field, ())
    items = [v for v in patch if isinstance(v, dict)]
    if not keys or len(items) != len(patch):
        return list(copied(patch))
    if any(v.get("$patch") == "replace" and len(v) == 1 for v in items):
        return [copied(v) for v in items if v.get("$patch") != "replace"]
    key = next((k for k in keys if any(k in v for v in [*items, *old])), keys[0])
    result = list(old)
    fresh: list[Any] = []
    for item in items:
        at = next((n for n, v in enumerate(result) if v.get(key) == item.get(key)), None)
        if item.get("$patch") == "delete":
            if at is not None:
                del result[at]
        elif at is None:
            fresh.append(_object({}, item))
        else:
            result[at] = _object(result[at], item)
    # New elements come first, as the real server orders them.
    return fresh + result
