"""The Slack face against the simulator: at once, the right people only, nothing twice, nothing lost."""

from __future__ import annotations

import asyncio
import json
import random
import statistics
import time
from dataclasses import replace
from itertools import pairwise

import pytest
from shown_changes import approval, change, held, running
from slack_face_world import ESTATE, faced
from slack_schema import wrong_with_message, wrong_with_view
from slack_world import OPS, button, section, until

from bot.slack.posts import Posted, Posts, metadata


def scene(body, **options):
    """Run a test body against a fresh simulator and face."""

    async def run(path):
        async with faced(path, **options) as here:
            await body(here)

    return lambda path: asyncio.run(run(path))


def test_fifty_commands_at_once_are_all_acknowledged_and_done(tmp_path):
    """No acknowledgement waits for the work behind it, however much of it there is."""

    async def body(s):
        s.desk.slow = 0.1
        answers = await asyncio.gather(*(s.command(f"/runs {n}") for n in range(50)))

        assert [a for a in answers if not a["ok"]] == []
        assert max(a["ack_ms"] for a in answers) < 3000
        assert statistics.median(a["ack_ms"] for a in answers) < 500
        await until(lambda: len(s.desk.done) == 50)
        await until(lambda: len(s.whispers("oncall")) == 50, seconds=30)

    scene(body, speed=10)(tmp_path)


def test_a_command_becomes_a_card_a_thread_and_a_decision(tmp_path):
    """Asked, shown, decided: the card loses its buttons and says who decided."""

    async def body(s):
        s.here.slack.lose_next_answer("nothing")
        card = await s.card()
        assert wrong_with_message(card) == []
        await until(lambda: len(s.shown(thread_ts=card["ts"])) == 2)
        assert "<@U0000LEAD01>" in s.shown(thread_ts=card["ts"])[1]["text"]

        await s.here.slack.click("lead", "ops", card["ts"], "approve")
        await until(lambda: "is running" in s.shown()[0]["text"])

        assert "actions" not in {b["type"] for b in s.shown()[0]["blocks"]}
        assert "approved by <@U0000LEAD01>" in json.dumps(s.shown()[0]["blocks"])
        await until(lambda: s.whispers("lead") == ["Approved. It starts now."])
        assert s.whispers("oncall") == ["👀 Looking at both Regions…"]

    scene(body)(tmp_path)


@pytest.mark.parametrize("who", ["guest", "external"])
def test_guests_and_external_members_are_refused_and_recorded(tmp_path, who):
    """Whatever people from outside press: nothing happens, they are told, it is recorded."""

    async def body(s):
        card = await s.card()
        for action in ("approve", "deny", "cancel", "show_plan"):
            await s.here.slack.click(who, "ops", card["ts"], action)
        await until(lambda: len(s.desk.refused) == 4)

        assert s.desk.votes == []
        assert all("⛔" in text for text in s.whispers(who))
        assert len(s.whispers(who)) == 4
        assert "us-west-2" not in json.dumps(s.here.slack.views(who))

    scene(body)(tmp_path)


def test_a_guests_command_is_refused(tmp_path):
    """A guest can type commands in Slack, but nothing is asked of the desk."""

    async def body(s):
        await s.command("/failover us-west-2", user="guest")
        await until(lambda: s.desk.refused)

        assert s.desk.done == []
        assert "Guests of this workspace cannot use Signalbox." in s.whispers("guest")[-1]

    scene(body)(tmp_path)


def test_what_the_desk_refuses_is_told_to_that_person_alone(tmp_path):
    """Somebody without a role gets the desk's words, and nobody else sees them."""

    async def body(s):
        card = await s.card()
        await s.here.slack.click("dev", "ops", card["ts"], "approve")
        await until(lambda: s.whispers("dev"))

        assert s.whispers("dev") == ["You may not decide this."]
        assert s.desk.votes == []

    scene(body)(tmp_path)


