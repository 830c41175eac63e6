"""The Slack simulator, put together: what the sandbox mounts and what its console calls."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from aiohttp import web

from bot.sandbox.faults import Faults
from bot.sandbox.personas import CHANNELS, PERSONAS, Channel, Persona
from bot.sandbox.slack import clicks, commands, submissions, talk
from bot.sandbox.slack.api import WebApi
from bot.sandbox.slack.api_chat import ChatApi
from bot.sandbox.slack.api_people import PeopleApi
from bot.sandbox.slack.api_views import ViewsApi
from bot.sandbox.slack.deliver import EVENT_RETRIES, Deliveries
from bot.sandbox.slack.desk import Desk, Impossible, SlashCommand
from bot.sandbox.slack.files import Files
from bot.sandbox.slack.page import Page
from bot.sandbox.slack.rates import Rates
from bot.sandbox.slack.response_url import ResponseUrls
from bot.sandbox.slack.signed_http import SignedHttp
from bot.sandbox.slack.socket import Links
from bot.sandbox.slack.triggers import Triggers
from bot.sandbox.slack.troubles import Troubles
from bot.sandbox.slack.views import Views
from bot.sandbox.slack.workspace import Workspace

SCOPES = frozenset(
    {
        "app_mentions:read",
        "channels:history",
        "channels:read",
        "chat:write",
        "commands",
        "files:write",
        "groups:read",
        "im:write",
        "reactions:write",
        "usergroups:read",
        "users:read",
        "users:read.email",
    }
)
COMMANDS = (
    SlashCommand(
        "/failover", "Move production to another Region", "REGION [--planned] [--dry-run] --reason TEXT"
    ),
    SlashCommand("/evidence", "One file for the auditors", "[2026-Q3]"),
    SlashCommand("/audit", "Who did what, and when", "[WORDS | proof ROW]"),
    SlashCommand("/runs", "What is running, and what ran", "[RUN]"),
    SlashCommand("/signalbox", "Help and state of the bot", "[help | status | seal]"),
)


class SlackStandIn:
    """Slack for one workspace and one app, on one event loop.

    Payloads go over Socket Mode, or, when `request_url` is given, as signed POSTs to `request_url` +
    /slack/events. `speed` widens rate limits for a sandbox whose waits are that many times shorter. `now` is
    epoch seconds; the three seconds of an acknowledgement are real whatever it says.
    """

    def __init__(
        self,
        faults: Faults,
        personas: Mapping[str, Persona] = PERSONAS,
        *,
        socket_app_token: str,
        bot_token: str,
        signing_secret: str,
        request_url: str | None = None,
        commands: Iterable[SlashCommand] = COMMANDS,
        channels: Mapping[str, Channel] = CHANNELS,
        bot_channels: Iterable[str] | None = None,
        scopes: frozenset[str] = SCOPES,
        speed: float = 1.0,
        now: Callable[[], float] = time.time,
        event_retries: Sequence[float] = EVENT_RETRIES,
    ) -> None:
        self._base_url = [""]
        self._troubles = Troubles(faults)
        self._workspace = Workspace(
            personas, channels, bot_channels=bot_channels, now=now, changed=self._changed
        )
        self._views = Views(self._changed)
        self._triggers = Triggers(now)
        self._links = Links(self._troubles, lambda: self._changed("bot", None))
        self._http = (
            SignedHttp(request_url, signing_secret, now, lambda: self._changed("bot", None))
            if request_url
            else None
        )
        self._deliveries = Deliveries(self._http or self._links, self._troubles, now, event_retries)
        self._files = Files(self._workspace, self._troubles, self._base_url)
        self._api = WebApi(
            {
                **ChatApi(self._workspace, self._base_url).methods(),
                **PeopleApi(
                    self._workspace, self._links.ticket_url, base_url=self._base_url, scopes=scopes
                ).methods(),
                **ViewsApi(self._workspace, self._views, self._triggers).methods(),
                **self._files.methods(),
            },
            tokens={bot_token: "bot", socket_app_token: "app"},
            scopes=scopes,
            rates=Rates(now, speed),
            troubles=self._troubles,
            now=now,
        )
        self._responses = ResponseUrls(
            self._workspace, self._troubles, self._api.calls, base_url=self._base_url, now=now
        )
        self._desk = Desk(
            workspace=self._workspace,
            views=self._views,
            triggers=self._triggers,
            deliveries=self._deliveries,
            responses=self._responses,
            files=self._files,
            troubles=self._troubles,
            commands={one.command: one for one in commands},
        )
        self._page = Page(self, self._desk)

    def routes(self) -> list[web.RouteDef]:
        """Slack's own addresses."""
        return [
            web.post("/api/{method}", self._api.handle),
            web.get("/api/{method}", self._api.handle),
            web.get("/link/", self._links.handle),
            web.post("/upload/{file_id}/{ticket}", self._files.receive),
            web.get("/files/{file_id}/{name}", self._files.read),
            web.post("/response/{key}", self._responses.handle),
        ]

    def page_routes(self) -> list[web.RouteDef]:
        """The page in the browser and what it asks for."""
        return self._page.routes()

    def bind(self, base_url: str) -> None:
        """Tell the address under which `routes` are served, such as `http://127.0.0.1:8300`."""
        self._base_url[0] = self._links.base_url = base_url.rstrip("/")

    async def close(self) -> None:
        """End sockets, live pages and resends: without it the web server waits for them when it stops."""
        self._page.close()
        await self._deliveries.close()
        await self._links.close()
        if self._http is not None:
            await self._http.close()

    async def command(
        self, user: str, channel: str, text: str, thread_ts: str | None = None
    ) -> dict[str, Any]:
        """A slash command: `{"ok", "ack_ms", "response"}`, plus `error` when it failed."""
        try:
            return await commands.run(self._desk, user, channel, text, thread_ts)
        except Impossible as impossible:
            return {"response": "", **impossible.answer()}

    async def click(
        self,
        user: str,
        channel: str,
        ts: str,
        action: str,
        *,
        block_id: str | None = None,
        value: Any = None,
    ) -> dict[str, Any]:
        """A press or choice, by action id or visible text; `ts` may be a view's id or `home`."""
        try:
            return await clicks.click(self._desk, user, channel, ts, action, block_id=block_id, value=value)
        except Impossible as impossible:
            return impossible.answer()

    async def submit(self, user: str, view_id: str, values: dict[str, Any]) -> dict[str, Any]:
        """Send the modal in front; `errors` by block id when it was refused."""
        try:
            return await submissions.submit(self._desk, user, view_id, values)
        except Impossible as impossible:
            return impossible.answer()

    async def close_view(self, user: str, view_id: str, *, everything: bool = False) -> dict[str, Any]:
        """Close the modal in front, or all of them."""
        try:
            return await submissions.close(self._desk, user, view_id, everything=everything)
        except Impossible as impossible:
            return impossible.answer()

    async def say(self, user: str, channel: str, text: str, thread_ts: str | None = None) -> dict[str, Any]:
        """An ordinary message: `{"ok", "ts"}`."""
        try:
            return await talk.say(self._desk, user, channel, text, thread_ts)
        except Impossible as impossible:
            return impossible.answer()

    async def open_home(self, user: str) -> dict[str, Any]:
        """Open the app's Home tab."""
        try:
            return await talk.open_home(self._desk, user)
        except Impossible as impossible:
            return impossible.answer()

    def messages(
        self, channel: str, thread_ts: str | None = None, user: str | None = None
    ) -> list[dict[str, Any]]:
        """Top-level messages of a channel, or a parent with its replies; oldest first, ephemerals included.

        With `user` only what that person sees; without, everybody's ephemerals (`ephemeral_to`). Raises
        LookupError for a channel that does not exist or that this user is not in.
        """
        room = self._workspace.room(channel)
        persona = self._workspace.persona(user) if user else None
        if room is None or (user and (persona is None or persona.id not in room.members)):
            raise LookupError(f"no such channel for {user or 'anybody'}: {channel}")
        viewer = persona.id if persona else None
        if thread_ts:
            chosen = [m for m in room.messages.values() if thread_ts in (m.ts, m.thread_ts)]
        else:
            chosen = [m for m in room.messages.values() if not m.is_reply or m.broadcast]
        return [
            self._desk.shown(room, message, viewer=viewer)
            for message in chosen
            if not message.hidden and (viewer is None or message.seen_by(viewer))
        ]

    def views(self, user: str) -> list[dict[str, Any]]:
        """Open modals of a person, the one in front last, with `errors` and `notice`."""
        persona = self._workspace.persona(user)
        stack = self._views.stacks.get(persona.id, []) if persona else []
        return [view.as_shown() for view in stack]

    def home(self, user: str) -> dict[str, Any] | None:
        """The Home tab that the app published for a person."""
        persona = self._workspace.persona(user)
        view = self._views.homes.get(persona.id) if persona else None
        return view.as_shown() if view else None

    def log(self) -> list[dict[str, Any]]:
        """Every Web API and response_url call: method, at, ok, error, args, flags."""
        return list(self._api.calls)

    def deliveries(self) -> list[dict[str, Any]]:
        """Every payload sent to the bot: kind, type, at, ack_ms, error, attempt."""
        return list(self._deliveries.journal)

    @property
    def bot_connected(self) -> bool:
        """Whether somebody would get the next payload."""
        return self._deliveries.way.connected

    @property
    def connections(self) -> int:
        """Open Socket Mode connections."""
        return self._links.count

    @property
    def late_acks(self) -> int:
        """Acknowledgements that came when nobody waited for them any more."""
        return self._links.late_acks

    def drop_sockets(self, *, polite: bool = False) -> int:
        """End all sockets, announced (`disconnect` frame) or reset; returns how many there were."""
        return self._links.drop(polite=polite)

    def lose_next_answer(self, method: str) -> None:
        """Carry out the next call of `method` (or `response_url`), then reset instead of answering."""
        self._troubles.lose_next_answer(method)

    def throttle_next(self, method: str, retry_after: int = 1) -> None:
        """Answer the next call of `method` with HTTP 429 and this `Retry-After`, seconds."""
        self._troubles.throttle_next(method, retry_after)

    def repeat_next_event(self) -> None:
        """Send the next acknowledged event a second time."""
        self._deliveries.repeat_next_event()

    async def verify_request_url(self) -> bool:
        """In HTTP mode, whether the app answers `url_verification`."""
        return self._http is not None and await self._http.verify()

    def archive(self, channel: str) -> None:
        """Archive a channel. Raises LookupError."""
        room = self._workspace.room(channel)
        if room is None:
            raise LookupError(channel)
        room.archived = True

    def _changed(self, what: str, channel: str | None) -> None:
        self._page.changed(what, channel)
