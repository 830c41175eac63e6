from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hand_clock import HandClock
from hypothesis import given
from hypothesis import strategies as st
from plans import estate_text

import commands
from bot.command import COMMANDS, execute
from bot.errors import SignalboxError, UsageError
from bot.estate_file import parse_estate
from bot.reply import Caller, Proposal, Text
from bot.store.database import Database
from bot.trail.append import Trail
from runbooks.request import Request

ME = Caller("U0000ONCALL", "On-call", "C0000000OPS")


class Counter:
    """A desk that only remembers what it was asked; its database is empty of everything, tables too."""

    estate = parse_estate(estate_text().encode())
    clock = HandClock()
    database = Database("sqlite:///:memory:")
    trail = Trail(database, clock)
    packer = None

    def __init__(self) -> None:
        self.asked: list[tuple[Request, bool]] = []

    def propose(self, request: Request, _caller: Caller, _words: str, *, dry_run: bool) -> Proposal:
        self.asked.append((request, dry_run))
        return Proposal("c1", dry_run)

    def changes(self, _limit: int) -> list[Any]:
        return []

    def view(self, _change: str) -> None:
        return None

    def status(self) -> str:
        return "well"


def test_every_command_is_declared_once() -> None:
    """Importing the package declares all commands, each with a summary and usage."""
    assert set(COMMANDS) == {f"/{name}" for name in commands.__all__}
    assert all(spec.summary and spec.usage for spec in COMMANDS.values())


@pytest.mark.parametrize(
    ("words", "request_", "dry"),
    [
        (
            '/failover us-west-2 --reason "us-east-1 dark"',
            Request("us-west-2", reason="us-east-1 dark"),
            False,
        ),
        (
            "/failover us-west-2 --reason “us-east-1 dark”",
            Request("us-west-2", reason="us-east-1 dark"),
            False,
        ),
        ("/failover us-west-2 —planned", Request("us-west-2", planned=True), False),
        ("/failover --dry-run us-west-2", Request("us-west-2"), True),
        (
            "/failover us-west-2 --planned --dry-run --reason drill",
            Request("us-west-2", planned=True, reason="drill"),
            True,
        ),
    ],
)
def test_what_people_type_is_understood(words: str, request_: Request, dry: bool) -> None:
    """Options in any order, and the quotes and dashes that phones make of plain ones."""
    desk = Counter()
    execute(words, ME, desk)
    assert desk.asked == [(request_, dry)]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("/failover us-west-3", "Did you mean us-west-2?"),
        ("/failover", "needs REGION"),
        ("/failover us-west-2 --planed", "Did you mean --planned?"),
        ("/failover us-west-2 now please", "could not read"),
        ('/failover us-west-2 --reason "open', "quotation mark"),
        ("/runs show", "needs the ID"),
        ("/runs delete x", "list"),
        ("/fialover us-west-2", "Did you mean /failover?"),
    ],
)
def test_mistakes_are_answered_with_the_nearest_valid_choice(words: str, says: str) -> None:
    """A mistake asks for nothing and says what would have been right."""
    desk = Counter()
    with pytest.raises(UsageError, match=says.replace("?", r"\?")):
        execute(words, ME, desk)
    assert desk.asked == []


@given(st.text(max_size=60))
def test_no_words_break_the_parser(words: str) -> None:
    """Whatever is typed after a command ends in a reply or in words for the person."""
    for name in COMMANDS:
        with contextlib.suppress(SignalboxError):
            execute(f"{name} {words}", ME, Counter())


def test_help_names_every_command() -> None:
    """Help is the list of what there is."""
    reply = execute("/signalbox help", ME, Counter())
    assert isinstance(reply, Text)
    assert all(name in reply.text for name in COMMANDS)
