"""The search of the trail: what is found, how far it looked, and what a row says in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from evidence_quarter import LEAD, ONCALL, STRANGER, Quarter, played
from hand_clock import HandClock
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import Refused, UsageError
from bot.evidence.query import GROUPS, Query
from bot.evidence.row_proof import RowProof, proof_of
from bot.evidence.search import Page, search
from bot.evidence.told import LONGEST, SPOKEN, told
from bot.evidence.wanted import Typed, query
from bot.store.database import Database
from bot.store.migrate import migrate
from bot.trail.append import Trail
from bot.trail.event import Event, Name, body
from bot.trail.note import Key, key, parse_key
from bot.trail.tlog_proof import PROVED, UNSURE, WRONG, NotAProof, check, parse_proof
from bot.trail.tree import EMPTY

NOW = 1_800_000_000.0
"""2027-01-15 08:00 UTC"""


@pytest.fixture(scope="module")
def quarter(tmp_path_factory: pytest.TempPathFactory) -> Any:
    place = tmp_path_factory.mktemp("quarter")
    with played(f"sqlite:///{place}/q.db", place) as made:
        yield made


def every(database: Database, asked: Query, limit: int = 10, work: int = 50_000) -> list[Page]:
    """All pages of a search."""
    pages = [search(database, asked, limit=limit, work=work)]
    while (more := pages[-1].more) is not None:
        pages.append(search(database, more, limit=limit, work=work))
        assert len(pages) < 10_000
    return pages


def bodies(quarter: Quarter) -> list[dict[str, Any]]:
    page = search(quarter.box.database, Query(what=("everything",)), limit=1_000_000, work=1_000_000)
    return [orjson.loads(hit.body) for hit in page.hits]


def test_every_event_has_words() -> None:
    """None is told as one that this version does not know."""
    assert {str(name) for name in Name} == SPOKEN


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=30),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "why", "$c"]), inner, max_size=3)
    ),
    max_leaves=6,
)
_KEYS = st.sampled_from(
    [
        "text",
        "why",
        "reason",
        "steps",
        "undo",
        "released",
        "parts",
        "quorum",
        "digest",
        "error",
        "hits",
        "alive",
        "do",
    ]
)


@given(
    name=st.sampled_from(Name),
    detail=st.dictionaries(_KEYS, _JSON, max_size=5),
    approval=st.dictionaries(_KEYS, _JSON, max_size=3),
    ok=st.sampled_from([True, False, None]),
)
def test_whatever_a_row_holds_becomes_one_line(
    name: Name, detail: dict[str, Any], approval: dict[str, Any], ok: bool | None
) -> None:
    """Printable, not long, and never an error."""
    event = Event(name=name, actor="U0000LEAD01", detail=detail, approval=approval, ok=ok)
    line = told(body(event, log="x", seq=0, prev=EMPTY, time_ms=0, clamped_ms=None))
    assert line
    assert line.isprintable()
    assert len(line) <= LONGEST


@pytest.mark.parametrize(
    "record", [{}, {"seq": "x"}, {"seq": 1, "api": 3}, {"seq": 1, "api": {"operation": "x:y:z"}}]
)
def test_what_is_no_row_is_said(record: dict[str, Any]) -> None:
    """Rather than raised in the middle of a page."""
    assert "not" in told(record)


def test_it_finds_what_a_plain_look_at_all_rows_finds(
    quarter: Quarter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For each way to ask, with all pages together, newest first and each row once."""
    rows = bodies(quarter)
    glass = quarter.changes["glass"]
    times = sorted(row["time"] for row in rows)
    middle = times[len(times) // 2]

    def name(row: dict[str, Any]) -> str:
        return str(row["api"]["operation"])

    def who(row: dict[str, Any]) -> str:
        return str(row["actor"]["user"]["uid"])

    def of(row: dict[str, Any]) -> str:
        return str(row["unmapped"]["change"]["uid"])

    def said(row: dict[str, Any]) -> bytes:
        return orjson.dumps(row["unmapped"]).lower()

    votes = (Name.VOTE_CAST, Name.GLASS_BROKEN)
    asked = [
        (Query(what=("everything",)), lambda _row: True),
        (Query(), lambda row: name(row) != Name.BOT_HEARTBEAT),
        (Query(by=LEAD), lambda row: who(row) == LEAD),
        (Query(what=("refused",)), lambda row: name(row) in GROUPS["refused"]),
        (Query(what=("calls",)), lambda row: name(row).startswith("call:")),
        (Query(what=("run:step",)), lambda row: name(row).startswith("run:step:")),
        (Query(what=("decision:vote:cast", "break-glass")), lambda row: name(row) in votes),
        (Query(change=glass), lambda row: of(row) == glass),
        (Query(change=glass, what=("steps",)), lambda row: of(row) == glass and "step:" in name(row)),
        (Query(what=("everything",), since_ms=middle), lambda row: row["time"] >= middle),
        (Query(what=("everything",), until_ms=middle), lambda row: row["time"] < middle),
        (Query(about=("us-WEST-2", "Promote")), lambda row: b"us-west-2" in said(row) and b"promote" in said(row)),
    ]  # fmt: skip
    for wanted, holds in asked:
        expected = [row["seq"] for row in rows if holds(row)]
        assert expected, wanted
        for limit, work, few in ((7, 50_000, 20_000), (1000, 133, 20_000), (1000, 133, 0)):
            monkeypatch.setattr("bot.evidence.search._FEW", few)
            if len(expected) / limit > 60:
                continue
            pages = every(quarter.box.database, wanted, limit, work)
            assert [hit.seq for page in pages for hit in page.hits] == expected, (wanted, limit, work)
            assert all(page.passed <= work and len(page.hits) <= limit for page in pages)


def test_a_page_says_how_far_it_looked(quarter: Quarter) -> None:
    """Nothing found within the work of a page is not nothing there."""
    rows = bodies(quarter)
    page = search(quarter.box.database, Query(about=("nowhere to be found",)), work=50)
    assert (page.hits, page.passed, page.last) == ((), 50, len(rows) - 50)
    assert page.more == Query(about=("nowhere to be found",), before=len(rows) - 50)
    assert page.last_ms == next(row["time"] for row in rows if row["seq"] == page.last)


def test_what_is_typed_again_finds_the_same(quarter: Quarter) -> None:
    """The words of a query, typed, are that query: also with quotation marks and line breaks in it."""
    import shlex

    asked = Query(
        by=ONCALL, what=("calls",), since_ms=1_800_000_000_000, until_ms=1_800_090_000_000, change="abcdef01",
        about=("it's \"so\"", "--by x"), before=12,
    )  # fmt: skip
    words = shlex.split(asked.words())
    options: dict[str, list[str]] = {}
    free = []
    while words:
        word = words.pop(0)
        if word in ("--by", "--from", "--to", "--change", "--about", "--before"):
            options.setdefault(word, []).append(words.pop(0))
        else:
            free.append(word)
    typed = Typed(
        free, options["--by"][0], (), options["--from"][0], options["--to"][0], options["--change"][0],
        options["--about"], int(options["--before"][0]),
    )  # fmt: skip
    assert query(typed, NOW) == asked


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("approvals last 7d", Query(what=("approvals",), since_ms=int(NOW - 7 * 86400) * 1000)),
        ("today refused", Query(what=("refused",), since_ms=1_799_971_200_000)),
        ("yesterday", Query(since_ms=1_799_884_800_000, until_ms=1_799_971_200_000)),
        ("2027-01-15", Query(since_ms=1_799_971_200_000, until_ms=1_800_057_600_000)),
        ("us-west-2 rds", Query(about=("us-west-2", "rds"))),
        ("me calls", Query(by="U0000LEAD01", what=("calls",))),
        ("<@U0000ONCALL|ann>", Query(by="U0000ONCALL")),
        ("1a2b3c4d", Query(change="1a2b3c4d")),
        ("run:step:held decision:", Query(what=("run:step:held", "decision:"))),
        ("", Query()),
    ],
)
def test_words_are_understood(words: str, expected: Query) -> None:
    """Kinds of events, times, people and changes are known; anything else is text to find."""
    assert query(Typed(words.split(), person="U0000LEAD01"), NOW) == expected


