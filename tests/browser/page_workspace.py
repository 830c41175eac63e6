"""The Slack simulator on a port of its own, and an app that can come and go."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

from aiohttp import web
from page_app import listen
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.app.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bot.sandbox.faults import Faults
from bot.sandbox.personas import PERSONAS
from bot.sandbox.slack import SlackStandIn

BOT_TOKEN, APP_TOKEN, SECRET = "xoxb-page", "xapp-page", "secret-of-the-page"


class Workspace:
    """The simulator on a port of its own, its loop in a thread, and the app that can come and go."""

    def __init__(self, application: Callable[[SlackStandIn, Faults], web.Application]) -> None:
        self.faults = Faults()
        self._application = application
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.url = ""
        self._app: AsyncSocketModeHandler | None = None
        self.await_(self._serve())

    def await_(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine on the simulator's loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=20)

    async def _serve(self) -> None:
        self.slack = SlackStandIn(
            self.faults, PERSONAS, socket_app_token=APP_TOKEN, bot_token=BOT_TOKEN, signing_secret=SECRET
        )
        served = self._application(self.slack, self.faults)
        served.add_routes([*self.slack.routes(), *self.slack.page_routes()])
        self._runner = web.AppRunner(served, shutdown_timeout=0.2)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{port}"
        self.slack.bind(self.url)

    def app_comes(self) -> None:
        self.await_(self._connect())

    async def _connect(self) -> None:
        client = AsyncWebClient(token=BOT_TOKEN, base_url=f"{self.url}/api/")
        app = AsyncApp(token=BOT_TOKEN, client=client)
        listen(app)
        self._app = AsyncSocketModeHandler(app, APP_TOKEN, web_client=client)
        await self._app.connect_async()

    def app_goes(self) -> None:
        if self._app is not None:
            self.await_(self._app.close_async())
            self._app = None

    def post(self, method: str, **arguments: Any) -> dict[str, Any]:
        """A Web API call of the app."""

        async def call() -> dict[str, Any]:
            client = AsyncWebClient(token=BOT_TOKEN, base_url=f"{self.url}/api/")
            answer = await client.api_call(method, json=arguments)
            assert isinstance(answer.data, dict)
            return answer.data

        return self.await_(call())  # type: ignore[no-any-return]

    def close(self) -> None:
        self.app_goes()
        self.await_(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    async def _stop(self) -> None:
        await self.slack.close()
        await self._runner.cleanup()
        # Bolt's client leaves its readers behind when it is closed.
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
