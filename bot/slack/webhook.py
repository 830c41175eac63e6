"""HTTP mode: Slack posts signed requests to `/slack/events` of a server of our own on the loopback."""

from __future__ import annotations

import asyncio
import time

from aiohttp import web
from slack_bolt.adapter.aiohttp import to_aiohttp_response, to_bolt_request
from slack_bolt.response import BoltResponse

from bot.slack.intake import Intake

PATH = "/slack/events"
LARGEST_BODY = 1024 * 1024


class Webhook:
    """Serves until cancelled. Signatures are checked by Bolt over the raw body."""

    def __init__(self, intake: Intake, host: str, port: int) -> None:
        self._intake = intake
        self._host = host
        self.port = port
        self.connected = False

    async def run(self) -> None:
        """Listen. Raises OSError when the port is taken."""
        app = web.Application(client_max_size=LARGEST_BODY)
        app.router.add_post(PATH, self._handle)
        runner = web.AppRunner(app, access_log=None, handle_signals=False)
        await runner.setup()
        try:
            site = web.TCPSite(runner, self._host, self.port, backlog=256)
            await site.start()
            self.port = runner.addresses[0][1]
            self.connected = True
            await asyncio.Event().wait()
        finally:
            self.connected = False
            await runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        received = self._intake.watch.received()
        self._intake.last_heard = time.monotonic()
        sent: web.Response = web.Response(status=500)

        async def answer(response: BoltResponse) -> None:
            nonlocal sent
            sent = await to_aiohttp_response(response)
            await sent.prepare(request)
            await sent.write_eof()
            if request.transport is None or request.transport.is_closing():
                raise ConnectionResetError("the caller was gone before the answer was written")

        await self._intake.take(await to_bolt_request(request), answer, received)
        return sent
