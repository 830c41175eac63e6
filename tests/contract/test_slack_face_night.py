"""The Slack face on the worst night: glass broken, reviews owed, runs that stand open for days."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace

import pytest
import shown_changes as shown
from slack_face_world import faced, facing
from slack_schema import wrong_with_message, wrong_with_view
from slack_world import OPS, until

from bot.changes.views import ChangeView
from bot.errors import TrailError
from bot.slack.posts import Posted, Posts, metadata
from bot.store.tables import Change

DAY = 86_400
DRILLS = "C0000DRILLS"


def scene(body, **options):
    """Run a test body against a fresh simulator and face."""

    async def run(path):
        async with faced(path, **options) as here:
            await body(here)

    return lambda path: asyncio.run(run(path))


def broken_glass(**more) -> ChangeView:
    """A change under way without approval, its review a few minutes old."""
    review = shown.review(id="rev1", created_at=time.time() - 300)
    return shown.glass(**{"id": "c1", "reviews": (review,), **more})


def loud(s, channel):
    return [m for m in s.shown(channel) if m["text"].startswith("Break-glass:")]


def test_the_button_appears_when_its_time_has_come(tmp_path):
    """Nothing is committed at that moment; the card is refreshed all the same, and a click reaches the desk."""

    async def body(s):
        approval = shown.alone(id="d1", glass_at=time.time() + 2, created_at=time.time())
        s.desk.put(shown.change(id="c1", approval=approval))
        await until(s.shown)
        assert "break_glass" not in json.dumps(s.shown()[0]["blocks"])
        assert "If nobody approves by" in json.dumps(s.shown()[0]["blocks"])

        await until(lambda: "break_glass" in json.dumps(s.shown()[0]["blocks"]), seconds=12)
        assert time.time() >= approval.glass_at
        assert wrong_with_message(s.shown()[0]) == []
        await s.here.slack.click("lead", "ops", s.shown()[0]["ts"], "break_glass")
        await until(lambda: s.desk.votes)

        assert s.desk.votes == [("d1", "break_glass", "U0000LEAD01")]

    scene(body)(tmp_path)


def test_who_may_break_the_glass_is_called_once_when_the_time_has_come(tmp_path):
    """In the thread, since an edited card notifies nobody; not again by a change of the card or another process."""

    async def body(s):
        approval = shown.alone(id="d1", glass_at=time.time() + 1.5, created_at=time.time() - 178.5)
        s.desk.put(shown.change(id="c1", approval=approval))
        await until(lambda: _told(s, "must decide"))
        assert _told(s, "Nobody has approved") == []
        await until(lambda: _told(s, "Nobody has approved for 3 min: <@U0000ONCALL>"), seconds=12)
        s.desk.put(replace(s.desk.views["c1"], warnings=("It changed",)))
        await until(lambda: "It changed" in json.dumps(s.shown()[0]["blocks"]))
        s.leads[0] = False
        async with facing(s.here, _settings(s), s.database) as other:
            other.desk.views = s.desk.views
            other.desk.put(replace(s.desk.views["c1"], warnings=("It changed again",)))
            await until(lambda: "It changed again" in json.dumps(s.shown()[0]["blocks"]))

        assert len(_told(s, "Nobody has approved")) == 1

    scene(body)(tmp_path)


def test_a_broken_glass_is_told_once_in_every_channel_with_a_way_to_the_thread(tmp_path):
    """Also to those who do not follow the channel where it was asked."""

    async def body(s):
        s.desk.put(broken_glass())
        await until(lambda: loud(s, "ops") and loud(s, "drills"))
        card = s.shown()[0]
        for n in range(3):
            s.desk.put(replace(s.desk.views["c1"], note=f"Something else was written ({n})"))
            await asyncio.sleep(0.3)

        for channel in ("ops", "drills"):
            (message,) = loud(s, channel)
            assert "thread_ts" not in message
            assert "break-glass by <@U0000ONCALL>" in message["text"]
            assert f"/archives/{OPS}/p{card['ts'].replace('.', '')}" in json.dumps(message["blocks"])
        assert s.desk.views["c1"].channel == OPS
        assert s.desk.views["c1"].thread == card["ts"]

    scene(body)(tmp_path)


def test_a_crash_between_the_channels_tells_nobody_twice(tmp_path):
    """The message of one channel had left when the process died; it is found there, and the others still follow."""

    async def body(s):
        s.leads[0] = False
        s.desk.put(broken_glass())
        key = f"glass:d4c1f00d:{DRILLS}"
        Posts(s.database).claim(Posted(key, "c1", DRILLS, "", "", "", time.time() - 60))
        made = await s.here.client().chat_postMessage(
            channel=DRILLS, text="Break-glass: as it was told", metadata=metadata(key)
        )
        s.leads[0] = True
        await until(lambda: loud(s, "ops"))
        await until(lambda: Posts(s.database).of_change("c1")[key].ts == made["ts"])

        assert len(loud(s, "drills")) == len(loud(s, "ops")) == 1

    scene(body)(tmp_path)


def test_a_lost_answer_tells_no_channel_twice(tmp_path):
    """Slack had posted it and the answer got lost."""

    async def body(s):
        s.desk.put(shown.running(id="c1", approval=shown.alone()))
        await until(lambda: len(s.shown()) == 1)
        await until(lambda: any("Running" in m["text"] for m in s.shown(thread_ts=s.shown()[0]["ts"])))
        s.here.slack.lose_next_answer("chat.postMessage")
        s.desk.put(broken_glass(reviews=()))
        await until(lambda: loud(s, "ops") and loud(s, "drills"), seconds=20)
        await asyncio.sleep(2)

        assert len(loud(s, "drills")) == len(loud(s, "ops")) == 1

    scene(body)(tmp_path)


@pytest.mark.parametrize("error", [TrailError("The database is away."), RuntimeError("a defect")])
def test_a_change_that_cannot_be_shown_does_not_silence_the_others(tmp_path, error):
    """Those that were due with it are shown at once, and it follows when it can be."""

    async def body(s):
        looked, broken = [], ["c1"]
        plain = s.desk.view

        def view(change):
            looked.append((change, time.monotonic()))
            if change in broken:
                raise error
            return plain(change)

        s.desk.view = view
        s.leads[0] = False
        for name in ("c1", "c2", "c3"):
            s.desk.put(shown.change(id=name, title=f"Move of {name}", approval=shown.alone(id=f"d{name}")))
        s.leads[0] = True
        await until(lambda: len(s.shown()) == 2)
        await until(lambda: sum(change == "c1" for change, _ in looked) >= 4)
        assert not any("Move of c1" in json.dumps(m) for m in s.shown())
        tried = [at for change, at in looked if change == "c1"]
        assert tried[-1] - tried[-2] > 1.5 > tried[1] - tried[0]

        broken.clear()
        await until(lambda: len(s.shown()) == 3, seconds=12)
        assert "Move of c1" in json.dumps(s.shown()[-1])

    scene(body)(tmp_path)


def test_a_channel_without_the_bot_keeps_nobody_else_from_hearing(tmp_path):
    """Nor does it keep the change's own thread from going on."""

    async def body(s):
        s.desk.put(broken_glass())
        await until(lambda: loud(s, "ops"))
        await until(lambda: any("Review of a break-glass" in m["text"] for m in s.shown()))
        await until(lambda: len([c for c in s.calls("chat.postMessage") if not c["ok"]]) == 1)
        refused = [c for c in s.calls("chat.postMessage") if not c["ok"]]
        s.desk.put(replace(s.desk.views["c1"], note="It goes on"))
        await until(lambda: "It goes on" in json.dumps(s.shown()[0]["blocks"]))

        assert [c["args"]["channel"] for c in refused] == [DRILLS]
        assert loud(s, "drills") == []

    scene(body, bot_channels=["ops"])(tmp_path)


