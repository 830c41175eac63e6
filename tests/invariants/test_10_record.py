"""Everything that happens leaves a row, with who, where, which change and run, and whose answer it rests on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from house import EAST, LEAD, LEAD2, LEAD3, ONCALL, ONCALL2, OPS, STRANGER, House, edit, house
from sqlmodel import col, select

from bot import alive
from bot.errors import SignalboxError, UsageError
from bot.plan import Plan
from bot.reply import Caller
from bot.settings import Settings
from bot.store.database import Database
from bot.store.migrate import migrate
from bot.store.tables import Change, Entry
from bot.trail.event import Name
from bot.trail.redact import redact

BACK = f"/failover {EAST} --planned --reason back"
NOW = "/failover us-west-2 --reason dark"


def night(box: House) -> None:
    """A Region goes dark: moved, its fence asked about, closed when it is back; then home again, losses signed off."""
    box.world.dark.add(EAST)
    change = box.approved(NOW)
    assert box.settle(change) == "standing"
    box.drive(change, lambda: bool(box.entries(Name.STEP_ASKED)), by=60)
    box.world.dark.clear()
    assert box.drive(change) == "done"
    back = box.approved(BACK)
    box.drive(back, lambda: "losses/signed" in box.holds(back))
    assert box.desk.vote(box.holds(back)["losses/signed"].id, "acknowledge", LEAD).counted
    box.drive(back, lambda: box.steps(back)["fence/open"].state != "pending")


def hung(box: House) -> None:
    """Promotions that hang: held, one tried again, the others sent another way."""
    box.outside.swallow = lambda _port, verb: verb == "failover"
    change = box.approved(NOW)
    box.drive(change, lambda: len(box.holds(change)) == 3, by=10)
    for choice, hold in zip(("retry", "instead", "abort"), box.holds(change).values(), strict=True):
        assert box.desk.vote(hold.id, choice, ONCALL, reason="seen that before").counted
    box.drive(change)


def skipped(box: House) -> None:
    """A fence that cannot be seen: people go on without it."""
    box.outside.blind = lambda _port, verb: verb == "denied"
    change = box.approved(NOW)
    box.drive(change, lambda: "activate/check" in box.holds(change), by=10)
    assert box.desk.vote(
        box.holds(change)["activate/check"].id, "skip", ONCALL, reason="done by hand"
    ).counted


def rolled_back(box: House) -> None:
    """Stopped before the point of no return."""
    change = box.approved(NOW)
    box.drive(change, lambda: len(box.outside.calls) >= 2, by=1)
    assert box.desk.stop(change, "rollback", ONCALL2).counted
    assert box.drive(change) == "rolled_back"


def preempted(box: House) -> None:
    """A planned move that an unplanned failover stops."""
    first = box.approved("/failover us-west-2 --planned")
    box.drive(first, lambda: len(box.outside.calls) > 5)
    assert box.vote(box.ask(NOW)).counted


def refused(box: House) -> None:
    """Words and clicks that are understood and not followed; a plan that is only shown."""
    for person, words in ((STRANGER, NOW), (ONCALL, "/failover nowhere"), (ONCALL, "/nothing")):
        with pytest.raises(SignalboxError):
            box.desk.command(words, Caller(person, person, OPS))
    change = box.ask(NOW)
    assert not box.vote(change, person=STRANGER).counted
    assert not box.desk.stop(change, "abort", STRANGER).counted
    assert box.vote(change, "deny", LEAD).counted
    box.ask(NOW + " --dry-run")


def expired(box: House) -> None:
    """Nobody answers in time."""
    box.ask(NOW)
    box.world.clock.at += 100_000
    box.watch.expire()


def drifted(box: House) -> None:
    """The world changes between plan and answer: the approval is void and asked again; its card is kept true."""
    change = box.ask(NOW)
    with box.database.read() as session:
        row = session.get_one(Change, change)
    box.world.clock.at += 120
    box.watch.observe(row, Plan.model_validate_json(row.plan))
    box.world.dark.add(EAST)
    box.planner.kept.clear()
    assert not box.vote(change).counted


def glass(box: House) -> None:
    """Nobody approves, one person starts it, others close the review."""
    change = box.ask(NOW)
    box.world.clock.at += 181
    assert box.vote(change, "break_glass", ONCALL).counted
    (review,) = box.decisions(change, "review")
    for lead in (LEAD, LEAD2, LEAD3):
        box.desk.vote(review.id, "close", lead, reason="rightly so: nobody was awake")
    assert box.decisions(change, "review")[0].state == "decided"


def estates(box: House) -> None:
    """Who may do what is changed, and the file is broken."""
    edit(box, f"{LEAD3}: lead", f"{LEAD3}: on-call")
    assert box.estates.now.role(LEAD3) == "on-call"
    edit(box, "estate:", "estat:")
    assert box.estates.now.role(LEAD3) == "on-call"
    assert "broken" in box.estates.complaint


def process(box: House) -> None:
    """A replica begins, is there, and ends."""
    box.trail.note(alive.started(Settings(), "replica-1", box.database))
    box.trail.note(alive.heartbeat(box.database))
    box.trail.note(alive.stopped("replica-1"))


def erased(box: House) -> None:
    """An address that somebody typed is erased later."""
    with pytest.raises(UsageError):
        box.desk.command("/runs show for-ann@example.com", Caller(ONCALL, ONCALL, OPS))
    seq = next(e["seq"] for e in box.entries(Name.COMMAND_RECEIVED))
    redact(box.trail, seq, "detail.text#0", LEAD, "she asked for it")


_RUN = {
    Name.COMMAND_RECEIVED,
    Name.CHANGE_PLANNED,
    Name.DECISION_OPENED,
    Name.VOTE_CAST,
    Name.DECISION_DECIDED,
}
_RUN |= {Name.RUN_STARTED, Name.RUN_ADOPTED, Name.STEP_STARTED, Name.STEP_ACTING, Name.STEP_DONE}
_RUN |= {Name.CALL_INTENT, Name.CALL_OUTCOME}
_END = {Name.RUN_ENDED, Name.CHANGE_CLOSED}
PRODUCES: dict[Callable[[House], None], set[Name]] = {
    night: _RUN | _END | {Name.RUN_COMMITTED, Name.RUN_SETTLED, Name.STEP_SEEN, Name.STEP_HELD}
    | {Name.STEP_ASKED, Name.STEP_ACKNOWLEDGED, Name.STEP_UNCONFIRMED},
    hung: _RUN | _END | {Name.RUN_COMMITTED, Name.STEP_HELD, Name.STEP_RETRIED, Name.STEP_REROUTED}
    | {Name.RUN_STOPPING},
    skipped: {Name.DECISION_OPENED, Name.STEP_SKIPPED},
    rolled_back: _RUN | _END | {Name.RUN_STOPPING},
    preempted: _RUN | _END | {Name.RUN_STOPPING, Name.RUN_PREEMPTED},
    refused: {Name.COMMAND_REFUSED, Name.CLICK_REFUSED, Name.CHANGE_DRY_RUN, Name.CHANGE_CLOSED},
    expired: {Name.DECISION_EXPIRED, Name.CHANGE_CLOSED},
    drifted: {Name.CHANGE_SEEN, Name.DECISION_VOIDED, Name.CLICK_REFUSED, Name.CHANGE_PLANNED},
    glass: {Name.GLASS_BROKEN, Name.DECISION_OPENED, Name.DECISION_DECIDED, Name.RUN_STARTED},
    estates: {Name.ESTATE_ACCEPTED, Name.ESTATE_REFUSED, Name.POLICY_CHANGED},
    process: {Name.BOT_STARTED, Name.BOT_STOPPED, Name.BOT_HEARTBEAT},
    erased: {Name.FIELD_REDACTED},
}  # fmt: skip
ELSEWHERE = {
    Name.KEY_INTRODUCED: "tests of checkpoints",
    Name.KEY_ROTATED: "tests of checkpoints",
    Name.LOG_ANCHORED: "tests of the archive",
    Name.LOG_UNANCHORED: "tests of the archive",
    Name.LOG_DIVERGED: "tests of the archive",
    Name.ARCHIVE_LATE: "tests of the archive",
    Name.ARCHIVE_CAUGHT_UP: "tests of the archive",
    Name.LOG_RECOVERED: "tests of the recovery",
    Name.PACK_EXPORTED: "tests of the evidence pack",
    Name.TRAIL_VERIFIED: "tests of the verifier's command",
    Name.TRAIL_SEARCHED: "tests of the search",
}
"""What is about the trail itself, and where it is shown to be recorded."""
_ON_STEP, _ON_RUN, _ON_CHANGE = {"change", "run", "step"}, {"change", "run"}, {"change"}
NEEDS: dict[Name, set[str]] = {
    **{name: _ON_STEP for name in Name if name.startswith(("run:step:", "call:outside:"))},
    **{name: _ON_RUN for name in Name if name.startswith("run:plan:")},
    **{
        name: {*_ON_CHANGE, "approval"}
        for name in Name
        if name.startswith(("decision:vote", "decision:glass"))
    },
    Name.RUN_STARTED: {*_ON_RUN, "approval", "person"},
    Name.DECISION_OPENED: {*_ON_CHANGE, "approval"},
    Name.DECISION_DECIDED: {*_ON_CHANGE, "approval", "person"},
    Name.DECISION_EXPIRED: {*_ON_CHANGE, "approval"},
    Name.CHANGE_PLANNED: {*_ON_CHANGE, "person"},
    Name.CHANGE_DRY_RUN: {*_ON_CHANGE, "person"},
    Name.CHANGE_CLOSED: _ON_CHANGE,
    Name.CHANGE_SEEN: _ON_CHANGE,
    Name.COMMAND_RECEIVED: {"person", "face"},
    Name.COMMAND_REFUSED: {"person", "face", "why"},
    Name.CLICK_REFUSED: {"person", "face", "why"},
    Name.STEP_DONE: {*_ON_STEP, "verdict", "evidence"},
    Name.STEP_SKIPPED: {*_ON_STEP, "approval", "person"},
    Name.STEP_RETRIED: {*_ON_STEP, "approval", "person"},
    Name.STEP_REROUTED: {*_ON_STEP, "approval", "person"},
    Name.STEP_ACKNOWLEDGED: {*_ON_STEP, "approval", "person"},
    Name.CALL_INTENT: {*_ON_STEP, "person", "intent", "operation", "epoch"},
    Name.CALL_OUTCOME: {*_ON_STEP, "person", "intent", "request_id"},
    Name.BOT_STARTED: {"replica", "version", "database", "clock", "archive", "signing"},
    Name.BOT_HEARTBEAT: {"alive", "rows"},
    Name.ESTATE_ACCEPTED: {"after"},
    Name.POLICY_CHANGED: {"after", "parts", "by"},
    Name.FIELD_REDACTED: {"person", "path", "why", "seq"},
}


@pytest.fixture
def box(tmp_path: Path) -> Iterator[House]:
    database = Database(f"sqlite:///{tmp_path}/signalbox.db")
    migrate(database)
    yield house(database, tmp_path)
    database.close()


def rows(box: House) -> list[dict[str, Any]]:
    with box.database.read() as session:
        return [json.loads(e.body) for e in session.exec(select(Entry).order_by(col(Entry.seq)))]


def told(row: dict[str, Any]) -> set[str]:
    """What a row says of itself."""
    unmapped, actor = row["unmapped"], row["actor"]["user"]
    change = unmapped["change"]
    found = {name for name, at in (("change", "uid"), ("run", "run"), ("step", "step")) if change[at]}
    found |= {"approval"} if unmapped.get("approval", {}).get("decision") else set()
    found |= {"person"} if (actor["uid"], actor["type_id"]) != ("signalbox", 3) else set()
    found |= {"face"} if row["src_endpoint"]["name"] not in ("", "signalbox") else set()
    return found | {name for name, value in unmapped["detail"].items() if value not in ("", None)}


@pytest.mark.parametrize("happens", PRODUCES, ids=lambda happens: happens.__name__)
def test_what_happens_is_recorded_with_who_and_why(box: House, happens: Callable[[House], None]) -> None:
    """Every kind of row that is to come out comes out, each with its actor, change, run, approval; it verifies."""
    happens(box)
    found = rows(box)
    assert {row["api"]["operation"] for row in found} >= {str(name) for name in PRODUCES[happens]}
    for row in found:
        name = Name(row["api"]["operation"])
        assert told(row) >= NEEDS.get(name, set()), (name, row["unmapped"])
    assert box.verified().findings == []


def test_no_event_is_without_a_test() -> None:
    """Every name is produced above, or is listed with where it is."""
    produced = set().union(*PRODUCES.values())
    assert produced | ELSEWHERE.keys() == set(Name)
    assert not produced & ELSEWHERE.keys()


def test_rows_have_what_api_activity_requires(box: House) -> None:
    """Actor, api, source, metadata, severity, status, type and time as OCSF 1.9 wants them, and the database's time."""
    rolled_back(box)
    for row in rows(box):
        assert {"activity_id", "actor", "api", "category_uid", "class_uid", "metadata"} <= row.keys()
        assert {"severity_id", "src_endpoint", "status_id", "time", "type_uid"} <= row.keys()
        assert row["type_uid"] == row["class_uid"] * 100 + row["activity_id"]
        assert row["metadata"]["product"]["version"]
        assert row["metadata"]["logged_time"] > 1_700_000_000_000


