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

from bot.changes.views import Option, VoteView
from bot.plan import Call, Step
from bot.reply import Table, Text
from bot.slack import cards, glass, home, modals, mrkdwn, notices, reason_form, replies, review_card, standing
from bot.slack.board import board
from bot.slack.hold_card import hold
from bot.slack.report_card import report
from bot.slack.wanted import wanted

SNAPSHOTS = Path(__file__).parent / "snapshots"
COMMANDS = [("/failover REGION [--planned] --reason TEXT", "Move production"), ("/runs", "What runs")]
ESTATE = shown.estate()


def board_of(view: Any, now: float = T0 + 200) -> dict[str, Any]:
    return board(view, view.run, now)


def card_of(view: Any, now: float = T0 + 100) -> dict[str, Any]:
    return cards.card(view, now)


def hold_of(**more: Any) -> dict[str, Any]:
    view = shown.held()
    return hold(view, replace(view.holds[0], **more))


def said(name: str, was: str = "", source: str = "log", **detail: Any) -> dict[str, Any]:
    """The notice of this row of the trail, after one that was that."""
    before = notices.Row(f"trail:{source}:{was}", "signalbox", {}) if was else None
    row = notices.Row(f"trail:{source}:{name}", "U0000LEAD01", detail)
    found = notices.notice(row, before, ["U0000LEAD01", "U0000LEAD02"])
    assert found is not None
    return found.body


