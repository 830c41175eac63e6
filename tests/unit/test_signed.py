from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from plans import estate_text

from bot.canon import NotCanonical
from bot.changes.signed import Signed, check, fingerprint, statement, stop_statement, vote_statement
from bot.errors import NotAllowed
from bot.estate import Estate
from bot.estate_file import parse_estate

LEAD, OTHER, NOBODY = "U0000LEAD01", "U0000LEAD02", "U0000LEAD03"
KEY, SECOND, STRANGER = (Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32) for n in (1, 2, 3))


def public(key: Ed25519PrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def pinned() -> Estate:
    """The case's estate with two keys of one lead and one of another."""
    estate = parse_estate(estate_text().encode())
    keys = {LEAD: (f"{public(KEY)} lead@laptop", public(SECOND)), OTHER: (public(STRANGER),)}
    return Estate.model_validate({**estate.model_dump(), "keys": keys})


ESTATE = pinned()
VOTE = vote_statement("d1", "approve", LEAD, "a" * 64, "it is dark")


@pytest.mark.parametrize("key", [KEY, SECOND])
def test_a_signature_by_any_pinned_key_of_the_person_counts(key: Ed25519PrivateKey) -> None:
    """With a comment or without one, on either side."""
    check(ESTATE, LEAD, VOTE, Signed(public(key), key.sign(VOTE)))
    check(ESTATE, LEAD, VOTE, Signed(f"{public(key)} another comment", key.sign(VOTE)))


@pytest.mark.parametrize(
    ("person", "key", "told"),
    [
        (NOBODY, KEY, "has no key of U0000LEAD03"),
        (LEAD, STRANGER, "is not one of U0000LEAD01's"),
        (OTHER, KEY, "is not one of U0000LEAD02's"),
    ],
)
def test_a_key_that_is_not_the_persons_is_refused(person: str, key: Ed25519PrivateKey, told: str) -> None:
    """In words that name the person, and never because the signature itself is wrong."""
    with pytest.raises(NotAllowed, match=told):
        check(ESTATE, person, VOTE, Signed(public(key), key.sign(VOTE)))


@given(place=st.integers(0, len(VOTE) - 1), bits=st.integers(1, 255))
def test_any_changed_byte_of_the_statement_is_refused(place: int, bits: int) -> None:
    """Not one bit of what was answered can be another."""
    changed = bytearray(VOTE)
    changed[place] ^= bits
    with pytest.raises(NotAllowed, match="does not fit"):
        check(ESTATE, LEAD, bytes(changed), Signed(public(KEY), KEY.sign(VOTE)))


@given(place=st.integers(0, 63), bits=st.integers(1, 255))
def test_any_changed_byte_of_the_signature_is_refused(place: int, bits: int) -> None:
    """All 64 of them count."""
    changed = bytearray(KEY.sign(VOTE))
    changed[place] ^= bits
    with pytest.raises(NotAllowed, match="does not fit"):
        check(ESTATE, LEAD, VOTE, Signed(public(KEY), bytes(changed)))


@given(signature=st.binary(max_size=130))
def test_bytes_that_nobody_signed_are_refused(signature: bytes) -> None:
    """Of any length."""
    with pytest.raises(NotAllowed, match="does not fit"):
        check(ESTATE, LEAD, VOTE, Signed(public(KEY), signature))


@given(key=st.text(max_size=200))
def test_text_that_is_no_key_is_refused_in_words(key: str) -> None:
    """Whatever stands where a key belongs."""
    with pytest.raises(NotAllowed, match="is not one of"):
        check(ESTATE, LEAD, VOTE, Signed(key, KEY.sign(VOTE)))


def test_one_key_pinned_for_two_people_signs_for_each_alone() -> None:
    """The person stands in what is signed, so an answer cannot be passed on."""
    estate = Estate.model_validate(
        {**ESTATE.model_dump(), "keys": {LEAD: (public(KEY),), OTHER: (public(KEY),)}}
    )
    signed = Signed(public(KEY), KEY.sign(VOTE))

    check(estate, LEAD, VOTE, signed)
    with pytest.raises(NotAllowed, match="does not fit"):
        check(estate, OTHER, vote_statement("d1", "approve", OTHER, "a" * 64, "it is dark"), signed)


WORDS = st.dictionaries(st.sampled_from(["decision", "choice", "person", "digest", "reason"]), st.text())


@given(WORDS, WORDS)
def test_different_answers_have_different_statements(one: dict[str, str], other: dict[str, str]) -> None:
    """No two answers share a signature."""
    try:
        left, right = statement(one), statement(other)
    except NotCanonical:
        return
    assert (left == right) == (one == other)


def test_a_statement_tells_what_it_is_for() -> None:
    """These very bytes are what released versions signed: they never change."""
    assert statement({"b": "1"}) == b'{"b":"1","signalbox":"decision/1"}'
    assert stop_statement("c1", "abort", LEAD, "d") == (
        b'{"change":"c1","choice":"abort","digest":"d","person":"U0000LEAD01","reason":"",'
        b'"signalbox":"decision/1"}'
    )
    with pytest.raises(ValueError, match="signalbox"):
        statement({"signalbox": "login/1"})


def test_a_fingerprint_is_the_one_that_ssh_keygen_tells(tmp_path: Path) -> None:
    """So that people can compare it with what they have."""
    (tmp_path / "key.pub").write_text(f"{public(KEY)} lead@laptop\n")
    told = subprocess.run(
        ["ssh-keygen", "-lf", tmp_path / "key.pub"], capture_output=True, text=True, check=True
    ).stdout

    assert told.split()[1] == fingerprint(public(KEY)) == fingerprint(f"{public(KEY)} any comment")