def test_a_change_of_policy_says_from_what_to_what(box: House) -> None:
    """The first estate tells its whole policy; a later one what differs, and that a file does not say who."""
    estates(box)
    first, later = (row["unmapped"]["detail"] for row in box.entries(Name.POLICY_CHANGED))
    assert {part["before"] for part in first["parts"].values()} == {None}
    assert first["parts"]["people"]["after"][LEAD3] == "lead"
    assert later["parts"].keys() == {"people"}
    assert later["parts"]["people"]["before"][LEAD3] == "lead"
    assert later["parts"]["people"]["after"][LEAD3] == "on-call"
    assert later["before"] == first["after"] != later["after"]


def test_the_same_policy_is_not_told_again(box: House) -> None:
    """A change of anything else in the estate leaves the policy's record alone."""
    edit(box, "rto_seconds: 900", "rto_seconds: 800")
    assert box.estates.now.objectives.rto_seconds == 800
    assert len(box.entries(Name.ESTATE_ACCEPTED)) == 2
    assert len(box.entries(Name.POLICY_CHANGED)) == 1


def test_a_start_tells_settings_and_no_secret(box: House) -> None:
    """The row of a start names what the replica relies on; the database's password is not in it."""
    settings = Settings(database_url="postgresql://bot:hunter2pass@db/x", archive="s3://archive/prefix")
    text = json.dumps(alive.started(settings, "terminal-x", box.database).detail)
    assert "hunter2pass" not in text
    assert '"terminal": true' in text
    assert '"archive": "s3://archive/prefix"' in text


def test_a_refused_estate_is_told_without_its_secrets(box: House) -> None:
    """What is wrong with a file is told; a password that stands in it is not."""
    edit(box, "rto_seconds: 900", "rto_seconds: postgresql://bot:hunter2@db/x")
    assert box.estates.now.objectives.rto_seconds == 900
    (row,) = box.entries(Name.ESTATE_REFUSED)
    assert "hunter2" not in json.dumps(row) + box.estates.complaint + box.desk.status()