NO = VoteView("U0000LEAD01", "deny", T0 + 9)
LEAD = VoteView("U0000LEAD01", "retry", T0 + 320)
AT_TERMINAL = VoteView("U0000LEAD01", "approve", T0 + 40, face="terminal")
LINK = "https://example.slack.com/archives/C0000000OPS/p1800000000000100"
STOPS = ("Shift payment-service to us-west-2 (change b00), at 50 %, asked for by <@U0000ONCALL>",)
CLOSED = shown.review(
    shown.closer(),
    shown.closer("U0000LEAD02", T0 + 9000),
    state="decided",
    outcome="close",
    by="U0000LEAD02",
    decided_at=T0 + 9000,
)
ASKED = reason_form.Form("7ev1ew", "close", "Close the review", "Review of a break-glass: was it right?")
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
    "card-open": lambda: card_of(shown.change()),
    "card-night": lambda: card_of(NIGHT),
    "card-half-approved": lambda: card_of(shown.change(
            approval=shown.approval(quorum=2, votes=(VoteView("U0000LEAD01", "approve", T0 + 40),)),
            note="The plan was made anew: bound data_loss_seconds: 300 → 600",
        )
    ),
    "card-blocked": lambda: card_of(shown.change(
            blockers=("fintech-ledger has no instance in us-west-2",), plan=(), approval=None
        )
    ),
    "card-running": lambda: card_of(shown.running()),
    "card-denied": lambda: card_of(shown.change(
            state="denied",
            approval=shown.approval(state="decided", outcome="deny", votes=(NO,)),
        )
    ),
    "card-expired": lambda: card_of(shown.change(state="expired", reason="", approval=shown.approval(state="expired"))
    ),
    "card-done": lambda: card_of(shown.done()),
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
    "card-glass-later": lambda: card_of(shown.change(approval=shown.alone())),
    "card-glass-now": lambda: card_of(shown.change(approval=shown.alone()), T0 + 200),
    "card-glass-broken": lambda: card_of(shown.glass()),
    "card-preempts": lambda: card_of(shown.change(preempts=STOPS)),
    "card-preempted": lambda: card_of(shown.preempted()),
    "card-standing": lambda: card_of(shown.standing()),
    "card-at-a-terminal": lambda: card_of(
        shown.running(approval=replace(shown.approved(), votes=(AT_TERMINAL,)))
    ),
    "glass-loud": lambda: glass.loud(shown.glass(), shown.broken(), LINK),
    "glass-open": lambda: glass.open_line(shown.alone()),
    "preempted": lambda: cards.preempted_line(shown.preempted()),
    "review-open": lambda: review_card.review(shown.glass(), shown.review(), LINK),
    "review-half-closed": lambda: review_card.review(shown.glass(), shown.review(shown.closer()), LINK),
    "review-closed": lambda: review_card.review(shown.glass(), CLOSED, LINK),
    "review-reminder": lambda: review_card.reminder(
        shown.glass(), shown.review(shown.closer()), LINK, T0 + 200_000
    ),
    "review-over": lambda: review_card.closed_line(shown.glass(), CLOSED),
    "board-standing": lambda: board_of(shown.standing()),
    "board-fenced": lambda: board_of(shown.fenced()),
    "board-preempted": lambda: board_of(shown.preempted()),
    "standing-reminder": lambda: standing.reminder(
        shown.standing(), shown.standing().run, T0 + 440 + 86_400 * 3
    ),
    "standing-ended": lambda: standing.ended(shown.fenced(), shown.fenced().run)[0][1],
    "report-standing": lambda: report(shown.standing(), shown.standing().report),
    "hold-void": lambda: hold_of(state="void", decided_at=T0 + 320),
    "hold-instead": lambda: hold_of(options=(shown.RETRY, shown.INSTEAD), emergency=True),
    "hold-sign-off": lambda: hold_of(
        question="4 s of writes to payments are lost", options=(shown.ACKNOWLEDGE,), reason_needed=True
    ),
    "hold-unknown-option": lambda: hold_of(options=(Option("beam", "Beam it over"),)),
    "hold-preempted": lambda: hold(shown.preempted(), shown.preempted().holds[0]),
    "hold-decided-at-a-terminal": lambda: hold_of(
        state="decided",
        outcome="instead",
        by="U0000ONCALL",
        options=(shown.INSTEAD,),
        votes=(replace(AT_TERMINAL, choice="instead", reason="AWS has been failing-over for 20 min"),),
        decided_at=T0 + 320,
        emergency=True,
    ),
    "recovery-open": lambda: card_of(shown.recovery()),
    "recovery-ask": lambda: cards.call_to_decide(shown.recovery(), shown.recovery().approval),
    "recovery-done": lambda: card_of(shown.recovered()),
    "recovery-review": lambda: review_card.review(shown.recovered(), shown.review(), LINK),
    "recovery-reviewed": lambda: review_card.closed_line(shown.recovered(), CLOSED),
    "news-behind": lambda: said("diverged", state="behind", why="900 rows are locked, <!here> are 420."),
    "news-forked": lambda: said("diverged", state="forked"),
    "news-altered": lambda: said("diverged", why="Row 5 of the trail is not the one that was written."),
    "news-unanchored": lambda: said("unanchored", why="s3://archive/trail does not answer."),
    "news-anchored": lambda: said("anchored", was="unanchored"),
    "news-recovered": lambda: said("recovered", origin="signalbox/fintech/r1"),
    "news-emergency": lambda: said("recovered", origin="signalbox/fintech/r1", emergency=True),
    "news-late": lambda: said(
        "late", source="archive", why="s3://archive/trail does not answer.", waiting=12, waited="5 min 10 s"
    ),
    "news-caught-up": lambda: said("caught_up", was="late", source="archive"),
    "table": lambda: replies.table(
        Table("Runs", ("id", "what"), (("c0ffee", "us-east-1 → us-west-2"), ("b00", "a & b")), "2 of 9")
    ),
    "text": lambda: replies.text(Text("Usage: /failover REGION, *not* <!channel>; ask <@U0000LEAD01>")),
}  # fmt: skip
VIEWS = {
    "plan": lambda: modals.plan(shown.change(), PLAN),
    "plan-night": lambda: modals.plan(NIGHT, PLAN),
    "plan-loading": modals.loading,
    "reason": lambda: reason_form.form(ASKED),
    "reason-refused": lambda: reason_form.form(
        replace(ASKED, reason="It was right"), "You have already answered close; one person counts once."
    ),
    "reason-sending": lambda: reason_form.sending(replace(ASKED, reason="It was <!here> right")),
    "home-reviews": lambda: home.home(
        ESTATE, [replace(shown.standing(), id="b00"), shown.glass()], COMMANDS, T0 + 400, "U0000LEAD01"
    ),
    "home-reviews-of-others": lambda: home.home(
        ESTATE, [shown.glass(reviews=(shown.review(shown.closer()),))], COMMANDS, T0 + 400, "U0000LEAD01"
    ),
    "home": lambda: home.home(ESTATE, [shown.held(), shown.done()], COMMANDS, T0 + 400),
    "home-trouble": lambda: home.home(
        ESTATE, [shown.recovered()], COMMANDS, T0 + 400, "U0000LEAD01", ["Archive: it holds <another> trail."]
    ),
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
    assert buttons(card_of(shown.change())) == dict.fromkeys(
        ["approve", "deny", "show_plan", "cancel"], "d4c1f00d"
    )


@pytest.mark.parametrize("state", ["running", "denied", "expired", "cancelled", "void", "done"])
def test_a_decided_card_keeps_who_and_when_and_has_no_buttons(state):
    """Nobody can press what is settled."""
    body = card_of(shown.change(state=state, approval=shown.approved()))

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


def test_the_glass_may_be_broken_from_its_time_on_only():
    """Before, a small line says from when on and who; then the button stands there, and it asks first."""
    view = shown.change(approval=shown.alone())
    before, after = card_of(view, T0 + 179.9), card_of(view, T0 + 180)

    assert set(buttons(before)) == {"approve", "deny", "show_plan", "cancel"}
    assert "If nobody approves by <!date^1800000180^" in json.dumps(before)
    assert set(buttons(after)) == {"approve", "deny", "show_plan", "cancel", "break_glass"}
    (button,) = (
        e
        for b in after["blocks"]
        if b["type"] == "actions"
        for e in b["elements"]
        if e["action_id"] == "break_glass"
    )
    assert button["style"] == "danger"
    assert button["confirm"]["text"]["text"]


def test_who_may_break_the_glass_is_called_once_when_they_may():
    """Slack notifies nobody of an edited card; before the time, and once it is decided, nobody is called."""
    view = shown.change(approval=shown.alone(glass_by=("U0000ONCALL", "U000ONCALL2")))

    def called(view: Any, now: float) -> list[Any]:
        return [w for w in wanted(view, now) if w.key == "glass-open:d4c1f00d"]

    (now,) = called(view, T0 + 180)
    assert now.body["text"] == (
        "🔨 Nobody has approved for 3 min: <@U0000ONCALL> or <@U000ONCALL2> may start it alone with "
        "*Break glass* on the card, reviewed afterwards."
    )
    assert now.thread
    assert not now.follows
    assert (
        called(view, T0 + 179.9) == called(shown.glass(), T0 + 300) == called(shown.change(), T0 + 300) == []
    )
    assert called(replace(view, state="cancelled"), T0 + 300) == []


def test_a_card_whose_glass_was_broken_says_so_loudest():
    """Who started it without approval stands in the card, its notification, the thread and the report."""
    view = shown.glass(report=shown.done().report)

    for body in (card_of(view), cards.decided_line(view), report(view, view.report)):
        assert "break-glass by <@U0000ONCALL>" in json.dumps(body)
        assert "without approval" in json.dumps(body)
    assert "Break-glass" in card_of(view)["blocks"][0]["text"]["text"]
    assert "approved by" not in json.dumps(card_of(view))


def test_every_channel_of_the_estate_gets_its_own_loud_message():
    """Once a channel, beside the change's own thread, and only after the glass was broken."""
    found = wanted(shown.glass(), T0 + 300, ["C1", "C2", "C1"], {})

    assert [(w.key, w.channel) for w in found if w.channel] == [
        ("glass:d4c1f00d:C1", "C1"),
        ("glass:d4c1f00d:C2", "C2"),
    ]
    assert not any(w.channel for w in wanted(shown.running(), T0 + 300, ["C1"], {}))


@pytest.mark.parametrize(
    ("after", "day"), [(86_399, None), (86_400, 1), (86_400 * 2.9, 2), (86_400 * 40, 40)]
)
def test_an_open_review_and_a_standing_run_are_told_of_once_a_day(after, day):
    """Days are counted in 24 hours from when they began; nothing on the first."""
    review = [w.key for w in wanted(shown.glass(), T0 + 200 + after) if w.key.startswith("review:7ev1ew:")]
    open_run = [w.key for w in wanted(shown.standing(), T0 + 440 + after) if w.key.startswith("standing:")]

    assert review == ([f"review:7ev1ew:{day}"] if day else [])
    assert open_run == ([f"standing:run-c0ffee:{day}"] if day else [])


def test_a_reminder_calls_only_those_who_have_not_closed_the_review():
    """Who has done their part is left in peace."""
    text = review_card.reminder(shown.glass(), shown.review(shown.closer()), "", T0 + 90_000)["text"]

    assert "<@U0000LEAD02>" in text
    assert "<@U0000LEAD01>" not in text


def test_a_standing_board_does_not_change_by_time_alone():
    """It may stand for weeks: a clock on it would spend an update every few seconds."""
    assert board_of(shown.standing(), T0 + 500) == board_of(shown.standing(), T0 + 500_000)
    assert board_of(shown.standing())["blocks"][0]["text"]["text"] == (
        "🟢 Production has moved; waiting for us-east-1 to be fenced"
    )


def unseen_fence(watch: str) -> Any:
    """A run whose old Region did not answer the fence's steps; the watch over it stands as said."""
    ids = ("sync/hold/us-east-1", "sync/hold/us-west-2", "fence/network", "fence/confirm")
    unseen = [
        replace(shown.step(i, "fence", "unconfirmed", f"Do {name}"), id=name) for i, name in enumerate(ids)
    ]
    before = shown.standing()
    last = replace(before.run.steps[-1], id="fence/standing", phase="standing", state=watch)
    return replace(before, run=replace(before.run, steps=(*unseen, before.run.steps[0], last)))


def test_a_step_that_was_not_seen_done_is_not_counted_as_done():
    """The phase and the whole run say how many were seen, how many were not, and how many were left out."""
    view = unseen_fence("active")
    skipped = replace(view.run.steps[4], state="skipped", phase="fence")
    text = json.dumps(board_of(replace(view, run=replace(view.run, steps=(*view.run.steps[:4], skipped)))))

    assert "*Fence* \\u00b7 0 of 5 done, 4 not seen, 1 skipped" in text
    assert "*0 of 5* steps done, 4 not seen, 1 skipped" in text


@pytest.mark.parametrize(
    ("watch", "trouble"),
    [("active", ["sync/hold/us-east-1", "sync/hold/us-west-2", "fence/network", "fence/confirm"]),
     ("done", ["sync/hold/us-west-2"])],
)  # fmt: skip
def test_a_fence_that_went_unseen_is_no_trouble_once_the_watch_has_closed_the_region(watch, trouble):
    """What was tried is so by then; the steps stay in their phase's list."""
    blocks = [b["text"]["text"] for b in board_of(unseen_fence(watch))["blocks"] if b["type"] == "section"]
    top = "".join(t for t in blocks if t.startswith("*Not seen done*"))
    phase = "".join(t for t in blocks if t.startswith("*Fence*"))
    every = ("sync/hold/us-east-1", "sync/hold/us-west-2", "fence/network", "fence/confirm")

    assert [name for name in every if f"Do {name}" in top] == trouble
    assert [name for name in every if f"Do {name}" in phase] == [n for n in every if n not in trouble]


@pytest.mark.parametrize("make", [shown.running, shown.standing, shown.done])
def test_a_planned_move_has_no_recovery_clock(make):
    """Nothing was down: it only says how long it takes."""
    text = json.dumps(board_of(replace(make(), kind="failover-planned"), T0 + 4000))

    assert not any(words in text for words in ("left of", "over*", "Recovered", "allowed"))
    assert ("Running for *1 h 5 min*" in text) == (make is shown.running)


def test_a_standing_steps_question_says_that_the_look_out_goes_on():
    """People need not hurry because of it, and what waits is named."""
    view = shown.held()
    watch = replace(view.run.steps[3], standing=True, state="active")
    view = replace(view, run=replace(view.run, steps=(*view.run.steps[:3], watch, *view.run.steps[4:])))

    text = json.dumps(hold(view, view.holds[0]))
    assert "goes on looking" in text
    assert "The run waits" not in text


def test_a_watched_step_that_asks_people_points_to_its_question():
    """The board, the report and the daily word do not repeat the question, which stands in the thread."""
    view = shown.standing()
    watch = view.run.steps[-1]
    asked = replace(shown.held().holds[0], step=watch.id)
    view = replace(view, holds=(asked,))

    for body in (board_of(view), report(view, view.report), standing.reminder(view, view.run, T0 + 10**6)):
        text = json.dumps(body, ensure_ascii=False)
        assert f"✋ {watch.title}" in text
        assert watch.why not in text


def test_a_channel_that_hears_late_is_not_told_that_it_runs_now():
    """Slack may have been away for the whole run."""
    late = replace(shown.done(), approval=shown.broken())

    assert "It is running now" in json.dumps(glass.loud(shown.glass(), shown.broken(), LINK))
    assert "It is running now" not in json.dumps(glass.loud(late, shown.broken(), LINK))


def test_an_answer_that_needs_a_reason_asks_for_it_first():
    """The button does not carry the bare decision, so a click opens the form instead of counting."""
    assert buttons(hold_of(reason_needed=True)) == {"retry": "why:h01d", "skip": "why:h01d"}
    assert buttons(review_card.review(shown.glass(), shown.review(), "")) == {"close": "why:7ev1ew"}


@pytest.mark.parametrize("reason", ["", "short", "          ", None])
def test_a_reason_must_say_something(reason):
    """Blanks are no reason."""
    body = {
        "view": {
            "id": "V1",
            "private_metadata": '{"decision": "7ev1ew", "choice": "close"}',
            "state": {"values": {"reason": {"reason": {"value": reason}}}},
        }
    }

    assert reason_form.Form.sent(body).too_short() == {
        "reason": "Please give a reason of at least 10 characters."
    }


def test_a_reason_cannot_ping_a_channel():
    """What people type is escaped wherever it is shown."""
    body = json.dumps(card_of(shown.change()))

    assert "<!channel>" not in body
    assert "&lt;!channel&gt; &amp; everything" in body


def test_a_signature_is_asked_for_twice():
    """Also where the desk gave no words for it; its own words stay."""
    texts = []
    for option in (Option("acknowledge", "Acknowledge", "primary"), shown.ACKNOWLEDGE):
        (button,) = hold_of(options=(option,), reason_needed=True)["blocks"][-1]["elements"]
        texts.append(button["confirm"]["text"]["text"])

    assert texts == [
        "You sign with your name that what was lost is known and is being reconciled.",
        shown.ACKNOWLEDGE.confirm,
    ]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"state": "void"}, "answered by the world itself meanwhile"),
        ({"state": "decided", "outcome": "retry", "by": "U0000LEAD01"}, "*Retry*, by <@U0000LEAD01>"),
        ({"state": "expired"}, "No longer asked: it expired"),
    ],
)
def test_a_closed_question_is_one_short_line(more, said):
    """It names its step once, clipped, and how it ended."""
    view = shown.held()
    found = replace(view.run.steps[3], title="Promote fintech-payments " + "and more " * 90)
    view = replace(view, run=replace(view.run, steps=(*view.run.steps[:3], found, *view.run.steps[4:])))
    body = hold(view, replace(view.holds[0], question="A long question " * 80, **more))
    (block,) = body["blocks"]

    assert said in block["text"]["text"]
    assert block["text"]["text"].count("Promote fintech-payments") == 1
    assert len(block["text"]["text"]) < 200
    assert "\n" not in block["text"]["text"]


