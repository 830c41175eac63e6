"""A Slack simulator on a free port, and a bolt app connected to it as in production."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.sandbox.faults import Faults
from bot.sandbox.slack import SlackStandIn

APP_TOKEN = "xapp-1-A0000SIGNAL-1-test"
BOT_TOKEN = "xoxb-1-test"
SIGNING_SECRET = "a secret for tests"
OPS = "C0000000OPS"
DRILLS = "C0000DRILLS"
RANDOM = "C0000RANDOM"
ONCALL = "U0000ONCALL"
LEAD = "U0000LEAD01"
NO_RESPONSE = (
    "`/failover` failed because the app did not respond. Please try again or contact the app developer."
)


@dataclass
class World:
    slack: SlackStandIn
    faults: Faults
    base: str

    def client(self, token: str = BOT_TOKEN) -> AsyncWebClient:
        return AsyncWebClient(token, base_url=f"{self.base}/api/", retry_handlers=[])

    async def refusal(self, method: str, body: dict[str, Any], token: str = BOT_TOKEN) -> dict[str, Any]:
        """The body of an answer that must be a refusal."""
        try:
            answer = await self.client(token).api_call(method, json=body)
        except SlackApiError as error:
            return dict(error.response.data)
        raise AssertionError(f"{method} was accepted: {answer.data}")


@asynccontextmanager
async def world(**options: Any) -> AsyncIterator[World]:
    faults = Faults()
    slack = SlackStandIn(
        faults, socket_app_token=APP_TOKEN, bot_token=BOT_TOKEN, signing_secret=SIGNING_SECRET, **options
    )
    app = web.Application()
    app.add_routes([*slack.routes(), *slack.page_routes()])
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    slack.bind(base)
    try:
        yield World(slack, faults, base)
    finally:
        await slack.close()
        await runner.cleanup()


@asynccontextmanager
async def bolt(
    here: World, register: Callable[[AsyncApp], None], *, connections: int = 1
) -> AsyncIterator[list[AsyncSocketModeHandler]]:
    """An app with as many Socket Mode connections; `register` adds its listeners."""
    app = AsyncApp(client=here.client())
    register(app)
    handlers = [AsyncSocketModeHandler(app, APP_TOKEN, ping_interval=1) for _ in range(connections)]
    for handler in handlers:
        await handler.connect_async()
    await until(lambda: here.slack.connections == connections)
    try:
        yield handlers
    finally:
        for handler in handlers:
            await handler.close_async()


async def until(true: Callable[[], object], *, seconds: float = 10.0) -> None:
    """Wait for something that another task brings about."""
    for _ in range(int(seconds / 0.005)):
        if true():
            return
        await asyncio.sleep(0.005)
    raise AssertionError(f"not within {seconds} s")


def play(scene: Callable[[World], Awaitable[None]], **options: Any) -> None:
    """Run one test body against a fresh simulator."""

    async def run() -> None:
        async with world(**options) as here:
            await scene(here)

    asyncio.run(run())


def plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text}


def mrkdwn(text: str) -> dict[str, Any]:
    return {"type": "mrkdwn", "text": text}


def button(action_id: str = "approve", text: str = "Approve", **more: Any) -> dict[str, Any]:
    return {"type": "button", "action_id": action_id, "text": plain(text), **more}


def actions(*elements: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "actions", "elements": list(elements), **more}


def section(text: str = "text", **more: Any) -> dict[str, Any]:
    return {"type": "section", "text": mrkdwn(text), **more}


def modal(*blocks: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "type": "modal",
        "title": plain("Reason"),
        "submit": plain("Send"),
        "blocks": list(blocks),
        **more,
    }


def text_input(block_id: str = "reason", **more: Any) -> dict[str, Any]:
    element = {"type": "plain_text_input", "action_id": "text"}
    return {"type": "input", "block_id": block_id, "label": plain("Why?"), "element": element, **more}


class Heard:
    """Listeners for everything, remembering what came."""

    def __init__(self, **answers: Any) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.answers = answers

    def __call__(self, app: AsyncApp) -> None:
        @app.middleware
        async def remember(body, next_):
            self.bodies.append(body)
            await next_()

        @app.command("/failover")
        @app.action({"action_id": "approve"})
        @app.action({"action_id": "pick"})
        async def acknowledge(ack):
            await ack()

        @app.view("reason")
        async def submitted(ack):
            await ack(**self.answers)

        @app.view_closed("reason")
        async def closed(ack):
            await ack()

        @app.event("app_home_opened")
        async def opened(client, event):
            view = {"type": "home", "blocks": [section("Runs"), actions(button())]}
            await client.views_publish(user_id=event["user"], view=view)

    @property
    def last(self) -> dict[str, Any]:
        return self.bodies[-1]


async def card(here: World, *elements: dict[str, Any], **more: Any) -> str:
    blocks = [section("Fail over?"), actions(*(elements or (button(value="request-1"),)))]
    answer = await here.client().chat_postMessage(channel=OPS, text="Fail over?", blocks=blocks, **more)
    return str(answer["ts"])


async def opened(here: World, heard: Heard, view: dict[str, Any]) -> str:
    await here.slack.command("oncall", "ops", "/failover x")
    answer = await here.client().views_open(trigger_id=heard.last["trigger_id"], view=view)
    return str(answer["view"]["id"])


ASKING = modal(text_input(), callback_id="reason")
