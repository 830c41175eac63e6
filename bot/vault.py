"""What the trail needs of the outside, apart from what it records: a bucket that forgets nothing, and a signature.

Implemented by `bot.world.vault`. These calls pass no register: they carry the trail itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol


@dataclass(frozen=True)
class Stored:
    """One version of an object, or a delete marker. `modified` is the storage's own clock, epoch seconds."""

    key: str
    version: str
    modified: float
    size: int = 0
    latest: bool = True
    marker: bool = False


@dataclass(frozen=True)
class Held:
    """An object's bytes and how they are locked. `mode` is empty where no lock was told; `until` epoch seconds."""

    body: bytes
    modified: float
    mode: str = ""
    until: float | None = None


@dataclass(frozen=True)
class Locking:
    """How a bucket locks: its default mode and days, and whether versions are kept. None = not told."""

    region: str
    enabled: bool | None
    mode: str
    days: int | None
    versioned: bool | None


class Archive(Protocol):
    """Storage in which nothing is written twice. Keys are below the archive's own prefix."""

    @property
    def where(self) -> str:
        """As people write it: `s3://bucket/prefix`."""

    def put(self, key: str, body: bytes) -> Literal["stored", "exists"]:
        """Store it unless the key is there. Raises Unreachable or Rejected; a lost reply is Unreachable."""

    def versions(self, prefix: str = "", *, after: str = "") -> Iterator[Stored]:
        """Every version and delete marker, by key; of one key the OLDEST first. Raises OutsideError.

        With `after`, only of keys that sort after this one.
        """

    def read(self, key: str, version: str = "") -> Held:
        """One version, the current one unless told. Raises Rejected when it is not there, Unreachable."""

    def locking(self) -> Locking:
        """How the bucket is set up. Raises OutsideError."""


class Signer(Protocol):
    """A private key that signs checkpoints."""

    @property
    def public(self) -> bytes:
        """The public half as SubjectPublicKeyInfo, DER. Raises OutsideError."""

    @property
    def attested(self) -> bool:
        """Whether nobody can take the private half out (KMS)."""

    def sign(self, message: bytes) -> bytes:
        """The raw signature of up to 4,096 bytes: 64 bytes of Ed25519, or DER of ECDSA. Raises OutsideError."""
