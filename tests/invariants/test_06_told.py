"""Unknown is not good, and what was good is not stale: what cards and reports tell is what was seen."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from house import EAST, WEST, House, house

from bot.ports import Sample
from bot.store.database import Database
from bot.store.tables import Change


@pytest.fixture
def box(database: Database, tmp_path: Path) -> House:
    return house(database, tmp_path)


def figures(box: House, change: str) -> dict[str, str]:
    """The report's figures by label."""
    report = box.see(change).report
    assert report is not None
    return {figure.label: figure.value for figure in report.figures}


def test_a_planned_move_tells_how_long_writes_paused_and_no_recovery(box: House) -> None:
    """Nobody had to recover: time in which people thought about it is no outage."""
    change = box.approved("/failover us-west-2 --planned")
    assert box.finish(change) == "done"
    told = figures(box, change)
    assert "Recovery time" not in told
    assert told["Writes paused"].startswith("for ")


def test_payments_lost_before_are_not_lost_again_and_those_lost_now_are_named(box: House) -> None:
    """The measured count goes on from move to move; the report has what this one added, and what to do about it."""
    query = box.estates.now.metrics.payments_lost
    assert query is not None
    box.world.figures[query] = (Sample({}, 5.0, 0.0),)
    box.world.dark.add(EAST)
    box.world.share = {EAST: 0.0, WEST: 1.0}
    change = box.approved()
    box.world.figures[query] = (Sample({}, 8.0, 0.0),)
    box.drive(change, lambda: box.run(change).settled_at is not None)
    assert figures(box, change)["Payments lost"] == "3"
    notes = " ".join(box.see(change).report.notes)
    assert "3 payments that customers were promised are not in us-west-2" in notes
    assert "us-east-1 could not be fenced yet: it is watched" in notes


def test_the_card_keeps_up_with_the_world_while_the_plan_is_the_same(box: House) -> None:
    """Dark or cut off is the same plan and another sentence: the newer one is told, the approval stays."""
    metrics, now = box.estates.now.metrics, box.world.clock.at
    assert metrics.last_write is not None
    assert metrics.share is not None
    box.world.dark.add(EAST)
    box.world.figures[metrics.share] = (
        Sample({"region": EAST}, 0.0, now),
        Sample({"region": WEST}, 1.0, now),
    )
    box.world.figures[metrics.last_write] = (Sample({"region": EAST}, now - 600, now),)
    change = box.ask("/failover us-west-2 --reason dark")
    before, digest = box.see(change), box.question(change).digest
    box.world.clock.at += 5
    box.world.figures[metrics.last_write] = (Sample({"region": EAST}, now + 5, now + 5),)
    box.watch._look()
    after = box.see(change)
    assert "is quiet" in before.order
    assert "may still take payments" in after.order
    assert box.question(change).digest == digest
    with box.database.read() as session:
        facts = json.loads(session.get_one(Change, change).plan)["facts"]
    assert facts["seen_ms"] > facts["at_ms"], "what the bounds were reckoned from stays"
    assert len(box.entries("change:plan:seen")) == 1


@pytest.mark.parametrize(
    ("dark", "words"), [(False, "nothing is promoted beyond it"), (True, "not held while")]
)
def test_a_bound_is_promised_only_where_it_is_held(box: House, dark: bool, words: str) -> None:
    """The run itself stops at it in a Region that answers; in the dark nobody can measure it, and the card says so."""
    if dark:
        box.world.dark.add(EAST)
        box.world.share = {EAST: 0.0, WEST: 1.0}
    assert words in box.see(box.ask()).bounds[0]
