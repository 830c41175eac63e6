from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import pytest
from aws_account import Account, refusal
from botocore.exceptions import ClientError
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key

MESSAGE = b"signalbox checkpoint"
DIGEST = hashlib.sha256(MESSAGE).digest()


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    account = Account(seeded=False)
    yield account
    account.close()


@pytest.fixture(scope="module")
def kms(account: Account) -> Any:
    return account.client("kms", "us-east-2")


@pytest.fixture
def key(kms: Any) -> dict[str, str]:
    made = kms.create_key(KeyUsage="SIGN_VERIFY", KeySpec="ECC_NIST_P256")["KeyMetadata"]
    return {"KeyId": made["Arn"], "SigningAlgorithm": "ECDSA_SHA_256"}


def refused(call: Any, **params: Any) -> tuple[str, int, str]:
    with pytest.raises(ClientError) as caught:
        call(**params)
    return refusal(caught.value)


@pytest.mark.parametrize(("sent", "kind"), [(MESSAGE, "RAW"), (DIGEST, "DIGEST")])
def test_signature_holds_outside_kms(kms: Any, key: dict[str, str], sent: bytes, kind: str) -> None:
    """A message and its digest are signed alike: the public key verifies both over the message."""
    signature = kms.sign(**key, Message=sent, MessageType=kind)["Signature"]

    public = load_der_public_key(kms.get_public_key(KeyId=key["KeyId"])["PublicKey"])
    assert isinstance(public, ec.EllipticCurvePublicKey)
    public.verify(signature, MESSAGE, ec.ECDSA(hashes.SHA256()))
    assert kms.verify(**key, Message=MESSAGE, Signature=signature)["SignatureValid"]
    assert kms.verify(**key, Message=DIGEST, MessageType="DIGEST", Signature=signature)["SignatureValid"]
    with pytest.raises(InvalidSignature):
        public.verify(signature, b"other", ec.ECDSA(hashes.SHA256()))


def test_digest_of_the_wrong_length_is_refused(kms: Any, key: dict[str, str]) -> None:
    """32 bytes or nothing."""
    assert refused(kms.sign, **key, Message=DIGEST[:-1], MessageType="DIGEST") == (
        "ValidationException",
        400,
        "Digest is invalid length for algorithm ECDSA_SHA_256.",
    )


@pytest.mark.parametrize(("sent", "kind"), [(b"tampered", "RAW"), (DIGEST[::-1], "DIGEST")])
def test_tampered_message_is_an_error(kms: Any, key: dict[str, str], sent: bytes, kind: str) -> None:
    """A signature that does not hold raises instead of returning false."""
    signature = kms.sign(**key, Message=MESSAGE)["Signature"]

    found = refused(kms.verify, **key, Message=sent, MessageType=kind, Signature=signature)

    assert found[:2] == ("KMSInvalidSignatureException", 400)


def test_disabled_key_signs_nothing(kms: Any, key: dict[str, str]) -> None:
    """A disabled key is disabled."""
    kms.disable_key(KeyId=key["KeyId"].rpartition("/")[2])

    code, status, message = refused(kms.sign, **key, Message=MESSAGE)

    assert (code, status, message) == ("DisabledException", 400, f"{key['KeyId']} is disabled.")
