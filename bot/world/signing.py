"""Keys that sign checkpoints: in KMS, where nobody can take them out, or in a file, which says so by its name.

Clients of their own, which pass no register: a signature carries the trail itself.
"""

from __future__ import annotations

import os
import secrets
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from bot.errors import Rejected, SignalboxError
from bot.world.refusals import RAISED, translated

_CONFIG = Config(
    connect_timeout=2,
    read_timeout=6,
    retries={"total_max_attempts": 2, "mode": "standard"},
    user_agent_extra="signalbox",
)
_ALGORITHMS = {"ECC_NIST_EDWARDS25519": "ED25519_SHA_512", "ECC_NIST_P256": "ECDSA_SHA_256"}


class FileKey:
    """An Ed25519 key in a file, made when it is missing. Whoever has the file can sign: not attested."""

    attested = False

    def __init__(self, path: Path) -> None:
        """Raises SignalboxError when the file cannot be made or holds no Ed25519 key."""
        try:
            _make(path)
            found = load_pem_private_key(path.read_bytes(), password=None)
        except (OSError, ValueError, TypeError) as error:
            raise SignalboxError(
                f"The key that signs checkpoints cannot be read from {path}: {error}.",
                not_done="Nothing was started.",
                then="Set SIGNALBOX_SIGNING_KEY or SIGNALBOX_KMS_KEY.",
            ) from error
        if not isinstance(found, Ed25519PrivateKey):
            raise SignalboxError(f"{path} holds no Ed25519 key.", not_done="Nothing was started.")
        self._private = found

    @property
    def public(self) -> bytes:
        """SubjectPublicKeyInfo, DER."""
        from cryptography.hazmat.primitives.serialization import PublicFormat

        return self._private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def sign(self, message: bytes) -> bytes:
        """64 bytes of Ed25519."""
        return self._private.sign(message)


class KmsKey:
    """A key in KMS, in the Region of its ARN, which should be none of those that production moves between."""

    attested = True

    def __init__(self, arn: str) -> None:
        """Raises SignalboxError for what is no ARN of a KMS key."""
        parts = arn.split(":")
        if len(parts) != 6 or parts[2] != "kms":
            raise SignalboxError(f"{arn!r} is no ARN of a KMS key.", not_done="Nothing was started.")
        self._arn, self._region = arn, parts[3]

    @cached_property
    def public(self) -> bytes:
        """SubjectPublicKeyInfo, DER, asked once. Raises OutsideError."""
        return bytes(self._told["PublicKey"])

    def sign(self, message: bytes) -> bytes:
        """64 bytes of Ed25519, or DER of ECDSA, over up to 4,096 bytes. Raises OutsideError."""
        answer = self._call(
            "sign",
            KeyId=self._arn,
            Message=message,
            MessageType="RAW",
            SigningAlgorithm=_ALGORITHMS[self._told["KeySpec"]],
        )
        return bytes(answer["Signature"])

    @cached_property
    def _told(self) -> dict[str, Any]:
        answer = self._call("get_public_key", KeyId=self._arn)
        if answer.get("KeySpec") not in _ALGORITHMS or answer.get("KeyUsage") != "SIGN_VERIFY":
            raise Rejected(f"{self._arn} is a key of {answer.get('KeySpec')}, which signs no checkpoints.")
        return answer

    @cached_property
    def _client(self) -> Any:
        return boto3.session.Session().client("kms", region_name=self._region, config=_CONFIG)

    def _call(self, operation: str, **params: Any) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = getattr(self._client, operation)(**params)
        except RAISED as error:
            raise translated(
                error, service="kms", operation=operation, region=self._region, change=False
            ) from error
        return answer


def _make(path: Path) -> None:
    """Write a new key unless one is there; of several processes that do it at once the first one's stays."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(fresh, path)
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
