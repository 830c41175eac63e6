"""From Slack to the bot: connections, acknowledgements, faults, and the signed HTTP way."""

from __future__ import annotations

import asyncio
import time

import aiohttp
import pytest
from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackApiError
from slack_world import (
    APP_TOKEN,
    NO_RESPONSE,
    OPS,
    World,
    actions,
    bolt,
    button,
    modal,
    play,
    text_input,
    until,
)


async def open_socket(here: World, session: aiohttp.ClientSession) -> aiohttp.ClientWebSocketResponse:
    url = (await here.client(APP_TOKEN).apps_connections_open(app_token=APP_TOKEN))["url"]
    return await session.ws_connect(url)


def answering(app: AsyncApp) -> None:
    @app.command("/failover")
    async def failover(ack):
        await ack("on it")


def test_each_envelope_reaches_one_connection():
    """Two connections take turns, every envelope arrives on one of them; a second answer is ignored."""

    async def scene(here: World) -> None:
        async with aiohttp.ClientSession() as session:
            sockets = [await open_socket(here, session) for _ in range(2)]
            hellos = [await socket.receive_json() for socket in sockets]
            assert [hello["type"] for hello in hellos] == ["hello", "hello"]
            assert hellos[1]["num_connections"] == 2
            for turn in range(4):
                said = asyncio.create_task(here.slack.command("oncall", "ops", f"/failover {turn}"))
                frame = await sockets[turn % 2].receive_json()
                assert (frame["type"], frame["accepts_response_payload"]) == ("slash_commands", True)
                assert frame["payload"]["text"] == str(turn)
                assert "thread_ts" not in frame["payload"]
                await sockets[turn % 2].send_json({"envelope_id": frame["envelope_id"]})
                assert (await said)["ok"]
            await sockets[0].send_json({"envelope_id": frame["envelope_id"], "payload": {"text": "late"}})
            await until(lambda: here.slack.late_acks == 1)
            assert here.slack.messages("ops") == []
            for socket in sockets:
                await socket.close()

    play(scene)


def test_tickets_and_connections_are_limited():
    """A ticket opens one connection; the eleventh connection is told that there are too many."""

    async def scene(here: World) -> None:
        async with aiohttp.ClientSession() as session:
            url = (await here.client(APP_TOKEN).apps_connections_open(app_token=APP_TOKEN))["url"]
            sockets = [await session.ws_connect(url)]
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await session.ws_connect(url)
            sockets += [await open_socket(here, session) for _ in range(9)]
            eleventh = await open_socket(here, session)
            assert (await eleventh.receive_json())["reason"] == "too_many_websockets"
            assert here.slack.connections == 10
            for socket in [*sockets, eleventh]:
                await socket.close()

    play(scene)


def test_three_seconds_to_acknowledge():
    """What is not acknowledged in three seconds is told as failed, to the person who did it."""

    def register(app: AsyncApp) -> None:
        @app.command("/signalbox")
        async def show(ack, client, body):
            await ack()
            await client.chat_postMessage(channel=OPS, text="x", blocks=[actions(button())])
            await client.views_open(trigger_id=body["trigger_id"], view=modal(text_input()))

        @app.command("/failover")
        @app.action("approve")
        @app.view("")
        async def slow(ack):
            await asyncio.sleep(3.2)
            await ack("too late")

    async def scene(here: World) -> None:
        async with bolt(here, register):
            await here.slack.command("oncall", "ops", "/signalbox")
            await until(lambda: here.slack.views("oncall"))
            [card] = here.slack.messages("ops")
            view_id = here.slack.views("oncall")[0]["id"]
            command, click, submission = await asyncio.gather(
                here.slack.command("oncall", "ops", "/failover us-west-2"),
                here.slack.click("lead", "ops", card["ts"], "approve"),
                here.slack.submit("oncall", view_id, {"text": "because"}),
            )
            for answer in (command, click, submission):
                assert (answer["ok"], answer["error"]) == (False, "operation_timeout")
                assert answer["ack_ms"] > 2900
            assert command["response"] == NO_RESPONSE
            assert here.slack.messages("ops", user="oncall")[-1]["text"] == NO_RESPONSE
            assert here.slack.messages("ops", user="oncall")[-1]["author"]["name"] == "Slackbot"
            assert NO_RESPONSE not in [m["text"] for m in here.slack.messages("ops", user="lead")]
            assert here.slack.messages("ops", user="lead")[0]["click_failed"] == ["approve"]
            [view] = here.slack.views("oncall")
            assert view["notice"] == "We had some trouble connecting. Try again?"

    play(scene)


def test_nobody_there():
    """Without a connection a command fails at once, with the same private line."""

    async def scene(here: World) -> None:
        answer = await here.slack.command("oncall", "ops", "/failover us-west-2")
        assert (answer["ok"], answer["error"]) == (False, "dispatch_failed")
        assert answer["response"] == NO_RESPONSE

    play(scene)


def test_fifty_commands_at_once():
    """Fifty people at once are all acknowledged."""

    async def scene(here: World) -> None:
        async with bolt(here, answering, connections=2):
            answers = await asyncio.gather(
                *[here.slack.command("oncall", "ops", f"/failover {n}") for n in range(50)]
            )
            assert all(answer["ok"] and answer["response"] == "on it" for answer in answers)

    play(scene)


