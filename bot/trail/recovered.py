"""What the rows of a recovery must say: who signed which heads, and that an emergency is reviewed.

Part of the verifier: builds the signed statement by itself and imports nothing of the bot outside this package.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import orjson
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_ssh_public_key

from bot.trail.finding import Finding

VERSION = "recovery/1"
_FIELDS = ("emergency", "local", "locked", "origin")


class Recoveries:
    """Reads the rows of recoveries in their order. `origin` is the one that checkpoints have after the last row."""

    def __init__(self) -> None:
        self.generation = 0
        self._asked: dict[str, tuple[dict[str, Any], int]] = {}
        self._votes: dict[str, list[tuple[str, str]]] = {}

    def opened(self, detail: Mapping[str, Any], approval: Mapping[str, Any]) -> None:
        """A `decision:question:opened` whose detail's kind is recovery."""
        heads = {field: detail[field] for field in _FIELDS}
        self._asked[approval["decision"]] = (heads, int(approval["quorum"]))

    def voted(self, seq: int, record: Mapping[str, Any]) -> Iterator[Finding]:
        """A `decision:vote:cast` whose approval's choice is recover."""
        unmapped, actor = record["unmapped"], record["actor"]["user"]["uid"]
        detail, approval = unmapped["detail"], unmapped["approval"]
        decision = approval["decision"]
        asked, _ = self._asked.get(decision, ({}, 0))
        if {field: detail.get(field) for field in _FIELDS} != asked:
            yield Finding(
                seq, "recovery-heads", f"{actor} signed other heads than the ones that were asked about"
            )
        elif not _signs(record["chain_uid"], detail, {**approval, "person": actor}):
            yield Finding(seq, "signature-wrong", f"a recovery's signature is not {actor}'s")
        else:
            self._votes.setdefault(decision, []).append((actor, approval["signature"]))

    def recovered(self, seq: int, record: Mapping[str, Any]) -> Iterator[Finding]:
        """A `trail:log:recovered`. The caller compares `locked` and `local` with checkpoints and rows."""
        detail, approval = record["unmapped"]["detail"], record["unmapped"]["approval"]
        chain, decision = record["chain_uid"], approval["decision"]
        asked, quorum = self._asked.get(decision, ({}, 1))
        given = [(one["person"], one["signature"]) for one in approval["signatures"]]
        emergency = detail["emergency"] is True
        if detail != asked:
            yield Finding(
                seq, "recovery-heads", "the log was recovered with heads that nobody was asked about"
            )
        if not all(_signs(chain, detail, one) for one in approval["signatures"]):
            yield Finding(seq, "signature-wrong", "a recovery names a signature that does not fit its heads")
        if any(one not in self._votes.get(decision, ()) for one in given):
            yield Finding(seq, "recovery-unsigned", "a recovery names a signature that nobody gave")
        least = 1 if emergency else max(2, quorum)
        if len({person for person, _ in given}) < least:
            yield Finding(seq, "quorum-missing", "the log was recovered by fewer people than it takes")
        if emergency and not approval.get("review"):
            yield Finding(
                seq, "review-missing", "one person recovered the log alone, and no review was opened"
            )
        if int(detail["local"]["size"]) > seq:
            yield Finding(seq, "recovery-heads", "a recovery names more rows than there were")
        number = generation(chain, detail["origin"])
        if number <= self.generation:
            yield Finding(seq, "recovery-origin", "a recovery went on under an origin that is not a new one")
        self.generation = max(number, self.generation)

    def review(self, record: Mapping[str, Any]) -> tuple[str, set[str]]:
        """The review that this recovery owes, and who may not close it; empty when it was no emergency."""
        approval = record["unmapped"]["approval"]
        review = str(approval.get("review", ""))
        return review, {one["person"] for one in approval["signatures"]} if review else set()


def generation(chain: str, origin: str) -> int:
    """How many recoveries lie before this origin: 0 for the chain itself, -1 for what is no origin of it."""
    if origin == chain:
        return 0
    found = re.fullmatch(re.escape(chain) + r"/r([1-9][0-9]{0,8})", origin)
    return int(found[1]) if found else -1


def statement(chain: str, detail: Mapping[str, Any], person: str, reason: str) -> bytes:
    """What a person signed."""
    told = {"signalbox": VERSION, "chain": chain, "person": person, "reason": reason}
    return orjson.dumps(told | {field: detail[field] for field in _FIELDS}, option=orjson.OPT_SORT_KEYS)


def _signs(chain: str, detail: Mapping[str, Any], given: Mapping[str, Any]) -> bool:
    try:
        key = load_ssh_public_key(str(given["key"]).encode())
        if not isinstance(key, Ed25519PublicKey):
            return False
        key.verify(
            bytes.fromhex(given["signature"]), statement(chain, detail, given["person"], given["reason"])
        )
    except (KeyError, ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True