def test_two_people_clicking_at_once_decide_once_and_both_are_answered(tmp_path):
    """No click is silently ignored."""

    async def body(s):
        card = await s.card()
        await asyncio.gather(
            *(s.here.slack.click(who, "ops", card["ts"], "approve") for who in ("lead", "lead2", "lead"))
        )
        await until(lambda: len(s.whispers("lead") + s.whispers("lead2")) == 3)

        assert len(s.desk.votes) == 1

    scene(body)(tmp_path)


def test_a_button_that_means_nothing_is_answered_with_the_current_card(tmp_path):
    """Old buttons and unknown ones say so and point to what counts."""

    async def body(s):
        card = await s.card()
        blocks = [section("Old"), {"type": "actions", "elements": [button("approve", value="long-gone")]}]
        old = await s.here.client().chat_postMessage(channel=OPS, text="Old", blocks=blocks)
        blocks = [section("Odd"), {"type": "actions", "elements": [button("self_destruct", value="x")]}]
        odd = await s.here.client().chat_postMessage(channel=OPS, text="Odd", blocks=blocks)
        for ts, action in ((old["ts"], "approve"), (odd["ts"], "self_destruct")):
            await s.here.slack.click("lead", "ops", ts, action)
        await until(lambda: len(s.whispers("lead")) == 2)

        assert all("no longer valid" in text for text in s.whispers("lead"))
        assert all(card["ts"].replace(".", "") in text for text in s.whispers("lead"))
        assert s.desk.votes == []

    scene(body)(tmp_path)


def test_mistakes_are_answered_in_words_and_defects_with_a_number(tmp_path):
    """People read what to do next, never a stack trace."""

    async def body(s):
        await s.command("/failover usage")
        await s.command("/runs boom")
        await until(lambda: len(s.whispers("oncall")) == 3)
        text = "\n".join(s.whispers("oncall"))

        assert "I know no Region 'usage'. Nothing was changed. Did you mean us-west-2?" in text
        assert "Error `" in text
        assert "a defect" not in text
        assert "Traceback" not in text

    scene(body)(tmp_path)


def test_tables_words_and_files_reach_the_one_who_asked(tmp_path):
    """What a command answers is for that person; a file goes to their own messages."""

    async def body(s):
        for text in ("/runs list", "/signalbox help", "/signalbox file"):
            await s.command(text)
        await until(lambda: len(s.whispers("oncall")) == 3)

        assert {"Runs", "You said help"} < set(s.whispers("oncall"))
        assert "In your messages with Signalbox" in "".join(s.whispers("oncall"))
        assert s.calls("files.completeUploadExternal")[0]["ok"]

    scene(body)(tmp_path)


def test_what_takes_long_is_announced_and_keeps_nobody_waiting(tmp_path):
    """Words at once, the file when it is made; commands of others are answered meanwhile."""

    async def body(s):
        s.desk.made.clear()
        await s.command("/evidence later")
        await until(lambda: "It comes." in s.whispers("oncall"))
        await s.command("/signalbox help")
        await until(lambda: "You said help" in s.whispers("oncall"))
        assert s.calls("files.completeUploadExternal") == []

        s.desk.made.set()
        await until(lambda: "In your messages with Signalbox" in "".join(s.whispers("oncall")))

        assert s.calls("files.completeUploadExternal")[0]["ok"]

    scene(body)(tmp_path)


def test_long_work_that_comes_to_nothing_is_told(tmp_path):
    """Whoever asked reads why there is no file."""

    async def body(s):
        s.desk.broken = True
        await s.command("/evidence later")
        await until(lambda: "There is nothing to show." in "".join(s.whispers("oncall")))

        assert s.calls("files.completeUploadExternal") == []

    scene(body)(tmp_path)


def test_the_plan_opens_in_a_window_and_stop_buttons_reach_the_desk(tmp_path):
    """Show plan shows all steps; the board's buttons stop the change they belong to."""

    async def body(s):
        s.desk.put(running(id="c1", approval=approval(id="d1", state="decided", outcome="approve")))
        await until(lambda: len(s.shown()) == 1 and len(s.shown(thread_ts=s.shown()[0]["ts"])) == 3)
        board = s.shown(thread_ts=s.shown()[0]["ts"])[-1]
        assert wrong_with_message(board) == []

        await s.here.slack.click("lead", "ops", board["ts"], "show_plan")
        await until(lambda: "Close the database subnets" in json.dumps(s.here.slack.views("lead")))
        await s.here.slack.click("oncall", "ops", board["ts"], "rollback")
        await until(lambda: s.desk.votes)

        assert s.desk.votes == [("c1", "rollback", "U0000ONCALL")]

    scene(body)(tmp_path)


