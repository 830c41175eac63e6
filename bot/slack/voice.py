"""Speaking to one person alone, wherever they clicked or typed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from slack_sdk.errors import SlackApiError

from bot.slack.blocks import Body
from bot.slack.web import Gone, Web

log = structlog.get_logger()


@dataclass(frozen=True)
class Place:
    """Where someone is: enough to show them something that others do not see."""

    person: str
    channel: str = ""
    thread: str = ""
    message: str = ""
    response_url: str = ""
    view: str = ""

    @staticmethod
    def of_command(body: Mapping[str, Any]) -> Place:
        """Where a command was typed; never in a thread."""
        return Place(
            str(body["user_id"]),
            str(body.get("channel_id", "")),
            response_url=str(body.get("response_url", "")),
        )

    @staticmethod
    def of_click(body: Mapping[str, Any]) -> Place:
        """Where a button was pressed; in a view there is no channel."""
        box = body.get("container") or {}
        return Place(
            str((body.get("user") or {}).get("id", "")),
            str(box.get("channel_id") or (body.get("channel") or {}).get("id", "")),
            str(box.get("thread_ts", "")),
            str(box.get("message_ts", "")),
            str(body.get("response_url", "")),
            str(box.get("view_id", "")),
        )


class Voice:
    """Says things to one person: as an ephemeral message, else through the response_url, else directly."""

    def __init__(self, web: Web) -> None:
        self._web = web

    async def tell(self, place: Place, body: Body) -> None:
        """Show `body` to this person alone; a failure is logged, since there is nobody else to tell."""
        if place.channel:
            where = {"channel": place.channel, "user": place.person}
            if place.thread:
                where["thread_ts"] = place.thread
            try:
                await self._web.call("chat_postEphemeral", patience=5.0, **where, **body)
                return
            except (SlackApiError, Gone) as error:
                log.info("slack.ephemeral_failed", error=str(error))
        try:
            if place.response_url:
                await self._web.respond(place.response_url, body)
            else:
                await self._web.call("chat_postMessage", patience=5.0, channel=place.person, **body)
        except (SlackApiError, Gone) as error:
            log.warning("slack.person_not_told", person=place.person, error=str(error), text=body["text"])

    async def link(self, channel: str, ts: str) -> str:
        """The address of a message; empty when Slack does not give it."""
        try:
            answer = await self._web.call("chat_getPermalink", channel=channel, message_ts=ts)
        except (SlackApiError, Gone):
            return ""
        return str(answer.get("permalink", ""))
