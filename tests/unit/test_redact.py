from __future__ import annotations

import json

import pytest
from hand_clock import HandClock
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import col, select

from bot.canon import LIMIT_BYTES, canonical
from bot.errors import Refused
from bot.store.database import Database
from bot.store.tables import Disclosure, Entry
from bot.trail.append import Trail
from bot.trail.event import Event, Name
from bot.trail.fit import fitted
from bot.trail.redact import commitments, disclose, forget, opened, redact
from bot.trail.sealed import Kept, Sealed, commitment, matches
from bot.trail.verify import verify_database

SLACK = "xo" + "xb-123456789012-1234567890123-AbCdEfGhIjKl"


def rows(database: Database) -> list[Entry]:
    with database.read() as session:
        return list(session.exec(select(Entry).order_by(col(Entry.seq))))


def detail(entry: Entry) -> dict[str, object]:
    found: dict[str, object] = json.loads(entry.body)["unmapped"]["detail"]
    return found


def kept(database: Database, seq: int = 0) -> list[Kept]:
    with database.read() as session:
        return disclose(session, seq)


def test_a_secret_is_nowhere_after_it_was_recorded(
    database: Database, database_url: str, clock: HandClock
) -> None:
    """A secret in an event's words becomes a mark, and nothing of it is kept, not even what would open it."""
    event = Event(
        name=Name.COMMAND_RECEIVED,
        detail={"text": f"/failover --reason {SLACK}", "password": "x", "list": [{"why": f"it was {SLACK}"}]},
        approval={"reason": SLACK},
    )
    Trail(database, clock).note(event)
    (entry,) = rows(database)
    assert SLACK.encode() not in entry.body
    assert detail(entry)["text"] == "/failover --reason [redacted:slack-token]"
    assert detail(entry)["password"] == "[redacted:named]"
    assert kept(database) == []
    assert verify_database(database_url).sound


def test_an_address_is_committed_to_and_can_be_opened(database: Database, clock: HandClock) -> None:
    """E-mail addresses are not in the trail; whoever holds the disclosure proves which ones they were."""
    Trail(database, clock).note(
        Event(
            name=Name.COMMAND_RECEIVED, detail={"text": "for ann@example.com and bob@example.com, call them"}
        )
    )
    (entry,) = rows(database)
    assert b"example.com" not in entry.body
    assert [(o.path, o.told, o.value) for o in opened(entry.body, kept(database))] == [
        ("detail.text#0", "disclosed and matches", "ann@example.com"),
        ("detail.text#1", "disclosed and matches", "bob@example.com"),
    ]
    forged = [Kept(one.path, one.salt, "eve@example.com") for one in kept(database)]
    assert {o.told for o in opened(entry.body, forged)} == {"disclosed and does not match"}


def test_a_sealed_value_is_committed_to(database: Database, clock: HandClock) -> None:
    """A value that an event seals stands as a commitment of its own in the trail."""
    Trail(database, clock).note(Event(name=Name.TRAIL_SEARCHED, detail={"for": Sealed({"who": "Ann"})}))
    (entry,) = rows(database)
    assert (one := kept(database)[0]).path == "detail.for"
    assert detail(entry)["for"] == {"$c": "sha256", "d": commitment(one.salt, "detail.for", {"who": "Ann"})}
    assert len(one.salt) * 8 >= 128


def test_the_same_address_twice_gives_nothing_away(database: Database, clock: HandClock) -> None:
    """Two commitments to one value differ, so that nobody can tell that they are the same."""
    event = Event(name=Name.COMMAND_RECEIVED, detail={"text": "ann@example.com"})
    Trail(database, clock).note(event, event)
    first, second = (next(commitments(entry.body))[1] for entry in rows(database))
    assert first != second


def test_what_was_signed_keeps_its_addresses(database: Database, clock: HandClock) -> None:
    """A reason that somebody signed is recorded as it was signed, or the signature would not fit it any more."""
    approval = {"reason": "as ann@example.com said", "signature": "00", "key": "ssh-ed25519 AAAA"}
    Trail(database, clock).note(Event(name=Name.VOTE_CAST, approval=approval))
    assert json.loads(rows(database)[0].body)["unmapped"]["approval"] == approval