def test_a_question_that_fell_with_its_run_was_not_answered_by_the_world():
    """Somebody stopped the run: what was asked may still be so."""
    for view in (shown.preempted(), replace(shown.preempted(), state="aborted")):
        text = hold(view, replace(view.holds[0], state="void"))["text"]
        assert "No longer asked: the run was stopped" in text


def test_a_new_decision_gets_new_blocks():
    """A click on what a slow client still shows cannot count for another plan."""
    first, second = (
        card_of(shown.change(approval=shown.approval(id=i)))["blocks"] for i in ("aaaa0001", "bbbb0002")
    )

    assert {b.get("block_id") for b in first} & {b.get("block_id") for b in second} == {None}


def test_clipping_never_cuts_an_entity_or_a_mention():
    """Half a mention would be shown as garbage."""
    assert mrkdwn.clip("ab &amp; cd", 8) == "ab …"
    assert mrkdwn.clip("ab <@U0000LEAD01> cd", 10) == "ab …"
    assert mrkdwn.clip("short", 10) == "short"


LOST = "loses what had not arrived when us-east-1 fell silent, at most 40 s."
NIGHT = shown.change(
    order="us-east-1 does not answer and takes nothing any more: customers leave it first.",
    losses=(f"payments: {LOST}", f"ledger: {LOST}", f"reporting: {LOST}", "audit: unknown."),
    notes=("us-east-1 stays fenced until a failback.", "One Region is written at a time."),
)


