from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import sqlite3
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from evidence_quarter import HOSTILE, LEAD, LEAD2, ONCALL, Quarter, play
from sqlalchemy import text
from sqlmodel import insert, select

from bot.errors import Altered, TrailError
from bot.evidence.pack import Asked, Packer
from bot.evidence.sample import Sampling, rank
from bot.evidence.window import Window
from bot.store.database import Database
from bot.store.migrate import migrate
from bot.store.tables import CheckpointRow, Entry, EstateRow, Head, Tile
from bot.trail import tree
from bot.trail.append import Trail
from bot.trail.note import parse_key, parse_note


@pytest.fixture(scope="module")
def quarter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Quarter]:
    place = tmp_path_factory.mktemp("quarter")
    database = Database(f"sqlite:///{place}/signalbox.db")
    migrate(database)
    yield play(database, place)
    database.close()


def packed(packer: Packer, asked: Asked) -> bytes:
    out = io.BytesIO()
    packer.pack(asked, out)
    return out.getvalue()


@pytest.fixture(scope="module")
def pack(quarter: Quarter) -> dict[str, bytes]:
    return files(packed(quarter.packer, Asked(quarter.days)))


def files(raw: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(raw)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def rows(pack: dict[str, bytes]) -> list[dict[str, Any]]:
    """What an auditor counts, from the pack's own segments and with none of our code."""
    lines = b"".join(pack[name] for name in sorted(pack) if name.startswith("trail/entries/")).splitlines()
    return [json.loads(line) for line in lines]


def table(pack: dict[str, bytes], name: str = "population.csv") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(pack[name].decode(), newline="")))


def test_the_population_ties_to_the_rows(quarter: Quarter, pack: dict[str, bytes]) -> None:
    """Changes, calls, refusals and every count of the query agree with rows that were counted independently."""
    inside = [r for r in rows(pack) if quarter.days.since_ms <= r["time"] < quarter.days.until_ms]
    names = Counter(row["api"]["operation"] for row in inside)
    lines = table(pack)

    assert len(lines) == len({row["unmapped"]["change"]["uid"] for row in inside} - {""}) == 5
    assert sum(int(line["rows"]) for line in lines) == sum(
        bool(row["unmapped"]["change"]["uid"]) for row in inside
    )
    assert sum(int(line["calls_announced"]) for line in lines) == names["call:outside:intent"]
    refused = names["person:command:refused"] + names["person:click:refused"]
    assert sum(line["about"] == "refusal" for line in table(pack, "events.csv")) == refused == 2
    query = pack["population.query.txt"].decode()
    assert f"Rows in the window: {len(inside)} " in query
    assert all(f"{count:>9}  {name}\n" in query for name, count in names.items())


def test_every_kind_of_end_is_in_the_population(quarter: Quarter, pack: dict[str, bytes]) -> None:
    """What was denied, expired or only shown is listed like what ran."""
    results = {line["change"]: line["result"] for line in table(pack)}
    assert {name: results[change] for name, change in quarter.changes.items()} == {
        "dry run": "dry_run",
        "denied": "denied",
        "expired": "expired",
        "glass": "done",
        "stopped": "aborted",
    }


def test_a_line_says_who_asked_and_approved(quarter: Quarter, pack: dict[str, bytes]) -> None:
    """A break-glass shows no approver, its review and its recovery time."""
    lines = {line["change"]: line for line in table(pack)}
    glass, stopped = lines[quarter.changes["glass"]], lines[quarter.changes["stopped"]]
    assert (glass["emergency"], glass["emergency_reviewed"], glass["approved_by"]) == ("yes", "yes", "")
    assert float(glass["recovery_seconds"]) > 181
    assert stopped["approved_by"] == LEAD
    assert stopped["approved_at_utc"] <= stopped["run_started_at_utc"]
    assert lines[quarter.changes["denied"]]["denied_by"] == LEAD


