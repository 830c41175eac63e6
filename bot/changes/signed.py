"""Answers that people signed with a key of theirs: what is signed, and whether a signature is theirs.

Where Slack does not vouch for who clicked, a key that is pinned in the estate does (`keys:`). What is signed is
canonical JSON with a fixed purpose, so a signature under an answer is none under anything else: it begins with
`{"`, which neither an SSH login (a length) nor an SSH signature of a file (`SSHSIG`) does.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_ssh_public_key

from bot.canon import canonical
from bot.errors import NotAllowed
from bot.estate import Estate

PURPOSE = "signalbox"
VERSION = "decision/1"
_NOT_COUNTED = "Your answer did not count."


@dataclass(frozen=True)
class Signed:
    """A signature and whose it claims to be: `key` as OpenSSH writes it, `signature` raw Ed25519, 64 bytes."""

    key: str
    signature: bytes

    def evidence(self, **what: str) -> dict[str, str]:
        """What was signed with key and signature, for the trail; a key's comment is often a person's address."""
        return {**what, "key": bare(self.key), "signature": self.signature.hex()}


def vote_statement(decision: str, choice: str, person: str, digest: str, reason: str) -> bytes:
    """What a person signs to answer a question; `digest` is the decision's own."""
    return statement(
        {"decision": decision, "choice": choice, "person": person, "digest": digest, "reason": reason}
    )


def stop_statement(change: str, how: str, person: str, digest: str) -> bytes:
    """What a person signs to end a run (`how`: rollback or abort); `digest` is the change's own."""
    return statement({"change": change, "choice": how, "person": person, "digest": digest, "reason": ""})


def statement(what: Mapping[str, str]) -> bytes:
    """The bytes that are signed. Raises ValueError when `what` holds the field of the purpose."""
    if PURPOSE in what:
        raise ValueError(f"{PURPOSE!r} is the field that tells what a signature is for")
    return canonical({PURPOSE: VERSION, **what})


def check(estate: Estate, person: str, message: bytes, signed: Signed | None) -> None:
    """Whether this person signed this message with a key that the estate pins. Raises NotAllowed with the reason."""
    if signed is None:
        raise NotAllowed(
            "At a terminal an answer is signed, since nobody there vouches for who you are.",
            not_done=_NOT_COUNTED,
            then="Use `signalbox decide`, with --key or an SSH agent.",
        )
    pinned = estate.keys.get(person, ())
    if not pinned:
        raise NotAllowed(
            f"The estate has no key of {person}.",
            not_done=_NOT_COUNTED,
            then="Use Slack, or let your public key be added under `keys:` in the estate's file.",
        )
    if bare(signed.key) not in {bare(key) for key in pinned}:
        raise NotAllowed(
            f"The key {fingerprint(signed.key)} is not one of {person}'s.",
            not_done=_NOT_COUNTED,
            then=f"Sign with {' or '.join(map(fingerprint, pinned))}.",
        )
    try:
        public = load_ssh_public_key(bare(signed.key).encode())
        if not isinstance(public, Ed25519PublicKey):
            raise InvalidSignature
        public.verify(signed.signature, message)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError) as error:
        raise NotAllowed(
            f"The signature does not fit what {person} is said to have answered.",
            not_done=_NOT_COUNTED,
            then="Answer again; if it stays so, what is shown and what is signed differ: tell a lead.",
        ) from error


def bare(key: str) -> str:
    """An OpenSSH public key without its comment, which proves nothing."""
    return " ".join(key.split()[:2])


def fingerprint(key: str) -> str:
    """As `ssh-keygen -l` tells it: `SHA256:…`. What is no key gets one, too: it is for people's eyes."""
    words = key.split()
    try:
        blob = base64.b64decode(words[1], validate=True) if len(words) > 1 else key.encode()
    except ValueError:
        blob = key.encode(errors="replace")
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