def test_erasing_deletes_the_disclosure_and_says_so(
    database: Database, database_url: str, clock: HandClock
) -> None:
    """Later redaction leaves the row as it is, deletes what opens it, and is itself a row."""
    trail = Trail(database, clock)
    trail.note(Event(name=Name.COMMAND_RECEIVED, change="c1", detail={"text": "ann@example.com"}))
    before = rows(database)[0].body
    redact(trail, 0, "detail.text#0", "U0000LEAD01", "she asked for it")
    entry, erased = rows(database)
    assert entry.body == before
    assert kept(database) == []
    assert (erased.name, erased.change) == (Name.FIELD_REDACTED, "c1")
    assert detail(erased) == {"seq": 0, "path": "detail.text#0", "why": "she asked for it", "kept": True}
    assert [o.told for o in opened(entry.body, [], ["detail.text#0"])] == ["erased"]
    assert [o.told for o in opened(entry.body, [])] == ["withheld"]
    assert verify_database(database_url).sound


def test_what_was_written_verbatim_cannot_be_erased(database: Database, clock: HandClock) -> None:
    """Only a commitment can be erased: the person is told that the trail is never edited, and nothing is recorded."""
    trail = Trail(database, clock)
    trail.note(Event(name=Name.COMMAND_RECEIVED, detail={"text": "hello"}))
    for seq, path in [(0, "detail.text"), (7, "detail.text#0")]:
        with pytest.raises(Refused):
            redact(trail, seq, path, "U0000LEAD01", "no reason")
    assert len(rows(database)) == 1


def test_disclosures_live_shorter_than_the_trail(database: Database, clock: HandClock) -> None:
    """After their time they are deleted, before it they are not."""
    trail = Trail(database, clock, disclosed_seconds=3600)
    trail.note(Event(name=Name.COMMAND_RECEIVED, detail={"text": "ann@example.com"}))
    clock.advance(3599)
    assert forget(trail) == 0
    clock.advance(2)
    assert forget(trail) == 1
    with database.read() as session:
        assert session.exec(select(Disclosure)).all() == []


def test_a_disclosure_of_another_row_or_path_does_not_match() -> None:
    """Salt, path and value are all committed to."""
    digest = commitment(b"s" * 16, "detail.a", "v")
    assert matches(digest, b"s" * 16, "detail.a", "v")
    assert not matches(digest, b"t" * 16, "detail.a", "v")
    assert not matches(digest, b"s" * 16, "detail.b", "v")
    assert not matches(digest, b"s" * 16, "detail.a", "w")


@pytest.mark.parametrize(
    "huge",
    [
        {"why": "x" * 500_000},
        {"steps": [f"promote/{n} database.failover@1" for n in range(9000)]},
        {"evidence": {f"service-{n}": {"pods": [1] * 40, "why": "é" * 50} for n in range(900)}},
        {f"key-{n}": n for n in range(20_000)},
        {"why": "\ud800 broken"},
        {"deep": json.loads("[" * 60 + "]" * 60)},
        {"ключ": {"ключ": "x" * 70_000}},
        {"quotes": '"\\\n' * 40_000, "intent": "0123"},
        {"params": {f"key-{n:04}": "x" * 200 for n in range(700)}},
        {"pods": {f"west-{n}": {f"pod-{m}": "x" * 900 for m in range(20)} for n in range(20)}},
    ],
    ids=["text", "list", "tree", "keys", "surrogate", "deep", "names", "escapes", "wide", "wide tree"],
)
def test_too_many_words_never_stop_a_call(
    database: Database, database_url: str, clock: HandClock, huge: dict[str, object]
) -> None:
    """What does not fit into a row is cut and the cut is told; small values beside it stay whole."""
    Trail(database, clock).note(
        Event(name=Name.CALL_OUTCOME, detail={**huge, "intent": "abc"}), Event(name=Name.BOT_HEARTBEAT)
    )
    entry = rows(database)[0]
    unmapped = json.loads(entry.body)["unmapped"]
    assert len(entry.body) <= LIMIT_BYTES
    assert unmapped["detail"].get("intent", "abc") in ("abc", "0123")
    if "why" not in huge or len(str(huge["why"])) > 100:
        assert all(before > 0 for before in unmapped["cut"].values())
    assert verify_database(database_url).findings[1:] == []


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 2**53 - 1) | st.text(max_size=400),
    lambda inner: st.lists(inner, max_size=30) | st.dictionaries(st.text(max_size=20), inner, max_size=20),
    max_leaves=60,
)


@given(st.dictionaries(st.text(max_size=9), json_values, max_size=9), st.integers(300, 3000))
def test_cutting_always_ends_within_the_room_and_the_same_way(value: dict[str, object], room: int) -> None:
    """Whatever the detail is, it fits afterwards, is canonical JSON, and was cut as it would be cut again."""
    fit, cuts = fitted(value, room)
    assert len(canonical(fit)) <= room
    assert fitted(value, room) == (fit, cuts)
    assert fitted(fit, room) == (fit, {})
