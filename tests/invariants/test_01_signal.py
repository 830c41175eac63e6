"""Signal before movement: nothing outside changes without an approval of this very plan."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from house import (
    AUDITOR,
    EAST,
    LEAD,
    LEAD2,
    LEAD3,
    ONCALL,
    ONCALL2,
    STRANGER,
    WEST,
    House,
    edit,
    house,
)

from bot.plan import Plan
from bot.store.database import Database

PLANNED = "/failover us-west-2 --planned --reason test"


@pytest.fixture
def box(database: Database, tmp_path: Path) -> House:
    return house(database, tmp_path)


def untouched(box: House) -> None:
    """No run, no call, and engine rounds change nothing."""
    for _ in range(3):
        box.tick()
        box.world.clock.at += 1
    assert box.runs() == []
    assert box.outside.calls == []
    assert box.world.calls == []
    assert box.blocks() == {}


@pytest.mark.parametrize("words", ["/failover us-west-2", PLANNED, "/failover us-west-2 --dry-run"])
def test_asking_changes_nothing(box: House, words: str) -> None:
    """A proposal, planned or not, and a dry run look and never touch."""
    change = box.ask(words)
    untouched(box)
    assert box.see(change).state in ("proposed", "dry_run")


@pytest.mark.parametrize(
    ("asker", "person", "choice"),
    [
        (ONCALL, ONCALL, "approve"),
        (ONCALL, ONCALL2, "approve"),
        (ONCALL, AUDITOR, "approve"),
        (ONCALL, STRANGER, "approve"),
        (ONCALL, "signalbox", "approve"),
        (ONCALL, "", "approve"),
        (LEAD, LEAD, "approve"),
        (ONCALL, LEAD, "cancel"),
        (ONCALL, ONCALL2, "deny"),
        (ONCALL, LEAD, "skip"),
        (ONCALL, LEAD, "APPROVE"),
        (ONCALL, LEAD, ""),
    ],
)
def test_who_may_not_decide_decides_nothing(box: House, asker: str, person: str, choice: str) -> None:
    """The requester, people on call, auditors, strangers and answers that were not offered do not count."""
    change = box.ask(person=asker)
    answer = box.vote(change, choice, person)
    assert not answer.counted
    assert answer.text
    assert box.question(change).state == "open"
    assert box.see(change).approval.votes == ()
    assert len(box.entries("person:click:refused")) == 1
    untouched(box)


def test_one_lead_is_one_however_often_he_clicks(box: House) -> None:
    """A quorum of two needs two people; the second click of the first one is told and does not count."""
    change = box.ask(PLANNED)
    assert box.vote(change).counted
    for _ in range(3):
        again = box.vote(change)
        assert not again.counted
        assert "once" in again.text
    untouched(box)
    assert box.vote(change, person=LEAD2).counted
    assert len(box.runs()) == 1


def _expire(box: House, change: str) -> None:
    box.world.clock.at += 3601


def _expire_and_close(box: House, change: str) -> None:
    _expire(box, change)
    box.watch.expire()


def _deny(box: House, change: str) -> None:
    assert box.vote(change, "deny", LEAD2).counted


def _cancel(box: House, change: str) -> None:
    assert box.vote(change, "cancel", ONCALL).counted


def _void(box: House, change: str) -> None:
    box.world.writer["ledger"] = WEST
    box.world.clock.at += 60
    assert not box.desk.vote(box.question(change).id, "approve", LEAD2).counted
    assert [d.state for d in box.decisions(change)].count("void") == 1


@pytest.mark.parametrize(
    ("ending", "told"),
    [
        (_expire, "expired at"),
        (_expire_and_close, "expired at"),
        (_deny, "Already decided: deny"),
        (_cancel, "Already decided: cancel"),
        (_void, "newest card"),
    ],
)
def test_a_question_that_is_over_cannot_be_approved(
    box: House, ending: Callable[[House, str], None], told: str
) -> None:
    """After expiry, denial, cancelling or voiding the old card's button says so and starts nothing."""
    change = box.ask()
    card = box.question(change).id
    ending(box, change)
    answer = box.desk.vote(card, "approve", LEAD3)
    assert not answer.counted
    assert told in answer.text
    untouched(box)


def _writer_moved(box: House) -> str:
    box.world.writer["payments"] = WEST
    return "promote/payments is no longer needed"


def _lag_grew(box: House) -> str:
    box.world.lag["ledger"] = 600.0
    return "ledger lags 10 min"


def _went_dark(box: House) -> str:
    box.world.dark.add(EAST)
    return "traffic/stop"


def _estate_bound(box: House) -> str:
    edit(box, "rpo_seconds: 300", "rpo_seconds: 200")
    return "the estate changed"