def test_the_last_day_is_inside() -> None:
    """As people mean it."""
    asked = query(Typed(first="2027-01-01", to="2027-01-31"), NOW)
    assert asked.until_ms is not None
    assert asked.since_ms is not None
    assert (asked.until_ms - asked.since_ms) / 86_400_000 == 31


@pytest.mark.parametrize(
    "typed",
    [
        Typed(what=["aprovals"]),
        Typed(what=["x:y"]),
        Typed(first="soon"),
        Typed(first="2027-01-02", to="2027-01-01"),
        Typed(["today", "yesterday"]),
        Typed(before=-1),
        Typed(first="9999-99-99"),
        Typed(["9999-12-31"]),
        Typed(first="9999-12-31T23:59:59-14:00"),
        Typed(to="0001-01-01T00:00+14:00"),
    ],
)
def test_what_is_not_understood_is_said(typed: Typed) -> None:
    """With what can be written instead."""
    with pytest.raises(UsageError) as caught:
        query(typed, NOW)
    assert caught.value.then


def test_a_row_that_nobody_wrote_is_counted_not_hidden(tmp_path: Path, clock: HandClock) -> None:
    """Nor does it end the search."""
    database = Database(f"sqlite:///{tmp_path}/a.db")
    migrate(database)
    trail = Trail(database, clock)
    for _ in range(3):
        trail.note(Event(name=Name.BOT_STARTED))
    with database.write() as session:
        from sqlalchemy import text

        session.execute(text("update entry set body = :body where seq = 1"), {"body": b'{"time": 5}'})
    page = search(database, Query())
    assert [hit.seq for hit in page.hits] == [2, 0]
    assert page.foreign == 1
    database.close()