def test_a_review_is_closed_by_two_leads_who_each_give_a_reason(tmp_path):
    """The button opens a form, the form counts, the card tells who has closed it and why."""

    async def body(s):
        s.desk.put(broken_glass())
        await until(lambda: _review(s))
        card = _review(s)
        assert card["subtype"] == "thread_broadcast"
        for who, person in (("lead", "U0000LEAD01"), ("lead2", "U0000LEAD02")):
            view = await _opened(s, who, card)
            assert wrong_with_view({k: view[k] for k in ("type", "title", "submit", "close", "blocks")}) == []
            reason = f"{person} looked at it: it was right"
            answer = await s.here.slack.submit(who, view["id"], {"reason": reason})
            assert answer["response_action"] == "update"
            await until(lambda reason=reason: reason in json.dumps(_review(s)["blocks"]))
            assert "✅" in json.dumps(s.here.slack.views(who)[-1]["blocks"], ensure_ascii=False)

        await until(lambda: "Review closed" in _review(s)["text"])
        assert [v[2] for v in s.desk.votes] == ["U0000LEAD01", "U0000LEAD02"]
        assert "actions" not in {b["type"] for b in _review(s)["blocks"]}

    scene(body)(tmp_path)


def test_what_is_wrong_with_an_answer_is_said_in_the_form(tmp_path):
    """Too short a reason is stopped at once; what the desk refuses is said there, and the words typed stay."""

    async def body(s):
        mine = shown.review(shown.closer(), id="rev1", created_at=time.time())
        s.desk.put(broken_glass(reviews=(mine,)))
        await until(lambda: _review(s))
        view = await _opened(s, "lead", _review(s))
        answer = await s.here.slack.submit("lead", view["id"], {"reason": " " * 12})
        assert "at least 10 characters" in answer["errors"]["reason"]
        await s.here.slack.submit("lead", view["id"], {"reason": "I would like to say it twice"})
        await until(lambda: "already answered" in json.dumps(s.here.slack.views("lead")))

        assert "I would like to say it twice" in json.dumps(s.here.slack.views("lead"))
        assert s.desk.votes == []

    scene(body)(tmp_path)