def test_polite_disconnect():
    """A socket told to disconnect gets no more envelopes; the app hands over and loses no command."""

    async def scene(here: World) -> None:
        async with aiohttp.ClientSession() as session:
            leaving = await open_socket(here, session)
            await leaving.receive_json()
            assert here.slack.drop_sockets(polite=True) == 1
            frame = await leaving.receive_json()
            assert (frame["type"], frame["reason"]) == ("disconnect", "refresh_requested")
            assert not (await here.slack.command("oncall", "ops", "/failover"))["ok"]
            await leaving.close()
        await until(lambda: here.slack.connections == 0)
        async with bolt(here, answering):
            here.slack.drop_sockets(polite=True)
            await until(lambda: here.slack.bot_connected)
            assert (await here.slack.command("oncall", "ops", "/failover"))["ok"]

    play(scene)


def test_reset_by_fault():
    """`slack-drop-socket` resets what is connected when it is added, once; the app comes back."""

    async def scene(here: World) -> None:
        async with bolt(here, answering):
            here.faults.add("slack-drop-socket")
            await until(lambda: not here.slack.bot_connected)
            await until(lambda: here.slack.bot_connected)
            assert (await here.slack.command("oncall", "ops", "/failover"))["ok"]

    play(scene)


def test_polite_disconnect_by_fault():
    """`slack-drop-socket` with `polite` announces the end instead."""

    async def scene(here: World) -> None:
        async with aiohttp.ClientSession() as session:
            socket = await open_socket(here, session)
            await socket.receive_json()
            here.faults.add("slack-drop-socket", polite=True)
            assert (await socket.receive_json())["type"] == "disconnect"
            await socket.close()

    play(scene)


def test_slack_down():
    """While Slack is down every call is reset and no socket opens; then the app comes back by itself."""

    async def scene(here: World) -> None:
        async with bolt(here, answering):
            fault = here.faults.add("slack-down")
            await until(lambda: here.slack.connections == 0)
            with pytest.raises(aiohttp.ClientError):
                await here.client().auth_test()
            with pytest.raises(aiohttp.ClientError):
                await here.client(APP_TOKEN).apps_connections_open(app_token=APP_TOKEN)
            assert (await here.slack.command("oncall", "ops", "/failover"))["error"] == "slack_down"
            here.faults.remove(fault)
            await until(lambda: here.slack.bot_connected)
            assert (await here.slack.command("oncall", "ops", "/failover"))["ok"]

    play(scene)


def test_lost_answer_and_throttling():
    """A lost answer means that the message stands although the call failed; a throttled call did nothing."""

    async def scene(here: World) -> None:
        client = here.client()
        here.slack.lose_next_answer("chat.postMessage")
        with pytest.raises(aiohttp.ClientError):
            await client.chat_postMessage(channel=OPS, text="once")
        assert [m["text"] for m in here.slack.messages("ops")] == ["once"]
        here.slack.throttle_next("chat.postMessage", 7)
        with pytest.raises(SlackApiError) as caught:
            await client.chat_postMessage(channel=OPS, text="twice")
        assert caught.value.response.status_code == 429
        assert caught.value.response.headers["Retry-After"] == "7"
        await client.chat_postMessage(channel=OPS, text="thrice")
        assert [m["text"] for m in here.slack.messages("ops")] == ["once", "thrice"]
        assert [call["error"] for call in here.slack.log()] == [None, "ratelimited", None]

    play(scene)


def test_latency():
    """`latency` of target slack delays calls and what is sent to the bot; of another target it does not."""

    async def scene(here: World) -> None:
        here.faults.add("latency", seconds=60, target="aws")
        started = time.perf_counter()
        await here.client().auth_test()
        assert time.perf_counter() - started < 30
        here.faults.add("latency", seconds=0.2, target="slack")
        started = time.perf_counter()
        await here.client().auth_test()
        assert time.perf_counter() - started >= 0.2

    play(scene)


def test_events_are_resent():
    """An event without acknowledgement is sent three times more with rising attempts; commands never are."""

    async def scene(here: World) -> None:
        async with aiohttp.ClientSession() as session:
            socket = await open_socket(here, session)
            await socket.receive_json()
            said = asyncio.create_task(here.slack.say("oncall", "ops", "@signalbox approve"))
            first = await socket.receive_json()
            assert (first["type"], first["retry_attempt"], first["retry_reason"]) == ("events_api", 0, "")
            assert first["payload"]["event"]["type"] == "app_mention"
            assert first["payload"]["event"]["text"] == "<@U000SIGNALB> approve"
            assert not (await said)["delivered"]
            second = await socket.receive_json()
            assert (second["retry_attempt"], second["retry_reason"]) == (1, "timeout")
            assert second["payload"]["event_id"] == first["payload"]["event_id"]
            await socket.send_json({"envelope_id": second["envelope_id"]})
            here.slack.repeat_next_event()
            said = asyncio.create_task(here.slack.say("oncall", "ops", "@signalbox again"))
            for attempt in range(2):
                frame = await socket.receive_json()
                assert frame["retry_attempt"] == attempt
                await socket.send_json({"envelope_id": frame["envelope_id"]})
            assert (await said)["delivered"]
            assert [d["attempt"] for d in here.slack.deliveries()] == [0, 1, 0, 1]
            await socket.close()

    play(scene, event_retries=(0.0, 0.0, 0.0))
