from __future__ import annotations

import csv
import io
import json
import unicodedata
import zipfile
from pathlib import Path
from xml.etree import ElementTree as ET

from hand_clock import HandClock
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.evidence import pdf
from bot.evidence.pack import Asked, Packer
from bot.evidence.records import ChangeRecord
from bot.evidence.sample import Sampling, always, sampled
from bot.evidence.table import as_csv
from bot.evidence.templates import visible
from bot.evidence.window import days
from bot.store.database import Database
from bot.store.migrate import migrate
from bot.trail.append import Trail
from bot.trail.checkpoint import Checkpointer, Keyring
from bot.trail.event import Event, Name
from bot.world.signing import FileKey

_TYPED = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)


@given(st.lists(_TYPED, min_size=2, max_size=5))
def test_a_line_of_a_table_reads_back(cells: list[str]) -> None:
    """Whatever was typed stands in its cell, at most with an apostrophe in front, and computes nothing."""
    [line] = list(csv.reader(io.StringIO(as_csv(("a",), [cells]).decode(), newline="")))[1:]
    assert [cell.removeprefix("'") for cell in line] == [cell.removeprefix("'") for cell in cells]
    assert not [cell for cell in line if cell.lstrip().startswith(("=", "+", "-", "@"))]


@settings(deadline=None)  # the fonts are read at the first word
@given(_TYPED)
def test_paper_shows_any_words(typed: str) -> None:
    """Text on paper is never markup, and characters without a picture are named."""
    shown = ET.fromstring(f"<p>{pdf.plain(typed)}</p>").text or ""
    assert all(one.isprintable() for one in shown)
    assert typed.isascii() is False or not typed.isprintable() or shown == typed


@given(_TYPED)
def test_the_page_hides_nothing(typed: str) -> None:
    """No control character and none that turns the text around is left."""
    hidden = {"Cc", "Cf", "Co"}
    assert not [one for one in visible(typed) if unicodedata.category(one) in hidden and one not in "\n\t"]
    assert not set("\u202e\u202d\u2066\u200b\ufeff\x00\x1b") & set(visible(typed + "\u202e\u200b\x1b"))


@given(
    st.sets(st.text("0123456789abcdef", min_size=8, max_size=8), max_size=40),
    st.text(max_size=9),
    st.integers(0, 50),
)
def test_a_draw_is_the_same_for_everybody(ids: set[str], seed: str, count: int) -> None:
    """It depends on the seed and the ids alone, not on their order, and grows with the number asked for."""
    changes = [ChangeRecord(one, result="done") for one in sorted(ids)]
    drawn = {one.id for one in sampled(changes, Sampling(seed, count))}
    assert len(drawn) == min(count, len(ids))
    assert drawn == {one.id for one in sampled(changes[::-1], Sampling(seed, count))}
    assert drawn <= {one.id for one in sampled(changes, Sampling(seed, count + 1))}


def test_what_went_wrong_is_never_left_to_luck() -> None:
    """Break-glass, rollbacks, aborts, pre-emptions, denials and voids are in every sample."""
    bad = [ChangeRecord(one, result=one) for one in ("rolled_back", "aborted", "preempted", "denied", "void")]
    bad += [ChangeRecord("glass", glass_seq=3), ChangeRecord("turned", rolled_back=True, result="done")]
    assert all(always(one) for one in bad)
    assert sampled(bad, Sampling("any", 0)) == bad


def test_a_drill_has_a_record_of_its_own(tmp_path: Path) -> None:
    """And the page no longer says that there was none."""
    database, clock = Database(f"sqlite:///{tmp_path}/a.db"), HandClock()
    migrate(database)
    trail = Trail(database, clock)
    checkpointer = Checkpointer(trail, Keyring(FileKey(tmp_path / "key")))
    detail = {
        "command": "/drill",
        "kind": "drill-failover",
        "reason": "yearly",
        "runbook": "drill@1",
        "steps": ["a b"],
    }
    trail.note(
        Event(name=Name.CHANGE_PLANNED, actor="U1", change="d1", detail=detail),
        Event(name=Name.CHANGE_CLOSED, change="d1", detail={"state": "done"}),
    )
    out = io.BytesIO()
    packer = Packer(trail, checkpointer.seal, checkpointer.vouch)
    packer.pack(Asked(days("2027-01-15", "2027-01-15")), out)
    with zipfile.ZipFile(out) as pack:
        told = json.loads(pack.read("drills/d1.json"))
        assert (told["scenario"], told["participants"], told["result"]) == ("yearly", ["U1"], "done")
        assert told["issues"].startswith("none recorded")
        assert b"NO DRILLS" not in pack.read("index.html")
        assert "drills/NONE.txt" not in pack.namelist()
    database.close()
