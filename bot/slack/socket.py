"""Socket Mode over two connections.

Our own and not slack_sdk's client, which closes the old connection before the new one stands, tries a used
ticket for ever after a failed reconnect, acknowledges on another connection than the one it was asked on,
and cannot tell whether an acknowledgement arrived. Here acknowledgements are followed by a ping: since a
connection keeps its order, the pong proves that Slack has read what went before. Those sent within
GATHER_SECONDS share one.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from contextlib import suppress
from typing import Any

import aiohttp
import structlog
from slack_bolt.response import BoltResponse
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.slack.bridge import Bridge
from bot.slack.intake import Intake, in_socket_mode

log = structlog.get_logger()

CONNECTIONS = 2
HEARTBEAT_SECONDS = 4.0
"""A silent connection is pinged after this long and given up half as long later."""

GATHER_SECONDS = 0.005
DRAIN_SECONDS = 15.0
LONGEST_BACKOFF = 4.0
_TEXT, _PING, _PONG = aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.PING, aiohttp.WSMsgType.PONG


class Link:
    """One connection, from its hello to its end. `retired` is set once no new delivery will come by it."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse, intake: Intake, bridge: Bridge) -> None:
        self._ws = ws
        self._intake = intake
        self._bridge = bridge
        self._numbers = itertools.count(1)
        self._pongs: dict[bytes, asyncio.Future[None]] = {}
        self._next: asyncio.Future[None] | None = None
        self.ready = asyncio.Event()
        self.retired = asyncio.Event()
        self.reason = ""

    async def run(self) -> None:
        """Read until the connection ends."""
        try:
            async for frame in self._frames():
                self._intake.last_heard = time.monotonic()
                if frame.type is _TEXT:
                    self._read(json.loads(frame.data))
                elif frame.type is _PING:
                    await self._ws.pong(frame.data)
                elif frame.type is _PONG:
                    self._ponged(bytes(frame.data))
        except (OSError, aiohttp.ClientError, ValueError) as error:
            log.info("slack.connection_broke", error=repr(error))
        finally:
            self.retired.set()
            self.ready.set()
            for waiting in self._pongs.values():
                if not waiting.done():
                    waiting.set_exception(
                        ConnectionResetError("the connection ended before it was confirmed")
                    )
            with suppress(OSError, aiohttp.ClientError, TimeoutError):
                await asyncio.wait_for(self._ws.close(), 1)

    async def _frames(self) -> Any:
        while True:
            frame = await self._ws.receive()
            if frame.type in {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSING, aiohttp.WSMsgType.CLOSED}:
                return
            if frame.type is aiohttp.WSMsgType.ERROR:
                log.info("slack.connection_broke", error=repr(frame.data))
                return
            yield frame

    def _ponged(self, mark: bytes) -> None:
        waiting = self._pongs.pop(mark, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    def _read(self, message: dict[str, Any]) -> None:
        kind = message.get("type")
        if kind == "hello":
            self.ready.set()
        elif kind == "disconnect":
            self.reason = str(message.get("reason", ""))
            log.info("slack.connection_ends", reason=self.reason)
            self.retired.set()
        elif "envelope_id" in message:
            self._bridge.start(self._deliver(message, self._intake.watch.received()))

    async def _deliver(self, message: dict[str, Any], received: float) -> None:
        request = in_socket_mode(
            message.get("payload") or {}, message.get("retry_attempt"), message.get("retry_reason")
        )

        async def answer(response: BoltResponse) -> None:
            if response.status != 200:
                return
            frame: dict[str, Any] = {"envelope_id": message["envelope_id"]}
            if response.body:
                is_json = response.first_headers().get("content-type", "").startswith("application/json")
                frame["payload"] = json.loads(response.body) if is_json else {"text": response.body}
            await self._ws.send_str(json.dumps(frame))
            await self._confirmed()

        await self._intake.take(request, answer, received)

    async def _confirmed(self) -> None:
        """Wait until what was sent so far was read. Raises when the connection ends before."""
        if self._next is None:
            self._next = asyncio.get_running_loop().create_future()
            # Nobody may be waiting any more when it fails.
            self._next.add_done_callback(lambda done: done.cancelled() or done.exception())
            self._bridge.start(self._ping(self._next))
        await asyncio.shield(self._next)

    async def _ping(self, waiting: asyncio.Future[None]) -> None:
        await asyncio.sleep(GATHER_SECONDS)
        self._next = None
        if self.retired.is_set() and not self._pongs and self._ws.closed:
            waiting.set_exception(ConnectionResetError("the connection ended before it was confirmed"))
            return
        mark = f"ack:{next(self._numbers)}".encode()
        self._pongs[mark] = waiting
        try:
            await self._ws.ping(mark)
        except (OSError, aiohttp.ClientError) as error:
            self._pongs.pop(mark, None)
            if not waiting.done():
                waiting.set_exception(error)


class SocketMode:
    """Keeps connections open until cancelled. A connection told to go is replaced before it is left."""

    def __init__(
        self,
        client: AsyncWebClient,
        app_token: str,
        session: aiohttp.ClientSession,
        intake: Intake,
        bridge: Bridge,
    ) -> None:
        self._client = client
        self._app_token = app_token
        self._session = session
        self._intake = intake
        self._bridge = bridge
        self._open: set[Link] = set()

    @property
    def connected(self) -> bool:
        """Whether a delivery would reach us now."""
        return any(link.ready.is_set() and not link.retired.is_set() for link in self._open)

    async def run(self) -> None:
        """Keep all connections up."""
        async with asyncio.TaskGroup() as group:
            for _ in range(CONNECTIONS):
                group.create_task(self._keep(group))

    async def _keep(self, group: asyncio.TaskGroup) -> None:
        wait = 0.0
        while True:
            await asyncio.sleep(wait)
            try:
                link = await self._connect(group)
            except SlackApiError as error:
                retry_after = (
                    error.response.headers.get("Retry-After") if error.response.status_code == 429 else None
                )
                wait = float(retry_after) if retry_after else min(LONGEST_BACKOFF, wait * 2 or 0.5)
                log.warning("slack.connect_refused", error=str(error.response.get("error")), again_in=wait)
                continue
            except (OSError, aiohttp.ClientError, TimeoutError) as error:
                wait = min(LONGEST_BACKOFF, wait * 2 or 0.25)
                log.warning("slack.connect_failed", error=repr(error), again_in=wait)
                continue
            since = time.monotonic()
            await link.retired.wait()
            # A connection that never lasted is a sign of trouble, not of a hand-over.
            wait = 0.0 if time.monotonic() - since > 2 else min(1.0, wait * 2 or 0.1)
            if link.reason in {"too_many_websockets", "link_disabled"}:
                wait = 30.0

    async def _connect(self, group: asyncio.TaskGroup) -> Link:
        async with asyncio.timeout(5):
            ticket = await self._client.apps_connections_open(app_token=self._app_token)
            ws = await self._session.ws_connect(
                str(ticket["url"]), autoping=False, heartbeat=HEARTBEAT_SECONDS, max_msg_size=0
            )
        link = Link(ws, self._intake, self._bridge)
        self._open.add(link)
        group.create_task(self._live(link))
        try:
            await asyncio.wait_for(link.ready.wait(), 5)
        except TimeoutError:
            link.retired.set()
            raise
        return link

    async def _live(self, link: Link) -> None:
        reading = asyncio.create_task(link.run())
        try:
            await link.retired.wait()
            await asyncio.wait({reading}, timeout=DRAIN_SECONDS)
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            self._open.discard(link)
