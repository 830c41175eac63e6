"""Makes an event fit into one row: what is too long is cut in the same way every time, and the cut is told.

An event must never stop a call in the middle of the night for having too many words.
"""

from __future__ import annotations

from typing import Any

import orjson

_DEEPEST = 24
"""Levels of a detail; the record has a few more around it."""
_LEAST = 64
"""Bytes below which a value is rather left out than cut."""


def fitted(
    detail: dict[str, Any], room: int, room_for_cuts: int = 4096
) -> tuple[dict[str, Any], dict[str, int]]:
    """The detail within `room` bytes, and what was cut: path to its length before, in bytes.

    Where that were more than `room_for_cuts` bytes, it names the detail as one. Text that is no valid UTF-8 is
    made so. Raises nothing for JSON; what is none is left as it is.
    """
    cuts: dict[str, int] = {}
    valid = _valid(detail, "detail", 0, cuts)
    fit = _squeezed(valid, room, "detail", cuts)
    # A few bytes for the key and the comma around them.
    return fit, cuts if _size(cuts) + 16 <= room_for_cuts else {"detail": _size(valid)}


def _valid(value: Any, path: str, depth: int, cuts: dict[str, int]) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict | list | tuple) and depth >= _DEEPEST:
        cuts[path] = len(str(value))
        return None
    if isinstance(value, dict):
        return {
            _key(key): _valid(item, f"{path}.{_key(key)}", depth + 1, cuts) for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_valid(item, f"{path}[{index}]", depth + 1, cuts) for index, item in enumerate(value)]
    return value


def _key(key: Any) -> Any:
    return key.encode("ascii", "backslashreplace").decode() if isinstance(key, str) else key


def _squeezed(value: Any, room: int, path: str, cuts: dict[str, int]) -> Any:
    size = _size(value)
    if size <= room:
        return value
    if isinstance(value, dict):
        return _part(value, room, path, cuts)
    cuts[path] = size
    if isinstance(value, str):
        return _start(value, room)
    if isinstance(value, list):
        return _first(value, room)
    return None


def _start(text: str, room: int) -> str:
    while text and _size(text + "…") > room:
        text = text[: min(len(text) - 1, len(text) * room // _size(text + "…"))]
    return text + "…"


def _first(items: list[Any], room: int) -> list[Any]:
    kept, used = [], 2
    for item in items:
        used += _size(item) + 1
        if used > room:
            break
        kept.append(item)
    return kept


def _part(value: dict[Any, Any], room: int, path: str, cuts: dict[str, int]) -> dict[Any, Any]:
    """Small values stay whole; the large ones share what is left."""
    sizes = {key: _size(value[key]) for key in sorted(value, key=str)}
    left = room - 2 - sum(_size(str(key)) + 2 for key in sizes)
    level, waiting = 0, len(sizes)
    for size in sorted(sizes.values()):
        level = left // waiting
        if size > level:
            break
        left, waiting = left - size, waiting - 1
    if level < _LEAST:
        cuts[path] = _size(value)
        kept, used = {}, 2
        for key, size in sizes.items():
            if (used := used + _size(str(key)) + size + 2) <= room:
                kept[key] = value[key]
        return kept
    return {key: _squeezed(item, level, f"{path}.{key}", cuts) for key, item in value.items()}


def _size(value: Any) -> int:
    return len(orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS, default=str))