def test_an_empty_log_has_nothing(tmp_path: Path) -> None:
    """And no next page."""
    database = Database(f"sqlite:///{tmp_path}/a.db")
    migrate(database)
    page = search(database, Query(since_ms=1))
    assert (page.hits, page.passed, page.more) == ((), 0, None)
    database.close()


def test_a_proof_is_right_and_every_other_one_is_not(quarter: Quarter) -> None:
    """The row, the place, the path, the checkpoint and the key all count."""
    newest = search(quarter.box.database, Query(by=STRANGER), limit=1).hits[0].seq
    found = proof_of(quarter.box.database, newest)
    vkey = next(r for r in bodies(quarter) if r["api"]["operation"] == Name.KEY_INTRODUCED)["unmapped"][
        "detail"
    ]["key"]
    keys = [parse_key(vkey)]
    assert check(found.body, found.proof, keys).exit_code == PROVED
    assert check(found.body, found.proof, []).exit_code == UNSURE
    assert check(found.body + b" ", found.proof, keys).exit_code == WRONG
    assert check(proof_of(quarter.box.database, 1).body, found.proof, keys).exit_code == WRONG
    other = found.proof.replace(f"index {newest}\n".encode(), f"index {newest - 1}\n".encode())
    assert check(found.body, other, keys).exit_code == WRONG
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    spki = (
        Ed25519PrivateKey.generate()
        .public_key()
        .public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    )
    assert check(found.body, found.proof, [key(keys[0].name, spki)]).exit_code == WRONG
    proof = parse_proof(found.proof.replace(b"v1\n", b"v1\nextra YQ==\n", 1))
    assert proof.index == newest
    origin = proof.note.checkpoint.origin.encode()
    assert (
        check(found.body.replace(b'"chain_uid":"' + origin, b'"chain_uid":"x'), found.proof, keys).exit_code
        == WRONG
    )


@pytest.fixture(scope="module")
def proved(quarter: Quarter) -> tuple[RowProof, Key]:
    """A row with its proof, and the key."""
    vkey = next(r for r in bodies(quarter) if r["api"]["operation"] == Name.KEY_INTRODUCED)["unmapped"][
        "detail"
    ]["key"]
    return proof_of(quarter.box.database, 3), parse_key(vkey)


@given(cut=st.integers(0, 700), put=st.binary(max_size=3))
def test_a_damaged_proof_proves_nothing_else(proved: tuple[RowProof, Key], cut: int, put: bytes) -> None:
    """Never an error of another kind; what is still proved is the same row under the same checkpoint."""
    found, vkey = proved
    raw = found.proof[:cut] + put + found.proof[cut + 1 :]
    try:
        verdict = check(found.body, raw, [vkey])
    except NotAProof:
        return
    if verdict.exit_code == PROVED:
        assert parse_proof(raw).note.checkpoint == parse_proof(found.proof).note.checkpoint
        assert parse_proof(raw).index == found.seq


def test_a_row_without_a_checkpoint_has_no_proof_yet(tmp_path: Path, clock: HandClock) -> None:
    """It is said what to do."""
    database = Database(f"sqlite:///{tmp_path}/a.db")
    migrate(database)
    Trail(database, clock).note(Event(name=Name.BOT_HEARTBEAT))
    with pytest.raises(Refused, match="Ask again in a minute"):
        proof_of(database, 0)
    with pytest.raises(Refused, match="no row 7"):
        proof_of(database, 7)
    database.close()
