"""What the page in the browser is told, and what the Web API reads."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
from slack_sdk import WebClient
from slack_world import (
    ASKING,
    LEAD,
    OPS,
    Heard,
    World,
    bolt,
    card,
    opened,
    play,
    until,
)

from bot.sandbox.personas import OTHER_TEAM


def test_threads():
    """Replies stand below their parent, which counts them; metadata comes only when asked for."""

    async def scene(here: World) -> None:
        client = here.client()
        ts = await card(here, metadata={"event_type": "card", "event_payload": {"id": "1"}})
        await client.chat_postMessage(channel=OPS, text="one", thread_ts=ts)
        await client.chat_postMessage(channel=OPS, text="two", thread_ts=ts, reply_broadcast=True)
        await here.slack.say("lead", "ops", "three", ts)
        top = here.slack.messages("ops")
        assert [(m["text"], m["reply_count"]) for m in top] == [("Fail over?", 3), ("two", 0)]
        assert [m["text"] for m in here.slack.messages("ops", ts)] == ["Fail over?", "one", "two", "three"]
        without = await client.conversations_replies(channel=OPS, ts=ts)
        assert (without["messages"][0]["reply_count"], "metadata" in without["messages"][0]) == (3, False)
        with_it = await client.conversations_replies(channel=OPS, ts=ts, include_all_metadata=True)
        assert with_it["messages"][0]["metadata"]["event_payload"] == {"id": "1"}
        paged = await client.conversations_replies(channel=OPS, ts=ts, limit=2)
        assert paged["has_more"]
        rest = await client.conversations_replies(
            channel=OPS, ts=ts, limit=2, cursor=paged["response_metadata"]["next_cursor"]
        )
        assert [m["text"] for m in rest["messages"]] == ["two", "three"]
        await client.chat_delete(channel=OPS, ts=here.slack.messages("ops", ts)[1]["ts"])
        assert here.slack.messages("ops")[0]["reply_count"] == 2

    play(scene)


def test_file_upload():
    """The SDK's upload ends as a message with the file; a script is never shown in place."""

    async def scene(here: World) -> None:
        def upload() -> None:
            client = WebClient(here.client().token, base_url=f"{here.base}/api/")
            for name in ("chart.png", "page.html"):
                client.files_upload_v2(channel=OPS, content=b"bytes", filename=name, title=name)

        await asyncio.to_thread(upload)
        chart, page = (m["files"][0] for m in here.slack.messages("ops"))
        assert (chart["title"], chart["mimetype"]) == ("chart.png", "image/png")
        async with aiohttp.ClientSession() as session:
            async with session.get(here.base + chart["url"]) as answer:
                assert (await answer.read(), answer.content_type) == (b"bytes", "image/png")
            async with session.get(here.base + page["url"]) as answer:
                assert answer.headers["Content-Disposition"] == "attachment"
                assert answer.content_type == "application/octet-stream"
        again = {"files": [{"id": chart["id"]}], "channel_id": OPS}
        assert (await here.refusal("files.completeUploadExternal", again))["error"] == "file_not_found"
        nothing = await here.refusal("files.getUploadURLExternal", {"filename": "x", "length": 0})
        assert nothing["error"] == "missing_argument"

    play(scene)