def test_what_several_databases_lose_alike_is_one_line():
    """On the card, in the window and in the loud message; what differs stays a line of its own."""
    for shown_in in (card_of(NIGHT), modals.plan(NIGHT, None), cards.dry_run(NIGHT)):
        text = json.dumps(shown_in)
        assert f"payments, ledger, reporting: {LOST}\\n" in text
        assert "audit: unknown." in text
        assert text.count(LOST) == 1


def test_what_decides_stands_above_the_buttons_in_few_lines():
    """A laptop shows the card with its buttons whole; what only explains stands below them."""
    blocks = card_of(NIGHT)["blocks"]
    buttons_at = next(i for i, b in enumerate(blocks) if b["type"] == "actions")
    above = [b["text"]["text"] for b in blocks[:buttons_at]]

    assert sum(len(text.split("\n")) for text in above) <= 10
    assert not any("stays fenced" in text for text in above)
    assert "stays fenced" in json.dumps(blocks[buttons_at:])


def test_the_plans_window_warns_first_and_explains_last():
    """A note is no warning: it stands below the steps, without the sign."""
    texts = [b["text"]["text"] for b in modals.plan(NIGHT, None)["blocks"] if b["type"] == "section"]
    warns, steps, notes = (
        next(i for i, text in enumerate(texts) if words in text)
        for words in ("payments, ledger", "Stop the writers", "stays fenced")
    )

    assert warns < steps < notes
    assert texts[warns].startswith("⚠️")
    assert texts[notes].startswith("*How it is made sure*\n• us-east-1 stays")


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
