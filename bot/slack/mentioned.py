"""Words addressed to the bot: they never decide anything, and they are never ignored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.errors import SignalboxError
from bot.slack import replies
from bot.slack.answers import Answers
from bot.slack.bridge import Bridge
from bot.slack.mrkdwn import escape
from bot.slack.people import Who
from bot.slack.posts import Posts
from bot.slack.voice import Place, Voice


class Mentioned:
    """Answers `@signalbox …`."""

    def __init__(self, answers: Answers, bridge: Bridge, posts: Posts, voice: Voice) -> None:
        self._answers = answers
        self._bridge = bridge
        self._posts = posts
        self._voice = voice

    async def answer(self, body: Mapping[str, Any]) -> None:
        """Say what to press or to type instead."""
        event = body.get("event") or {}
        if event.get("bot_id") or event.get("subtype") == "bot_message":
            return
        channel, thread = str(event.get("channel", "")), str(event.get("thread_ts", ""))
        place = Place(str(event.get("user", "")), channel, thread)
        try:
            await self._answers.admit(Who.of_event(body), fresh=False)
        except SignalboxError as error:
            await self._answers.refused(place, "mention", "not a member", f"⛔ {escape(str(error))}")
            return

        async def work() -> None:
            card = await self._bridge.call(self._posts.card_near, channel, "", thread) if thread else None
            link = await self._voice.link(card.channel, card.ts) if card else ""
            if link:
                words = f"Words decide nothing here, only buttons do. <{link}|This is the card.>"
            else:
                words = "Type a command in the channel, not in a thread: `/signalbox help` lists them."
            await self._voice.tell(place, replies.words(words))

        await self._answers.guarded(place, "mention", work)
