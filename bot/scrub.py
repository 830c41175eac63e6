"""Takes secrets out of text before it goes anywhere: into rows, the trail, logs or messages.

Two ways to know one: by its shape (keys of AWS, tokens of Slack and others, private keys, passwords in URLs), and
by its value, for what this process was configured with (`learn`). What is found is replaced, never kept.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

_SECRET_LENGTH = 40
LONGEST_WORD = 16
SHORTEST_KNOWN = 8
"""Characters: a shorter value would be found in ordinary words."""

# Nothing here may look twice at what it has passed: others' answers are as long and as hostile as they like.
_VALUE = r"[^\s\"'\\&;,<>\[\]{}]"
_SHAPES = {
    "private-key": r"-----BEGIN[ A-Z0-9]{0,40}PRIVATE KEY(?: BLOCK)?-----"
    r"(?:[A-Za-z0-9+/=\s:,.()]|-(?!----)|\\{1,4}[nrt])*(?:-----END[ A-Z0-9]{0,40}PRIVATE KEY(?: BLOCK)?-----)?",
    "slack-token": r"\bx(?:ox[a-z](?:\.x?ox[a-z])?|app)-[A-Za-z0-9-]{6,}",
    "slack-webhook": r"(?<=hooks\.slack\.com/)[A-Za-z0-9_/-]{10,}",
    "jwt": r"\beyJ[A-Za-z0-9_-]{5,4096}\.[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]*){0,3}",
    "aws-key-id": r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b",
    "code-token": r"\b(?:gh[oprsu]_[A-Za-z0-9]{16,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{16,})",
    "api-token": r"\b(?:sk|rk|pk)[-_](?:live|test|proj|ant)[-_][A-Za-z0-9_-]{8,}",
    "cluster-token": r"\bk8s-aws-v1\.[A-Za-z0-9_=-]{8,}",
    "password": r"(?<=://)[^\s/@\"'\\:]*:[^\s/@\"'\\]+(?=@)",
    "bearer": r"(?i:(?<=\bbearer )|(?<=\bbasic )|(?<=\btoken ))(?=[A-Za-z._~+/-]*[0-9])[A-Za-z0-9._~+/-]{16,}=*",
    "signature": r"(?i:(?<=[?&]x-amz-signature=)|(?<=[?&]x-amz-credential=)|(?<=[?&]x-amz-security-token=)"
    r"|(?<=[?&]sig=)|(?<=[?&]signature=))[A-Za-z0-9%._~+/=-]+",
    # Behind an account's number it is part of an ARN: `…:123456789012:secret:NAME`.
    "named": r"(?i:(?<![0-9]{12}:)\b[a-z0-9_-]{0,40}"
    r"(?:password|passwd|passphrase|secret|api[_-]?key|access[_-]?key|token|pwd)"
    r"(?:[_-]?(?:key|id|value))?)[\"']?\s{0,3}(?:=|%3D|:(?!//)(?=[\s\"']{0,4}[^\s\"']{0,60}[0-9]))\s{0,3}[\"']?"
    rf"(?P<value>{_VALUE}{{4,}})",
    "aws-secret": r"(?<![A-Za-z0-9/+=])(?=[a-z0-9/+]{0,39}[A-Z])(?=[A-Z0-9/+]{0,39}[a-z])(?=[A-Za-z/+]{0,39}[0-9])"
    r"[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])",
}
_FOUND = re.compile("|".join(f"(?P<{name.replace('-', '_')}>{shape})" for name, shape in _SHAPES.items()))
# One of these is in every match of a shape but the last, and most texts are without.
_HINTS = (
    *("-----begin", "xox", "xapp-", "hooks.slack", "eyj", "akia", "asia", "abia", "acca", "k8s-aws"),
    *("ghp_", "gho_", "ghr_", "ghs_", "ghu_", "github_", "glpat-", "sk-", "sk_", "rk-", "rk_", "pk-", "pk_"),
    *("://", "bearer", "basic", "token", "sig=", "signature=", "x-amz-", "pass", "pwd", "secret"),
    *("apikey", "api_key", "api-key", "accesskey", "access_key", "access-key"),
)
_LONG = re.compile(r"(?<![A-Za-z0-9/+=])[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])")
_KEYS = frozenset(
    {"password", "passwd", "passphrase", "secret", "token", "authorization", "apikey", "clientsecret"}
    | {"accesstoken", "refreshtoken", "sessiontoken", "secretaccesskey", "awssecretaccesskey"}
    | {"awssessiontoken", "privatekey", "stringdata", "clientkeydata"}
)
Marker = Callable[[str, str], str]
"""What stands in the place of a secret, given its kind and the secret."""


@dataclass
class _Learnt:
    """Values that this process was configured with, and a pattern that finds any of them."""

    kinds: dict[str, str] = field(default_factory=dict)
    pattern: re.Pattern[str] | None = None


_learnt = _Learnt()


def marked(kind: str, _secret: str) -> str:
    """The plain mark: without blanks or quotes, so that a command line stays one."""
    return f"[redacted:{kind}]"


def learn(secrets: Mapping[str, str]) -> None:
    """Know these values (value to kind) from now on, in this process.

    Short ones and plain words are passed over: a password `postgres` would be found in half of all sentences.
    """
    _learnt.kinds.update({value: kind for value, kind in secrets.items() if _telling(value)})
    longest_first = sorted(_learnt.kinds, key=len, reverse=True)
    _learnt.pattern = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None


def unlearn() -> None:
    """Forget what was learnt."""
    _learnt.kinds.clear()
    _learnt.pattern = None


def scrub(text: str, mark: Marker = marked) -> str:
    """The text with a mark in the place of every secret; the same text when there is none."""
    if _learnt.pattern is not None:
        text = _learnt.pattern.sub(lambda found: mark(_learnt.kinds[found[0]], found[0]), text)
    lower = text.lower()
    if not any(hint in lower for hint in _HINTS) and (len(text) < _SECRET_LENGTH or not _LONG.search(text)):
        return text
    return _FOUND.sub(lambda found: _replaced(found, mark), text)


def holds_secret(text: str) -> bool:
    """Whether something in the text looks like a secret."""
    return scrub(text) != text


def secret_key(name: str) -> bool:
    """Whether what stands under this key is a secret whatever it looks like."""
    return name.lower().replace("_", "").replace("-", "") in _KEYS


def scrubbed(value: Any, mark: Marker = marked) -> Any:
    """The same for JSON: every text in it, and whatever stands under the key of a secret."""
    if isinstance(value, str):
        return scrub(value, mark)
    if isinstance(value, Mapping):
        return {
            key: mark("named", item)
            if isinstance(item, str) and item and isinstance(key, str) and secret_key(key)
            else scrubbed(item, mark)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [scrubbed(item, mark) for item in value]
    return value


def _telling(value: str) -> bool:
    return len(value) >= (LONGEST_WORD if value.isalpha() else SHORTEST_KNOWN)


def _replaced(found: re.Match[str], mark: Marker) -> str:
    kind = (found.lastgroup or "named").replace("_", "-")
    if (value := found["value"]) is not None:
        if value.startswith("[redacted"):
            return found[0]
        return found[0][: found.start("value") - found.start()] + mark("named", value)
    return mark(kind, found[0])
