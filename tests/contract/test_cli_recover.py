"""`signalbox recover` at a terminal: shown in plain words, signed by people, counted by the desk."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "invariants"))

from archived import part, with_archive
from house import House, house
from plans import estate_text
from rich.console import Console
from test_cli import bot
from test_cli_decide import AUDITOR, LEAD, LEAD2, LEAD3, NAMES, ONCALL, key
from test_cli_keys import add, ssh_agent

from bot.changes.signed import fingerprint
from bot.errors import NotAllowed, Refused
from bot.sandbox.keys import write_keys
from bot.store.database import Database
from bot.store.migrate import migrate
from bot.store.tables import Head
from bot.terminal.decide import print_questions
from bot.terminal.recover import Signing, recover
from bot.trail.append import LOG
from bot.trail.event import Event, Name

WHY = "restored from the snapshot of Sunday"
__all__ = ["ssh_agent"]


@pytest.fixture
def at(tmp_path: Path) -> Iterator[House]:
    """A Signalbox on SQLite with pinned keys, whose database was restored behind its archive."""
    keys = write_keys(tmp_path / "keys", [ONCALL, LEAD, LEAD2])
    pinned = "".join(f"  {person}: ['{public}']\n" for person, public in keys.items())
    (tmp_path / "estate.yaml").write_text(f"{estate_text()}\nkeys:\n{pinned}")
    database = Database(f"sqlite:///{tmp_path}/box.db")
    migrate(database)
    made = house(database, tmp_path)
    made.world.clock.at = time.time()
    made.trail.note(Event(name=Name.BOT_HEARTBEAT))
    made.desk = with_archive(made.desk)
    part(database, "behind", why="The newest locked checkpoint has 900 rows.")
    yield made
    database.close()


@pytest.fixture
def place(at: House, tmp_path: Path) -> Path:
    return tmp_path


def origin(at: House) -> str:
    with at.database.read() as session:
        return session.get_one(Head, LOG).origin


def here(
    at: House,
    person: str | None = LEAD,
    *,
    emergency: bool = False,
    reason: str = WHY,
    sure: bool = True,
    socket: str = "",
) -> tuple[int, str]:
    """The command in this process."""
    out = Console(file=io.StringIO(), width=300, markup=False, emoji=False, highlight=False, soft_wrap=True)
    signing = None
    if person is not None:
        path = (
            None
            if socket
            else at.estate_file.parent
            / "keys"
            / (NAMES[person] if person in (ONCALL, LEAD, LEAD2) else "lead")
        )
        signing = Signing(person, reason, path, socket, sure=lambda: sure)
    code = recover(out, at.desk, signing, emergency=emergency)
    assert isinstance(out.file, io.StringIO)
    return code, out.file.getvalue()


def test_two_leads_recover_in_processes_of_their_own(at: House, place: Path) -> None:
    """Each sees both heads and signs them; the second one's signature lets the log go on."""
    words = ("--reason", WHY, "--yes")
    shown = bot(place, "recover")
    assert (shown.returncode, origin(at)) == (0, "signalbox"), shown.stderr
    for told in (
        "lacks rows",
        "900 rows of signalbox",
        "goes on as signalbox/r1",
        "2 signatures",
        "Nothing was signed",
    ):
        assert told in " ".join(shown.stdout.split()), told
    first = bot(place, "recover", "--as", LEAD, "--key", key(place, LEAD), *words)
    assert (first.returncode, "1 more must sign" in first.stdout) == (0, True), first.stderr
    listed = bot(place, "questions")
    assert f"signalbox recover --as {LEAD2}" in listed.stdout
    second = bot(place, "recover", "--as", LEAD2, "--key", key(place, LEAD2), *words)
    assert (second.returncode, "Recovered" in second.stdout) == (0, True), second.stderr
    assert f"{LEAD} signed already" in second.stdout
    assert fingerprint((place / "keys" / "lead2.pub").read_text()) in second.stdout
    assert origin(at) == "signalbox/r1"
    again = bot(place, "recover", "--as", LEAD2, "--key", key(place, LEAD2), *words)
    assert (again.returncode, "nothing to recover" in again.stderr) == (1, True)


def test_in_an_emergency_one_on_call_key_does_it(at: House, place: Path) -> None:
    """Said in capitals before, and reviewed after: the review is listed with the command that closes it."""
    ended = bot(
        place, "recover", "--as", ONCALL, "--key", key(place, ONCALL), "--reason", WHY, "--emergency", "--yes"
    )
    assert (ended.returncode, origin(at)) == (0, "signalbox/r1"), ended.stderr
    assert "EMERGENCY" in ended.stdout
    assert "leads review it" in ended.stdout
    listed = bot(place, "questions")
    assert "Review of the emergency recovery" in listed.stdout
    assert f"close --as {LEAD} --reason" in listed.stdout


def test_what_is_not_signed_changes_nothing(at: House) -> None:
    """Only shown, asked once more and not sure, no reason, nobody, another's key, no key: nothing is opened."""
    assert here(at, None)[0] == 0
    assert here(at, sure=False)[0] == 1
    with pytest.raises(Refused, match="needs a reason"):
        here(at, reason="  ")
    with pytest.raises(NotAllowed, match="nobody in this estate"):
        here(at, "U0NOBODY001")
    for person, told in (
        (LEAD3, "no key of U0000LEAD03"),
        (ONCALL, "recovered by lead"),
        (AUDITOR, "by lead"),
    ):
        code, words = here(at, person)
        assert (code, told in words) == (1, True), words
    code, words = here(at, reason="oops")
    assert (code, "at least 10 characters" in words) == (1, True)
    assert at.desk.changes() == []
    assert origin(at) == "signalbox"


def test_the_agent_signs_as_well(at: House, ssh_agent: str) -> None:
    """Without --key, by the pinned key that it holds."""
    add(ssh_agent, at.estate_file.parent / "keys" / "lead")
    code, words = here(at, socket=ssh_agent)
    assert (code, "1 more must sign" in words) == (0, True), words


def test_what_differs_is_told_in_words(at: House) -> None:
    """Why, both sizes, what is kept, and when to sign nothing."""
    code, words = here(at, None)
    assert code == 0
    for told in (
        "The newest locked checkpoint has 900 rows.", "SIGNALBOX_ARCHIVE is not set", "Every one of them is kept",
        "sign nothing, stop this one", 'signalbox recover --as YOU --reason "…"',
    ):  # fmt: skip
        assert told in words, told
    part(at.database, "forked")
    assert "another trail" in here(at, None)[1]
    part(at.database, "anchored")
    with pytest.raises(Refused, match="nothing to recover"):
        here(at, None)


def test_decide_sends_people_to_recover(at: House, place: Path) -> None:
    """A recovery is no answer to type."""
    assert here(at)[0] == 0
    ended = bot(place, "decide", "recover", "--as", LEAD2, "--key", key(place, LEAD2))
    assert ended.returncode != 0
    out = Console(file=io.StringIO(), width=200, markup=False, emoji=False)
    print_questions(out, at.desk)
    assert isinstance(out.file, io.StringIO)
    assert "Takes signatures of 2 of" in out.file.getvalue()
