"""What people see in Slack: drawn as recorded, within Slack's limits whatever the change holds."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import shown_changes as shown
from hypothesis import HealthCheck, given, settings
from plans import plan_of
from shown_changes import T0, any_changes
from slack_schema import wrong_with_message, wrong_with_view

from bot.changes.views import VoteView
from bot.plan import Call, Step
from bot.reply import Table, Text
from bot.slack import cards, home, modals, mrkdwn, replies
from bot.slack.board import board
from bot.slack.hold_card import hold
from bot.slack.report_card import report
from bot.slack.wanted import wanted

SNAPSHOTS = Path(__file__).parent / "snapshots"
COMMANDS = [("/failover REGION [--planned] --reason TEXT", "Move production"), ("/runs", "What runs")]
ESTATE = shown.estate()


def board_of(view: Any, now: float = T0 + 200) -> dict[str, Any]:
    return board(view, view.run, now)


def hold_of(**more: Any) -> dict[str, Any]:
    view = shown.held()
    return hold(view, replace(view.holds[0], **more))


NO = VoteView("U0000LEAD01", "deny", T0 + 9)
LEAD = VoteView("U0000LEAD01", "retry", T0 + 320)
PLAN = plan_of(
    *(
        Step(
            id=f"s{i}",
            do="fence.network@1",
            needs=tuple(f"s{n}" for n in range(1, i)),
            undo=Call(do="undo@1"),
        )
        for i in range(1, 9)
    )
)
MESSAGES = {
    "card-open": lambda: cards.card(shown.change()),
    "card-half-approved": lambda: cards.card(
        shown.change(
            approval=shown.approval(quorum=2, votes=(VoteView("U0000LEAD01", "approve", T0 + 40),)),
            note="The plan was made anew: bound data_loss_seconds: 300 → 600",
        )
    ),
    "card-blocked": lambda: cards.card(
        shown.change(blockers=("fintech-ledger has no instance in us-west-2",), plan=(), approval=None)
    ),
    "card-running": lambda: cards.card(shown.running()),
    "card-denied": lambda: cards.card(
        shown.change(
            state="denied",
            approval=shown.approval(state="decided", outcome="deny", votes=(NO,)),
        )
    ),
    "card-expired": lambda: cards.card(
        shown.change(state="expired", reason="", approval=shown.approval(state="expired"))
    ),
    "card-done": lambda: cards.card(shown.done()),
    "card-dry-run": lambda: cards.dry_run(shown.change(state="dry_run", approval=None)),
    "ask": lambda: cards.call_to_decide(shown.change(), shown.approval()),
    "decided": lambda: cards.decided_line(shown.running()),
    "board-running": lambda: board_of(shown.running()),
    "board-committed": lambda: board_of(shown.running(5, committed=True)),
    "board-late": lambda: board_of(shown.running(6, committed=True), T0 + 1000),
    "board-held": lambda: board_of(shown.held(), T0 + 400),
    "board-done": lambda: board_of(shown.done(), T0 + 9999),
    "hold-open": hold_of,
    "hold-decided": lambda: hold_of(
        state="decided", outcome="retry", by="U0000LEAD01", votes=(LEAD,), decided_at=T0 + 320
    ),
    "report": lambda: report(shown.done(), shown.done().report),
    "report-without-figures": lambda: report(shown.done(), replace(shown.done().report, figures=())),
    "table": lambda: replies.table(
        Table("Runs", ("id", "what"), (("c0ffee", "us-east-1 → us-west-2"), ("b00", "a & b")), "2 of 9")
    ),
    "text": lambda: replies.text(Text("Usage: /failover REGION, *not* <!channel>; ask <@U0000LEAD01>")),
}  # fmt: skip
VIEWS = {
    "plan": lambda: modals.plan(shown.change(), PLAN),
    "plan-loading": modals.loading,
    "home": lambda: home.home(ESTATE, [shown.held(), shown.done()], COMMANDS, T0 + 400),
    "home-empty": lambda: home.home(ESTATE, [], COMMANDS, T0),
    "home-closed": lambda: home.closed("Guests of this workspace cannot use Signalbox."),
}


def same_as_recorded(name: str, drawn: Any) -> None:
    """Compare with the snapshot; `SIGNALBOX_RECORD=1` writes it anew."""
    path = SNAPSHOTS / f"{name}.json"
    text = json.dumps(drawn, indent=1, ensure_ascii=False) + "\n"
    if os.environ.get("SIGNALBOX_RECORD"):
        SNAPSHOTS.mkdir(exist_ok=True)
        path.write_text(text)
    assert path.read_text() == text


@pytest.mark.parametrize("name", MESSAGES)
def test_messages_are_drawn_as_recorded_and_slack_takes_them(name):
    """Every message looks as it was reviewed and is valid."""
    body = MESSAGES[name]()

    assert wrong_with_message(body) == []
    same_as_recorded(name, body)


@pytest.mark.parametrize("name", VIEWS)
def test_views_are_drawn_as_recorded_and_slack_takes_them(name):
    """Every window and tab looks as it was reviewed and is valid."""
    view = VIEWS[name]()

    assert wrong_with_view(view) == []
    same_as_recorded(name, view)


def buttons(body: dict[str, Any]) -> dict[str, str]:
    return {
        e["action_id"]: e["value"] for b in body["blocks"] if b["type"] == "actions" for e in b["elements"]
    }


def test_an_open_card_offers_the_four_buttons_with_the_decisions_id():
    """Approve, deny, show plan, cancel: nothing in a button but an opaque id."""
    assert buttons(cards.card(shown.change())) == dict.fromkeys(
        ["approve", "deny", "show_plan", "cancel"], "d4c1f00d"
    )


@pytest.mark.parametrize("state", ["running", "denied", "expired", "cancelled", "void", "done"])
def test_a_decided_card_keeps_who_and_when_and_has_no_buttons(state):
    """Nobody can press what is settled."""
    body = cards.card(shown.change(state=state, approval=shown.approved()))

    assert buttons(body) == {}
    assert "approved by <@U0000LEAD01> <!date^1800000040" in json.dumps(body)


def test_roll_back_disappears_at_the_point_of_no_return():
    """Before the first promotion both ways out are offered, after it only stopping."""
    assert set(buttons(board_of(shown.running()))) == {"rollback", "abort", "show_plan"}
    assert set(buttons(board_of(shown.running(committed=True)))) == {"abort", "show_plan"}
    assert buttons(board_of(shown.done())) == {}


def test_buttons_of_a_hold_are_exactly_its_options():
    """A hold offers what the desk says, no more, and nothing once it is decided."""
    assert buttons(hold_of()) == {"retry": "h01d", "skip": "h01d"}
    assert buttons(hold_of(state="decided", outcome="retry")) == {}


def test_a_reason_cannot_ping_a_channel():
    """What people type is escaped wherever it is shown."""
    body = json.dumps(cards.card(shown.change()))

    assert "<!channel>" not in body
    assert "&lt;!channel&gt; &amp; everything" in body


def test_a_new_decision_gets_new_blocks():
    """A click on what a slow client still shows cannot count for another plan."""
    first, second = (
        cards.card(shown.change(approval=shown.approval(id=i)))["blocks"] for i in ("aaaa0001", "bbbb0002")
    )

    assert {b.get("block_id") for b in first} & {b.get("block_id") for b in second} == {None}


def test_clipping_never_cuts_an_entity_or_a_mention():
    """Half a mention would be shown as garbage."""
    assert mrkdwn.clip("ab &amp; cd", 8) == "ab …"
    assert mrkdwn.clip("ab <@U0000LEAD01> cd", 10) == "ab …"
    assert mrkdwn.clip("short", 10) == "short"


def test_a_long_plan_is_paged():
    """More steps than fit are reached by buttons that name the page."""
    many = shown.change(plan=tuple(shown.step(i, "fence") for i in range(1, 151)))
    pages = [modals.plan(many, None, n) for n in range(3)]

    assert [wrong_with_view(p) for p in pages] == [[], [], []]
    assert buttons(pages[0]) == {"plan_next": "change:c0ffee:1"}
    assert buttons(pages[1]) == {"plan_back": "change:c0ffee:0", "plan_next": "change:c0ffee:2"}
    assert "Step number 150" in json.dumps(pages[2])


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(view=any_changes)
def test_any_change_is_drawn_within_slacks_limits(view):
    """However odd a change is, Slack takes every message and window about it."""
    now = T0 + 500
    problems = [(w.key, wrong_with_message(w.body)) for w in wanted(view, now) if not w.picture]
    problems.append(("dry run", wrong_with_message(cards.dry_run(view))))
    problems += [("plan", wrong_with_view(modals.plan(view, None, n))) for n in (0, 1, 99)]
    problems.append(("home", wrong_with_view(home.home(ESTATE, [view], COMMANDS, now))))

    assert [p for p in problems if p[1]] == []
