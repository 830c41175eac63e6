from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from bot.trail.note import Checkpoint, Key, NotANote, key, parse_key, parse_note, signed

POINT = Checkpoint("signalbox/fintech", 7, bytes(range(32)))


def spki(private: Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def ed25519(name: str = "signalbox/fintech") -> tuple[Key, Ed25519PrivateKey]:
    private = Ed25519PrivateKey.generate()
    return key(name, spki(private)), private


def test_a_signed_checkpoint_is_read_back_and_verified() -> None:
    """With Ed25519, and with P-256, under the key that signed and under no other."""
    one, private = ed25519()
    curve = ec.generate_private_key(ec.SECP256R1())
    two = key("signalbox/fintech", spki(curve))
    raw = signed(
        POINT,
        [(one, private.sign(POINT.text)), (two, curve.sign(POINT.text, ec.ECDSA(hashes.SHA256())))],
    )
    note = parse_note(raw)
    assert note.checkpoint == POINT
    assert note.signers([one, two, ed25519()[0]]) == (one, two)
    assert parse_key(str(one)) == one
    assert parse_key(str(two)) == two


def test_the_key_id_is_that_of_the_published_format() -> None:
    """The example of c2sp.org/signed-note: PeterNeumann+c74f20a3+…"""
    written = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    assert str(parse_key(written)) == written


def test_a_signature_over_something_else_is_none() -> None:
    """Another size, root or origin needs another signature."""
    one, private = ed25519()
    signature = private.sign(POINT.text)
    for other in (
        Checkpoint(POINT.origin, 8, POINT.root),
        Checkpoint(POINT.origin, 7, bytes(32)),
        Checkpoint("signalbox/other", 7, POINT.root),
    ):
        assert parse_note(signed(other, [(one, signature)])).signers([one]) == ()


def test_a_key_in_a_file_says_so_by_its_name() -> None:
    """Whoever has the machine has the key, and every checkpoint tells it."""
    assert not ed25519("signalbox/fintech/unattested")[0].attested
    assert ed25519()[0].attested


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"origin\n7\nAAAA\n\n",
        POINT.text,
        POINT.text + b"\n",
        POINT.text.replace(b"7", b"07") + "\n— a AAAAAAAA\n".encode(),
        POINT.text + "\n— a AAAAAAA=\n".encode() + b"trailing",
        POINT.text + b"\n- a AAAAAAAAAA==\n",
        POINT.text + "\n— a b AAAAAAAAAA==\n".encode(),
        POINT.text.replace(b"\n", b"\r\n") + "\n— a AAAAAAAAAA==\n".encode(),
        POINT.text + "extension\n\n— a AAAAAAAAAA==\n".encode(),
        b"\xff" + POINT.text,
        b"x" * 20_000,
    ],
)
def test_what_is_not_exactly_a_checkpoint_is_refused(raw: bytes) -> None:
    """No other way of writing the same note is accepted."""
    with pytest.raises(NotANote):
        parse_note(raw)


@given(st.binary(max_size=300))
def test_bytes_of_any_kind_are_a_note_or_refused(raw: bytes) -> None:
    """A parser of hostile bytes raises nothing else."""
    try:
        parse_note(raw)
    except NotANote:
        pass


@given(st.text(max_size=200))
def test_words_of_any_kind_are_a_key_or_refused(text: str) -> None:
    """So does the parser of keys."""
    try:
        parse_key(text)
    except NotANote:
        pass
