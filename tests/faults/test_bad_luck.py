from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "invariants"))

from house import EAST, LEAD, LEAD2, ONCALL, WEST, House, edit, house

from bot.changes.estates import Estates
from bot.errors import EstateError
from bot.estate_file import read_estate
from bot.store.database import Database
from bot.store.migrate import migrate

ROOT = Path(__file__).parents[2]


@pytest.fixture
def box(database: Database, tmp_path: Path) -> House:
    return house(database, tmp_path)


@pytest.fixture
def lone(tmp_path: Path) -> Iterator[House]:
    """A house on SQLite."""
    database = Database(f"sqlite:///{tmp_path}/lone.db")
    migrate(database)
    yield house(database, tmp_path)
    database.close()


def bot(place: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`python -m bot …` as a process of its own, with nothing configured but this."""
    kept = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG", "TMPDIR")}
    given = {
        "SIGNALBOX_ESTATE": str(place / "estate.yaml"),
        "SIGNALBOX_DATABASE_URL": f"sqlite:///{place}/lone.db",
        "SIGNALBOX_STATE": str(place),
        "SIGNALBOX_HEALTH_PORT": "0",
        "PYTHONPATH": str(ROOT),
    }
    return subprocess.run(
        [sys.executable, "-m", "bot", *words],
        env={**kept, **given, **environment}, cwd=place, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


BROKEN = {
    "not YAML": ("estate: fintech", "estate: [fintech"),
    "a misspelt field": ("rpo_seconds: 300", "rpo_secs: 300"),
    "an unknown database": ("database: ledger, needs", "database: leger, needs"),
    "the same key twice": ("estate: fintech", "estate: fintech\nestate: other"),
    "a bound of nonsense": ("rto_seconds: 900", "rto_seconds: -1"),
}


@pytest.mark.parametrize("how", sorted(BROKEN))
def test_a_broken_estate_file_leaves_the_last_accepted_one_in_force(lone: House, how: str) -> None:
    """The bot goes on with the last good estate, says so in its status and in the trail, and takes the repair."""
    good = lone.estates.now.digest
    edit(lone, *BROKEN[how])
    assert lone.estates.now.digest == good
    status = lone.desk.status()
    assert "broken" in status.splitlines()[0]
    assert "estate.yaml:" in status
    assert "last accepted estate is in force" in status
    assert len(lone.entries("estate:file:refused")) == 1
    change = lone.ask()
    assert lone.vote(change).counted
    edit(lone, *reversed(BROKEN[how]))
    assert "broken" not in lone.desk.status()


def test_a_vanished_estate_file_leaves_the_last_accepted_one_in_force(lone: House) -> None:
    """A file that is gone is a broken file."""
    good = lone.estates.now.digest
    lone.estate_file.unlink()
    assert lone.estates.now.digest == good
    assert "cannot be read" in lone.desk.status()


def test_a_restart_with_a_broken_estate_file_goes_on(lone: House) -> None:
    """A process that starts on a broken file takes the estate that an earlier one accepted, loudly."""
    good = lone.estates.now.digest
    edit(lone, *BROKEN["a misspelt field"])
    again = Estates(lone.estate_file, lone.trail, lone.world.clock)
    assert again.now.digest == good
    assert "rpo_secs" in again.complaint
    ended = bot(lone.estate_file.parent, "run", "/signalbox status", "--as", ONCALL)
    assert ended.returncode == 0, ended.stderr
    assert "broken" in ended.stdout


def test_without_any_estate_it_refuses_to_start(tmp_path: Path) -> None:
    """No accepted estate and a broken file: exit code, the file, line and field, and no stack trace."""
    database = Database(f"sqlite:///{tmp_path}/lone.db")
    migrate(database)
    fresh = house(database, tmp_path / "..", name="x").estate_file.read_text()
    database.close()
    for place, text, told in (
        ("broken", fresh.replace("rpo_seconds: 300", "rpo_secs: 300"), "rpo_secs"),
        ("empty", "", "must be a mapping"),
        ("absent", None, "cannot be read"),
    ):
        here = tmp_path / place
        here.mkdir()
        if text is not None:
            (here / "estate.yaml").write_text(text)
        ended = bot(here, "serve")
        assert ended.returncode not in (0, -9)
        assert told in ended.stderr
        assert "estate.yaml" in ended.stderr
        assert "Traceback" not in ended.stderr + ended.stdout


@pytest.mark.parametrize("jump", [-30.0, 3_600.0])
def test_a_clock_that_jumps_neither_loses_nor_doubles_a_step(box: House, jump: float) -> None:
    """Corrected in the middle of a run: it goes on within minutes, asking at most; the trail is whole."""
    jumps(box, jump)


def jumps(box: House, jump: float) -> None:
    """A run whose clock is set while its fence is being confirmed."""
    change = box.approved()
    box.drive(change, lambda: box.steps(change)["fence/confirm"].state == "active", by=1)
    box.world.clock.at += jump
    started = box.world.clock.at
    for _ in range(400):
        box.tick()
        if box.run(change).ended_at is not None:
            break
        for hold in box.holds(change).values():
            assert box.desk.vote(hold.id, "retry", ONCALL).counted
        box.world.clock.at += 2
    assert box.run(change).state == "done"
    assert box.world.clock.at - started < 900
    once = [c for c in box.world.calls if c.startswith(("failover", "job", "pay", "stop"))]
    assert max(Counter(once).values()) == 1
    assert set(box.world.writer.values()) == {WEST}
    assert box.verified().exit_code == 0


def test_an_approval_survives_no_clock_set_back(box: House) -> None:
    """A question that was closed as expired stays closed when the clock is set back."""
    change = box.ask()
    box.world.clock.at += 901
    box.watch.expire()
    box.world.clock.at -= 901
    assert not box.vote(change).counted
    assert box.runs() == []


def test_buttons_of_old_cards_after_a_restart(database: Database, tmp_path: Path) -> None:
    """Decided, voided, expired and unknown questions are answered in words by a process that never saw them."""
    box = house(database, tmp_path)
    change = box.ask()
    old = box.question(change).id
    box.world.writer["ledger"] = WEST
    box.world.clock.at += 60
    assert not box.vote(change).counted
    decided = box.question(change).id
    again = house(database, tmp_path, box.world, "replica-2")
    answers = {
        name: again.desk.vote(name, "approve", LEAD2) for name in (old, "0123456789ab", "", "' or 1=1 --")
    }
    assert not any(a.counted for a in answers.values())
    assert "newest card" in answers[old].text
    assert "does not exist" in answers["0123456789ab"].text
    assert again.runs() == []
    assert again.desk.vote(decided, "approve", LEAD).counted
    late = house(database, tmp_path, box.world, "replica-3")
    answer = late.desk.vote(decided, "deny", LEAD2)
    assert not answer.counted
    assert "Already decided: approve" in answer.text


def test_a_click_while_the_database_is_locked_is_answered_and_can_be_repeated(lone: House) -> None:
    """The answer says that it did not count; nothing starts; the same click counts when the lock is gone."""
    change = lone.ask()
    card = lone.question(change).id
    lock = sqlite3.connect(lone.database.url.removeprefix("sqlite:///"), isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    answer = lone.desk.vote(card, "approve", LEAD)
    lock.rollback()
    lock.close()
    assert not answer.counted
    assert "did not take it" in answer.text
    assert lone.runs() == []
    assert lone.desk.vote(card, "approve", LEAD).counted


def test_the_primary_region_unreachable_for_every_call(box: House) -> None:
    """Asked, approved and done with the old Region dark from before the command to after the report."""
    box.world.dark.add(EAST)
    change = box.approved()
    assert box.finish(change) == "done"
    report = box.see(change).report
    assert report is not None
    assert "us-west-2" in report.outcome


def test_an_estate_error_is_for_people() -> None:
    """It says what is wrong and what to do."""
    with pytest.raises(EstateError, match="cannot be read"):
        read_estate(Path("/nowhere/estate.yaml"))


def test_an_estate_that_could_not_be_recorded_is_taken_later(lone: House) -> None:
    """The database is away at the moment of the edit: the new estate comes into force once it is back."""
    url = lone.database.url.removeprefix("sqlite:///")
    edit(lone, "rpo_seconds: 300", "rpo_seconds: 200")
    lone.database.engine.dispose()
    hide = Path(url).rename(f"{url}.away")
    Path(url).mkdir()
    assert lone.estates.now.objectives.rpo_seconds == 300
    lone.database.engine.dispose()
    Path(url).rmdir()
    hide.rename(url)
    assert lone.estates.now.objectives.rpo_seconds == 200


def test_a_clock_set_back_by_an_hour_does_not_stop_a_run_for_an_hour(
    database: Database, tmp_path: Path
) -> None:
    """What waited to look again looks within minutes, and a call's grace does not last until the clock is back."""
    jumps(house(database, tmp_path), -3600.0)