def test_strangers_see_neither_the_form_nor_the_question(tmp_path):
    """Guests and people of other companies are refused, as with any button."""

    async def body(s):
        s.desk.put(broken_glass())
        await until(lambda: _review(s))
        for who in ("guest", "external"):
            await s.here.slack.click(who, "ops", _review(s)["ts"], "close")
        await until(lambda: len(s.desk.refused) == 2)

        assert "reason" not in json.dumps(s.here.slack.views("guest") + s.here.slack.views("external"))

    scene(body)(tmp_path)


def test_a_review_is_asked_again_once_a_day_for_as_long_as_it_is_open(tmp_path):
    """Not twice on one day, not by another process either, and not any more once it is closed."""

    async def body(s):
        old = shown.review(id="rev1", created_at=time.time() - 1.5 * DAY)
        ended = replace(shown.done(), id="c1", closed_at=time.time() - 1.4 * DAY, reviews=(old,))
        s.desk.put(replace(ended, approval=shown.broken()))
        await until(lambda: len(_reminders(s)) == 1)
        s.desk.put(replace(s.desk.views["c1"], note="Another word"))
        await asyncio.sleep(0.5)
        assert len(_reminders(s)) == 1
        assert "<@U0000LEAD01>" in _reminders(s)[0]["text"]
        s.leads[0] = False

        async with facing(s.here, _settings(s), s.database) as other:
            other.desk.views = s.desk.views
            await asyncio.sleep(1.5)
            assert len(_reminders(s)) == 1
            older = replace(old, created_at=old.created_at - DAY)
            other.desk.put(replace(s.desk.views["c1"], reviews=(older,)))
            await until(lambda: len(_reminders(s)) == 2)
            closed = replace(older, state="decided", outcome="close", decided_at=time.time())
            other.desk.put(replace(s.desk.views["c1"], reviews=(closed,)))
            await until(lambda: any("review of the break-glass is closed" in m["text"] for m in _thread(s)))
            older = replace(closed, created_at=closed.created_at - DAY)
            other.desk.put(replace(s.desk.views["c1"], reviews=(older,)))
            await asyncio.sleep(0.5)

        assert len(_reminders(s)) == 2

    scene(body)(tmp_path)


def test_a_run_that_nobody_touched_for_days_is_told_of_by_a_process_that_just_began(tmp_path):
    """What waits for its day was written long before; a restart must not let it sleep."""

    async def body(s):
        s.leads[0] = False
        view = _standing(settled=time.time() - 2.5 * DAY)
        s.desk.put(view)
        with s.database.write() as session:
            fields = {
                "kind": "failover",
                "title": view.title,
                "command": "",
                "request": "{}",
                "created_at": 0,
            }
            session.add(Change(id="c1", requester="U0000ONCALL", face="slack", state="standing", **fields))
        Posts(s.database).advance(10**6)  # everything was shown before the restart
        s.leads[0] = True
        await until(lambda: _told(s, "Still open after 2 days"))

        (message,) = _told(s, "Still open after 2 days")
        assert message["subtype"] == "thread_broadcast"
        assert "us-east-1 has not been fenced" in message["text"]

    scene(body)(tmp_path)