def test_no_cell_is_a_formula(pack: dict[str, bytes]) -> None:
    """What somebody typed in Slack does not compute in the auditor's spreadsheet."""
    for name in ("population.csv", "events.csv"):
        cells = [cell for line in table(pack, name) for cell in line.values()]
        assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]
    assert any("'=HYPERLINK" in line["reason"] for line in table(pack))


def test_nothing_typed_is_markup(pack: dict[str, bytes]) -> None:
    """Hostile words are shown as they are, and what would turn the text around is named."""
    page = pack["index.html"].decode()
    assert HOSTILE.split()[0] in page
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "\u202e" not in page
    assert "[U+202E]" in page
    assert "{{ 7*7 }}" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page


def test_silence_and_gaps_are_loud(pack: dict[str, bytes]) -> None:
    """No drill, a gap, an aborted run, an unattested key and missing parts are read first."""
    page = pack["index.html"].decode()
    first = page.partition('id="glance"')[0]
    for words in (
        "The log begins within this period",
        "No drills in this period",
        "without a heartbeat",
        "ended as aborted",
        "/unattested",
        "Not in this pack",
    ):
        assert words in first, words
    assert "NO DRILLS IN THIS PERIOD" in page
    assert pack["drills/NONE.txt"].startswith(b"No drills")


def test_the_same_window_makes_the_same_bytes(quarter: Quarter) -> None:
    """Also after other rows were written, such as that it was exported before."""
    first = packed(quarter.packer, Asked(quarter.days, person=LEAD))
    again = packed(quarter.packer, Asked(quarter.days, person=ONCALL))
    assert first == again


def test_both_databases_make_the_same_bytes(quarter: Quarter, database: Database) -> None:
    """Rows copied from one kind to the other give the same pack, but for the signature's maker: the same key."""
    with quarter.box.database.read() as session:
        every = {
            kind: [row.model_dump() for row in session.exec(select(kind))]
            for kind in (Entry, CheckpointRow, Tile, Head, EstateRow)
        }
    with database.write() as session:
        session.exec(text("delete from head"))
        for kind, some in every.items():
            if some:
                session.exec(insert(kind), params=some)
    copied = Packer(
        type(quarter.box.trail)(database, quarter.box.world.clock), lambda: None, quarter.checkpointer.vouch
    )
    assert packed(copied, Asked(quarter.days)) == packed(quarter.packer, Asked(quarter.days))


def test_the_manifest_covers_every_file_and_is_signed(pack: dict[str, bytes]) -> None:
    """By a key that the log itself introduced."""
    manifest = json.loads(pack["manifest.json"])
    others = {name: content for name, content in pack.items() if not name.startswith("manifest.")}
    assert manifest["files"] == {
        name: hashlib.sha256(content).hexdigest() for name, content in others.items()
    }
    text_, _, line = pack["manifest.sig"].decode().rpartition("\n\n")
    digest = base64.b64encode(hashlib.sha256(pack["manifest.json"]).digest()).decode()
    assert text_ + "\n" == f"signalbox/pack\n{manifest['chain']}\n{digest}\n"
    [key] = [parse_key(pack[name].decode()) for name in pack if name.startswith("trail/keys/")]
    assert key.verifies(f"{text_}\n".encode(), base64.b64decode(line.split()[-1])[4:])


