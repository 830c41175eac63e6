"""Signal before movement, its sole exception: break-glass is late, loud, and reviewed without fail."""

from __future__ import annotations

from pathlib import Path

import pytest
from house import LEAD, LEAD2, ONCALL, ONCALL2, STRANGER, House, edit, house

from bot.store.database import Database

WORDS = "rightly so: nobody was awake"


@pytest.fixture
def box(database: Database, tmp_path: Path) -> House:
    return house(database, tmp_path)


def late(box: House, words: str = "/failover us-west-2 --reason dark") -> str:
    """A failover that nobody has approved for three minutes."""
    change = box.ask(words)
    box.world.clock.at += 181
    return change


def reviews(box: House, change: str) -> list[str]:
    """Ids of the change's open reviews."""
    return [d.id for d in box.decisions(change, "review") if d.state == "open"]


def test_the_glass_holds_until_its_time(box: House) -> None:
    """A second before the wait is over nothing starts, and the person reads how long it still takes."""
    change = box.ask()
    box.world.clock.at += 179
    answer = box.vote(change, "break_glass", ONCALL)
    assert not answer.counted
    assert "1 s" in answer.text
    assert box.run(change) is None
    assert box.see(change).approval.glass_at == box.see(change).created_at + 180


def test_on_call_alone_starts_what_nobody_approved(box: House) -> None:
    """The one who asked may break the glass; the run starts, and its trail says that nobody approved."""
    change = late(box)
    assert box.vote(change, "break_glass", ONCALL).counted
    assert box.run(change).state == "running"
    assert box.question(change).emergency
    assert len(reviews(box, change)) == 1
    broken = box.entries("decision:glass:broken")
    assert [row["actor"]["user"]["uid"] for row in broken] == [ONCALL]
    assert box.verified().exit_code == 0


@pytest.mark.parametrize("person", [LEAD, STRANGER])
def test_others_cannot_break_it(box: House, person: str) -> None:
    """Leads approve or deny; people without a role do nothing."""
    change = late(box)
    assert not box.vote(change, "break_glass", person).counted
    assert box.run(change) is None


def test_a_planned_move_has_no_glass(box: House) -> None:
    """What nobody needs tonight waits for its approvals, however long."""
    change = late(box, "/failover us-west-2 --planned")
    assert not box.vote(change, "break_glass", ONCALL).counted
    assert box.run(change) is None
    assert box.see(change).approval.glass_at is None


def test_an_estate_may_have_no_glass(box: House) -> None:
    """`break_glass: null` takes the button away, and the answer with it."""
    edit(box, "estate: fintech", "estate: fintech\nbreak_glass: null")
    change = late(box)
    assert not box.vote(change, "break_glass", ONCALL).counted
    assert box.run(change) is None


def test_a_plan_made_anew_does_not_prolong_the_wait(box: House) -> None:
    """The wait counts from the command: a world that keeps changing must not keep people from starting."""
    change = late(box)
    box.world.writer["reporting"] = "us-west-2"
    box.planner.kept.clear()
    assert not box.vote(change, "break_glass", ONCALL).counted, "the plan has changed: look at the new one"
    assert box.vote(change, "break_glass", ONCALL).counted
    assert box.run(change) is not None


def test_a_denial_is_stronger_than_the_glass(box: House) -> None:
    """Once a lead has denied it, there is no question left to break."""
    change = late(box)
    assert box.vote(change, "deny", LEAD).counted
    assert not box.vote(change, "break_glass", ONCALL).counted
    assert box.run(change) is None


def test_the_review_is_closed_by_two_leads_with_words(box: House) -> None:
    """Neither the one who broke it, nor one lead twice, nor a word that says nothing closes it."""
    change = late(box)
    assert box.vote(change, "break_glass", ONCALL2).counted
    (review,) = reviews(box, change)
    assert not box.desk.vote(review, "close", ONCALL2, reason=WORDS).counted
    assert not box.desk.vote(review, "close", ONCALL, reason=WORDS).counted
    assert not box.desk.vote(review, "close", LEAD, reason="fine").counted
    assert box.desk.vote(review, "close", LEAD, reason=WORDS).counted
    assert not box.desk.vote(review, "close", LEAD, reason=WORDS).counted
    assert reviews(box, change) == [review]
    assert box.desk.vote(review, "close", LEAD2, reason=WORDS).counted
    assert reviews(box, change) == []
    said = [row["unmapped"]["approval"].get("reason") for row in box.entries("decision:vote:cast")]
    assert said[-2:] == [WORDS, WORDS]


def test_the_review_outlives_the_run(box: House) -> None:
    """The run ends, is stopped, or is pre-empted: what was started without an approval is reviewed all the same."""
    change = late(box)
    assert box.vote(change, "break_glass", ONCALL).counted
    assert box.desk.stop(change, "abort", ONCALL).counted
    assert box.drive(change) == "aborted"
    assert len(reviews(box, change)) == 1
    assert "Open: Review" in box.desk.status()


def test_what_is_decided_in_such_a_run_is_marked(box: House) -> None:
    """Holds of a run that was started by break-glass are decided by on-call, and reviewed with it."""
    change = late(box)
    assert box.vote(change, "break_glass", ONCALL).counted
    # Customers are never seen to leave: a step holds.
    box.world.lag = dict.fromkeys(box.world.lag, None)
    box.drive(change, lambda: bool(box.holds(change)))
    hold = next(iter(box.holds(change).values()))
    assert box.desk.vote(hold.id, "abort", ONCALL).counted
    assert next(d for d in box.decisions(change, "hold") if d.id == hold.id).emergency