def test_a_standing_runs_report_stands_once_and_is_completed_when_the_fence_is_closed(tmp_path):
    """People have the report at once; days later it is the same message, and the thread says what happened."""

    async def body(s):
        view = _standing(settled=time.time() - 600)
        s.desk.put(view)
        await until(lambda: _told(s, "Report:"))
        (first,) = _told(s, "Report:")
        assert "Still on watch" in json.dumps(first["blocks"])
        assert _told(s, "🟢 Production has moved; waiting for us-east-1 to be fenced")

        last = replace(view.run.steps[-1], state="done", ended_at=time.time(), why="")
        run = replace(view.run, state="done", ended_at=time.time(), steps=(*view.run.steps[:-1], last))
        s.desk.put(replace(s.desk.views["c1"], state="done", closed_at=time.time(), run=run))
        await until(lambda: _told(s, "us-east-1 is fenced now"))
        await until(lambda: "Still on watch" not in json.dumps(_told(s, "Report:")[0]["blocks"]))

        assert [m["ts"] for m in _told(s, "Report:")] == [first["ts"]]

    scene(body)(tmp_path)


def test_a_pre_empted_change_says_so_in_its_thread_and_asks_nothing_any_more(tmp_path):
    """Its open question loses its buttons."""

    async def body(s):
        s.desk.put(replace(shown.held(), id="c1"))
        await until(lambda: _told(s, "Held:"))
        s.desk.put(replace(shown.preempted(), id="c1", channel=OPS, thread=s.shown()[0]["ts"]))
        await until(lambda: _told(s, "No question of it counts any more"))
        await until(lambda: "No longer asked" in json.dumps(_thread(s)))
        await until(lambda: _told(s, "🛑 Pre-empted"))

        assert "actions" not in {b["type"] for m in [*_thread(s), *s.shown()] for b in m["blocks"]}
        assert "was pre-empted" in s.shown()[0]["text"]

    scene(body)(tmp_path)


def test_home_shows_a_review_to_those_it_waits_for(tmp_path):
    """A lead can close it from there; others only see that it is open."""

    async def body(s):
        s.desk.put(broken_glass())
        for who in ("lead", "oncall"):
            await s.here.slack.open_home(who)
        await until(lambda: s.here.slack.home("lead") and s.here.slack.home("oncall"))

        assert "waits for your review" in json.dumps(s.here.slack.home("lead"))
        assert "waits for your review" not in json.dumps(s.here.slack.home("oncall"))
        assert "closed by 0 of 2" in json.dumps(s.here.slack.home("oncall"))

    scene(body)(tmp_path)


def _standing(settled: float) -> ChangeView:
    return replace(shown.standing(settled_at=settled, started_at=settled - 400), id="c1")


def _thread(s):
    return s.shown(thread_ts=s.shown()[0]["ts"]) if s.shown() else []


def _told(s, words):
    return [m for m in _thread(s) if words in m["text"]]


def _review(s):
    found = [m for m in s.shown() if m["text"].startswith(("Review of a break-glass", "✅ Review closed"))]
    return found[0] if found else None


def _reminders(s):
    return [m for m in s.shown() if m["text"].startswith("🔔")]


async def _opened(s, who, card):
    """Press the button and wait for the form."""
    await s.here.slack.click(who, "ops", card["ts"], "close")
    await until(lambda: s.here.slack.views(who) and s.here.slack.views(who)[-1]["callback_id"] == "reason")
    return s.here.slack.views(who)[-1]


def _settings(s):
    return s.face._settings


def test_an_approval_lost_in_an_outage_counts_when_it_is_given_again(tmp_path):
    """Slack drops a click on its way: nobody has voted, the person is told by Slack, and the next click counts once."""

    async def body(s):
        s.desk.put(shown.change(id="c1", approval=shown.approval(id="d1")))
        await until(s.shown)
        ts = s.shown()[0]["ts"]
        fault = s.here.faults.add("slack-down")
        await until(lambda: not s.face.connected())
        lost = await s.here.slack.click("lead", "ops", ts, "approve")
        assert not lost["ok"]
        assert s.desk.votes == []

        s.here.faults.remove(fault)
        await until(s.face.connected, seconds=15)
        await s.here.slack.click("lead", "ops", ts, "approve")
        await until(lambda: s.desk.votes)
        await asyncio.sleep(0.5)
        assert s.desk.votes == [("d1", "approve", "U0000LEAD01")]

    scene(body)(tmp_path)