def test_the_trail_in_the_pack_is_whole(pack: dict[str, bytes]) -> None:
    """Segments follow each other, every checkpoint's root is that of the rows before it, the last covers all."""
    manifest = json.loads(pack["manifest.json"])
    found = rows(pack)
    assert [row["seq"] for row in found] == list(
        range(manifest["range"]["first"], manifest["range"]["last"] + 1)
    )
    start = json.loads(pack["trail/start.json"])
    front = tree.Frontier(start["size"], [bytes.fromhex(one) for one in start["frontier"]])
    points = {
        int(name.rsplit("/", 1)[1]): parse_note(raw) for name, raw in pack.items() if "/checkpoints/" in name
    }
    lines = b"".join(pack[name] for name in sorted(pack) if name.startswith("trail/entries/")).split(b"\n")[
        :-1
    ]
    for body in lines:
        front.add(tree.leaf_hash(body))
        if front.size in points:
            assert points[front.size].checkpoint.root == front.root()
    assert front.size == max(points)
    for name in pack:
        if name.startswith("trail/entries/"):
            first, last = map(int, name.rsplit("/", 1)[1].removesuffix(".jsonl").split("-"))
            assert pack[name].count(b"\n") == last - first + 1 <= 256


def test_each_sample_is_proved(quarter: Quarter, pack: dict[str, bytes]) -> None:
    """The proof of the row that closes a change leads to a signed root."""
    for change in quarter.changes.values():
        told = json.loads(pack[f"samples/{change}.json"])
        head, _, note = pack[f"samples/{change}.tlog-proof"].decode().partition("\n\n")
        version, index, *path = head.split("\n")
        seq = int(index.removeprefix("index "))
        body = next(
            line
            for name in sorted(pack)
            if name.startswith("trail/entries/")
            for line in pack[name].splitlines()
            if json.loads(line)["seq"] == seq
        )
        point = parse_note(note.encode()).checkpoint
        assert version == "c2sp.org/tlog-proof@v1"
        assert seq == told["proof"]["row"]
        assert tree.included(
            tree.leaf_hash(body), seq, point.size, [base64.b64decode(one) for one in path], point.root
        )
        assert pack[f"samples/{change}.pdf"].startswith(b"%PDF-")


def test_a_sample_tells_who_had_which_role_then(quarter: Quarter, pack: dict[str, bytes]) -> None:
    """With the quorum, the order of things, the steps and each call's request id."""
    told = json.loads(pack[f"samples/{quarter.changes['glass']}.json"])
    assert told["requested"]["role_then"] == "on-call"
    assert told["break_glass"]["by"] == ONCALL
    assert {one["by"] for one in told["break_glass"]["reviewers"]} == {LEAD, LEAD2}
    assert told["break_glass"]["requester_or_breaker_among_reviewers"] is False
    assert told["segregation_of_duties"]["approvals_given"] == 0
    assert told["segregation_of_duties"]["all_approvals_before_the_run"] is None
    assert len(told["steps"]) == 28
    assert all(call["request_id"] for call in told["calls"])
    assert told["calls_counted"]["announced"] == len(told["calls"]) == 91
    assert told["recovery"]["objective_seconds"] == 900
    stopped = json.loads(pack[f"samples/{quarter.changes['stopped']}.json"])["segregation_of_duties"]
    assert (stopped["approvers"], stopped["requester_is_among_approvers"]) == ([LEAD], False)
    assert stopped["all_approvals_before_the_run"] is True
    assert stopped["approved_plan_is_the_one_that_ran"] is True


@pytest.fixture
def copy(quarter: Quarter, tmp_path: Path) -> Iterator[Packer]:
    """The same log in a database of its own, whose last checkpoint stands."""
    source, target = (
        sqlite3.connect(path) for path in (quarter.box.database.engine.url.database, tmp_path / "c.db")
    )
    source.backup(target)
    source.close()
    target.close()
    database = Database(f"sqlite:///{tmp_path}/c.db")
    yield Packer(Trail(database, quarter.box.world.clock), lambda: None, quarter.checkpointer.vouch)
    database.close()


def test_an_estate_that_was_changed_tells_no_roles(quarter: Quarter, copy: Packer) -> None:
    """A row of the table that has not the digest of the trail is not believed."""
    with copy.trail.database.write() as session:
        for row in session.exec(select(EstateRow)):
            row.body = row.body.replace('"on-call"', '"lead"')
            session.add(row)
    made = files(packed(copy, Asked(quarter.days)))
    told = json.loads(made[f"samples/{quarter.changes['glass']}.json"])
    assert told["requested"]["role_then"].startswith("not known")


