"""The page in the browser: its files, its questions, and a stream that says when to ask again.

Answers only a browser that came by a loopback name, and takes only JSON: another site that resolves to this
machine, or posts a form to it, must not be able to press a button here.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol

from aiohttp import web

from bot.sandbox.personas import BOT_USER, Persona
from bot.sandbox.slack.desk import Desk
from bot.sandbox.slack.members import BOT_NAME, USER_GROUPS
from bot.sandbox.slack.submissions import TROUBLE

FOLDER = Path(__file__).with_name("page")
LOOPBACK_NAMES = {"127.0.0.1", "localhost"}
KEEPALIVE_SECONDS = 15.0
WORDS = {
    "operation_timeout": "The app did not respond.",
    "dispatch_failed": "The app did not respond.",
    "http_client_error": "The app did not respond.",
    "slack_down": "Slack is down.",
    "no_such_message": "This message is gone.",
    "no_such_action": "This button is gone.",
    "no_such_view": "This dialog is gone.",
    "no_such_channel": "You are not in this channel.",
    "no_such_thread": "This thread is gone.",
    "no_such_app": "This app is not installed in your workspace.",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Simulator(Protocol):
    """What the page does on a person's behalf: the simulator's own methods."""

    @property
    def bot_connected(self) -> bool: ...
    def messages(
        self, channel: str, thread_ts: str | None = None, user: str | None = None
    ) -> list[dict[str, Any]]: ...
    def views(self, user: str) -> list[dict[str, Any]]: ...
    def home(self, user: str) -> dict[str, Any] | None: ...
    async def command(
        self, user: str, channel: str, text: str, thread_ts: str | None = None
    ) -> dict[str, Any]: ...
    async def say(
        self, user: str, channel: str, text: str, thread_ts: str | None = None
    ) -> dict[str, Any]: ...
    async def click(
        self,
        user: str,
        channel: str,
        ts: str,
        action: str,
        *,
        block_id: str | None = None,
        value: Any = None,
    ) -> dict[str, Any]: ...
    async def submit(self, user: str, view_id: str, values: dict[str, Any]) -> dict[str, Any]: ...
    async def close_view(self, user: str, view_id: str, *, everything: bool = False) -> dict[str, Any]: ...
    async def open_home(self, user: str) -> dict[str, Any]: ...


class Tab:
    """News that one open page has not been sent yet; the same news twice is told once."""

    def __init__(self) -> None:
        self._pending: dict[str | None, None] = {}
        self._told = asyncio.Event()

    def tell(self, news: str | None) -> None:
        """Add news; None ends the stream."""
        self._pending[news] = None
        self._told.set()

    async def news(self) -> list[str] | None:
        """What is new, an empty list after a quiet while, None at the end."""
        try:
            await asyncio.wait_for(self._told.wait(), KEEPALIVE_SECONDS)
        except TimeoutError:
            return []
        pending, self._pending = self._pending, {}
        self._told.clear()
        return None if None in pending else [one for one in pending if one is not None]


class Page:
    """Serves the page and keeps its tabs up to date."""

    def __init__(self, simulator: Simulator, desk: Desk) -> None:
        self._simulator = simulator
        self._desk = desk
        self._tabs: set[Tab] = set()

    def routes(self) -> list[web.RouteDef]:
        """Everything under /, /assets, /live and /page."""
        return [
            web.get("/", self._guarded(self._index)),
            web.get("/archives/{channel}/{message}", self._guarded(self._index)),
            web.get("/assets/{name}", self._guarded(self._asset)),
            web.get("/live", self._guarded(self._live)),
            web.get("/page/state", self._guarded(self._state)),
            web.get("/page/messages", self._guarded(self._messages)),
            web.get("/page/views", self._guarded(self._views)),
            web.get("/page/home", self._guarded(self._home)),
            web.post("/page/send", self._guarded(self._send)),
            web.post("/page/click", self._guarded(self._click)),
            web.post("/page/submit", self._guarded(self._submit)),
            web.post("/page/close", self._guarded(self._close)),
            web.post("/page/home", self._guarded(self._open_home)),
        ]

    def changed(self, what: str, channel: str | None) -> None:
        """Tell every tab that something is worth asking for."""
        news = {"kind": "changed", "what": what, **({"channel": channel} if channel else {})}
        for tab in self._tabs:
            tab.tell(json.dumps(news))

    def close(self) -> None:
        """End every stream."""
        for tab in self._tabs:
            tab.tell(None)

    @staticmethod
    def _guarded(handler: Handler) -> Handler:
        async def guarded(request: web.Request) -> web.StreamResponse:
            if (request.url.host or "") not in LOOPBACK_NAMES:
                return _refused(403, "this page answers on loopback names only")
            if request.method == "POST" and request.content_type != "application/json":
                return _refused(415, "send application/json")
            try:
                return await handler(request)
            except (KeyError, TypeError, ValueError) as error:
                return _refused(400, f"not understood: {error}")
            except LookupError as error:
                return _refused(404, str(error))

        return guarded

    async def _index(self, _request: web.Request) -> web.StreamResponse:
        return web.FileResponse(FOLDER / "index.html", headers={"Cache-Control": "no-cache"})

    async def _asset(self, request: web.Request) -> web.StreamResponse:
        path = FOLDER / request.match_info["name"]
        if path.parent != FOLDER or not path.is_file():
            return _refused(404, "no such file")
        return web.FileResponse(path, headers={"Cache-Control": "no-cache"})

    async def _live(self, request: web.Request) -> web.StreamResponse:
        tab = Tab()
        stream = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
        )
        await stream.prepare(request)
        self._tabs.add(tab)
        try:
            await stream.write(b'data: {"kind": "reset"}\n\n')
            while (news := await tab.news()) is not None:
                lines = [f"data: {one}\n\n" for one in news] or [": still here\n\n"]
                await stream.write("".join(lines).encode())
        except ConnectionError:
            pass
        finally:
            self._tabs.discard(tab)
        return stream

    async def _state(self, request: web.Request) -> web.StreamResponse:
        me = self._person(request.query.get("user", ""))
        rooms = [
            {"id": room.id, "name": "Signalbox" if room.direct else room.name, "direct": room.direct}
            for room in self._desk.workspace.rooms.values()
            if me.id in room.members
        ]
        return web.json_response(
            {
                "me": _told(me),
                "personas": [_told(persona) for persona in self._desk.workspace.personas.values()],
                "channels": rooms,
                "commands": [
                    {"command": c.command, "description": c.description, "usage_hint": c.usage_hint}
                    for c in self._desk.commands.values()
                ],
                "user_groups": [{"id": group, "handle": handle} for handle, group in USER_GROUPS.items()],
                "bot": {"id": BOT_USER, "name": BOT_NAME},
                "bot_connected": self._simulator.bot_connected,
            }
        )

    async def _messages(self, request: web.Request) -> web.StreamResponse:
        query = request.query
        me = self._person(query.get("user", ""))
        thread = query.get("thread")
        found = self._simulator.messages(query.get("channel", ""), thread, me.name)
        if thread and not any(message["ts"] == thread for message in found):
            return _refused(404, "no such thread")
        return web.json_response({"messages": found})

    async def _views(self, request: web.Request) -> web.StreamResponse:
        me = self._person(request.query.get("user", ""))
        stack = self._desk.views.stacks.get(me.id, [])
        return web.json_response({"views": [view.as_slack() for view in stack]})

    async def _home(self, request: web.Request) -> web.StreamResponse:
        me = self._person(request.query.get("user", ""))
        view = self._desk.views.homes.get(me.id)
        return web.json_response({"view": view.as_slack() if view else None})

    async def _send(self, request: web.Request) -> web.StreamResponse:
        body = await _body(request)
        user, channel, text = (str(body[name]) for name in ("user", "channel", "text"))
        thread_ts = body.get("thread_ts")
        if not text.startswith("/"):
            return _answer(await self._simulator.say(user, channel, text, thread_ts))
        answer = await self._simulator.command(user, channel, text, thread_ts)
        if answer["response"]:
            answer.pop("error", None)  # Slackbot has said it already
        return _answer(answer)

    async def _click(self, request: web.Request) -> web.StreamResponse:
        body = await _body(request)
        place = str(body.get("view_id") or body["ts"])
        return _answer(
            await self._simulator.click(
                str(body["user"]),
                str(body.get("channel") or ""),
                place,
                str(body["action_id"]),
                block_id=body.get("block_id"),
                value=body.get("value"),
            )
        )

    async def _submit(self, request: web.Request) -> web.StreamResponse:
        body = await _body(request)
        answer = await self._simulator.submit(str(body["user"]), str(body["view_id"]), dict(body["values"]))
        if answer.get("response") == TROUBLE:
            answer["error"] = TROUBLE
        return _answer(answer)

    async def _close(self, request: web.Request) -> web.StreamResponse:
        body = await _body(request)
        return _answer(await self._simulator.close_view(str(body["user"]), str(body["view_id"])))

    async def _open_home(self, request: web.Request) -> web.StreamResponse:
        body = await _body(request)
        return _answer(await self._simulator.open_home(str(body["user"])))

    def _person(self, user: str) -> Persona:
        persona = self._desk.workspace.persona(user)
        if persona is None:
            raise LookupError(f"no such persona: {user}")
        return persona


def _told(persona: Persona) -> dict[str, Any]:
    return {
        "name": persona.name,
        "id": persona.id,
        "real_name": persona.real_name,
        "guest": persona.guest,
        "team": persona.team,
    }


async def _body(request: web.Request) -> dict[str, Any]:
    body = await request.json()
    if not isinstance(body, dict):
        raise TypeError("send an object")
    return body


def _answer(answer: dict[str, Any]) -> web.Response:
    """An answer in words: the page shows `error` as it stands."""
    if error := answer.get("error"):
        answer = {**answer, "error": answer.get("message") or WORDS.get(error, error)}
    return web.json_response(answer)


def _refused(status: int, error: str) -> web.Response:
    return web.json_response({"ok": False, "error": error}, status=status)
