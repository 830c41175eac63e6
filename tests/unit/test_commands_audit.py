"""`/audit` in Slack and `signalbox audit` on a terminal: who may look, what they see, and that it is recorded."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from evidence_quarter import HOSTILE, LEAD, ONCALL, OPS, STRANGER, Quarter, played
from house import AUDITOR, house

from bot.command import execute
from bot.errors import NotAllowed, Refused, TrailError, UsageError
from bot.evidence.wanted import Typed
from bot.reply import Caller, File, Text
from bot.slack import replies
from bot.store.database import Database
from bot.store.migrate import migrate
from bot.terminal import audit as terminal
from bot.terminal import cli
from bot.terminal.words import console
from bot.trail.event import Name


@pytest.fixture(scope="module")
def quarter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Quarter]:
    place = tmp_path_factory.mktemp("quarter")
    with played(f"sqlite:///{place}/q.db", place) as made:
        yield made


def typed(quarter: Quarter, words: str, person: str = LEAD) -> Any:
    return quarter.box.desk.command(words, Caller(person, person, OPS))


def searches(quarter: Quarter) -> list[dict[str, Any]]:
    return quarter.box.entries(Name.TRAIL_SEARCHED)


@pytest.mark.parametrize("person", [LEAD, ONCALL, AUDITOR])
def test_people_with_a_role_may_look(quarter: Quarter, person: str) -> None:
    """Leads, on-call and auditors; that they did, and what they saw, is a row of its own."""
    reply = typed(quarter, "/audit break-glass", person)
    assert isinstance(reply, Text)
    assert "Broke the glass" in reply.text
    recorded = searches(quarter)[-1]
    assert recorded["actor"]["user"]["uid"] == person
    detail = recorded["unmapped"]["detail"]
    assert (detail["query"], detail["hits"]) == ("break-glass", 1)


def test_strangers_may_not(quarter: Quarter) -> None:
    """They are told so in plain words, and see nothing."""
    before = len(searches(quarter))
    with pytest.raises(NotAllowed, match="no role here"):
        typed(quarter, "/audit", STRANGER)
    with pytest.raises(NotAllowed):
        typed(quarter, "/audit proof 3", STRANGER)
    assert len(searches(quarter)) == before


def test_without_a_record_nothing_is_shown(quarter: Quarter) -> None:
    """Access is part of what an auditor counts."""

    def fails(*_events: Any) -> None:
        raise TrailError("The disk is full.")

    desk = quarter.box.desk
    other = SimpleNamespace(
        estate=desk.estate, clock=desk.clock, database=desk.database, trail=SimpleNamespace(note=fails)
    )
    with pytest.raises(TrailError):
        execute("/audit", Caller(LEAD, LEAD, OPS), other)
    with pytest.raises(TrailError):
        execute("/audit proof 3", Caller(LEAD, LEAD, OPS), other)


def test_ten_rows_a_page_and_the_words_for_the_next(quarter: Quarter) -> None:
    """The words, typed as they stand, go on without a gap or a repetition."""
    seen: list[int] = []
    words = "/audit calls"
    for _ in range(3):
        text = typed(quarter, words).text
        page = [
            int(line[1:].split("`")[0])
            for line in text.splitlines()
            if line[:2] in {f"`{n}" for n in range(10)}
        ]
        assert len(page) == 10
        seen += page
        words = next(line for line in text.splitlines() if line.startswith("Go on: ")).split("`")[1]
    assert seen == sorted(set(seen), reverse=True)
    calls = [
        row["seq"] for name in (Name.CALL_INTENT, Name.CALL_OUTCOME) for row in quarter.box.entries(name)
    ]
    assert seen == sorted(calls, reverse=True)[:30]


def test_what_others_wrote_stays_text(quarter: Quarter) -> None:
    """No mention, no link, no code that ends early: in the text and in Slack's blocks."""
    try:
        typed(quarter, "/runs show '<!channel> <@U0000LEAD02> `x` <http://evil.example|here>'", ONCALL)
    except UsageError:
        pass
    reply = typed(quarter, "/audit commands last 3d")
    assert "< @U0000LEAD02>" in reply.text
    body = json.dumps(replies.text(reply), ensure_ascii=False)
    assert "<!channel>" not in body
    assert "<@U0000LEAD02>" not in body
    assert "<http" not in body
    assert f"<@{ONCALL}>" in body
    for line in reply.text.splitlines():
        assert line.count("`") % 2 == 0
    denied = typed(quarter, "/audit changes --change " + quarter.changes["denied"])
    assert HOSTILE.split()[1] in denied.text
    assert "<script>" not in json.dumps(replies.text(denied))
    assert "\u202e" not in denied.text


