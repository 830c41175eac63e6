"""KMS over HTTP: Ed25519, digests signed as they are, disabled keys sign nothing, forged signatures are errors."""

from __future__ import annotations

import base64
import json
from typing import Any, ClassVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from moto.core.exceptions import JsonRESTError
from moto.kms.models import Key
from moto.kms.responses import KmsResponse

from bot.sandbox.aws.cloud import Cloud

_DIGESTS: dict[str, hashes.HashAlgorithm] = {
    "ECDSA_SHA_256": hashes.SHA256(),
    "ECDSA_SHA_384": hashes.SHA384(),
    "ECDSA_SHA_512": hashes.SHA512(),
}


EDWARDS, EDWARDS_ALGORITHM = "ECC_NIST_EDWARDS25519", "ED25519_SHA_512"
_LONGEST_MESSAGE = 4096


class EdwardsKey(Key):  # type: ignore[misc]  # moto has no types
    """A key of Ed25519, which moto does not know."""

    @property
    def signing_algorithms(self) -> list[str]:
        return [EDWARDS_ALGORITHM]


class _EdwardsPrivate:
    """In the place of moto's wrapper of a private key."""

    def __init__(self) -> None:
        self.private_key = Ed25519PrivateKey.generate()

    def public_key(self) -> bytes:
        encoding, form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        return self.private_key.public_key().public_bytes(encoding, form)


def create_edwards(backend: Any, description: str) -> EdwardsKey:
    """Create a key of Ed25519 in a Region's backend."""
    made = backend.create_key(None, "SIGN_VERIFY", "ECC_NIST_P256", description, None)
    key = EdwardsKey(None, "SIGN_VERIFY", "ECC_NIST_P256", description, made.account_id, made.region)
    key.id, key.arn = made.id, made.arn
    key.key_spec, key.private_key = EDWARDS, _EdwardsPrivate()
    backend.keys[key.id] = key
    return key


class StrictKms(KmsResponse):  # type: ignore[misc]  # moto has no types
    """Handlers that replace moto's. Digests are for elliptic curves only; RSA stays as moto does it."""

    cloud: ClassVar[Cloud]

    def create_key(self) -> Any:
        if self._get_param("KeySpec") != EDWARDS:
            return super().create_key()
        if self._get_param("KeyUsage") != "SIGN_VERIFY":
            raise JsonRESTError("ValidationException", f"KeyUsage must be SIGN_VERIFY for {EDWARDS}.")
        return json.dumps(create_edwards(self.kms_backend, self._get_param("Description") or "").to_dict())

    def get_public_key(self) -> Any:
        """Name the key by its ARN, and its spec by today's name: moto leaves both out."""
        key = self._enabled_key()
        return json.dumps({**json.loads(super().get_public_key()), "KeyId": key.arn, "KeySpec": key.key_spec})

    def sign(self) -> Any:
        key, algorithm = self._enabled_key(), self._get_param("SigningAlgorithm")
        self._check_message(key, algorithm)
        if isinstance(key, EdwardsKey):
            signature = key.private_key.private_key.sign(self._get_param("Message"))
            return json.dumps(
                {
                    "KeyId": key.arn,
                    "Signature": base64.b64encode(signature).decode(),
                    "SigningAlgorithm": algorithm,
                }
            )
        digest = self._digest(algorithm)
        if digest is None:
            return super().sign()
        signature = key.private_key.private_key.sign(digest, ec.ECDSA(utils.Prehashed(_DIGESTS[algorithm])))
        return json.dumps(
            {
                "KeyId": key.arn,
                "Signature": base64.b64encode(signature).decode(),
                "SigningAlgorithm": algorithm,
            }
        )

    def verify(self) -> Any:
        key, algorithm = self._enabled_key(), self._get_param("SigningAlgorithm")
        self._check_message(key, algorithm)
        digest = self._digest(algorithm)
        if isinstance(key, EdwardsKey):
            valid = _edwards_verified(
                key, base64.b64decode(self._get_param("Signature")), self._get_param("Message")
            )
        elif digest is None:
            valid = json.loads(super().verify())["SignatureValid"]
        else:
            valid = _verified(key, base64.b64decode(self._get_param("Signature")), digest, algorithm)
        if not valid:
            raise JsonRESTError("KMSInvalidSignatureException", "")
        return json.dumps({"KeyId": key.arn, "SignatureValid": True, "SigningAlgorithm": algorithm})

    def _enabled_key(self) -> Any:
        self._validate_key_id(self._get_param("KeyId"))
        key = self.kms_backend.describe_key(self._get_param("KeyId"))
        if not key.enabled:
            raise JsonRESTError("DisabledException", f"{key.arn} is disabled.")
        return key

    def _check_message(self, key: Any, algorithm: str) -> None:
        if len(self._get_param("Message")) > _LONGEST_MESSAGE:
            message = (
                "1 validation error detected: Value at 'message' failed to satisfy constraint: Member must have "
                f"length less than or equal to {_LONGEST_MESSAGE}"
            )
            raise JsonRESTError("ValidationException", message)
        if not isinstance(key, EdwardsKey):
            return
        if algorithm != EDWARDS_ALGORITHM:
            raise JsonRESTError(
                "ValidationException", f"Algorithm {algorithm} and key spec {EDWARDS} do not match."
            )
        if (self._get_param("MessageType") or "RAW") != "RAW":
            raise JsonRESTError("ValidationException", f"MessageType must be RAW for {EDWARDS_ALGORITHM}.")

    def _digest(self, algorithm: str) -> bytes | None:
        """Return the digest that was sent; None when a message was. Refuse one of the wrong length."""
        if self._get_param("MessageType") != "DIGEST" or algorithm not in _DIGESTS:
            return None
        digest: bytes = self._get_param("Message")
        if len(digest) != _DIGESTS[algorithm].digest_size:
            raise JsonRESTError("ValidationException", f"Digest is invalid length for algorithm {algorithm}.")
        return digest


def _edwards_verified(key: EdwardsKey, signature: bytes, message: bytes) -> bool:
    try:
        key.private_key.private_key.public_key().verify(signature, message)
    except InvalidSignature:
        return False
    return True


def _verified(key: Any, signature: bytes, digest: bytes, algorithm: str) -> bool:
    public = key.private_key.private_key.public_key()
    try:
        public.verify(signature, digest, ec.ECDSA(utils.Prehashed(_DIGESTS[algorithm])))
    except InvalidSignature:
        return False
    return True
