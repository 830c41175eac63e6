"""What people do in Slack's client: commands, clicks, private messages."""

from __future__ import annotations

import aiohttp
from slack_bolt.async_app import AsyncApp
from slack_world import (
    LEAD,
    ONCALL,
    OPS,
    Heard,
    World,
    actions,
    bolt,
    button,
    card,
    plain,
    play,
    section,
    until,
)

from bot.sandbox.personas import OTHER_TEAM, TEAM


def test_command_payload():
    """A command carries who, where and what, and works with names or ids."""
    heard = Heard()

    async def scene(here: World) -> None:
        async with bolt(here, heard):
            answer = await here.slack.command(ONCALL, "#ops", "/failover us-west-2 --reason x")
            assert (answer["ok"], answer["response"]) == (True, "")
            assert answer["ack_ms"] < 1000
            body = heard.last
            assert (body["command"], body["text"]) == ("/failover", "us-west-2 --reason x")
            assert (body["user_id"], body["channel_id"], body["channel_name"]) == (ONCALL, OPS, "ops")
            assert "thread_ts" not in body
            assert here.slack.messages("ops") == []

    play(scene)


def test_acknowledgement_as_message():
    """Text in an acknowledgement is private unless it says `in_channel`; bad blocks are no answer."""

    def register(app: AsyncApp) -> None:
        @app.command("/failover")
        async def failover(ack, command):
            kind = command["text"]
            if kind == "text":
                await ack("private")
            elif kind == "public":
                await ack(text="public", response_type="in_channel")
            else:
                await ack(blocks=[{"type": "sparkline"}], text="x")

    async def scene(here: World) -> None:
        async with bolt(here, register):
            assert (await here.slack.command("oncall", "ops", "/failover text"))["response"] == "private"
            assert (await here.slack.command("oncall", "ops", "/failover public"))["ok"]
            bad = await here.slack.command("oncall", "ops", "/failover blocks")
            assert (bad["ok"], bad["error"]) == (False, "invalid_command_response")
            assert [m["text"] for m in here.slack.messages("ops", user="lead")] == ["public"]
            mine = here.slack.messages("ops", user="oncall")
            assert [m["ephemeral_to"] for m in mine] == [ONCALL, None, ONCALL]

    play(scene)


def test_commands_that_never_arrive():
    """In a thread, unregistered, or by an external member, Slack itself answers; a guest's arrives."""
    heard = Heard()

    async def scene(here: World) -> None:
        async with bolt(here, heard):
            ts = await card(here)
            threaded = await here.slack.command("oncall", "ops", "/failover x", thread_ts=ts)
            assert threaded["response"] == "/failover is not supported in threads. Sorry!"
            unknown = await here.slack.command("oncall", "ops", "/deploy x")
            assert unknown["response"].startswith("/deploy is not a valid command.")
            external = await here.slack.command("external", "ops", "/failover x")
            assert external["response"].startswith("/failover is not a valid command.")
            assert not any(answer["ok"] for answer in (threaded, unknown, external))
            assert heard.bodies == []
            [_, line] = here.slack.messages("ops", thread_ts=ts, user="oncall")
            assert line["text"] == threaded["response"]
            assert (await here.slack.command("guest", "ops", "/failover x"))["ok"]
            assert heard.last["user_name"] == "guest"

    play(scene)


def test_click_carries_the_stored_value():
    """A click goes by action id or visible text and carries the stored value, whatever the caller says."""
    heard = Heard()

    async def scene(here: World) -> None:
        async with bolt(here, heard):
            confirm = {
                "title": plain("Sure?"),
                "text": plain("x"),
                "confirm": plain("Yes"),
                "deny": plain("No"),
            }
            ts = await card(here, button(value="request-1", confirm=confirm))
            for action in ("approve", "Approve"):
                answer = await here.slack.click("lead", "ops", ts, action, value="request-2")
                assert answer["ok"]
                body = heard.last
                assert body["actions"][0]["value"] == "request-1"
                assert (body["type"], body["user"]["id"], body["container"]["message_ts"]) == (
                    "block_actions",
                    LEAD,
                    ts,
                )
                assert body["message"]["ts"] == ts
            assert (await here.slack.click("lead", "ops", ts, "deny"))["error"] == "no_such_action"
            assert (await here.slack.click("lead", "ops", "1.000001", "approve"))[
                "error"
            ] == "no_such_message"
            assert (await here.slack.click("nobody", "ops", ts, "approve"))["error"] == "no_such_user"
            assert (await here.slack.click("lead", "cellar", ts, "approve"))["error"] == "no_such_channel"

    play(scene)


def test_replaced_buttons_are_gone():
    """After an edit without buttons nobody can press them; one without `blocks` leaves them, flagged."""
    heard = Heard()

    async def scene(here: World) -> None:
        async with bolt(here, heard):
            ts = await card(here)
            await here.client().chat_update(channel=OPS, ts=ts, text="Approved")
            assert here.slack.log()[-1]["flags"]
            assert (await here.slack.click("lead", "ops", ts, "approve"))["ok"]
            await here.client().chat_update(channel=OPS, ts=ts, text="Approved", blocks=[section("Approved")])
            assert here.slack.log()[-1]["flags"] == []
            assert (await here.slack.click("lead", "ops", ts, "approve"))["error"] == "no_such_action"
            assert here.slack.messages("ops")[0]["edited"]

    play(scene)