def test_page_questions():
    """The page is told who and where it is, sees what its persona sees, and acts as that persona."""
    heard = Heard()

    async def scene(here: World) -> None:
        async with bolt(here, heard), aiohttp.ClientSession(here.base) as session:

            async def get(path: str, **query: str) -> dict[str, Any]:
                async with session.get(path, params=query) as answer:
                    return await answer.json()

            async def post(path: str, **body: Any) -> dict[str, Any]:
                async with session.post(path, json=body) as answer:
                    return await answer.json()

            state = await get("/page/state", user="lead")
            assert (state["me"]["id"], state["bot_connected"]) == (LEAD, True)
            assert {c["name"] for c in state["channels"]} == {"ops", "drills", "random"}
            assert state["commands"][0]["command"] == "/failover"
            ts = await card(here)
            assert (await post("/page/send", user="oncall", channel=OPS, text="/failover x"))["ok"]
            failed = await post("/page/send", user="oncall", channel=OPS, text="/nonsense")
            assert (failed["ok"], "error" in failed) == (False, False)
            assert len((await get("/page/messages", user="oncall", channel=OPS))["messages"]) == 2
            assert len((await get("/page/messages", user="lead", channel=OPS))["messages"]) == 1
            assert (await post("/page/send", user="lead", channel=OPS, text="ok", thread_ts=ts))["ok"]
            thread = await get("/page/messages", user="lead", channel=OPS, thread=ts)
            assert [m["author"]["name"] for m in thread["messages"]] == ["Signalbox", "Lead"]
            click = {"user": "lead", "channel": OPS, "ts": ts, "action_id": "approve"}
            assert (await post("/page/click", **click))["ok"]
            gone = await post("/page/click", **{**click, "ts": "1.000001"})
            assert gone["error"] == "This message is gone."
            view_id = await opened(here, heard, ASKING)
            [view] = (await get("/page/views", user="oncall"))["views"]
            assert view["id"] == view_id
            empty = await post("/page/submit", user="oncall", view_id=view_id, values={})
            assert empty["errors"] == {"reason": "Please complete this required field."}
            assert (await post("/page/close", user="oncall", view_id=view_id))["ok"]
            assert (await post("/page/home", user="lead"))["ok"]
            await until(lambda: here.slack.home("lead"))
            assert (await get("/page/home", user="lead"))["view"]["type"] == "home"

    play(scene)


def test_page_is_told_of_changes():
    """The live stream says what changed, so that the page asks again."""

    async def scene(here: World) -> None:
        async with aiohttp.ClientSession(here.base) as session, session.get("/live?user=lead") as stream:
            assert stream.content_type == "text/event-stream"

            async def event() -> dict[str, Any]:
                line = await stream.content.readline()
                await stream.content.readline()
                return json.loads(line.removeprefix(b"data: "))

            assert (await event())["kind"] == "reset"
            await card(here)
            assert await event() == {"kind": "changed", "what": "messages", "channel": OPS}

    play(scene)


def test_page_refuses_strangers():
    """A page under another host name, or a form instead of JSON, gets nothing."""

    async def scene(here: World) -> None:
        async with aiohttp.ClientSession(here.base) as session:
            evil = {"Host": "evil.example"}
            async with session.get("/page/state?user=lead", headers=evil) as answer:
                assert answer.status == 403
            async with session.post("/page/send", data={"user": "lead"}) as answer:
                assert answer.status == 415
            async with session.post("/page/send", json={"user": "lead"}) as answer:
                assert answer.status == 400
            async with session.get("/page/state?user=nobody") as answer:
                assert answer.status == 404
            for name in ("main.js", "index.html"):
                async with session.get(f"/assets/{name}") as answer:
                    assert answer.status == 200
            async with session.get("/assets/..%2f__init__.py") as answer:
                assert answer.status == 404

    play(scene)


def test_people_and_groups():
    """Members, guests, strangers and groups are told apart as the Web API does."""

    async def scene(here: World) -> None:
        client = here.client()
        external = (await client.users_info(user="U000EXTERN1"))["user"]
        assert (external["team_id"], external["is_stranger"]) == (OTHER_TEAM, True)
        found = await client.users_lookupByEmail(email="lead@fintech.example")
        assert found["user"]["id"] == LEAD
        groups = (await client.usergroups_list(include_users=True))["usergroups"]
        assert {g["handle"]: len(g["users"]) for g in groups} == {"oncall": 2, "leads": 3}
        info = (await client.conversations_info(channel=OPS))["channel"]
        assert (info["name"], info["is_ext_shared"]) == ("ops", True)
        direct = (await client.conversations_open(users=[LEAD]))["channel"]["id"]
        await client.chat_postMessage(channel=direct, text="psst")
        await client.chat_postMessage(channel=LEAD, text="again")
        assert [m["text"] for m in here.slack.messages(direct, user="lead")] == ["psst", "again"]
        first = await client.conversations_members(channel=OPS, limit=4)
        second = await client.conversations_members(
            channel=OPS, limit=100, cursor=first["response_metadata"]["next_cursor"]
        )
        assert len(first["members"]) == 4
        assert len(second["members"]) == 6

    play(scene)
