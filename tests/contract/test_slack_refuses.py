"""What Slack refuses, the simulator refuses by the same name."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_world import (
    APP_TOKEN,
    BOT_TOKEN,
    DRILLS,
    LEAD,
    ONCALL,
    OPS,
    RANDOM,
    World,
    actions,
    button,
    modal,
    mrkdwn,
    play,
    section,
)


def posted(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"channel": OPS, "text": "fallback", "blocks": list(blocks)}


HOME: dict[str, Any] = {"type": "home"}
REFUSED = [
    ("wrong token", "auth.test", "xoxb-wrong", {}, "invalid_auth"),
    ("no token", "auth.test", "", {}, "not_authed"),
    ("socket with bot token", "apps.connections.open", BOT_TOKEN, {}, "not_allowed_token_type"),
    ("post with app token", "chat.postMessage", APP_TOKEN, {"channel": OPS}, "not_allowed_token_type"),
    ("unknown method", "chat.nonsense", BOT_TOKEN, {}, "unknown_method"),
    ("nothing to say", "chat.postMessage", BOT_TOKEN, {"channel": OPS}, "no_text"),
    ("unknown channel", "chat.postMessage", BOT_TOKEN, {"channel": "C404", "text": "x"}, "channel_not_found"),
    ("not a member", "chat.postMessage", BOT_TOKEN, {"channel": RANDOM, "text": "x"}, "not_in_channel"),
    ("51 blocks", "chat.postMessage", BOT_TOKEN, posted(*[section()] * 51), "invalid_blocks"),
    ("unknown block", "chat.postMessage", BOT_TOKEN, posted({"type": "sparkline"}), "invalid_blocks"),
    ("section 3001", "chat.postMessage", BOT_TOKEN, posted(section("x" * 3001)), "invalid_blocks"),
    (
        "header mrkdwn",
        "chat.postMessage",
        BOT_TOKEN,
        posted({"type": "header", "text": mrkdwn("x")}),
        "invalid_blocks",
    ),
    (
        "button text 76",
        "chat.postMessage",
        BOT_TOKEN,
        posted(actions(button(text="x" * 76))),
        "invalid_blocks",
    ),
    (
        "button value 2001",
        "chat.postMessage",
        BOT_TOKEN,
        posted(actions(button(value="x" * 2001))),
        "invalid_blocks",
    ),
    (
        "button style",
        "chat.postMessage",
        BOT_TOKEN,
        posted(actions(button(style="warning"))),
        "invalid_blocks",
    ),
    ("action_id twice", "chat.postMessage", BOT_TOKEN, posted(actions(button(), button())), "invalid_blocks"),
    (
        "block_id twice",
        "chat.postMessage",
        BOT_TOKEN,
        posted(section(block_id="a"), section(block_id="a")),
        "invalid_blocks",
    ),
    (
        "11 fields",
        "chat.postMessage",
        BOT_TOKEN,
        posted({"type": "section", "fields": [mrkdwn("x")] * 11}),
        "invalid_blocks",
    ),
    (
        "edit of nothing",
        "chat.update",
        BOT_TOKEN,
        {"channel": OPS, "ts": "1.000001", "text": "x"},
        "message_not_found",
    ),
    ("list as text", "chat.postMessage", BOT_TOKEN, {"channel": OPS, "text": ["x"]}, "invalid_arguments"),
    ("unknown user", "users.info", BOT_TOKEN, {"user": "U404"}, "user_not_found"),
    (
        "ephemeral to a stranger",
        "chat.postEphemeral",
        BOT_TOKEN,
        {"channel": OPS, "user": "U404", "text": "x"},
        "user_not_in_channel",
    ),
    (
        "bogus trigger",
        "views.open",
        BOT_TOKEN,
        {"trigger_id": "1.2.3", "view": modal()},
        "invalid_trigger_id",
    ),
    (
        "home without blocks",
        "views.publish",
        BOT_TOKEN,
        {"user_id": ONCALL, "view": HOME},
        "invalid_arguments",
    ),
    (
        "home with 101 blocks",
        "views.publish",
        BOT_TOKEN,
        {"user_id": ONCALL, "view": {**HOME, "blocks": [section()] * 101}},
        "invalid_arguments",
    ),
    (
        "link to nothing",
        "chat.getPermalink",
        BOT_TOKEN,
        {"channel": OPS, "message_ts": "1.000001"},
        "message_not_found",
    ),
]


@pytest.mark.parametrize(
    ("method", "token", "body", "error"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_refusal(method, token, body, error):
    """Each request that Slack refuses gets Slack's error name with HTTP 200, through the sync client."""

    def call(base: str) -> Any:
        client = WebClient(token, base_url=f"{base}/api/", retry_handlers=[])
        with pytest.raises(SlackApiError) as caught:
            client.api_call(method, json=body)
        return caught.value.response

    async def scene(here: World) -> None:
        answer = await asyncio.to_thread(call, here.base)
        assert (answer["ok"], answer["error"], answer.status_code) == (False, error, 200)
        assert here.slack.messages("ops") == here.slack.messages("random") == []

    play(scene, bot_channels=["ops", "drills"])