def test_a_hold_asks_in_the_thread_and_is_closed_when_decided(tmp_path):
    """The question names who may answer, and keeps no buttons once answered."""

    async def body(s):
        view = held()
        s.desk.put(view)
        await until(s.shown)
        thread = s.shown()[0]["ts"]
        await until(lambda: any("Held:" in m["text"] for m in s.shown(thread_ts=thread)))
        asked = next(
            m for m in s.shown(thread_ts=thread) if "<@U0000ONCALL>" in m["text"] and "Held:" in m["text"]
        )
        closed = replace(view.holds[0], state="decided", outcome="retry", by="U0000LEAD01", decided_at=1e9)
        s.desk.put(replace(view, holds=(closed,)))

        def now_closed():
            found = next(m for m in s.shown(thread_ts=thread) if m["ts"] == asked["ts"])
            return "actions" not in {b["type"] for b in found["blocks"]} and "Retry" in found["text"]

        await until(now_closed)

    scene(body)(tmp_path)


def test_home_shows_what_is_open(tmp_path):
    """The Home tab is there for members and closed for guests."""

    async def body(s):
        await s.card()
        await s.here.slack.open_home("lead")
        await s.here.slack.open_home("guest")
        await until(lambda: s.here.slack.home("lead") and s.here.slack.home("guest"))

        assert "waits for approval" in json.dumps(s.here.slack.home("lead"))
        assert "Guests" in json.dumps(s.here.slack.home("guest"))
        assert wrong_with_view({k: s.here.slack.home("lead")[k] for k in ("type", "blocks")}) == []

    scene(body)(tmp_path)


def test_words_in_the_thread_decide_nothing_and_are_answered(tmp_path):
    """Whoever writes "approve" is told what to press."""

    async def body(s):
        card = await s.card()
        await until(lambda: s.desk.views["c00001"].thread)
        await s.here.slack.say("lead", "ops", "<@U000SIGNALB> approve", thread_ts=card["ts"])
        await until(lambda: any(c["method"] == "chat.postEphemeral" for c in s.here.slack.log()))

        told = s.calls("chat.postEphemeral")[0]["args"]
        assert "Words decide nothing here" in told["text"]
        assert told["thread_ts"] == card["ts"]
        assert s.desk.votes == []

    scene(body)(tmp_path)


def test_a_repeated_event_is_handled_once(tmp_path):
    """Slack sends events again now and then."""

    async def body(s):
        s.here.slack.repeat_next_event()
        await s.here.slack.open_home("lead")
        await s.command("/runs list")
        await until(lambda: s.whispers("oncall"))

        assert len(s.calls("views.publish")) == 1

    scene(body)(tmp_path)


def test_who_someone_is_must_be_known_at_the_moment_of_decision(tmp_path):
    """When Slack does not say who clicked, nobody passes, and the terminal is named."""

    async def body(s):
        card = await s.card()
        for _ in range(12):  # the HTTP client itself repeats what only reads
            s.here.slack.lose_next_answer("users.info")
        await s.here.slack.click("lead", "ops", card["ts"], "approve")
        await until(lambda: s.whispers("lead"))

        assert "could not check with Slack who you are" in s.whispers("lead")[0]
        assert "signalbox run" in s.whispers("lead")[0]
        assert s.desk.votes == []

    scene(body)(tmp_path)