def test_the_seed_chooses_and_what_went_wrong_is_always_there(quarter: Quarter) -> None:
    """Anybody can repeat the draw; denials, break-glass and aborted runs are no matter of luck."""
    drawn = {}
    for seed in ("4711", "4712"):
        made = files(packed(quarter.packer, Asked(quarter.days, Sampling(seed, 1))))
        drawn[seed] = {name.split("/")[1].split(".")[0] for name in made if name.startswith("samples/")}
        always = {quarter.changes[name] for name in ("denied", "glass", "stopped")}
        others = {quarter.changes[name] for name in ("dry run", "expired")}
        assert drawn[seed] == always | {min(others, key=lambda one: rank(seed, one))}
        assert len(table(made)) == 5


def test_the_export_itself_is_recorded(quarter: Quarter) -> None:
    """Who took which days away, with which seed; it is in the pack when its window is not over."""
    packed(quarter.packer, Asked(quarter.days, Sampling("s", 2), person=LEAD))
    row = quarter.box.entries("evidence:pack:exported")[-1]
    assert row["actor"]["user"]["uid"] == LEAD
    assert row["unmapped"]["detail"] == {
        "from_ms": quarter.days.since_ms,
        "until_ms": quarter.days.until_ms,
        "seed": "s",
        "sample": 2,
    }


def test_an_open_window_says_so(quarter: Quarter) -> None:
    """It is not complete, and the export is its last row."""
    from bot.evidence.window import days

    made = files(packed(quarter.packer, Asked(days("2027-01-16", "2027-06-30"))))
    assert json.loads(made["manifest.json"])["complete"] is False
    assert b"not over" in made["index.html"]
    assert b"THE WINDOW WAS NOT OVER" in made["population.query.txt"]
    assert rows(made)[-1]["api"]["operation"] == "evidence:pack:exported"
    start = json.loads(made["trail/start.json"])
    assert start["size"] > 0
    assert len(start["frontier"]) == start["size"].bit_count()
    assert rows(made)[0]["prev"] == start["leaf"]


def test_parts_of_others_come_in(quarter: Quarter) -> None:
    """Each is asked for the window, and no longer told as missing."""

    def access(window: Window) -> dict[str, bytes]:
        return {"access_review.csv": f"person\r\n{window.size}\r\n".encode()}

    packer = Packer(
        quarter.box.trail, quarter.checkpointer.seal, quarter.checkpointer.vouch, extras=(access,)
    )
    made = files(packed(packer, Asked(quarter.days)))
    assert made["access_review.csv"].startswith(b"person")
    assert b"Not in this pack: access_review.csv" not in made["index.html"]
    assert b"Not in this pack: corroboration.json" in made["index.html"]


def test_an_altered_log_makes_no_pack(quarter: Quarter, copy: Packer) -> None:
    """Rows that are not those that were signed are not handed over as evidence."""
    with copy.trail.database.write() as session:
        row = session.exec(select(Entry).where(Entry.name == "person:command:refused")).first()
        row.body = row.body.replace(b"You have no role", b"You have a roll ")
        session.add(row)
    with pytest.raises(Altered, match="not those that were signed"):
        packed(copy, Asked(quarter.days))


def test_a_pack_that_cannot_be_recorded_is_not_made(quarter: Quarter, tmp_path: Path) -> None:
    """The row is written before anything is read."""
    out = io.BytesIO()
    gone = Database(f"sqlite:///{tmp_path}/nothing.db")
    with pytest.raises(TrailError):
        Packer(Trail(gone, quarter.box.world.clock), lambda: None, lambda text: text).pack(
            Asked(quarter.days), out
        )
    assert out.getvalue() == b""
    gone.close()
