"""The Bolt app: listeners that acknowledge and leave a job in the context, and nothing else.

Bolt runs them inline (`process_before_response`), so an acknowledgement waits neither for a pool nor for
Bolt's own 10 ms poll. Work begins in `bot.slack.intake`, after the acknowledgement has left.
"""

from __future__ import annotations

import re
from typing import Any

from slack_bolt.app.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.context.ack.async_ack import AsyncAck
from slack_bolt.context.async_context import AsyncBoltContext
from slack_sdk.web.async_client import AsyncWebClient

from bot.slack.answers import Answers, typed
from bot.slack.bridge import Bridge
from bot.slack.intake import Job
from bot.slack.mentioned import Mentioned
from bot.slack.reason_form import CALLBACK, Form, asks_why, sending
from bot.slack.reasons import Reasons
from bot.slack.voice import Place
from bot.slack.web import quiet_logger
from bot.slack.windows import Windows

ANY = re.compile(".*", re.DOTALL)
READING = {"/audit", "/evidence", "/runs", "/signalbox"}
"""Commands that answer at once; all others look at both Regions first, which takes seconds."""


class Identity:
    """Who the bot is, once `auth.test` has answered. Until then Bolt is told what needs no call."""

    def __init__(self, token: str) -> None:
        self._token = token
        self.user = self.bot = self.team = ""

    def result(self) -> AuthorizeResult:
        """For Bolt: the same for every request of a single workspace."""
        return AuthorizeResult(
            enterprise_id=None,
            team_id=self.team or None,
            bot_token=self._token,
            bot_user_id=self.user or None,
            bot_id=self.bot or None,
        )


def make(
    client: AsyncWebClient,
    identity: Identity,
    signing_secret: str,
    bridge: Bridge,
    answers: Answers,
    windows: Windows,
    reasons: Reasons,
    mentioned: Mentioned,
) -> AsyncApp:
    """The app with its listeners. Every delivery finds one: what nobody expects is acknowledged too."""

    async def authorize() -> AuthorizeResult:
        return identity.result()

    app = AsyncApp(
        name="signalbox",
        logger=quiet_logger(),
        client=AsyncWebClient(base_url=client.base_url, retry_handlers=[], logger=quiet_logger()),
        signing_secret=signing_secret,
        authorize=authorize,
        process_before_response=True,
        attaching_conversation_kwargs_enabled=False,
    )

    @app.command(ANY)
    async def command(ack: AsyncAck, body: dict[str, Any], context: AsyncBoltContext) -> None:
        name = str(body.get("command", ""))
        await (
            ack() if name in READING else ack(text="👀 Looking at both Regions…", response_type="ephemeral")
        )
        if bridge.first(("command", body.get("trigger_id"))):
            place = Place.of_command(body)
            context["job"] = Job(lambda: answers.command(body), lambda: answers.late(place, typed(body)))

    @app.action(ANY)
    async def action(ack: AsyncAck, body: dict[str, Any], context: AsyncBoltContext) -> None:
        await ack()
        clicked: dict[str, Any] = (body.get("actions") or [{}])[0]
        place, what = Place.of_click(body), str(clicked.get("action_id", ""))
        if clicked.get("url"):
            return
        if bridge.first((place.message or place.view, what, place.person, clicked.get("action_ts"))):
            work = answers.click
            if what in {"show_plan", "plan_next", "plan_back"}:
                work = windows.show_plan
            elif asks_why(str(clicked.get("value", ""))):
                work = reasons.ask
            context["job"] = Job(lambda: work(body, clicked), lambda: answers.late(place, what))

    @app.event(ANY)
    async def event(body: dict[str, Any], context: AsyncBoltContext) -> None:
        kind = str((body.get("event") or {}).get("type", ""))
        if kind in {"app_home_opened", "app_mention"} and bridge.first(("event", body.get("event_id"))):
            work = windows.open_home if kind == "app_home_opened" else mentioned.answer
            context["job"] = Job(lambda: work(body))

    @app.view(CALLBACK)
    async def reason(ack: AsyncAck, body: dict[str, Any], context: AsyncBoltContext) -> None:
        form = Form.sent(body)
        if wrong := form.too_short():
            await ack(response_action="errors", errors=wrong)
            return
        await ack(response_action="update", view=sending(form))
        if bridge.first((form.view, (body.get("view") or {}).get("hash"))):
            context["job"] = Job(lambda: reasons.answer(body), lambda: reasons.late(body))

    @app.view(ANY)
    @app.view_closed(ANY)
    @app.shortcut(ANY)
    async def nothing(ack: AsyncAck) -> None:
        await ack()

    @app.options(ANY)
    async def no_options(ack: AsyncAck) -> None:
        await ack(options=[])

    return app
