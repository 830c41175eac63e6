"""Checkpoints as C2SP signed notes: what is signed, by which key, and whether it is.

A note is a text that ends in a newline, an empty line, and signature lines `— NAME base64(keyID ‖ signature)`
(c2sp.org/signed-note). The text of a checkpoint is origin, size and base64 root, a line each
(c2sp.org/tlog-checkpoint). A verifier key is written NAME+hex(keyID)+base64(type ‖ public key). Types: 1 Ed25519,
keyID = SHA-256(NAME ‖ 0x0A ‖ type ‖ key)[:4]; 2 ECDSA P-256 with SHA-256, keyID = SHA-256(SPKI DER)[:4].
Imports nothing of Signalbox, as the verifier uses it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

ED25519, ECDSA = 1, 2
UNATTESTED = "/unattested"
"""How the name of a key ends that lies in a file: whoever has the machine has the key."""
LONGEST_NOTE = 16 * 1024
_MOST_SIGNATURES = 64
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")
_NAME = re.compile(r"[^\s+]{1,200}")
_DASH = "— "


class NotANote(ValueError):
    """The bytes are no signed note, no checkpoint or no key; the message says why."""


@dataclass(frozen=True)
class Key:
    """A public key that checkpoints are verified with: its name, type and bytes (SPKI DER for ECDSA)."""

    name: str
    kind: int
    public: bytes

    @property
    def id(self) -> bytes:
        """The four bytes that signature lines name the key by."""
        if self.kind == ECDSA:
            return hashlib.sha256(self.public).digest()[:4]
        return hashlib.sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[:4]

    @property
    def attested(self) -> bool:
        """Whether the private half is kept where nobody can take it out (KMS)."""
        return not self.name.endswith(UNATTESTED)

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{_b64(bytes([self.kind]) + self.public)}"

    def verifies(self, message: bytes, signature: bytes) -> bool:
        """Whether this key signed this message."""
        try:
            if self.kind == ED25519:
                Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
            else:
                public = load_der_public_key(self.public)
                if not isinstance(public, ec.EllipticCurvePublicKey):
                    return False
                public.verify(signature, message, ec.ECDSA(hashes.SHA256()))
        except (InvalidSignature, ValueError, UnsupportedAlgorithm):
            return False
        return True


def key(name: str, spki: bytes) -> Key:
    """The key of this name from its SubjectPublicKeyInfo (DER), as KMS gives it. Raises NotANote."""
    if not _NAME.fullmatch(name):
        raise NotANote(f"{name!r} is no name of a key: no spaces, no plus sign")
    try:
        public = load_der_public_key(spki)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise NotANote(f"this is no public key: {error}") from error
    if isinstance(public, Ed25519PublicKey):
        return Key(name, ED25519, public.public_bytes(Encoding.Raw, PublicFormat.Raw))
    if isinstance(public, ec.EllipticCurvePublicKey) and isinstance(public.curve, ec.SECP256R1):
        return Key(name, ECDSA, public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    raise NotANote("checkpoints are signed with Ed25519 or ECDSA P-256")


def parse_key(text: str) -> Key:
    """A verifier key from `NAME+hex(keyID)+base64(type ‖ key)`. Raises NotANote."""
    name, found, encoded = (*text.strip().split("+", 2), "", "")[:3]
    raw = _decoded(encoded)
    if not _NAME.fullmatch(name) or len(raw) < 2 or raw[0] not in (ED25519, ECDSA):
        raise NotANote(f"{text.strip()[:120]!r} is no verifier key: NAME+KEYID+BASE64 is expected")
    made = Key(name, raw[0], raw[1:])
    if raw[0] == ED25519 and len(raw) != 33:
        raise NotANote(f"the Ed25519 key {name} does not have 32 bytes")
    if found != made.id.hex():
        raise NotANote(f"the key {name} has the id {made.id.hex()}, not {found[:16]}")
    return made


@dataclass(frozen=True)
class Checkpoint:
    """What was signed: the first `size` rows of the log `origin` have this root."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> bytes:
        """The bytes that are signed."""
        return f"{self.origin}\n{self.size}\n{_b64(self.root)}\n".encode()


@dataclass(frozen=True)
class Note:
    """A checkpoint and its signatures, `lines` of (key's name, key's id, signature). Nothing is verified yet."""

    checkpoint: Checkpoint
    lines: tuple[tuple[str, bytes, bytes], ...]

    def signers(self, keys: Iterable[Key]) -> tuple[Key, ...]:
        """Those of the keys that signed it; a wrong signature under a known key counts as none."""
        text = self.checkpoint.text
        return tuple(
            one
            for one in keys
            for name, key_id, signature in self.lines
            if (name, key_id) == (one.name, one.id) and one.verifies(text, signature)
        )


def signed(checkpoint: Checkpoint, signatures: Sequence[tuple[Key, bytes]]) -> bytes:
    """The note's bytes."""
    return checkpoint.text + b"\n" + b"".join(signature_line(one, made) for one, made in signatures)


def signature_line(signer: Key, signature: bytes) -> bytes:
    """The line that names the key and holds its signature."""
    return f"{_DASH}{signer.name} {_b64(signer.id + signature)}\n".encode()


def parse_note(raw: bytes) -> Note:
    """A note from its bytes, strictly: what is written in another way is another note. Raises NotANote."""
    if len(raw) > LONGEST_NOTE:
        raise NotANote(f"a checkpoint has at most {LONGEST_NOTE} bytes")
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise NotANote("a checkpoint is UTF-8") from error
    if any(ord(c) < 0x20 and c != "\n" for c in text):
        raise NotANote("a checkpoint holds no control characters")
    head, gap, tail = text.rpartition("\n\n")
    lines = tail.split("\n")
    if not gap or lines[-1] or not 1 <= len(lines) - 1 <= _MOST_SIGNATURES:
        raise NotANote("a checkpoint ends with an empty line and its signatures")
    checkpoint = _checkpoint(head)
    found = []
    for line in lines[:-1]:
        name, _, encoded = line.removeprefix(_DASH).partition(" ")
        blob = _decoded(encoded)
        if not line.startswith(_DASH) or not _NAME.fullmatch(name) or len(blob) < 5:
            raise NotANote(f"{line[:80]!r} is no signature line")
        found.append((name, blob[:4], blob[4:]))
    return Note(checkpoint, tuple(found))


def _checkpoint(text: str) -> Checkpoint:
    origin, size, encoded = (*text.split("\n"), "", "", "")[:3]
    root = _decoded(encoded)
    if text.count("\n") != 2 or not origin or not _SIZE.fullmatch(size) or len(root) != 32:
        raise NotANote("a checkpoint is an origin, a size and a root of 32 bytes, a line each")
    return Checkpoint(origin, int(size), root)


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _decoded(text: str) -> bytes:
    """The bytes, or none when it is not written exactly as they would be."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
    return raw if _b64(raw) == text else b""
