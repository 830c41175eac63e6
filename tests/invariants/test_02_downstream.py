"""Register before movement: what is downstream of the trail stops planned changes, and nothing else ever."""

from __future__ import annotations

from pathlib import Path

import pytest
from archived import LATE, LIMIT, part, ship, with_archive
from house import EAST, LEAD, LEAD2, ONCALL, House, house

from bot.errors import Refused
from bot.store.database import Database
from bot.trail.event import Event, Name

PLANNED = "/failover us-west-2 --planned --reason test"
URGENT = "/failover us-west-2 --reason dark"
HALF = LIMIT / 2
"""Seconds for which a row has waited already; not yet too long."""
STATES = ["behind", "forked", "late"]


@pytest.fixture
def box(database: Database, tmp_path: Path) -> House:
    made = house(database, tmp_path)
    made.desk = with_archive(made.desk)
    ship(made)
    made.trail.note(Event(name=Name.BOT_HEARTBEAT))
    made.world.clock.at += HALF
    return made


def trouble(box: House, state: str) -> None:
    """The archive differs, or has taken nothing for more than an hour."""
    if state == "late":
        box.world.clock.at += HALF + 60
    else:
        part(box.database, state)


@pytest.mark.parametrize("state", STATES)
def test_a_planned_change_is_refused_before_anything_is_planned(box: House, state: str) -> None:
    """In words that say what is not done, what to do, and that an emergency goes ahead; a dry run is allowed."""
    trouble(box, state)
    with pytest.raises(Refused) as refused:
        box.ask(PLANNED)
    words = str(refused.value)
    assert "Planned changes are stopped" in words
    assert "nothing was started" in words
    assert "without --planned goes ahead" in words
    assert ("signalbox recover" if state != "late" else "/signalbox status") in words
    assert box.desk.changes() == []
    assert box.entries("person:command:refused")
    assert box.ask(f"{PLANNED} --dry-run")


@pytest.mark.parametrize("state", STATES)
def test_an_approval_that_comes_too_late_starts_nothing_and_may_be_given_again(
    box: House, state: str
) -> None:
    """The question stays open, the first approval keeps counting, and the second one counts once all is well."""
    change = box.ask(PLANNED)
    assert box.vote(change, person=LEAD).counted
    trouble(box, state)
    answer = box.vote(change, person=LEAD2)
    assert not answer.counted
    assert "Planned changes are stopped" in answer.text
    assert box.run(change) is None
    assert box.question(change).state == "open"
    ship(box)
    assert box.vote(change, person=LEAD2).counted
    assert box.run(change) is not None


def test_a_denial_counts_whatever_the_archive_says(box: House) -> None:
    """Saying no to a planned change needs no proof elsewhere; neither does taking it back."""
    change = box.ask(PLANNED)
    part(box.database, "forked")
    assert box.vote(change, "deny").counted
    assert box.see(change).state == "denied"


@pytest.mark.parametrize("state", STATES)
def test_an_unplanned_failover_goes_ahead_with_its_fence(box: House, state: str) -> None:
    """Asked for, approved, driven to its end: nobody asks the archive, and the old Region is fenced."""
    trouble(box, state)
    box.world.dark.add(EAST)
    change = box.approved(URGENT)
    assert box.finish(change) == "done"
    assert box.steps(change)["fence/standing"].state == "done"
    assert box.verified().exit_code == 0


@pytest.mark.parametrize("state", STATES)
def test_break_glass_goes_ahead(box: House, state: str) -> None:
    """One person on call alone, with nobody awake and the archive gone."""
    trouble(box, state)
    change = box.ask(URGENT)
    box.world.clock.at += 181
    assert box.vote(change, "break_glass", ONCALL).counted
    assert box.run(change) is not None


@pytest.mark.parametrize("how", ["rollback", "abort"])
@pytest.mark.parametrize("state", STATES)
def test_a_planned_run_under_way_is_driven_and_stopped_as_ever(box: House, state: str, how: str) -> None:
    """What was begun while all was well is never stranded: it goes on, back, or stops."""
    change = box.approved(PLANNED)
    box.tick()
    trouble(box, state)
    box.tick()
    assert box.desk.stop(change, how, ONCALL).counted
    assert box.drive(change) == {"rollback": "rolled_back", "abort": "aborted"}[how]


@pytest.mark.parametrize("state", STATES)
def test_a_planned_run_under_way_ends_well(box: House, state: str) -> None:
    """Production arrives although the archive went away in the middle."""
    change = box.approved(PLANNED)
    box.tick()
    trouble(box, state)
    assert box.finish(change) == "done"


@pytest.mark.parametrize("state", STATES)
def test_the_answer_to_a_hold_counts(box: House, state: str) -> None:
    """Whoever decides about a step that waits is not sent away."""
    box.world.dark.add(EAST)
    change = box.approved(URGENT)
    box.drive(change, lambda: bool(box.holds(change)))
    trouble(box, state)
    hold = next(iter(box.holds(change).values()))
    assert box.desk.vote(hold.id, hold.options.split(",")[0], ONCALL).counted


def test_nothing_is_refused_where_no_archive_is_configured(database: Database, tmp_path: Path) -> None:
    """Whatever an archive that was given up has left in the database."""
    box = house(database, tmp_path)
    part(database, "forked")
    assert box.run(box.approved(PLANNED)) is not None


def test_rows_that_wait_for_less_than_the_limit_stop_nothing(box: House) -> None:
    """Late is said, not punished."""
    change = box.ask(PLANNED)
    assert LATE < HALF < LIMIT
    assert box.vote(change, person=LEAD).counted
    assert "In 30 min planned changes are refused" in box.desk.status()
    assert box.vote(change, person=LEAD2).counted
