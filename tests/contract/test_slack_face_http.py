"""HTTP mode of the Slack face: the same answers over signed requests, and none over others."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest
from slack_face_world import faced
from slack_sdk.signature import SignatureVerifier
from slack_world import SIGNING_SECRET, until


def scene(body):
    async def run(path):
        async with faced(path, http=True) as here:
            await body(here)

    return lambda path: asyncio.run(run(path))


async def send(
    s, form: dict[str, Any], *, secret: str = SIGNING_SECRET, age: float = 0.0, signed: bool = True
):
    """A request as Slack makes it; returns status and body."""
    body = urlencode(form)
    stamp = str(int(time.time() - age))
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    if signed:
        signature = SignatureVerifier(secret).generate_signature(timestamp=stamp, body=body)
        headers |= {"X-Slack-Signature": signature or "", "X-Slack-Request-Timestamp": stamp}
    url = f"http://127.0.0.1:{s.face.port}/slack/events"
    async with aiohttp.ClientSession() as session, session.post(url, data=body, headers=headers) as answer:
        return answer.status, await answer.text()


def command(user: str = "U0000ONCALL", trigger: str = "1.2.3", team: str = "T0000SIGNAL") -> dict[str, str]:
    return {
        "command": "/failover",
        "text": "us-west-2",
        "user_id": user,
        "team_id": team,
        "channel_id": "C0000000OPS",
        "trigger_id": trigger,
        "response_url": "",
    }


def click(user: dict[str, Any], team: str | None = "T0000SIGNAL", value: str = "dc00001") -> dict[str, str]:
    payload = {
        "type": "block_actions",
        "user": user,
        "team": {"id": team} if team else None,
        "container": {"type": "message", "message_ts": "1.2", "channel_id": "C0000000OPS"},
        "channel": {"id": "C0000000OPS"},
        "actions": [{"type": "button", "action_id": "approve", "value": value, "action_ts": "1.0"}],
    }
    return {"payload": json.dumps(payload)}


def test_the_whole_conversation_works_over_http(tmp_path):
    """Command, card, click, window, Home tab."""

    async def body(s):
        assert await s.here.slack.verify_request_url()
        card = await s.card()
        await s.here.slack.click("lead", "ops", card["ts"], "show_plan")
        await until(lambda: "Promote fintech-payments" in json.dumps(s.here.slack.views("lead")))
        await s.here.slack.click("lead", "ops", card["ts"], "approve")
        await until(lambda: s.desk.votes == [("dc00001", "approve", "U0000LEAD01")])
        await s.here.slack.open_home("lead")
        await until(lambda: s.here.slack.home("lead"))

        assert s.whispers("oncall") == ["👀 Looking at both Regions…"]

    scene(body)(tmp_path)


@pytest.mark.parametrize(
    ("how", "status"),
    [
        ({"secret": "wrong"}, 401),
        ({"signed": False}, 401),
        ({"age": 301}, 401),
        ({"age": -301}, 401),
        ({}, 200),
    ],
)
def test_only_signed_and_recent_requests_are_taken(tmp_path, how, status):
    """A wrong secret, no signature, a replay from long ago: refused, and nothing is done."""

    async def body(s):
        answered, _ = await send(s, command(), **how)
        assert answered == status
        if status == 200:
            await until(lambda: s.desk.done)
        else:
            await asyncio.sleep(0.2)
            assert s.desk.done == []

    scene(body)(tmp_path)


def test_a_replayed_command_is_done_once(tmp_path):
    """The same signed request twice within its five minutes counts once."""

    async def body(s):
        await send(s, command())
        await send(s, command())
        await send(s, command(trigger="another"))
        await until(lambda: len(s.desk.done) == 2)
        await asyncio.sleep(0.2)

        assert len(s.desk.done) == 2

    scene(body)(tmp_path)


@pytest.mark.parametrize(
    ("user", "team"),
    [
        ({"id": "U0000NOBODY", "team_id": "T0000SIGNAL"}, "T0000SIGNAL"),
        ({"id": "U0000LEAD01", "team_id": "T0000OTHERS"}, "T0000SIGNAL"),
        ({"id": "U0000LEAD01", "team_id": "T0000SIGNAL"}, "T0000OTHERS"),
        ({"id": "U0000LEAD01", "team_id": "T0000SIGNAL"}, None),
        ({"id": "U0000LEAD01"}, "T0000SIGNAL"),
        ({"id": "U000SIGNALB", "team_id": "T0000SIGNAL"}, "T0000SIGNAL"),
        ({"id": "", "team_id": "T0000SIGNAL"}, "T0000SIGNAL"),
    ],
)
def test_a_click_counts_only_with_a_known_id_and_both_teams_right(tmp_path, user, team):
    """Unknown people, other teams, bots and payloads that leave something out never decide."""

    async def body(s):
        await s.card()
        status, _ = await send(s, click(user, team))
        await until(lambda: s.desk.refused)

        assert status == 200
        assert s.desk.votes == []

    scene(body)(tmp_path)


def test_a_caller_that_left_gets_nothing_done(tmp_path):
    """When the acknowledgement cannot be written, Slack has told of a failure."""

    async def body(s):
        form = urlencode(command())
        stamp = str(int(time.time()))
        signature = SignatureVerifier(SIGNING_SECRET).generate_signature(timestamp=stamp, body=form)
        _, writer = await asyncio.open_connection("127.0.0.1", s.face.port)
        head = (
            f"POST /slack/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
            f"X-Slack-Signature: {signature}\r\nX-Slack-Request-Timestamp: {stamp}\r\n"
            f"Content-Length: {len(form)}\r\n\r\n"
        )
        writer.write(head.encode() + form.encode())
        await writer.drain()
        writer.transport.abort()
        await asyncio.sleep(0.5)

        assert s.desk.done == []

    scene(body)(tmp_path)


def test_the_server_listens_on_the_loopback_only(tmp_path):
    """Nothing binds an address that others can reach."""

    async def body(s):
        assert s.face._settings.http_host.startswith("127.")
        async with aiohttp.ClientSession() as session:
            url = f"http://127.0.0.1:{s.face.port}/elsewhere"
            async with session.post(url, data=b"x") as answer:
                assert answer.status == 404

    scene(body)(tmp_path)
