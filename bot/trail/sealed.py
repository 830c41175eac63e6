"""What must not be written verbatim: secrets go, e-mail addresses and sealed values become commitments.

A commitment is `{"$c":"sha256","d":D}` for a value and `[sealed:KIND:D]` within a text, where
`D = base64url(SHA256(JCS([base64url(salt), path, value])))` without padding, and the salt has 128 bits. What it
stands for is kept in the table `disclosure`, which lives shorter than the trail. Paths are those below `unmapped`:
`detail.text`, `detail.why[2]`; within a text the n-th one is `detail.text#n`. Of a secret nothing is kept:
`[redacted:KIND]` stands in its place.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bot.canon import canonical
from bot.scrub import marked, scrub, secret_key

SALT_BYTES = 16
_EMAIL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._%+-]*@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}")
_OWN_WORDS = frozenset({"trail:key:introduced", "trail:key:rotated"})
"""Events that hold nothing but keys and signatures in a form of their own."""


@dataclass(frozen=True)
class Sealed:
    """Wrap a value of an event in this, and the trail commits to it instead of holding it."""

    value: Any


@dataclass(frozen=True)
class Kept:
    """What opens one commitment: `value` is JSON."""

    path: str
    salt: bytes
    value: Any


@dataclass
class Cleaner:
    """Makes detail and approval of one event fit to be locked for years; `kept` is what its commitments stand for."""

    kept: list[Kept] = field(default_factory=list)

    def clean(
        self, name: str, path: str, value: Mapping[str, Any], *, signed: bool = False
    ) -> dict[str, Any]:
        """The mapping without secrets. In what somebody `signed`, e-mail addresses stay: a signature is over them."""
        if name in _OWN_WORDS:
            return dict(value)
        return {key: self._under(key, item, f"{path}.{key}", signed) for key, item in value.items()}

    def _under(self, key: Any, item: Any, path: str, signed: bool) -> Any:
        if isinstance(item, str) and item and isinstance(key, str) and secret_key(key):
            return marked("named", item)
        return self._value(item, path, signed)

    def _value(self, value: Any, path: str, signed: bool) -> Any:
        if isinstance(value, str):
            return self._text(value, path, signed)
        if isinstance(value, dict):
            return {key: self._under(key, item, f"{path}.{key}", signed) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self._value(item, f"{path}[{index}]", signed) for index, item in enumerate(value)]
        if isinstance(value, Sealed):
            return {"$c": "sha256", "d": self._commit(path, value.value)}
        return value

    def _text(self, text: str, path: str, signed: bool) -> str:
        text = scrub(text)
        if signed or "@" not in text:
            return text
        first = len(self.kept)
        return _EMAIL.sub(
            lambda found: f"[sealed:email:{self._commit(f'{path}#{len(self.kept) - first}', found[0])}]", text
        )

    def _commit(self, path: str, value: Any) -> str:
        salt = secrets.token_bytes(SALT_BYTES)
        self.kept.append(Kept(path, salt, value))
        return commitment(salt, path, value)


def commitment(salt: bytes, path: str, value: Any) -> str:
    """The digest that the trail holds. Raises NotCanonical for a value outside the profile."""
    return _base64url(hashlib.sha256(canonical([_base64url(salt), path, value])).digest())


def matches(digest: str, salt: bytes, path: str, value: Any) -> bool:
    """Whether this is what was committed to."""
    return secrets.compare_digest(commitment(salt, path, value), digest)


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
