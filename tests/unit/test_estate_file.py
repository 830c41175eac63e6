from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plans import estate_text

from bot.errors import EstateError
from bot.estate_file import parse_estate

GOOD = estate_text()


def test_the_sandbox_ships_the_case() -> None:
    """42 services in three waves, two Regions, three databases, the case's objectives and dependencies."""
    estate = parse_estate(GOOD.encode())
    assert len(estate.services) == 42
    assert {s.wave for s in estate.services.values()} == {"read-only", "internal", "customer-facing"}
    assert set(estate.regions) == {"us-east-1", "us-west-2"}
    assert max(d.size_gb for d in estate.databases.values()) == 2048
    assert len(estate.databases) == 3
    assert set(estate.external) == {"stripe", "plaid", "auth0"}
    assert (estate.objectives.rto_seconds, estate.objectives.rpo_seconds) == (900, 300)
    groups = [r.node_groups["general"] for r in estate.regions.values()]
    assert [(g.desired, g.max, g.instance_type) for g in groups] == [
        (6, 12, "m5.2xlarge"),
        (3, 12, "m5.2xlarge"),
    ]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("rto_seconds: 900", "rto_seconds: soon", r"objectives.rto_seconds"),
        ("rto_seconds: 900", "rto_second: 900", r"objectives.rto_second: Extra"),
        ("database: payments, writes", "database: paymets, writes", r"did you mean 'payments'"),
        ("min: 3, desired: 6", "min: 9, desired: 6", r"min ≤ desired ≤ max"),
        ("needs: [identity, rate-limiter]", "needs: [identty]", r"did you mean 'identity'"),
        ("U0000LEAD01: lead", "U0000LEAD01: boss", r"people.U0000LEAD01"),
        ("estate: fintech", "estate: fintech\nestate: other", r"stands twice"),
        ("estate: fintech", "estate: [", r"not valid YAML"),
        ("ttl_seconds: 60", "ttl_seconds: 86400", r"ttl_seconds"),
    ],
)
def test_a_mistake_is_named_by_file_line_and_field(old: str, new: str, says: str) -> None:
    """Every complaint starts with the file and a line near the mistake, and names field and fix."""
    with pytest.raises(EstateError, match=says) as caught:
        parse_estate(GOOD.replace(old, new, 1).encode(), "estate.yaml")
    first = caught.value.what.splitlines()[0]
    assert first.startswith("estate.yaml:")
    assert int(first.split(":")[1]) >= 1


def test_the_line_is_the_mistakes_own() -> None:
    """The line in the complaint is where the field stands."""
    text = GOOD.replace("rto_seconds: 900", "rto_seconds: -1", 1)
    expected = next(n for n, line in enumerate(text.splitlines(), 1) if "rto_seconds: -1" in line)
    with pytest.raises(EstateError, match=rf"estate.yaml:{expected}: objectives.rto_seconds"):
        parse_estate(text.encode())


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(raw: bytes) -> None:
    """Whatever the file holds, the answer is an estate or an EstateError."""
    with pytest.raises(EstateError):
        parse_estate(raw)


def test_the_digest_is_of_the_meaning() -> None:
    """Comments and the order of keys do not change the digest, a value does."""
    estate = parse_estate(GOOD.encode())
    assert parse_estate(("# a comment\n" + GOOD).encode()).digest == estate.digest
    assert parse_estate(GOOD.replace("rto_seconds: 900", "rto_seconds: 901").encode()).digest != estate.digest
