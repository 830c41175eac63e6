"""A C2SP tlog-proof read and checked, with the row, a key and nothing else (c2sp.org/tlog-proof).

Imports nothing of Signalbox but the tree and the note, as the verifier does.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from bot.trail.note import Key, NotANote, Note, parse_note
from bot.trail.tree import HASH_BYTES, included, leaf_hash

LONGEST = 32 * 1024
_MOST_HASHES = 64
_FIRST = "c2sp.org/tlog-proof@v1"
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})")
_RECOVERED = re.compile(r"/r[1-9][0-9]*")
PROVED, WRONG, UNSURE = 0, 1, 2
"""Exit codes: as of the verifier."""


class NotAProof(ValueError):
    """The bytes are no tlog-proof; the message says why."""


@dataclass(frozen=True)
class Proof:
    """What a tlog-proof holds; nothing is checked yet."""

    index: int
    path: tuple[bytes, ...]
    note: Note


@dataclass(frozen=True)
class Verdict:
    """PROVED, WRONG or UNSURE (nobody told which key to trust), and why in words."""

    exit_code: int
    words: str


def parse_proof(raw: bytes) -> Proof:
    """The proof of these bytes, strictly. Raises NotAProof."""
    if len(raw) > LONGEST:
        raise NotAProof(f"a proof has at most {LONGEST} bytes")
    try:
        head, gap, note = raw.decode().partition("\n\n")
    except UnicodeDecodeError as error:
        raise NotAProof("a proof is UTF-8") from error
    lines = head.split("\n")
    if lines.pop(0) != _FIRST or not gap:
        raise NotAProof(f"a proof begins with {_FIRST}")
    if lines and lines[0].startswith("extra "):
        del lines[0]
    found = _INDEX.fullmatch(lines[0]) if lines else None
    if found is None or len(lines) - 1 > _MOST_HASHES:
        raise NotAProof("a proof names the index of its row, and then a hash a line")
    try:
        return Proof(int(found[1]), tuple(_hash(line) for line in lines[1:]), parse_note(note.encode()))
    except NotANote as error:
        raise NotAProof(f"its checkpoint is none: {error}") from error


def check(body: bytes, raw: bytes, keys: Sequence[Key]) -> Verdict:
    """Whether this row is in the log that was signed, at this place. Raises NotAProof."""
    proof = parse_proof(raw)
    point = proof.note.checkpoint
    if not included(leaf_hash(body), proof.index, point.size, proof.path, point.root):
        return Verdict(WRONG, f"This is not row {proof.index} of the log that the checkpoint is about.")
    if wrong := _contradiction(body, proof.index, point.origin):
        return Verdict(WRONG, wrong)
    where = f"row {proof.index} of {point.origin}, as it was signed with {point.size} rows"
    if not keys:
        names = ", ".join(f"{name} ({number.hex()})" for name, number, _ in proof.note.lines)
        return Verdict(
            UNSURE,
            f"It fits {where}. Whether {names} signed it was not checked: give --key, from a trusted source.",
        )
    signers = proof.note.signers(keys)
    if not signers:
        return Verdict(WRONG, f"It would be {where}, but none of the keys given has signed that.")
    weak = "" if all(one.attested for one in signers) else " That key lies in a file: it attests little."
    return Verdict(PROVED, f"Proved: it is {where} by {', '.join(one.name for one in signers)}.{weak}")


def _contradiction(body: bytes, index: int, origin: str) -> str:
    """What the row says of itself that its proof does not, or nothing."""
    try:
        record = json.loads(body)
        seq, chain = record["seq"], record["chain_uid"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return "The row is not what Signalbox writes."
    if seq != index or isinstance(seq, bool):
        return f"The row calls itself {str(seq)[:40]}, its proof is about row {index}."
    if not isinstance(chain, str) or not (
        origin == chain or (origin.startswith(chain) and _RECOVERED.fullmatch(origin[len(chain) :]))
    ):
        return f"The row is of the log {str(chain)[:200]!r}, its proof is about {origin!r}."
    return ""


def _hash(line: str) -> bytes:
    try:
        raw = base64.b64decode(line, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != HASH_BYTES or base64.b64encode(raw).decode() != line:
        raise NotAProof(f"{line[:80]!r} is no hash")
    return raw