def test_a_change_asked_without_slack_is_shown_in_the_policys_channel(tmp_path):
    """So is what was asked where the bot may not speak."""

    async def body(s):
        s.desk.put(change(id="c1", channel="terminal", approval=approval(id="d1")))
        await until(lambda: len(s.shown()) == 1)
        s.desk.put(change(id="c2", channel="C0000RANDOM", approval=approval(id="d2")))
        await until(lambda: len(s.shown()) == 2)

        assert ESTATE.slack.channels["ops"] == OPS
        await until(lambda: s.desk.views["c2"].channel == OPS)

    scene(body, bot_channels=["ops", "drills"])(tmp_path)


def test_a_lost_answer_does_not_post_twice(tmp_path):
    """A post whose answer got lost is found again by its metadata."""

    async def body(s):
        s.here.slack.lose_next_answer("chat.postMessage")
        card = await s.card()
        await until(lambda: len(s.shown(thread_ts=card["ts"])) == 2)

        assert len(s.shown()) == 1
        assert s.desk.views["c00001"].thread == card["ts"]

    scene(body)(tmp_path)


def test_a_lost_answer_in_a_thread_does_not_post_twice(tmp_path):
    """The same for replies."""

    async def body(s):
        card = await s.card()
        await until(lambda: len(s.shown(thread_ts=card["ts"])) == 2)
        s.here.slack.lose_next_answer("chat.postMessage")
        await s.here.slack.click("lead", "ops", card["ts"], "approve")
        await until(lambda: len(s.calls("conversations.replies")) == 1)
        await asyncio.sleep(1)

        assert len(s.shown(thread_ts=card["ts"])) == 3

    scene(body)(tmp_path)


def test_a_crash_between_posting_and_remembering_does_not_post_twice(tmp_path):
    """A row without a place is settled by looking into Slack first."""

    async def body(s):
        s.leads[0] = False
        s.desk.put(change(id="c1", approval=approval(id="d1")))
        post = Posted("card:c1", "c1", OPS, "", "", "", time.time() - 60)
        Posts(s.database).claim(post)
        made = await s.here.client().chat_postMessage(channel=OPS, text="card", metadata=metadata("card:c1"))
        s.leads[0] = True
        await until(lambda: len(s.shown(thread_ts=made["ts"])) == 2)

        assert [m["ts"] for m in s.shown()] == [made["ts"]]
        await until(lambda: "waits for approval" in s.shown()[0]["text"])

    scene(body)(tmp_path)


def test_a_deleted_card_is_posted_again_while_it_is_open(tmp_path):
    """Somebody tidied up; the question still stands."""

    async def body(s):
        card = await s.card()
        await s.here.client().chat_delete(channel=OPS, ts=card["ts"])
        view = s.desk.views["c00001"]
        s.desk.put(replace(view, note="The plan was made anew: a bound moved"))
        await until(lambda: s.shown() and s.shown()[-1]["ts"] != card["ts"])

        assert "made anew" in json.dumps(s.shown()[-1]["blocks"])

    scene(body)(tmp_path)


def test_rate_limits_are_waited_out(tmp_path):
    """`Retry-After` is kept and nothing is lost or doubled."""

    async def body(s):
        s.here.slack.throttle_next("chat.postMessage", 1)
        await s.command("/failover us-west-2")
        await until(s.shown)

        assert len(s.shown()) == 1
        first, second = s.calls("chat.postMessage")[:2]
        assert second["at"] - first["at"] >= 1

    scene(body)(tmp_path)


def test_a_message_is_updated_at_most_once_a_second(tmp_path):
    """A busy run does not spend Slack's allowance; the last state is always shown."""

    async def body(s):
        s.desk.put(running(1, id="c1", approval=approval(id="d1", state="decided", outcome="approve")))
        await until(lambda: s.shown() and len(s.shown(thread_ts=s.shown()[0]["ts"])) == 3)
        board = s.shown(thread_ts=s.shown()[0]["ts"])[-1]["ts"]
        for turn in range(24):
            s.desk.put(replace(s.desk.views["c1"], run=running(1 + turn % 8).run))
            await asyncio.sleep(0.1)
        s.desk.put(replace(s.desk.views["c1"], run=running(8).run))
        await until(lambda: "*8 of 8*" in s.shown(thread_ts=s.shown()[0]["ts"])[-1]["text"])

        times = [c["at"] for c in s.calls("chat.update") if c["args"]["ts"] == board]
        assert min(b - a for a, b in pairwise(times)) > 0.9

    scene(body)(tmp_path)


