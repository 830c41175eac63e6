"""response_url: five answers within thirty minutes, private unless told otherwise."""

from __future__ import annotations

import json
import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from bot.sandbox.personas import BOT_USER
from bot.sandbox.slack.api import Call
from bot.sandbox.slack.api_chat import POSTED_TEXT, content
from bot.sandbox.slack.errors import Refusal
from bot.sandbox.slack.message import Message
from bot.sandbox.slack.troubles import Troubles, reset
from bot.sandbox.slack.workspace import Room, Workspace

USES = 5
LIFETIME_SECONDS = 1800.0


@dataclass
class Address:
    """Where one response_url leads. `message_ts` is the message that was clicked; None for a command."""

    room: Room
    user: str
    made_at: float
    message_ts: str | None = None
    left: int = USES


class ResponseUrls:
    """Every response_url handed out."""

    def __init__(
        self,
        workspace: Workspace,
        troubles: Troubles,
        calls: deque[dict[str, Any]],
        *,
        base_url: list[str],
        now: Callable[[], float],
    ) -> None:
        self._workspace = workspace
        self._troubles = troubles
        self._calls = calls
        self._base_url = base_url
        self._now = now
        self._addresses: dict[str, Address] = {}

    def new(self, room: Room, user: str, message_ts: str | None = None) -> str:
        """A fresh address for one command or click."""
        key = secrets.token_urlsafe(24)
        self._addresses[key] = Address(room, user, self._now(), message_ts)
        return f"{self._base_url[0]}/response/{key}"

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One answer of the app."""
        if self._troubles.down():
            return reset(request)
        await self._troubles.delay()
        address = self._addresses.get(request.match_info["key"])
        if address is None or self._now() - address.made_at > LIFETIME_SECONDS:
            return web.Response(status=404, text="expired_url")
        if address.left < 1:
            return web.Response(status=404, text="used_url")
        try:
            body = json.loads(await request.read())
        except ValueError:
            return web.Response(status=400, text="invalid_payload")
        if not isinstance(body, dict):
            return web.Response(status=400, text="invalid_payload")
        address.left -= 1
        call = Call("response_url", body)
        error = None
        try:
            self._apply(address, call)
        except Refusal as refusal:
            error = refusal.error
        self._calls.append(
            {
                "method": "response_url",
                "at": self._now(),
                "ok": error is None,
                "error": error,
                "args": body,
                "flags": call.flags,
            }
        )
        if self._troubles.loses_answer("response_url"):
            return reset(request)
        return web.Response(text="ok") if error is None else web.Response(status=400, text=error)

    def show(self, room: Room, user: str, body: dict[str, Any]) -> Message:
        """Post a message that came in an acknowledgement. Raises Refusal for one that Slack does not take."""
        return self._post(Address(room, user, self._now()), Call("acknowledgement", body))

    def _apply(self, address: Address, call: Call) -> None:
        original = address.room.messages.get(address.message_ts) if address.message_ts else None
        if call.flag("delete_original"):
            if original is not None:
                address.room.remove(original)
                self._workspace.changed("messages", address.room.id)
            return
        if address.message_ts and "replace_original" not in call.args:
            call.flags.append("replace_original left out: whether Slack replaces is reported both ways")
        if call.flag("replace_original") and original is not None:
            text, kit = content(call)
            original.text, original.blocks = text[:POSTED_TEXT], kit or []
            original.state, original.failed = {}, {}
            original.edited = None if original.ephemeral_to else self._workspace.next_ts(address.room)
            self._workspace.changed("messages", address.room.id)
            return
        self._post(address, call)

    def _post(self, address: Address, call: Call) -> Message:
        text, kit = content(call)
        public = call.text("response_type") == "in_channel"
        return self._workspace.add(
            Message(
                ts=self._workspace.next_ts(address.room),
                channel=address.room.id,
                user=BOT_USER,
                text=text[:POSTED_TEXT],
                blocks=kit or [],
                thread_ts=call.text("thread_ts"),
                ephemeral_to=None if public else address.user,
            )
        )