def _target_lost(box: House) -> str:
    box.world.dark.add(WEST)
    return "new blocker"


CHANGES = [_writer_moved, _lag_grew, _went_dark, _estate_bound, _target_lost]


@pytest.mark.parametrize("happens", CHANGES)
def test_a_world_that_changed_voids_the_approval_and_is_told(
    box: House, happens: Callable[[House], str]
) -> None:
    """What changed between card and approval is named; the old question is void; nothing starts."""
    change = box.ask()
    before = box.question(change)
    told = happens(box)
    box.world.clock.at += 21
    answer = box.vote(change)
    assert not answer.counted
    assert told in answer.text
    old = next(d for d in box.decisions(change) if d.id == before.id)
    assert old.state == "void"
    if box.see(change).state == "proposed":
        fresh = box.question(change)
        assert (fresh.state, fresh.id != old.id, fresh.digest != old.digest) == ("open", True, True)
        assert box.see(change).approval.id == fresh.id
        assert told in box.see(change).note
    else:
        assert box.see(change).state == "void"
    untouched(box)


def test_votes_of_the_old_plan_do_not_count_for_the_new_one(box: House) -> None:
    """One approval before, one after the plan was made anew: still one is missing."""
    change = box.ask(PLANNED)
    assert box.vote(change, person=LEAD).counted
    box.world.writer["reporting"] = WEST
    box.world.clock.at += 60
    assert not box.vote(change, person=LEAD2).counted
    assert box.vote(change, person=LEAD2).counted
    untouched(box)
    assert box.vote(change, person=LEAD3).counted
    run = box.run(change)
    assert run is not None
    assert "promote/reporting" not in run.plan


def test_the_newest_card_is_shown_after_any_number_of_new_plans(box: House) -> None:
    """Each time the world changes the view's question is the open one, not a void one."""
    change = box.ask()
    for name in ("payments", "ledger", "reporting", "payments"):
        box.world.writer[name] = EAST if box.world.writer[name] == WEST else WEST
        box.world.clock.at += 30
        assert not box.vote(change).counted
        seen = box.see(change)
        assert seen.approval is not None
        assert seen.approval.id == box.question(change).id
        assert seen.approval.state == "open"
        assert seen.digest == box.question(change).digest


def test_a_plan_made_anew_leaves_people_time_to_read_it(box: House) -> None:
    """The new question has the whole time of its policy, not what was left of the old one's."""
    change = box.ask()
    box.world.clock.at += 880
    box.world.writer["ledger"] = WEST
    assert not box.vote(change).counted
    box.world.clock.at += 60
    assert box.vote(change).counted


@pytest.mark.parametrize("words", ["/failover us-west-2", PLANNED])
def test_everything_done_belongs_to_the_approved_digest(box: House, words: str) -> None:
    """A whole run: every call is of a run whose digest the leads approved, and the verifier agrees."""
    change = box.approved(words)
    assert box.drive(change) == "done"
    started = box.entries("run:plan:started")
    assert [s["unmapped"]["detail"]["digest"] for s in started] == [box.question(change).digest]
    plan_steps = {s.id for s in box.see(change).plan}
    assert {c.step for c in box.outside.calls} <= plan_steps
    assert {e["unmapped"]["change"]["run"] for e in box.entries("call:outside:intent")} == {f"run-{change}"}
    assert box.verified().exit_code == 0


def test_an_estate_that_changed_a_moment_ago_voids_the_approval(box: House) -> None:
    """A look at the world counts for seconds, a look at the estate for no time at all."""
    change = box.ask()
    told = _estate_bound(box)
    answer = box.vote(change)
    assert not answer.counted
    assert told in answer.text
    untouched(box)


def test_a_bound_that_is_exceeded_after_the_approval_stops_before_the_promotion(box: House) -> None:
    """The card says that it stops and asks rather than lose more than was approved: so it does."""
    change = box.approved()
    box.drive(change, lambda: box.steps(change)["fence/confirm"].state == "active")
    box.world.lag = dict.fromkeys(box.world.lag, 600.0)
    box.drive(change, lambda: bool(box.holds(change)) or bool(box.run(change).committed), by=5)
    assert not box.run(change).committed
    assert not [c for c in box.outside.calls if c.verb == "failover"]


def test_a_plan_made_anew_for_a_stricter_estate_has_the_stricter_bound(box: House) -> None:
    """The objective fell from 300 to 200 s after the card: nobody is asked to approve 300 s again."""
    change = box.ask()
    edit(box, "rpo_seconds: 300", "rpo_seconds: 200")
    assert not box.vote(change).counted
    assert box.vote(change).counted
    assert Plan.model_validate_json(box.run(change).plan).bounds == {"data_loss_seconds": 200}
