"""What a trail says, held against the rules by the verifier: break-glass, reviews, answers at a terminal."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hand_clock import HandClock

from bot.changes.signed import stop_statement, vote_statement
from bot.store.database import Database
from bot.trail.append import Trail
from bot.trail.event import Event, Name
from bot.trail.verify import Report, verify_database

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
PUBLIC = KEY.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def asked(clock: HandClock, *, glass: bool = True) -> list[Event]:
    """A proposal whose glass may be broken after three minutes."""
    offered = {"glass_from_ms": int(clock.now() * 1000) + 180_000} if glass else {}
    return [
        Event(name=Name.CHANGE_PLANNED, actor="U1", change="c"),
        Event(
            name=Name.DECISION_OPENED, change="c",
            approval={"decision": "d", "digest": "x", "quorum": 1, **offered},
        ),
    ]  # fmt: skip


def broken(person: str = "U1") -> list[Event]:
    """The glass, its review and the run."""
    return [
        Event(
            name=Name.GLASS_BROKEN, actor=person, change="c",
            approval={"decision": "d", "digest": "x", "review": "v"},
        ),
        Event(name=Name.DECISION_OPENED, change="c", approval={"decision": "v", "quorum": 2, "role": "lead"}),
        Event(
            name=Name.RUN_STARTED, run="r", change="c", detail={"digest": "x"},
            approval={"decision": "d", "digest": "x"},
        ),
    ]  # fmt: skip


def closing(*people: str) -> list[Event]:
    """Answers to the review, and that it is closed."""
    votes = [
        Event(name=Name.VOTE_CAST, actor=p, change="c", approval={"decision": "v", "choice": "close"})
        for p in people
    ]
    return [
        *votes,
        Event(name=Name.DECISION_DECIDED, change="c", approval={"decision": "v", "outcome": "close"}),
    ]


def codes(report: Report) -> list[str]:
    return [finding.code for finding in report.findings]


def test_a_break_glass_after_its_time_is_honest_and_its_review_is_counted(
    database: Database, database_url: str, clock: HandClock
) -> None:
    """Verified, with one review that is still open; closed by two others, none."""
    trail = Trail(database, clock)
    trail.note(*asked(clock))
    clock.advance(180)
    trail.note(*broken())
    report = verify_database(database_url)
    assert (codes(report), report.reviews) == ([], 1)
    assert "Open: 1 review of a break-glass" in report.words()
    trail.note(*closing("U2", "U3"))
    report = verify_database(database_url)
    assert (codes(report), report.reviews) == ([], 0)


@pytest.mark.parametrize(
    ("glass", "seconds", "code"), [(True, 179, "glass-too-early"), (False, 999, "glass-not-offered")]
)
def test_a_break_glass_that_was_none_is_found(
    database: Database, database_url: str, clock: HandClock, glass: bool, seconds: int, code: str
) -> None:
    """Before its time, or for a plan that offered none."""
    trail = Trail(database, clock)
    trail.note(*asked(clock, glass=glass))
    clock.advance(seconds)
    trail.note(*broken())
    assert codes(verify_database(database_url)) == [code]


def test_a_glass_broken_for_another_plan_approves_nothing(
    database: Database, database_url: str, clock: HandClock
) -> None:
    """What ran is not what the glass was broken for."""
    trail = Trail(database, clock)
    trail.note(*asked(clock))
    clock.advance(180)
    *first, run = broken()
    trail.note(*first, run.model_copy(update={"detail": {"digest": "y"}}))
    assert codes(verify_database(database_url)) == ["run-without-approval"]


@pytest.mark.parametrize(
    ("people", "found"), [(("U2",), ["quorum-missing"]), (("U1", "U2", "U3"), ["self-review"])]
)
def test_a_review_that_too_few_or_the_wrong_people_closed_is_found(
    database: Database, database_url: str, clock: HandClock, people: tuple[str, ...], found: list[str]
) -> None:
    """One person is not two, and who broke it is no reviewer."""
    trail = Trail(database, clock)
    trail.note(*asked(clock))
    clock.advance(180)
    trail.note(*broken(), *closing(*people))
    assert codes(verify_database(database_url)) == found


@pytest.mark.parametrize("altered", ["", "choice", "reason", "actor", "signature", "unsigned"])
def test_an_answer_at_a_terminal_stands_on_its_signature(
    database: Database, database_url: str, clock: HandClock, altered: str
) -> None:
    """What the person's key did not sign, whatever was altered, is found."""
    signature = KEY.sign(vote_statement("d", "deny", "U2", "x", "not now")).hex()
    approval = {
        "decision": "d", "choice": "deny", "digest": "x", "reason": "not now", "key": PUBLIC, "signature": signature,
    }  # fmt: skip
    actor = "U3" if altered == "actor" else "U2"
    if altered in ("choice", "reason"):
        approval[altered] = "cancel"
    if altered == "signature":
        approval["signature"] = "00" * 64
    if altered == "unsigned":
        del approval["key"], approval["signature"]
    vote = Event(name=Name.VOTE_CAST, actor=actor, change="c", face="terminal", approval=approval)
    Trail(database, clock).note(*asked(clock), vote)
    assert codes(verify_database(database_url)) == (["signature-wrong"] if altered else [])


@pytest.mark.parametrize("altered", ["", "choice", "actor", "unsigned"])
def test_a_stop_at_a_terminal_stands_on_its_signature(
    database: Database, database_url: str, clock: HandClock, altered: str
) -> None:
    """Rolling back and aborting without Slack are signed as answers are."""
    signature = KEY.sign(stop_statement("c", "abort", "U2", "x")).hex()
    approval = {"change": "c", "choice": "abort", "digest": "x", "key": PUBLIC, "signature": signature}
    if altered == "choice":
        approval["choice"] = "rollback"
    if altered == "unsigned":
        approval = {}
    actor = "U3" if altered == "actor" else "U2"
    stop = Event(name=Name.RUN_STOPPING, actor=actor, change="c", face="terminal", approval=approval)
    Trail(database, clock).note(*asked(clock), stop)
    assert codes(verify_database(database_url)) == (["signature-wrong"] if altered else [])
