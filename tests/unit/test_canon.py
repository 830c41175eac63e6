from __future__ import annotations

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from bot.canon import LIMIT_BYTES, NotCanonical, canonical

text = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
key = st.text(st.characters(max_codepoint=127), max_size=40)
leaf = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | text
value = st.recursive(
    leaf, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(key, inner, max_size=4)
)


@given(value)
def test_inside_the_profile_the_bytes_are_those_of_rfc_8785(item: object) -> None:
    """The fast writer and the definition agree byte for byte."""
    assert canonical(item) == rfc8785.dumps(item)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "item", [1.5, {"a": float("nan")}, 2**53, -(2**53), {"é": 1}, {1: 2}, "\ud800", b"x", {"a": {1, 2}}]
)
def test_outside_the_profile_nothing_is_written(item: object) -> None:
    """Floats, large integers, other keys and broken text are refused when they are written, not when they are read."""
    with pytest.raises(NotCanonical):
        canonical(item)


def test_depth_and_size_are_limited() -> None:
    """What a verifier must read stays small."""
    deep: object = 1
    for _ in range(40):
        deep = [deep]
    with pytest.raises(NotCanonical, match="deeper"):
        canonical(deep)
    with pytest.raises(NotCanonical, match="bytes"):
        canonical("x" * 100, limit=50)


@given(st.integers(1, 33), st.booleans())
def test_every_depth_that_is_allowed_is_written_as_defined(depth: int, lists: bool) -> None:
    """Down to the deepest level both writers agree, and below it nothing is written."""
    item: object = "é\U0001f600\x1f\u2028"
    for _ in range(depth):
        item = [item] if lists else {"k": item}
    if depth <= 32:
        assert canonical(item) == rfc8785.dumps(item)  # type: ignore[arg-type]
    else:
        with pytest.raises(NotCanonical, match="deeper"):
            canonical(item)


@given(st.dictionaries(key, leaf, min_size=20, max_size=60))
def test_keys_are_ordered_as_defined(item: dict[str, object]) -> None:
    """Many ASCII keys, with control characters, quotes and upper case, come in the order of RFC 8785."""
    assert canonical(item) == rfc8785.dumps(item)  # type: ignore[arg-type]


def test_an_entry_is_never_longer_than_an_entry_may_be() -> None:
    """The limit is the one of an entry in c2sp.org/tlog-tiles, to the byte."""
    assert LIMIT_BYTES == 65_535
    assert len(canonical("x" * (LIMIT_BYTES - 2), limit=LIMIT_BYTES)) == LIMIT_BYTES
    with pytest.raises(NotCanonical, match="bytes"):
        canonical("x" * (LIMIT_BYTES - 1), limit=LIMIT_BYTES)
