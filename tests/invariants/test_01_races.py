"""Answers to one question at the same moment have one outcome."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from house import LEAD, LEAD2, LEAD3, ONCALL, House, house

from bot.store.database import Database

PLANNED = "/failover us-west-2 --planned --reason test"


@pytest.fixture
def box(database: Database, tmp_path: Path) -> House:
    return house(database, tmp_path)


def together(*deeds: Callable[[], object]) -> list[object]:
    """Do all at the same moment; what each came to."""
    barrier = threading.Barrier(len(deeds))
    results: list[object] = [None] * len(deeds)

    def one(index: int) -> None:
        barrier.wait(10)
        results[index] = deeds[index]()

    threads = [threading.Thread(target=one, args=(i,)) for i in range(len(deeds))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return results


@pytest.mark.parametrize("round_", range(4))
def test_approve_and_deny_at_once_have_one_outcome(box: House, round_: int) -> None:
    """Whoever comes first decides; the other is told; the run exists exactly when it was approved."""
    change = box.ask()
    card = box.question(change).id
    deeds = [
        lambda: box.desk.vote(card, "approve", LEAD),
        lambda: box.desk.vote(card, "deny", LEAD2),
        lambda: box.desk.vote(card, "cancel", ONCALL),
    ]
    answers = together(*deeds[round_ % 2 :], *deeds[: round_ % 2])
    assert sum(a.counted for a in answers) == 1
    assert box.question(change).state == "decided"
    approved = box.question(change).outcome == "approve"
    assert len(box.runs()) == (1 if approved else 0)
    assert len(box.entries("decision:question:decided")) == 1
    assert box.see(change).state == (
        "running" if approved else {"deny": "denied", "cancel": "cancelled"}[box.question(change).outcome]
    )
    assert box.verified().exit_code == 0


@pytest.mark.parametrize(("words", "leads"), [("/failover us-west-2", 1), (PLANNED, 2)])
def test_leads_who_click_at_once_start_one_run(box: House, words: str, leads: int) -> None:
    """Three simultaneous approvals: one run; who was too late clicks again or is told that it is decided."""
    change = box.ask(words)
    card = box.question(change).id
    together(*(lambda p=p: box.desk.vote(card, "approve", p) for p in (LEAD, LEAD2, LEAD3)))
    for person in (LEAD, LEAD2, LEAD3):
        box.desk.vote(card, "approve", person)
    assert len(box.runs()) == 1
    assert len(box.entries("run:plan:started")) == 1
    decided = box.entries("decision:question:decided")
    assert len(decided) == 1
    assert box.verified().exit_code == 0
    assert len(box.see(change).approval.votes) == leads
