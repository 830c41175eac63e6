"""JSON patch (RFC 6902) as the API server applies it, with its two liberties.

`replace` of a missing leaf acts like `add`, and `test` for null on a missing path passes (measured on
1.36); a library that follows the RFC refuses both.
"""

from __future__ import annotations

from typing import Any

from bot.sandbox.kubernetes.errors import bad_request, rejected
from bot.sandbox.kubernetes.meta import copied

_MISSING = object()


def apply(document: Any, operations: Any) -> Any:
    """The patched copy. Raises 400 when `operations` is no list, 422 when any operation fails."""
    if not isinstance(operations, list):
        raise bad_request(
            "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp"
        )
    root = {"": copied(document)}
    for operation in operations:
        if not isinstance(operation, dict) or not isinstance(operation.get("path"), str):
            raise rejected()
        _one(root, operation)
    return root[""]


def _one(root: dict[str, Any], operation: dict[str, Any]) -> None:
    path, value = operation["path"], operation.get("value")
    match operation.get("op"):
        case "test":
            found = _get(root, path)
            if (None if found is _MISSING else found) != value:
                raise rejected()
        case "add":
            _add(root, path, value)
        case "replace":
            _replace(root, path, value)
        case "remove":
            _remove(root, path)
        case "copy":
            _add(root, path, copied(_need(root, operation.get("from"))))
        case "move":
            moved = _need(root, operation.get("from"))
            _remove(root, operation["from"])
            _add(root, path, moved)
        case _:
            raise rejected()


def _steps(path: str) -> list[str]:
    if path and not path.startswith("/"):
        raise rejected()
    return [step.replace("~1", "/").replace("~0", "~") for step in path.split("/")]


def _index(items: list[Any], step: str, *, last: int) -> int:
    if not step.isdigit() or int(step) > last:
        raise rejected()
    return int(step)


def _get(root: dict[str, Any], path: str) -> Any:
    here: Any = root
    for step in _steps(path):
        if isinstance(here, dict):
            here = here.get(step, _MISSING)
        elif isinstance(here, list) and step.isdigit() and int(step) < len(here):
            here = here[int(step)]
        else:
            return _MISSING
    return here


def _need(root: dict[str, Any], path: Any) -> Any:
    found = _get(root, path) if isinstance(path, str) else _MISSING
    if found is _MISSING:
        raise rejected()
    return found


def _parent(root: dict[str, Any], path: str) -> tuple[Any, str]:
    steps = _steps(path)
    here: Any = root
    for step in steps[:-1]:
        if isinstance(here, dict) and step in here:
            here = here[step]
        elif isinstance(here, list):
            here = here[_index(here, step, last=len(here) - 1)]
        else:
            raise rejected()
    if not isinstance(here, dict | list):
        raise rejected()
    return here, steps[-1]


def _add(root: dict[str, Any], path: str, value: Any) -> None:
    parent, step = _parent(root, path)
    if isinstance(parent, dict):
        parent[step] = value
    else:
        at = len(parent) if step == "-" else _index(parent, step, last=len(parent))
        parent.insert(at, value)


def _replace(root: dict[str, Any], path: str, value: Any) -> None:
    parent, step = _parent(root, path)
    if isinstance(parent, dict):
        parent[step] = value
    else:
        parent[_index(parent, step, last=len(parent) - 1)] = value


def _remove(root: dict[str, Any], path: str) -> None:
    parent, step = _parent(root, path)
    if isinstance(parent, dict):
        if step not in parent:
            raise rejected()
        del parent[step]
    else:
        del parent[_index(parent, step, last=len(parent) - 1)]