def test_external_and_guest_may_click():
    """An external member's click arrives with the other team's id; a guest's looks like a member's."""
    heard = Heard()

    async def scene(here: World) -> None:
        async with bolt(here, heard):
            ts = await card(here)
            assert (await here.slack.click("external", "ops", ts, "approve"))["ok"]
            assert (heard.last["user"]["team_id"], heard.last["team"]["id"]) == (OTHER_TEAM, TEAM)
            assert (await here.slack.click("guest", "ops", ts, "approve"))["ok"]
            assert heard.last["user"]["team_id"] == TEAM
            info = (await here.client().users_info(user=heard.last["user"]["id"]))["user"]
            assert info["is_restricted"]

    play(scene)


def test_ephemerals_are_private():
    """Only its addressee sees and clicks an ephemeral; the click has no message, response_url changes it."""

    def register(app: AsyncApp) -> None:
        @app.action("approve")
        async def approve(ack, body, respond):
            await ack()
            assert "message" not in body
            assert body["container"]["is_ephemeral"]
            await respond("Done", replace_original=True)

    async def scene(here: World) -> None:
        async with bolt(here, register):
            client = here.client()
            answer = await client.chat_postEphemeral(
                channel=OPS, user=ONCALL, text="Sure?", blocks=[actions(button())]
            )
            ts = answer["message_ts"]
            assert (await here.slack.click("lead", "ops", ts, "approve"))["error"] == "no_such_message"
            assert (await here.slack.click("oncall", "ops", ts, "approve"))["ok"]
            await until(lambda: here.slack.messages("ops")[0]["text"] == "Done")
            [message] = here.slack.messages("ops", user="oncall")
            assert "blocks" not in message
            assert here.slack.messages("ops", user="lead") == []
            history = await client.conversations_history(channel=OPS)
            assert history["messages"] == []

    play(scene)


def test_ephemeral_in_a_quiet_thread():
    """An ephemeral in a thread without replies is shown to nobody, and flagged."""

    async def scene(here: World) -> None:
        ts = await card(here)
        client = here.client()
        await client.chat_postEphemeral(channel=OPS, user=LEAD, text="lost", thread_ts=ts)
        assert here.slack.log()[-1]["flags"]
        assert len(here.slack.messages("ops", thread_ts=ts)) == 1
        await client.chat_postMessage(channel=OPS, text="reply", thread_ts=ts)
        await client.chat_postEphemeral(channel=OPS, user=LEAD, text="seen", thread_ts=ts)
        texts = [m["text"] for m in here.slack.messages("ops", thread_ts=ts, user="lead")]
        assert texts == ["Fail over?", "reply", "seen"]

    play(scene)


def test_response_url_runs_out():
    """A response_url takes five answers within thirty minutes, and says 404 afterwards."""
    clock = [1_800_000_000.0]
    heard = Heard()

    async def scene(here: World) -> None:
        async with bolt(here, heard), aiohttp.ClientSession() as session:
            await here.slack.command("oncall", "ops", "/failover x")
            url = heard.last["response_url"]
            for number in range(5):
                async with session.post(url, json={"text": str(number)}) as answer:
                    assert (answer.status, await answer.text()) == (200, "ok")
            async with session.post(url, json={"text": "six"}) as answer:
                assert (answer.status, await answer.text()) == (404, "used_url")
            assert [m["text"] for m in here.slack.messages("ops", user="oncall")] == list("01234")
            await here.slack.command("oncall", "ops", "/failover x")
            clock[0] += 1801
            async with session.post(heard.last["response_url"], json={"text": "late"}) as answer:
                assert (answer.status, await answer.text()) == (404, "expired_url")

    play(scene, now=lambda: clock[0])


def test_menu_choice():
    """A menu's choice arrives as its option, and stays chosen in the message's state."""
    heard = Heard()

    async def scene(here: World) -> None:
        async with bolt(here, heard):
            menu = {
                "type": "static_select",
                "action_id": "pick",
                "options": [{"text": plain("West"), "value": "us-west-2"}],
            }
            ts = await card(here, menu)
            assert (await here.slack.click("lead", "ops", ts, "pick", value="us-west-2"))["ok"]
            assert heard.last["actions"][0]["selected_option"]["value"] == "us-west-2"
            [entry] = heard.last["state"]["values"].values()
            assert entry["pick"]["selected_option"]["value"] == "us-west-2"
            assert (await here.slack.click("lead", "ops", ts, "pick", value="mars"))[
                "error"
            ] == "no_such_option"

    play(scene)


def test_what_people_type_is_escaped():
    """Typed text keeps mentions of people and groups; everything else that looks like markup is text."""

    async def scene(here: World) -> None:
        typed = f"<!channel> <@{LEAD}> a < b & <https://example.com|x>"
        await here.slack.say("dev", "ops", typed)
        [message] = here.slack.messages("ops")
        assert message["text"] == (f"&lt;!channel&gt; <@{LEAD}> a &lt; b &amp; &lt;https://example.com|x&gt;")

    play(scene)
