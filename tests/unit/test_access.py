"""The access review and the policy over time, from a played quarter and from rows of older versions."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from evidence_quarter import LEAD, LEAD2, ONCALL, STRANGER, Quarter, play
from hand_clock import HandClock
from house import AUDITOR, edit
from plans import estate_text
from sqlalchemy import delete

from bot.changes.estates import Estates
from bot.estate_file import parse_estate
from bot.evidence.access import ACCESS, NOT_KNOWN, POLICY, REVIEW_HEADINGS, in_force, part
from bot.evidence.window import Days, Window, days, open_window
from bot.store.database import Database
from bot.store.migrate import migrate
from bot.store.tables import EstateRow
from bot.trail.append import Trail
from bot.trail.checkpoint import Checkpointer, Keyring
from bot.trail.event import Event, Name
from bot.world.signing import FileKey

Lines = list[dict[str, str]]


def lines(made: bytes) -> Lines:
    """The table's lines by heading."""
    return list(csv.DictReader(io.StringIO(made.decode(), newline="")))


@pytest.fixture(scope="module")
def quarter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Quarter]:
    place = tmp_path_factory.mktemp("quarter")
    database = Database(f"sqlite:///{place}/q.db")
    migrate(database)
    made = play(database, place)
    edit(made.box, f"  {LEAD2}: lead", f"  {LEAD2}: auditor")
    assert made.box.desk.estate.role(LEAD2) == "auditor"
    edit(made.box, f"  {AUDITOR}: auditor\n", "")
    assert made.box.desk.estate.role(AUDITOR) is None
    made.box.trail.note(Event(name=Name.BOT_HEARTBEAT))
    made.checkpointer.seal()
    yield made
    database.close()


@pytest.fixture(scope="module")
def window(quarter: Quarter) -> Window:
    return open_window(quarter.box.database, days("2027-01-15", "2027-01-18"))


def test_everybody_with_a_role_is_a_line(quarter: Quarter, window: Window) -> None:
    """And whoever lost it within the window; what each may and did is beside."""
    found = {line["person"]: line for line in lines(part(window)[ACCESS])}
    estate = quarter.box.desk.estate
    assert {person: line["role"] for person, line in found.items() if line["role"] != "none"} == estate.people
    assert found[LEAD]["may_approve"] == " ".join(
        sorted(k for k, r in estate.policy.items() if r.approve.role == "lead")
    )
    assert (found[ONCALL]["may_break_glass"], found[LEAD]["may_break_glass"]) == ("yes", "no")
    assert (found[ONCALL]["broke_glass"], found[ONCALL]["stops_asked"]) == ("1", "1")
    assert found[LEAD]["dry_runs"] == "1"
    assert (found[LEAD]["denied"], found[LEAD]["approved"]) == ("1", "1")
    assert found[LEAD]["searches_and_packs"] == "1"
    assert found[LEAD]["last_seen_utc"].startswith("2027-01-1")
    assert all(found[person]["decision_to_fill_in"] == "" for person in found)


def test_changed_and_lost_roles_are_told(window: Window) -> None:
    """From when on, by which row, and what it was before."""
    found = {line["person"]: line for line in lines(part(window)[ACCESS])}
    assert (found[LEAD2]["role"], found[LEAD2]["role_before"]) == ("auditor", "lead")
    assert int(found[LEAD2]["role_since_row"]) > int(found[LEAD]["role_since_row"])
    assert (found[AUDITOR]["role"], found[AUDITOR]["role_before"]) == ("none", "auditor")
    assert found[AUDITOR]["left_at_utc"]
    assert found[AUDITOR]["may_ask"] == "nothing"


def test_a_stranger_who_tried_is_a_line(window: Window) -> None:
    """Without a role, with what was refused."""
    found = {line["person"]: line for line in lines(part(window)[ACCESS])}
    assert (found[STRANGER]["role"], found[STRANGER]["was_refused"]) == ("none", "1")


def test_the_policy_is_told_for_each_time(quarter: Quarter, window: Window) -> None:
    """Each kind of change, from when until when, with how many could approve."""
    found = lines(part(window)[POLICY])
    kinds = sorted(quarter.box.desk.estate.policy)
    assert [line["kind"] for line in found] == kinds * 3
    first, last = found[0], found[-1]
    assert first["in_force_until_utc"] == found[len(kinds)]["in_force_from_utc"]
    assert last["in_force_until_utc"] == "the window's end"
    failover = [line for line in found if line["kind"] == "failover"]
    assert [line["people_with_the_approving_role"] for line in failover] == ["3", "2", "2"]
    assert all(line["break_glass_by"] == "on-call" for line in failover)


def test_the_same_window_makes_the_same_bytes(window: Window) -> None:
    """Nothing is taken from the time at which it is made."""
    assert part(window) == part(window)


def signed(database: Database, trail: Trail, place: Path) -> None:
    """Cover all rows with a checkpoint."""
    Checkpointer(trail, Keyring(FileKey(place / "key"))).seal()


def test_without_the_kept_estates_the_rows_tell(tmp_path: Path, clock: HandClock) -> None:
    """What `estate:policy:changed` says is enough, across several changes."""
    database = Database(f"sqlite:///{tmp_path}/a.db")
    migrate(database)
    trail, file = Trail(database, clock), tmp_path / "estate.yaml"
    texts = [estate_text(), estate_text().replace(f"  {LEAD2}: lead", f"  {LEAD2}: auditor")]
    for text in texts:
        file.write_text(text)
        clock.advance(60)
        _ = Estates(file, trail, clock).now
    with database.write() as session:
        session.execute(delete(EstateRow))
    signed(database, trail, tmp_path)
    forces = in_force(open_window(database, Days(0, 2**42)))
    assert [force.people for force in forces] == [parse_estate(text.encode()).people for text in texts]
    assert all(force.known.startswith("row ") for force in forces)
    keys = (forces[1].parts or {})["keys"]
    assert set(keys) == set(parse_estate(texts[1].encode()).keys)
    database.close()


def test_of_older_rows_only_the_digest_is_known(tmp_path: Path, clock: HandClock) -> None:
    """It is said, and nobody is given a role that no row tells of."""
    database = Database(f"sqlite:///{tmp_path}/a.db")
    migrate(database)
    trail = Trail(database, clock)
    trail.note(Event(name=Name.ESTATE_ACCEPTED, detail={"before": "", "after": "ab" * 32}))
    trail.note(Event(name=Name.COMMAND_RECEIVED, actor=LEAD, face="slack", detail={"text": "/runs"}))
    signed(database, trail, tmp_path)
    made = part(open_window(database, Days(0, 2**42)))
    [line] = lines(made[POLICY])
    assert (line["kind"], line["estate_digest"]) == (NOT_KNOWN, "ab" * 32)
    assert line["known_from"] == "not known: only the digest is recorded"
    [person] = lines(made[ACCESS])
    assert (person["person"], person["may_approve"]) == (LEAD, NOT_KNOWN)
    database.close()


def test_each_line_has_as_many_cells_as_headings(window: Window) -> None:
    """Nothing slips into a neighbour's column."""
    for made in part(window).values():
        widths = {len(row) for row in csv.reader(io.StringIO(made.decode(), newline=""))}
        assert len(widths) == 1
    assert len(set(REVIEW_HEADINGS)) == len(REVIEW_HEADINGS)
