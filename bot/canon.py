"""Canonical JSON bytes: the restricted RFC 8785 profile that digests and the trail are made of.

No floats, integers within ±(2^53-1), ASCII keys, valid UTF-8, less than 64 KiB and at most 32 levels: within these
limits orjson with sorted keys writes the same bytes as RFC 8785, which a property test holds it to.
"""

from __future__ import annotations

from typing import Any

import orjson

LIMIT_BYTES = 64 * 1024 - 1
"""The most that an entry of c2sp.org/tlog-tiles may have."""
_DEEPEST = 32
_LARGEST = 2**53 - 1


class NotCanonical(ValueError):
    """The value is outside the profile; the message names the path."""


def canonical(value: Any, *, limit: int | None = None) -> bytes:
    """The value's canonical bytes. Raises NotCanonical outside the profile or above `limit` bytes."""
    _check(value, "$", 0)
    body = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    if limit is not None and len(body) > limit:
        raise NotCanonical(f"{len(body)} bytes are more than {limit}")
    return body


def _check(value: Any, path: str, depth: int) -> None:
    if depth > _DEEPEST:
        raise NotCanonical(f"{path}: deeper than {_DEEPEST} levels")
    if value is None or isinstance(value, bool):
        return
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise NotCanonical(f"{path}: not valid UTF-8") from error
        return
    if isinstance(value, int):
        if abs(value) > _LARGEST:
            raise NotCanonical(f"{path}: {value} is outside ±(2^53-1)")
        return
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str) or not key.isascii():
                raise NotCanonical(f"{path}: key {key!r} is not ASCII text")
            _check(item, f"{path}.{key}", depth + 1)
        return
    if isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            _check(item, f"{path}[{index}]", depth + 1)
        return
    raise NotCanonical(f"{path}: {type(value).__name__} is not allowed")
