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
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
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


@pytest.fixture
def edwards(kms: Any) -> dict[str, str]:
    made = kms.create_key(KeyUsage="SIGN_VERIFY", KeySpec="ECC_NIST_EDWARDS25519")["KeyMetadata"]
    assert made["SigningAlgorithms"] == ["ED25519_SHA_512"]
    return {"KeyId": made["Arn"], "SigningAlgorithm": "ED25519_SHA_512"}


def test_ed25519_signs_what_it_is_given(kms: Any, edwards: dict[str, str]) -> None:
    """The public key comes as SubjectPublicKeyInfo, and verifies 64 bytes over the message itself."""
    signature = kms.sign(**edwards, Message=MESSAGE, MessageType="RAW")["Signature"]
    told = kms.get_public_key(KeyId=edwards["KeyId"])

    public = load_der_public_key(told["PublicKey"])
    assert isinstance(public, Ed25519PublicKey)
    public.verify(signature, MESSAGE)
    assert (told["KeySpec"], told["KeyUsage"], told["KeyId"]) == (
        "ECC_NIST_EDWARDS25519",
        "SIGN_VERIFY",
        edwards["KeyId"],
    )
    assert kms.verify(**edwards, Message=MESSAGE, Signature=signature)["SignatureValid"]
    assert refused(kms.verify, **edwards, Message=b"other", Signature=signature)[:2] == (
        "KMSInvalidSignatureException",
        400,
    )


@pytest.mark.parametrize(
    "wrong",
    [{"Message": b"x" * 4097}, {"MessageType": "DIGEST"}, {"SigningAlgorithm": "ECDSA_SHA_256"}],
)
def test_ed25519_takes_short_messages_only(kms: Any, edwards: dict[str, str], wrong: dict[str, Any]) -> None:
    """4,096 bytes, no digests, no other algorithm."""
    assert refused(kms.sign, **{**edwards, "Message": DIGEST, **wrong})[:2] == ("ValidationException", 400)
    assert kms.sign(**edwards, Message=b"x" * 4096)["Signature"]


def test_a_disabled_ed25519_key_signs_nothing(kms: Any, edwards: dict[str, str]) -> None:
    """Nor does it tell its public half."""
    kms.disable_key(KeyId=edwards["KeyId"].rpartition("/")[2])

    assert refused(kms.sign, **edwards, Message=MESSAGE)[:2] == ("DisabledException", 400)
    assert refused(kms.get_public_key, KeyId=edwards["KeyId"])[:2] == ("DisabledException", 400)
