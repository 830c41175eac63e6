"""Signed HTTP, the other way from Slack to the bot."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from slack_bolt.adapter.aiohttp import to_aiohttp_response, to_bolt_request
from slack_bolt.async_app import AsyncApp
from slack_sdk.signature import SignatureVerifier
from slack_world import (
    NO_RESPONSE,
    OPS,
    SIGNING_SECRET,
    World,
    actions,
    button,
    play,
    world,
)


@asynccontextmanager
async def request_url(apps: list[AsyncApp]) -> AsyncIterator[str]:
    """An app's HTTP endpoint; the app itself comes later, as it needs the simulator's address."""
    verifier = SignatureVerifier(SIGNING_SECRET)

    async def handle(request: web.Request) -> web.Response:
        assert verifier.is_valid_request(await request.read(), dict(request.headers))
        return await to_aiohttp_response(await apps[0].async_dispatch(await to_bolt_request(request)))

    server = web.Application()
    server.add_routes([web.post("/slack/events", handle)])
    runner = web.AppRunner(server)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def test_signed_http():
    """With a request URL all arrives as signed POSTs that bolt verifies, and answers are acknowledgements."""

    async def run() -> None:
        apps: list[AsyncApp] = []
        async with request_url(apps) as url, world(request_url=url) as here:
            app = AsyncApp(client=here.client(), signing_secret=SIGNING_SECRET)
            apps.append(app)

            @app.command("/failover")
            async def failover(ack):
                await ack(text="on it", response_type="in_channel")

            @app.action("approve")
            async def approve(ack):
                await ack()

            @app.event("app_mention")
            async def mentioned():
                pass

            assert await here.slack.verify_request_url()
            answer = await here.slack.command("oncall", "ops", "/failover us-west-2")
            assert (answer["ok"], answer["response"]) == (True, "on it")
            assert here.slack.messages("ops")[-1]["ephemeral"] is False
            card = await here.client().chat_postMessage(channel=OPS, text="x", blocks=[actions(button())])
            assert (await here.slack.click("lead", "ops", card["ts"], "approve"))["ok"]
            assert (await here.slack.say("lead", "ops", "@signalbox hello"))["delivered"]
            unknown = await here.slack.command("oncall", "ops", "/runs")
            assert (unknown["ok"], unknown["error"]) == (False, "http_client_error")

    asyncio.run(run())


def test_request_url_gone():
    """A request URL where nobody listens fails at once and marks the bot as away."""

    async def scene(here: World) -> None:
        gone = await here.slack.command("oncall", "ops", "/failover us-west-2")
        assert (gone["error"], gone["response"]) == ("dispatch_failed", NO_RESPONSE)
        assert not here.slack.bot_connected

    play(scene, request_url="http://127.0.0.1:9")
