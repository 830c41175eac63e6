from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))

from plans import estate_text

from bot.clock import SystemClock
from bot.store.database import Database
from bot.store.migrate import migrate
from bot.trail.append import Trail
from bot.trail.checkpoint import Checkpointer, Keyring
from bot.trail.event import Event, Name
from bot.world.signing import FileKey

ROOT = Path(__file__).parents[2]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory with an estate and an honest, signed trail of five rows."""
    (tmp_path / "estate.yaml").write_text(estate_text())
    database = Database(f"sqlite:///{tmp_path}/box.db")
    migrate(database)
    trail = Trail(database, SystemClock())
    for index in range(4):
        trail.note(Event(name=Name.BOT_HEARTBEAT, detail={"index": index}))
    # The fifth row introduces the key.
    Checkpointer(trail, Keyring(FileKey(tmp_path / "signing.key"))).seal()
    database.close()
    return tmp_path


def bot(place: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`python -m bot …` where no Slack, no cloud and no cluster is configured."""
    kept = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG", "TMPDIR")}
    given = {
        "SIGNALBOX_ESTATE": str(place / "estate.yaml"),
        "SIGNALBOX_DATABASE_URL": f"sqlite:///{place}/box.db",
        "SIGNALBOX_STATE": str(place),
        "PYTHONPATH": str(ROOT),
        # Nobody listens there.
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_CONFIG_FILE": str(place / "none"),
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    ended = subprocess.run(
        [sys.executable, "-m", "bot", *words],
        env={**kept, **given, **environment}, cwd=place, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert "Traceback" not in ended.stderr, ended.stderr[-800:]
    return ended


def edit(place: Path, *statements: str) -> None:
    """As someone with the database's password would."""
    with sqlite3.connect(place / "box.db") as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def test_an_honest_trail_is_verified(place: Path) -> None:
    """Exit code 0, in words and as JSON."""
    assert bot(place, "verify").returncode == 0
    ended = bot(place, "verify", f"sqlite:///{place}/box.db", "--json")
    assert (ended.returncode, json.loads(ended.stdout)["verdict"]) == (0, "verified")
    assert json.loads(ended.stdout)["rows"] == 5


TAMPERING = {
    "a word changed": [
        """update entry set body = cast(replace(cast(body as text), '"index":3', '"index":9') as blob)
        where seq = 3"""
    ],
    "a row deleted": ["delete from entry where seq = 2"],
    "the last row deleted": ["delete from entry where seq = 4"],
    "the head row deleted": ["delete from head"],
    "all rows deleted": ["delete from entry"],
}


@pytest.mark.parametrize("how", sorted(TAMPERING))
def test_a_tampered_trail_is_found(place: Path, how: str) -> None:
    """Exit code 1, and the place."""
    edit(place, *TAMPERING[how])
    ended = bot(place, "verify", "--json")
    assert ended.returncode == 1
    assert json.loads(ended.stdout)["verdict"] == "tampered"
    assert json.loads(ended.stdout)["findings"]


@pytest.mark.parametrize(
    "source",
    ["sqlite:///{}/absent.db", "sqlite:///{}/estate.yaml", "postgresql://nobody@127.0.0.1:9/none"],
)
def test_what_is_no_trail_is_a_usage_error(place: Path, source: str) -> None:
    """A missing database, a file that is none and a server that is away: exit code 3, in words."""
    ended = bot(place, "verify", source.format(place))
    assert ended.returncode == 3
    assert ended.stderr.strip()


@pytest.mark.parametrize(
    ("command", "person", "code", "told"),
    [
        ("/signalbox status", "U0000ONCALL", 0, "42 services"),
        ("/runs", "U0000ONCALL", 0, "Nothing was asked for yet"),
        ("/failover us-wst-2", "U0000ONCALL", 1, "Did you mean us-west-2?"),
        ("/failover", "U0000ONCALL", 1, "needs REGION"),
        ("/failover us-west-2 --dryrun", "U0000ONCALL", 1, "Did you mean --dry-run?"),
        ('/failover us-west-2 --reason "open', "U0000ONCALL", 1, "quotation mark"),
        ("/falover us-west-2", "U0000ONCALL", 1, "Did you mean /failover?"),
        ("/failover us-west-2 --dry-run", "U0000AUDIT1", 1, "may be asked for by"),
        ("/failover us-west-2 --dry-run", "U0000ONCALL", 1, "cannot be done now"),
    ],
)
def test_a_command_on_the_terminal(place: Path, command: str, person: str, code: int, told: str) -> None:
    """The same words as in Slack, without Slack; mistakes end in words and an exit code."""
    ended = bot(place, "run", command, "--as", person)
    assert ended.returncode == code
    assert told in " ".join((ended.stdout + ended.stderr).split())


@pytest.mark.parametrize("person", ["U0NOBODY001"])
def test_an_unknown_person_is_refused_in_words(place: Path, person: str) -> None:
    """Exit code 1, nothing is started, no stack trace."""
    ended = bot(place, "run", "/failover us-west-2 --dry-run", "--as", person)
    assert ended.returncode == 1
    assert "nobody in this estate" in ended.stderr


@pytest.mark.parametrize("words", [["run", "/runs"], ["rnu"], ["verify", "--jsn"]])
def test_words_that_are_no_command_line(place: Path, words: list[str]) -> None:
    """Exit code 3, and what is missing or not known."""
    ended = bot(place, *words)
    assert ended.returncode == 3
    assert ended.stdout + ended.stderr


def test_verifying_leaves_no_file_behind(place: Path) -> None:
    """A look at a database that is not there does not make one."""
    bot(place, "verify", f"sqlite:///{place}/absent.db")
    assert not (place / "absent.db").exists()


@pytest.mark.parametrize("source", ["nonsense", "mysql://127.0.0.1/x"])
def test_words_that_are_no_database_are_a_usage_error(place: Path, source: str) -> None:
    """Exit code 3, never 1, which means tampered."""
    assert bot(place, "verify", source).returncode == 3


def test_a_body_of_another_type_is_found(place: Path) -> None:
    """SQLite keeps text where bytes belong: that is a finding, not a crash."""
    edit(place, "update entry set body = cast(body as text) where seq = 3")
    ended = bot(place, "verify")
    assert ended.returncode == 1
    assert "NOT verified" in ended.stdout


def test_an_empty_trail_is_not_verified(place: Path) -> None:
    """Tables without a row prove nothing: exit code 2."""
    database = Database(f"sqlite:///{place}/empty.db")
    migrate(database)
    database.close()
    assert bot(place, "verify", f"sqlite:///{place}/empty.db").returncode == 2


@pytest.mark.parametrize(
    "setting",
    [
        {"SIGNALBOX_DATABASE_URL": "nonsense"},
        {"SIGNALBOX_CLOCK": "/nowhere/clock"},
    ],
)
def test_a_wrong_setting_is_said_in_words(place: Path, setting: dict[str, str]) -> None:
    """The process does not start and names what is wrong, without a stack trace."""
    ended = bot(place, "serve", **setting)
    assert ended.returncode not in (0, -9)
    assert ended.stderr.strip()
