"""KMS over HTTP: digests are signed as they are, disabled keys sign nothing, forged signatures are errors."""

from __future__ import annotations

import base64
import json
from typing import Any, ClassVar

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from moto.core.exceptions import JsonRESTError
from moto.kms.responses import KmsResponse

from bot.sandbox.aws.cloud import Cloud

_DIGESTS: dict[str, hashes.HashAlgorithm] = {
    "ECDSA_SHA_256": hashes.SHA256(),
    "ECDSA_SHA_384": hashes.SHA384(),
    "ECDSA_SHA_512": hashes.SHA512(),
}


class StrictKms(KmsResponse):  # type: ignore[misc]  # moto has no types
    """Handlers that replace moto's. Digests are for elliptic curves only; RSA stays as moto does it."""

    cloud: ClassVar[Cloud]

    def sign(self) -> Any:
        key, algorithm = self._enabled_key(), self._get_param("SigningAlgorithm")
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
        digest = self._digest(algorithm)
        if digest is None:
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

    def _digest(self, algorithm: str) -> bytes | None:
        """Return the digest that was sent; None when a message was. Refuse one of the wrong length."""
        if self._get_param("MessageType") != "DIGEST" or algorithm not in _DIGESTS:
            return None
        digest: bytes = self._get_param("Message")
        if len(digest) != _DIGESTS[algorithm].digest_size:
            raise JsonRESTError("ValidationException", f"Digest is invalid length for algorithm {algorithm}.")
        return digest


def _verified(key: Any, signature: bytes, digest: bytes, algorithm: str) -> bool:
    from cryptography.exceptions import InvalidSignature

    public = key.private_key.private_key.public_key()
    try:
        public.verify(signature, digest, ec.ECDSA(utils.Prehashed(_DIGESTS[algorithm])))
    except InvalidSignature:
        return False
    return True