def test_only_the_leader_posts(tmp_path):
    """Two replicas never answer with two cards."""

    async def body(s):
        s.leads[0] = False
        await s.command("/failover us-west-2")
        await until(lambda: s.desk.views)
        await asyncio.sleep(1)
        assert s.shown() == []

        s.leads[0] = True
        await until(s.shown)

    scene(body)(tmp_path)


def test_slack_away_is_caught_up_later(tmp_path):
    """The face starts without Slack, and shows everything once it is back."""

    async def body(s):
        fault = s.here.faults.add("slack-down")
        await until(lambda: not s.face.connected())
        s.desk.put(change(id="c1", approval=approval(id="d1")))
        await asyncio.sleep(1)
        assert s.face.alive()
        s.here.faults.remove(fault)
        back = time.monotonic()
        await until(s.face.connected)
        await until(s.shown)

        assert time.monotonic() - back < 10

    scene(body)(tmp_path)


def test_after_a_reset_a_command_is_answered_within_ten_seconds(tmp_path):
    """Both connections break without a word; people hardly notice."""

    async def body(s):
        s.here.slack.drop_sockets()
        began = time.monotonic()
        while not (await s.command("/runs list"))["ok"]:  # noqa: ASYNC110 - a person tries again
            await asyncio.sleep(0.1)
        await until(lambda: s.whispers("oncall"))

        assert time.monotonic() - began < 10

    scene(body)(tmp_path)


def test_a_polite_hand_over_loses_no_command(tmp_path):
    """One connection is told to go while commands come in; the other carries them."""

    async def body(s):
        async def one(number):
            await asyncio.sleep(number * 0.02)
            if number in (10, 40):
                _send_one_away(s)
            return await s.command(f"/runs {number}")

        answers = await asyncio.gather(*(one(n) for n in range(60)))
        await until(lambda: len(s.desk.done) == 60)

        assert [a for a in answers if not a["ok"]] == []
        await until(lambda: s.here.slack.connections >= 2)

    scene(body, speed=10)(tmp_path)


def _send_one_away(s):
    """Slack refreshes connections one at a time; the simulator's own drop takes all of them."""
    links = s.here.slack._links
    link = next(one for one in links._links if not one.draining)
    link.draining = True
    task = asyncio.create_task(links._drain(link, "warning"))
    links._drains.add(task)


def test_nothing_that_slack_called_failed_is_done(tmp_path):
    """Connections break at every possible moment around an acknowledgement: told failed means not done."""

    async def body(s):
        chance = random.Random(7)
        failed = 0
        for number in range(14):
            await until(s.face.connected)
            asking = asyncio.create_task(s.command(f"/runs {number}"))
            for _ in range(chance.randrange(12)):
                await asyncio.sleep(0)
            s.here.slack.drop_sockets()
            if not (await _or_timeout(asking))["ok"]:
                failed += 1
                assert f"/runs {number}" not in s.desk.done
        await asyncio.sleep(0.3)

        assert failed > 0

    scene(body, speed=100)(tmp_path)


async def _or_timeout(asking):
    return await asyncio.wait_for(asking, 5)


def test_a_frozen_process_does_not_do_what_it_was_asked_meanwhile(tmp_path):
    """Slack gave up long ago: the person is told that nothing was done."""

    async def body(s):
        loop = s.face._loop
        loop.call_soon_threadsafe(time.sleep, 3.6)
        await asyncio.sleep(0.2)
        answer = await s.command("/failover us-west-2")
        assert answer["error"] == "operation_timeout"
        await until(lambda: s.desk.refused)
        await until(lambda: len(s.whispers("oncall")) >= 2)

        assert s.desk.done == []
        assert any("Nothing was done" in text for text in s.whispers("oncall"))
        assert (await s.command("/runs list"))["ok"]

    scene(body, own_thread=True)(tmp_path)