def test_same_reaction_twice():
    """The second reaction of the same name is refused."""

    async def scene(here: World) -> None:
        client = here.client()
        ts = (await client.chat_postMessage(channel=OPS, text="x"))["ts"]
        await client.reactions_add(channel=OPS, timestamp=ts, name="eyes")
        again = await here.refusal("reactions.add", {"channel": OPS, "timestamp": ts, "name": "eyes"})
        assert again["error"] == "already_reacted"

    play(scene)


def test_bad_blocks_are_pointed_at():
    """An `invalid_blocks` answer names the place, in the errors and as a JSON pointer."""

    async def scene(here: World) -> None:
        answer = await here.refusal("chat.postMessage", posted(section(), section("x" * 3001)))
        assert answer["errors"] == ["must be less than 3001 characters"]
        assert "[json-pointer:/blocks/1/text/text]" in answer["response_metadata"]["messages"][0]
        not_json = await here.refusal("chat.postMessage", {"channel": OPS, "text": "x", "blocks": "[{"})
        assert not_json["error"] == "invalid_blocks_format"

    play(scene)


def test_missing_scope_is_named():
    """A call beyond the granted scopes says which one is needed."""

    async def scene(here: World) -> None:
        answer = await here.refusal("users.info", {"user": LEAD})
        assert (answer["error"], answer["needed"]) == ("missing_scope", "users:read")
        assert answer["provided"] == "chat:write"

    play(scene, scopes=frozenset({"chat:write"}))


def test_messages_that_are_not_the_bots():
    """People's messages, ephemerals and replies of replies cannot be edited, deleted or answered."""

    async def scene(here: World) -> None:
        client = here.client()
        theirs = (await here.slack.say("lead", "ops", "hello"))["ts"]
        private = (await client.chat_postEphemeral(channel=OPS, user=LEAD, text="x"))["message_ts"]
        reply = (await client.chat_postMessage(channel=OPS, text="x", thread_ts=theirs))["ts"]
        for ts in (theirs, private):
            answer = await here.refusal("chat.update", {"channel": OPS, "ts": ts, "text": "y"})
            assert answer["error"] == "cant_update_message"
        answer = await here.refusal("chat.delete", {"channel": OPS, "ts": theirs})
        assert answer["error"] == "cant_delete_message"
        for parent in (reply, private):
            body = {"channel": OPS, "text": "x", "thread_ts": parent}
            assert (await here.refusal("chat.postMessage", body))["error"] == "cannot_reply_to_message"
        here.slack.archive("drills")
        assert (await here.refusal("chat.postMessage", {"channel": DRILLS, "text": "x"}))[
            "error"
        ] == "is_archived"
        long = await here.refusal("chat.update", {"channel": OPS, "ts": reply, "text": "x" * 4001})
        assert long["error"] == "msg_too_long"
        by_name = await here.refusal("chat.update", {"channel": "ops", "ts": reply, "text": "x"})
        assert by_name["error"] == "channel_not_found"

    play(scene)


def test_long_text_is_cut():
    """Text above 40,000 characters is cut, not refused."""

    async def scene(here: World) -> None:
        posted_message = await here.client().chat_postMessage(channel=OPS, text="x" * 40_001)
        assert len(posted_message["message"]["text"]) == 40_000

    play(scene)


def test_rate_limit_of_a_channel():
    """More than a short burst into one channel gets HTTP 429 with Retry-After; another still works."""

    async def scene(here: World) -> None:
        client = here.client()
        for _ in range(10):
            await client.chat_postMessage(channel=OPS, text="x")
        with pytest.raises(SlackApiError) as caught:
            await client.chat_postMessage(channel=OPS, text="x")
        assert caught.value.response.status_code == 429
        assert int(caught.value.response.headers["Retry-After"]) >= 1
        await client.chat_postMessage(channel=DRILLS, text="x")

    play(scene, now=lambda: 1_800_000_000.0)
