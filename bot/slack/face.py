"""The Slack face, wired: serves on one loop until cancelled; the rest of the bot runs without it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable

import structlog
from slack_sdk.errors import SlackApiError

from bot.clock import Clock
from bot.command import COMMANDS
from bot.errors import EstateError
from bot.settings import Settings
from bot.slack import app as bolt
from bot.slack import web
from bot.slack.answers import Answers
from bot.slack.bridge import Bridge
from bot.slack.desk import Desk
from bot.slack.intake import Intake
from bot.slack.manifest import Spec
from bot.slack.mentioned import Mentioned
from bot.slack.news import News
from bot.slack.outbox import Outbox
from bot.slack.people import People
from bot.slack.poster import Poster
from bot.slack.posts import Posts
from bot.slack.reasons import Reasons
from bot.slack.socket import SocketMode
from bot.slack.voice import Voice
from bot.slack.webhook import Webhook
from bot.slack.windows import Windows
from bot.store.database import Database
from bot.trail.append import Trail

log = structlog.get_logger()

DEAD_SECONDS = 60.0


class SlackFace:
    """`run` until cancelled. `commands` (by default all declared ones) are listed on the Home tab."""

    def __init__(
        self,
        settings: Settings,
        desk: Desk,
        trail: Trail,
        database: Database,
        clock: Clock,
        leader: Callable[[], bool],
        commands: Iterable[Spec] | None = None,
    ) -> None:
        if settings.slack_bot_token is None or not (
            settings.slack_app_token or settings.slack_signing_secret
        ):
            raise EstateError(
                "Slack is not configured: SLACK_BOT_TOKEN and either SLACK_APP_TOKEN (Socket Mode) or"
                " SLACK_SIGNING_SECRET (HTTP) are needed."
            )
        self._settings = settings
        self._desk = desk
        self._trail = trail
        self._database = database
        self._clock = clock
        self._leader = leader
        self._listed = commands
        self._way: SocketMode | Webhook | None = None
        self._intake: Intake | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._poster: Poster | None = None
        self._started = time.monotonic()
        trail.follow(self._committed)

    def connected(self) -> bool:
        """Whether a command typed now would reach this process."""
        return self._way is not None and self._way.connected

    def alive(self) -> bool:
        """Whether the loop turns and, in Socket Mode, a connection was heard within the last minute.

        Slack being away is not a reason to restart the process: while connecting goes on, it is alive.
        """
        if self._intake is None:
            return time.monotonic() - self._started < DEAD_SECONDS
        return time.monotonic() - self._intake.watch.ticked < DEAD_SECONDS

    @property
    def port(self) -> int | None:
        """The port that HTTP mode listens on."""
        return self._way.port if isinstance(self._way, Webhook) else None

    async def run(self) -> None:
        """Serve until cancelled."""
        self._loop = asyncio.get_running_loop()
        bridge = Bridge(self._settings.workers)
        try:
            async with web.session() as pool:
                await self._serve(bridge, pool)
        finally:
            self._poster = None
            await bridge.close()

    async def _serve(self, bridge: Bridge, pool: web.Session) -> None:
        settings = self._settings
        assert settings.slack_bot_token is not None
        token = settings.slack_bot_token.get_secret_value()
        client = web.client(token, settings.slack_api_url, pool)
        calls = web.Web(client)
        identity = bolt.Identity(token)
        people = People(calls, lambda: self._desk.estate.slack.team)
        voice, posts = Voice(calls), Posts(self._database)
        answers = Answers(self._desk, bridge, people, voice, posts, calls)
        windows = Windows(self._desk, bridge, answers, posts, voice, calls, self._clock, self._commands)
        reasons = Reasons(self._desk, bridge, answers, posts, windows)
        mentioned = Mentioned(answers, bridge, posts, voice)
        secret = settings.slack_signing_secret.get_secret_value() if settings.slack_signing_secret else ""
        app = bolt.make(client, identity, secret, bridge, answers, windows, reasons, mentioned)
        intake = self._intake = Intake(app, bridge)
        outbox = Outbox(posts, calls, bridge)
        poster = self._poster = Poster(
            self._desk, posts, outbox, bridge, self._clock, self._leader, voice, windows.refresh_homes
        )
        news = News(
            self._desk,
            self._database,
            posts,
            outbox,
            bridge,
            self._clock,
            self._leader,
            windows.refresh_homes,
        )
        if settings.slack_app_token:
            app_token = settings.slack_app_token.get_secret_value()
            self._way = SocketMode(client, app_token, pool, intake, bridge)
        else:
            self._way = Webhook(intake, settings.http_host, settings.http_port)
        async with asyncio.TaskGroup() as group:
            group.create_task(intake.watch.run())
            group.create_task(_introduce(calls, identity))
            group.create_task(_again("connection", self._way.run))
            group.create_task(_again("poster", poster.run))
            group.create_task(_again("news", news.run))

    def _commands(self) -> list[tuple[str, str]]:
        listed = COMMANDS.values() if self._listed is None else self._listed
        return [(f"{c.name} {c.usage.removeprefix(c.name).strip()}".strip(), c.summary) for c in listed]

    def _committed(self) -> None:
        """A commit of this process, in whatever thread; must return at once."""
        loop, poster = self._loop, self._poster
        if loop is not None and poster is not None and not loop.is_closed():
            loop.call_soon_threadsafe(poster.wake)


async def _again(name: str, work: Callable[[], Awaitable[None]]) -> None:
    """Keep a part going: its defect must not end the engine's process in the middle of a run."""
    while True:
        try:
            await work()
        except Exception:
            log.exception("slack.part_failed", part=name)
        await asyncio.sleep(1)


async def _introduce(calls: web.Web, identity: bolt.Identity) -> None:
    """Ask Slack who the bot is, until it answers."""
    wait = 0.5
    while True:
        try:
            me = await calls.call("auth_test")
        except (SlackApiError, web.Gone) as error:
            log.warning("slack.not_introduced", error=str(error), again_in=wait)
            await asyncio.sleep(wait)
            wait = min(30.0, wait * 2)
            continue
        identity.user, identity.bot, identity.team = (
            str(me.get(k, "")) for k in ("user_id", "bot_id", "team_id")
        )
        log.info("slack.introduced", team=identity.team, user=identity.user)
        return
