from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from evidence_quarter import AUDITOR, LEAD, ONCALL, OPS, Quarter, play

from bot.errors import NotAllowed, Refused, UsageError
from bot.evidence.sample import Sampling
from bot.reply import Caller, File, Later
from bot.store.database import Database
from bot.store.migrate import migrate
from bot.terminal.evidence import write_pack


@pytest.fixture(scope="module")
def quarter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Quarter]:
    place = tmp_path_factory.mktemp("quarter")
    database = Database(f"sqlite:///{place}/signalbox.db")
    migrate(database)
    made = play(database, place)
    made.box.desk.packer = made.packer
    yield made
    database.close()


def typed(quarter: Quarter, words: str, person: str = AUDITOR) -> Later:
    reply = quarter.box.desk.command(words, Caller(person, person, OPS))
    assert isinstance(reply, Later)
    return reply


@pytest.mark.parametrize("person", [AUDITOR, LEAD])
def test_leads_and_auditors_get_the_file(quarter: Quarter, person: str) -> None:
    """They are told at once that it comes; then it is a pack of that quarter."""
    later = typed(quarter, "/evidence 2027-Q1", person)
    assert later.text.startswith("Making the pack for 2027-01-01 to 2027-03-31")
    file = later.work()
    assert isinstance(file, File)
    assert (file.name, file.kind) == ("signalbox-evidence-2027-Q1.zip", "application/zip")
    with zipfile.ZipFile(io.BytesIO(file.content)) as pack:
        assert json.loads(pack.read("manifest.json"))["from"] == "2027-01-01T00:00:00.000Z"
    assert quarter.box.entries("evidence:pack:exported")[-1]["actor"]["user"]["uid"] == person


def test_others_are_refused_and_it_is_recorded(quarter: Quarter) -> None:
    """Being on call is not enough: the pack holds what everybody did."""
    with pytest.raises(NotAllowed, match="leads and auditors"):
        typed(quarter, "/evidence 2027-Q1", ONCALL)
    assert (
        "leads and auditors" in quarter.box.entries("person:command:refused")[-1]["unmapped"]["detail"]["why"]
    )


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("/evidence", "Which days"),
        ("/evidence soon", "2026-Q3"),
        ("/evidence 2027-Q1 --from 2027-01-01", "exclude each other"),
        ("/evidence --from 2027-01-01", "Which days"),
        ("/evidence 2027-Q1 --seed 4711", "--sample"),
        ("/evidence 2027-Q1 --sample 5", "seed"),
        ("/evidence 2027-Q1 --sample -1 --seed x", "number"),
    ],
)
def test_what_was_typed_wrong_is_said(quarter: Quarter, words: str, says: str) -> None:
    """With what to type instead."""
    with pytest.raises(UsageError, match=says):
        typed(quarter, words)


def test_days_and_a_seed_can_be_given(quarter: Quarter) -> None:
    """As the auditor says."""
    later = typed(quarter, "/evidence --from 2027-01-15 --to 2027-01-15 --seed 4711 --sample 1")
    file = later.work()
    assert isinstance(file, File)
    assert file.name == "signalbox-evidence-2027-01-15-to-2027-01-15.zip"
    assert quarter.box.entries("evidence:pack:exported")[-1]["unmapped"]["detail"]["seed"] == "4711"


def test_a_box_that_signs_nothing_says_so(quarter: Quarter) -> None:
    """Rather than to hand over what proves nothing."""
    quarter.box.desk.packer, kept = None, quarter.box.desk.packer
    try:
        with pytest.raises(Refused, match="signs no checkpoints"):
            typed(quarter, "/evidence 2027-Q1")
    finally:
        quarter.box.desk.packer = kept


def test_the_terminal_writes_a_file_and_never_over_another(quarter: Quarter, tmp_path: Path) -> None:
    """Whole or not at all, with the name of who took it."""
    path = tmp_path / "PACK.zip"
    words = write_pack(quarter.packer, quarter.days, Sampling(), path, "")
    assert "5 changes, 2 refusals" in words
    assert zipfile.is_zipfile(path)
    assert quarter.box.entries("evidence:pack:exported")[-1]["actor"]["user"]["uid"].startswith(
        "operating system user"
    )
    with pytest.raises(Refused, match="there already"):
        write_pack(quarter.packer, quarter.days, Sampling(), path, "")
    with pytest.raises(Refused, match="cannot be written"):
        write_pack(quarter.packer, quarter.days, Sampling(), tmp_path / "no" / "PACK.zip", "")
    assert [one.name for one in tmp_path.iterdir()] == ["PACK.zip"]
