"""The floor of an acknowledgement: Bolt's AsyncApp with the bot's settings and nothing but `ack`.

A process of its own, as the bot is one: `python -m tests.bench.bare_app SLACK_API`. Says "connected" and ends
when its standard input does.
"""

from __future__ import annotations

import asyncio
import logging
import re
import sys

from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.context.ack.async_ack import AsyncAck
from slack_sdk.web.async_client import AsyncWebClient

from bot.sandbox.world import APP_TOKEN, BOT_TOKEN
from bot.slack.socket import CONNECTIONS

ANSWER = "bare"


def app(slack_api: str) -> AsyncApp:
    """Settings as in `bot.slack.app`: inline listeners, own authorize, no retries, a silent logger."""
    logger = logging.getLogger("bare")
    logger.setLevel(logging.ERROR)

    async def authorize() -> AuthorizeResult:
        return AuthorizeResult(enterprise_id=None, team_id=None, bot_token=BOT_TOKEN)

    made = AsyncApp(
        name="bare",
        logger=logger,
        client=AsyncWebClient(base_url=slack_api, retry_handlers=[], logger=logger),
        signing_secret="",
        authorize=authorize,
        process_before_response=True,
        attaching_conversation_kwargs_enabled=False,
    )

    @made.command(re.compile(".*"))
    async def command(ack: AsyncAck) -> None:
        await ack(text=ANSWER, response_type="ephemeral")

    return made


async def serve(slack_api: str) -> None:
    """Acknowledge until standard input ends."""
    handlers = [
        AsyncSocketModeHandler(app(slack_api), APP_TOKEN, logger=logging.getLogger("bare"))
        for _ in range(CONNECTIONS)
    ]
    for handler in handlers:
        handler.client.web_client = AsyncWebClient(base_url=slack_api)
        await handler.connect_async()
    print("connected", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    for handler in handlers:
        await handler.close_async()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
