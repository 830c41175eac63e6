"""Opening the plan's window and the Home tab."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import structlog
from slack_sdk.errors import SlackApiError

from bot.changes.views import ChangeView
from bot.clock import Clock
from bot.errors import SignalboxError
from bot.slack import home, modals, replies
from bot.slack.answers import OF_CHANGE, Answers, Stranger
from bot.slack.bridge import Bridge
from bot.slack.desk import Desk
from bot.slack.mrkdwn import escape
from bot.slack.people import Unsure, Who
from bot.slack.posts import Posts
from bot.slack.voice import Place, Voice
from bot.slack.web import Gone, Web

log = structlog.get_logger()

HOME_SECONDS = 5.0
WATCHED_SECONDS = 1800.0
RECENT_CHANGES = 30


class Windows:
    """Modals and Home tabs."""

    def __init__(
        self,
        desk: Desk,
        bridge: Bridge,
        answers: Answers,
        posts: Posts,
        voice: Voice,
        web: Web,
        clock: Clock,
        commands: Callable[[], Sequence[tuple[str, str]]],
    ) -> None:
        self._desk = desk
        self._bridge = bridge
        self._answers = answers
        self._posts = posts
        self._voice = voice
        self._web = web
        self._clock = clock
        self._commands = commands
        self._watching: dict[str, float] = {}
        self._refreshed = 0.0

    async def show_plan(self, body: Mapping[str, Any], action: Mapping[str, Any]) -> None:
        """Open the plan, or turn its page."""
        who, place = Who.of_click(body), Place.of_click(body)
        change, page = _target(str(action.get("value", "")))
        shown = _root_modal(body)

        async def work() -> None:
            self._answers.same_team(who)
            view_id = shown or await self.open(str(body.get("trigger_id", "")), place, modals.loading())
            try:
                await self._answers.admit(who, fresh=False)
                content = await self._content(
                    change or str(action.get("value", "")), page, known=bool(change), place=place
                )
            except (Stranger, Unsure) as error:
                await self.update(view_id, modals.message(f"⛔ {escape(str(error))}"))
                raise
            except SignalboxError as error:
                content = modals.message(f"⛔ {escape(str(error))}")
            await self.update(view_id, content)

        await self._answers.guarded(place, "show_plan", work)

    async def open_home(self, body: Mapping[str, Any]) -> None:
        """Fill a person's Home tab, and keep it fresh for a while."""
        who = Who.of_event(body)
        try:
            await self._answers.admit(who, fresh=False)
        except SignalboxError as error:
            await self._publish(who.id, home.closed(escape(str(error))))
            return
        self._watching[who.id] = time.monotonic()
        changes, trouble = await self._changes(), await self._bridge.call(self._desk.trouble)
        await self._publish(who.id, self._home(changes, who.id, trouble))

    async def refresh_homes(self) -> None:
        """Publish again for those who looked lately, at most once in some seconds."""
        now = time.monotonic()
        self._watching = {p: at for p, at in self._watching.items() if now - at < WATCHED_SECONDS}
        if not self._watching or now - self._refreshed < HOME_SECONDS:
            return
        self._refreshed = now
        changes, trouble = await self._changes(), await self._bridge.call(self._desk.trouble)
        for person in list(self._watching):
            await self._publish(person, self._home(changes, person, trouble))

    async def _changes(self) -> list[ChangeView]:
        """The newest changes, and those that are still open however old they are."""
        found = await self._bridge.call(self._desk.changes, RECENT_CHANGES)
        had = {change.id for change in found}
        for change in await self._bridge.call(self._posts.awake):
            if change not in had and (view := await self._bridge.call(self._desk.view, change)) is not None:
                found.append(view)
        return found

    def _home(self, changes: Sequence[ChangeView], person: str, trouble: Sequence[str]) -> dict[str, object]:
        commands, now = self._commands(), self._clock.now()
        return home.home(self._desk.estate, changes, commands, now, person, trouble)

    async def _publish(self, person: str, view: dict[str, object]) -> None:
        try:
            await self._web.call("views_publish", user_id=person, view=view)
        except (SlackApiError, Gone) as error:
            log.info("slack.home_not_shown", person=person, error=str(error))

    async def open(self, trigger: str, place: Place, view: Mapping[str, object]) -> str:
        """Open a window, to be filled later; its id, or empty when Slack did not open it and the person was told."""
        try:
            answer = await self._web.call("views_open", trigger_id=trigger, view=view)
        except (SlackApiError, Gone) as error:
            log.info("slack.window_not_opened", error=str(error))
            await self._voice.tell(
                place, replies.words("Slack did not open the window. Please press the button again.")
            )
            return ""
        return str(answer["view"]["id"])

    async def update(self, view_id: str, view: Mapping[str, object]) -> None:
        """Show something else in a window; nothing happens when it was closed meanwhile."""
        if view_id:
            with suppress(Gone, SlackApiError):
                await self._web.call("views_update", patience=2.0, view_id=view_id, view=view)

    async def _content(self, target: str, page: int, *, known: bool, place: Place) -> dict[str, object]:
        change = target if known else await self._bridge.call(self._posts.change_of, target)
        view, whole = await asyncio.gather(
            self._bridge.call(self._desk.view, change), self._bridge.call(self._posts.plan_of, change)
        )
        if view is None:
            return modals.message(await self._answers.invalid(place))
        return modals.plan(view, whole, page)


def _target(value: str) -> tuple[str, int]:
    """The change and page in a button's value; no change where the value is a decision."""
    if not value.startswith(OF_CHANGE):
        return "", 0
    change, _, page = value.removeprefix(OF_CHANGE).partition(":")
    return change, int(page) if page.isdigit() else 0


def _root_modal(body: Mapping[str, Any]) -> str:
    view = body.get("view") or {}
    return str(view.get("id", "")) if view.get("type") == "modal" else ""
