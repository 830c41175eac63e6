"""Socket Mode: tickets, connections, envelopes that reach exactly one of them, and how connections end."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import WSMsgType, web

from bot.sandbox.personas import APP
from bot.sandbox.slack.deliver import ACK_SECONDS, Ack
from bot.sandbox.slack.troubles import Troubles, reset

MAX_CONNECTIONS = 10
DRAIN_SECONDS = 10.0
HEARTBEAT_SECONDS = 20.0
WATCH_SECONDS = 0.05


@dataclass(eq=False)
class Link:
    """One connection. A draining one was told to disconnect and gets no more envelopes."""

    ws: web.WebSocketResponse
    request: web.Request
    draining: bool = False

    def abort(self) -> None:
        """Reset the connection without a word."""
        if self.request.transport is not None:
            self.request.transport.abort()


class Links:
    """The open connections of one app."""

    def __init__(self, troubles: Troubles, changed: Callable[[], None]) -> None:
        self.base_url = ""
        self._troubles = troubles
        self._changed = changed
        self._tickets: set[str] = set()
        self._links: list[Link] = []
        self._turn = 0
        self._waiting: dict[str, asyncio.Future[Any]] = {}
        self._watcher: asyncio.Task[None] | None = None
        self._drains: set[asyncio.Task[None]] = set()
        self.late_acks = 0

    @property
    def connected(self) -> bool:
        """Whether a connection would get the next envelope."""
        return any(not link.draining for link in self._links)

    @property
    def count(self) -> int:
        """Open connections, draining ones included."""
        return len(self._links)

    def ticket_url(self) -> str:
        """The answer of `apps.connections.open`: a WebSocket address that works once."""
        ticket = secrets.token_hex(16)
        self._tickets.add(ticket)
        return f"{self.base_url.replace('http', 'ws', 1)}/link/?ticket={ticket}&app_id={APP}"

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """A connection, from hello until it ends."""
        if self._troubles.down():
            return reset(request)
        ticket = request.query.get("ticket", "")
        if ticket not in self._tickets:
            return web.Response(status=403, text="invalid ticket")
        self._tickets.discard(ticket)
        ws = web.WebSocketResponse(heartbeat=HEARTBEAT_SECONDS)
        await ws.prepare(request)
        if len(self._links) >= MAX_CONNECTIONS:
            await ws.send_json({"type": "disconnect", "reason": "too_many_websockets"})
            await ws.close()
            return ws
        link = Link(ws, request)
        await ws.send_json(
            {
                "type": "hello",
                "num_connections": len(self._links) + 1,
                "connection_info": {"app_id": APP},
                "debug_info": {"host": "stand-in", "approximate_connection_time": 18060},
            }
        )
        self._links.append(link)
        self._watch()
        self._changed()
        try:
            async for frame in ws:
                if frame.type is WSMsgType.TEXT:
                    self._acknowledged(frame.data)
        finally:
            self._links.remove(link)
            self._changed()
        return ws

    async def deliver(self, kind: str, payload: dict[str, Any], *, attempt: int, reason: str) -> Ack:
        """Send one envelope to one connection and wait for the answer, on whichever connection it comes."""
        envelope: dict[str, Any] = {
            "envelope_id": str(uuid.uuid4()),
            "type": kind,
            "payload": payload,
            "accepts_response_payload": kind != "events_api",
        }
        if kind == "events_api":
            envelope |= {"retry_attempt": attempt, "retry_reason": reason}
        answered: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[envelope["envelope_id"]] = answered
        started = time.perf_counter()
        try:
            if not await self._send(envelope):
                return Ack(_ms(started), error="dispatch_failed")
            body = await asyncio.wait_for(answered, ACK_SECONDS)
            return Ack(_ms(started), payload=body)
        except TimeoutError:
            return Ack(_ms(started), error="operation_timeout")
        finally:
            del self._waiting[envelope["envelope_id"]]

    def drop(self, *, polite: bool = False, reason: str = "refresh_requested") -> int:
        """End every connection: announced (and closed ten seconds later), or reset. Returns how many."""
        links = [link for link in self._links if not (polite and link.draining)]
        for link in links:
            if polite:
                link.draining = True
                task = asyncio.create_task(self._drain(link, reason))
                self._drains.add(task)
                task.add_done_callback(self._drains.discard)
            else:
                link.abort()
        self._changed()
        return len(links)

    async def close(self) -> None:
        """End everything now."""
        if self._watcher is not None:
            self._watcher.cancel()
        for task in list(self._drains):
            task.cancel()
        for link in list(self._links):
            await link.ws.close(code=1001)

    async def _send(self, envelope: dict[str, Any]) -> bool:
        for _ in range(len(self._links)):
            ready = [link for link in self._links if not link.draining and not link.ws.closed]
            if not ready:
                return False
            link = ready[self._turn % len(ready)]
            self._turn += 1
            try:
                await link.ws.send_json(envelope)
            except ConnectionError:
                link.draining = True
                continue
            return True
        return False

    def _acknowledged(self, frame: str) -> None:
        try:
            body = json.loads(frame)
        except ValueError:
            return
        if not isinstance(body, dict) or "envelope_id" not in body:
            return
        waiting = self._waiting.get(str(body["envelope_id"]))
        if waiting is None or waiting.done():
            self.late_acks += 1
        else:
            waiting.set_result(body.get("payload"))

    async def _drain(self, link: Link, reason: str) -> None:
        try:
            await link.ws.send_json(
                {"type": "disconnect", "reason": reason, "debug_info": {"host": "stand-in"}}
            )
            await asyncio.sleep(DRAIN_SECONDS)
            await link.ws.close()
        except ConnectionError:
            link.abort()

    def _watch(self) -> None:
        if self._watcher is None or self._watcher.done():
            self._troubles.end_of_sockets()  # what was switched on before anybody connected drops nobody
            self._watcher = asyncio.create_task(self._drop_on_fault())

    async def _drop_on_fault(self) -> None:
        """Look for faults while anything is connected: the registry of faults has no way to call us."""
        while self._links:
            if end := self._troubles.end_of_sockets():
                self.drop(polite=end == "polite")
            await asyncio.sleep(WATCH_SECONDS)


def _ms(started: float) -> float:
    return (time.perf_counter() - started) * 1000
