"""Nobody vouches for himself: not the requester for a change, not a log for itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from house import LEAD, LEAD2, ONCALL, House, house
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.canon import canonical
from bot.store.database import Database
from bot.trail.append import GENESIS, leaf_hash
from bot.trail.event import Event, Name, body
from bot.trail.verify import Row, verify_rows

PLANNED = "/failover us-west-2 --planned --reason test"


@pytest.fixture
def box(database: Database, tmp_path: Path) -> House:
    return house(database, tmp_path)


@pytest.mark.parametrize("words", ["/failover us-west-2", PLANNED])
def test_a_lead_who_asks_does_not_count(box: House, words: str) -> None:
    """The requester's approval never counts towards the quorum, whatever his role and however often."""
    change = box.ask(words, person=LEAD)
    assert LEAD not in box.see(change).approval.deciders
    for _ in range(2):
        assert not box.vote(change, person=LEAD).counted
    assert not box.vote(change, "deny", LEAD).counted
    assert box.runs() == []
    assert box.vote(change, person=LEAD2).counted
    assert bool(box.runs()) is (words != PLANNED)


def test_the_requester_may_take_it_back(box: House) -> None:
    """Cancelling is his right, and only his."""
    change = box.ask(person=LEAD)
    assert not box.vote(change, "cancel", LEAD2).counted
    assert not box.vote(change, "cancel", ONCALL).counted
    assert box.vote(change, "cancel", LEAD).counted
    assert box.see(change).state == "cancelled"


def test_a_new_plan_is_still_the_requester_s(box: House) -> None:
    """After the world changed and the plan was made anew, who asked at first is still excluded."""
    change = box.ask(person=LEAD)
    box.world.writer["ledger"] = "us-west-2"
    box.world.clock.at += 60
    assert not box.vote(change, person=LEAD2).counted
    assert box.question(change).excluded == LEAD
    assert not box.vote(change, person=LEAD).counted
    assert box.runs() == []


def chain(*events: Event) -> list[Row]:
    """An unbroken log of these events."""
    rows: list[Row] = []
    prev = GENESIS
    for seq, event in enumerate(events):
        content = canonical(body(event, log="t", seq=seq, prev=prev, time_ms=1000 + seq, clamped_ms=None))
        rows.append(Row(seq, prev, leaf_hash(content), content))
        prev = leaf_hash(content)
    return rows


def codes(*events: Event) -> set[str]:
    """What the verifier finds in an unbroken log."""
    rows = chain(*events)
    return {f.code for f in verify_rows(rows, (len(rows), rows[-1].leaf)).findings}


ASKED = {"decision": "d", "digest": "x", "quorum": 2}


def story(*voters: str, digest: str = "x", outcome: str = "approve", **asked: Any) -> list[Event]:
    """U1 asks, these vote, it runs."""
    approval = {**ASKED, **asked}
    return [
        Event(name=Name.CHANGE_PLANNED, actor="U1", change="c"),
        Event(name=Name.DECISION_OPENED, actor="U1", change="c", approval=approval),
        *(
            Event(name=Name.VOTE_CAST, actor=v, change="c", approval={**ASKED, "choice": "approve"})
            for v in voters
        ),
        Event(name=Name.DECISION_DECIDED, change="c", approval={**ASKED, "outcome": outcome}),
        Event(
            name=Name.RUN_STARTED, change="c", run="r", detail={"digest": digest},
            approval={"decision": "d", "digest": digest},
        ),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("events", "found"),
    [
        (story("U2", "U3"), set()),
        (story("U2", "U1"), {"self-approval", "quorum-missing"}),
        (story("U2"), {"quorum-missing"}),
        (story("U2", "U2"), {"quorum-missing"}),
        (story("U2", "U3", digest="y"), {"run-without-approval"}),
        (story("U2", "U3", outcome="deny"), {"run-without-approval"}),
        (story("U2", "U3", digest="x")[1:], set()),
        ([*story("U2", "U3")[:1], *story("U2", "U3")[2:]], {"run-without-approval"}),
    ],
)
def test_what_the_verifier_finds_in_an_unbroken_log(events: list[Event], found: set[str]) -> None:
    """Self-approval, a quorum of one person, another plan's approval and a denied run are all found."""
    assert codes(*events) == found


SHAPES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("ab", max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["uid", "run", "x"]), inner, max_size=2)
    ),
    max_leaves=4,
)


@settings(max_examples=300, deadline=None)
@given(
    name=st.sampled_from([str(n) for n in Name]),
    fields=st.dictionaries(st.sampled_from(["api", "actor", "unmapped", "time", "seq", "prev"]), SHAPES),
    inner=st.dictionaries(st.sampled_from(["change", "detail", "approval"]), SHAPES),
)
def test_a_forged_body_is_a_finding_and_no_crash(
    name: str, fields: dict[str, Any], inner: dict[str, Any]
) -> None:
    """Whatever an intruder writes into a row as canonical JSON, the verifier reports instead of falling over."""
    forged = {"api": {"operation": name}, "unmapped": inner, **fields}
    content = canonical(forged)
    row = Row(0, GENESIS, leaf_hash(content), content)
    assert verify_rows([row], (1, row.leaf)).exit_code == 1