def test_a_page_fits_a_message(quarter: Quarter) -> None:
    """Nothing of it is cut: not the rows, not how to go on."""
    reply = typed(quarter, "/audit steps")
    shown = "".join(block["text"]["text"] for block in replies.text(reply)["blocks"])
    assert "Go on: `/audit steps --before" in shown
    assert "fits here" not in json.dumps(replies.text(reply))


def test_nothing_found_says_how_far_it_looked(quarter: Quarter) -> None:
    """And an empty search is no error."""
    text = typed(quarter, "/audit --about 'no such thing anywhere' --to 2020-01-01").text
    assert text.startswith("*Nothing found:*")
    assert "0 rows were looked at" in text


@pytest.mark.parametrize(
    "words",
    ["/audit --what aprovals", "/audit proof", "/audit proof x", "/audit proof 1 2", "/audit --from soon"],
)
def test_mistakes_are_answered(quarter: Quarter, words: str) -> None:
    """With what to write instead."""
    with pytest.raises(UsageError) as caught:
        typed(quarter, words)
    assert caught.value.then


def test_a_row_is_handed_over_with_its_proof(quarter: Quarter, tmp_path: Path, capsys: Any) -> None:
    """Both files in one, and what they say is checked by the terminal with nothing else."""
    reply = typed(quarter, "/audit proof 5", AUDITOR)
    assert isinstance(reply, File)
    assert searches(quarter)[-1]["unmapped"]["detail"]["query"] == "proof of row 5"
    with zipfile.ZipFile(io.BytesIO(reply.content)) as pack:
        assert pack.namelist() == ["5.json", "5.tlog-proof"]
        pack.extractall(tmp_path)
    row, proof = tmp_path / "5.json", tmp_path / "5.tlog-proof"
    [introduced] = quarter.box.entries(Name.KEY_INTRODUCED)
    vkey = introduced["unmapped"]["detail"]["key"]
    words = ["audit", "--check", str(proof), "--body", str(row)]
    assert cli.main(_NO_WIRING, [*words, "--key", vkey]) == 0
    assert "Proved: it is row 5" in capsys.readouterr().out
    (tmp_path / "key").write_text(vkey + "\n")
    assert cli.main(_NO_WIRING, [*words, "--key", str(tmp_path / "key")]) == 0
    assert cli.main(_NO_WIRING, words) == 2
    assert "not checked" in capsys.readouterr().out
    row.write_bytes(row.read_bytes().replace(b'"seq":5', b'"seq":6'))
    assert cli.main(_NO_WIRING, [*words, "--key", vkey]) == 1
    assert cli.main(_NO_WIRING, words[:3]) == 3
    assert cli.main(_NO_WIRING, [*words, "--key", "no key"]) == 3
    proof.write_text("nothing")
    assert cli.main(_NO_WIRING, words) == 3


_NO_WIRING: Any = None
"""A check needs no database, no estate, no settings: it is never asked for."""


def test_a_row_not_yet_signed_has_no_proof(quarter: Quarter) -> None:
    """It is under a checkpoint within a minute."""
    newest = typed(quarter, "/audit").text.splitlines()[1].split("`")[1]
    with pytest.raises(Refused, match="in a minute"):
        typed(quarter, f"/audit proof {newest}")


def test_the_terminal_shows_rows_and_their_bytes(quarter: Quarter, capsys: Any) -> None:
    """In words for people; with --json the rows alone, byte for byte, so that their hashes can be taken."""
    desk = quarter.box.desk
    assert terminal.look(console(), desk, Typed(["calls"]), limit=50, as_json=False) == 0
    shown = capsys.readouterr()
    assert len(shown.out.splitlines()) == 50
    assert "Go on: signalbox audit calls --before" in shown.err
    assert searches(quarter)[-1]["actor"]["user"]["uid"].startswith("operating system user ")
    assert terminal.look(console(), desk, Typed(["calls"], person=LEAD), limit=7, as_json=True) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 7
    with desk.database.read() as session:
        from bot.store.tables import Entry
        from bot.trail.tree import leaf_hash

        for line in lines:
            row = session.get(Entry, json.loads(line)["seq"])
            assert row is not None
            assert leaf_hash(line.encode()) == row.leaf
    assert hashlib.sha256(b"\x00" + lines[0].encode()).digest() == leaf_hash(lines[0].encode())
    with pytest.raises(UsageError):
        terminal.look(console(), desk, Typed(), limit=0, as_json=False)


def test_the_terminal_writes_a_proof_over_no_other_file(
    quarter: Quarter, tmp_path: Path, capsys: Any
) -> None:
    """The second time it refuses."""
    desk = quarter.box.desk
    assert terminal.take(desk, ["7"], AUDITOR, tmp_path) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"7.json", "7.tlog-proof"}
    assert "signalbox audit --check 7.tlog-proof" in capsys.readouterr().out
    with pytest.raises(Refused, match="cannot be written"):
        terminal.take(desk, ["7"], AUDITOR, tmp_path)
    with pytest.raises(UsageError):
        terminal.take(desk, ["seven"], AUDITOR, tmp_path)


def test_what_signalbox_did_in_a_name_is_not_told_as_the_persons_deed(quarter: Quarter) -> None:
    """Steps and calls are Signalbox's, for whoever asked for the run; an answer is the person's own."""
    steps = typed(quarter, "/audit steps").text.splitlines()[1]
    assert " Signalbox for <@" in steps
    votes = typed(quarter, "/audit votes").text.splitlines()[1]
    assert " Signalbox for " not in votes


def test_heartbeats_are_left_out_unless_asked_for(quarter: Quarter) -> None:
    """One every ten minutes hides what people look for; that they are left out is said."""
    text = typed(quarter, "/audit").text
    assert "everything but heartbeats" in text.splitlines()[0]
    assert "Heartbeat" not in "".join(text.splitlines()[1:])
    assert "Heartbeat" in typed(quarter, "/audit heartbeats").text


def test_the_command_line_is_the_same_search(
    tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Words and options reach it, rows are found, and mistakes end in words and an exit code."""
    monkeypatch.setenv("SIGNALBOX_ESTATE", str(tmp_path / "estate.yaml"))
    url = f"sqlite:///{tmp_path}/a.db"

    def build(_settings: Any) -> Any:
        database = Database(url)
        migrate(database)
        return house(database, tmp_path)

    wiring: Any = SimpleNamespace(build=build)
    words = [
        "audit",
        "policy",
        "--what",
        "access",
        "--from",
        "2027-01-01",
        "--by",
        "signalbox",
        "--limit",
        "1",
    ]
    assert cli.main(wiring, words) == 0
    shown = capsys.readouterr()
    assert "Who may do what was changed" in shown.out
    assert "Go on: signalbox audit policy access --by signalbox" in shown.err
    assert cli.main(wiring, ["audit", "access", "--json"]) == 0
    [found] = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert found["unmapped"]["detail"]["query"].startswith("policy access --by signalbox --from 2027-01-01")
    assert cli.main(wiring, ["audit", "proof", "0", "-o", str(tmp_path)]) == 1
    assert "in a minute" in capsys.readouterr().err
    assert cli.main(wiring, ["audit", "--what", "nonsense"]) == 1
    assert cli.main(wiring, ["audit", "--bogus"]) == 3
