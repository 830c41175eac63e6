"""The work behind commands and clicks, after the acknowledgement: who is it, what does the desk say."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import structlog
from slack_sdk.errors import SlackApiError

from bot.changes.views import Answer
from bot.errors import NotAllowed, SignalboxError
from bot.reply import Caller, File, Later, Proposal, Table, Text
from bot.slack import cards, replies
from bot.slack.bridge import Bridge
from bot.slack.desk import Desk
from bot.slack.mrkdwn import escape, words
from bot.slack.people import People, Unsure, Who
from bot.slack.posts import Posts
from bot.slack.voice import Place, Voice
from bot.slack.web import Gone, Web

log = structlog.get_logger()

BREATH_SECONDS = 0.1
_T = TypeVar("_T")

STOPPING = {"rollback", "abort"}
OF_CHANGE = "change:"
"""Before a change's id in a button's value; a bare value is a decision's id."""

LATE = (
    "Signalbox heard that too late: Slack may have told you that it failed. *Nothing was done.* "
    "Please do it again if you still want it."
)


class Answers:
    """One method a kind of delivery; none of them raises."""

    def __init__(
        self, desk: Desk, bridge: Bridge, people: People, voice: Voice, posts: Posts, web: Web
    ) -> None:
        self._desk = desk
        self._bridge = bridge
        self._people = people
        self._voice = voice
        self._posts = posts
        self._web = web

    async def command(self, body: Mapping[str, Any]) -> None:
        """A slash command, whole."""
        text, who, place = typed(body), Who.of_command(body), Place.of_command(body)
        await self.guarded(
            place, text, lambda: self._command(text, who, place, str(body.get("trigger_id", "")))
        )

    async def click(self, body: Mapping[str, Any], action: Mapping[str, Any]) -> None:
        """A button that decides or stops something; any other is no longer valid."""
        who, place, what = Who.of_click(body), Place.of_click(body), str(action.get("action_id", ""))
        await self.guarded(place, what, lambda: self._click(who, place, what, str(action.get("value", ""))))

    async def late(self, place: Place, what: str) -> None:
        """The acknowledgement did not arrive in time: nothing is done, and the person is told."""
        await self.refused(place, what, "acknowledged too late", LATE)

    async def refused(self, place: Place, what: str, why: str, text: str) -> None:
        """Turn somebody away: recorded, and told to them alone."""
        await self._voice.tell(place, replies.words(text))
        try:
            await self._bridge.call(self._desk.refuse_click, place.person, what, why)
        except Exception as error:
            log.error("slack.refusal_not_recorded", person=place.person, what=what, why=why, error=str(error))

    async def guarded(self, place: Place, what: str, work: Callable[[], Awaitable[_T]]) -> _T | None:
        """Run `work`; whatever goes wrong is answered in words, with an id for what nobody foresaw."""
        try:
            return await work()
        except (Unsure, Stranger) as error:
            await self.refused(place, what, error.what, f"⛔ {escape(str(error))}")
        except SignalboxError as error:
            await self._voice.tell(place, replies.words(f"⛔ {words(str(error))}"))
        except Exception:
            number = uuid.uuid4().hex[:8]
            log.exception("slack.defect", error_id=number, what=what, person=place.person)
            sorry = f"😔 Sorry, Signalbox failed in a way nobody foresaw. Error `{number}` is in its log."
            await self._voice.tell(place, replies.words(f"{sorry} Check `/runs` before you try again."))
        return None

    async def admit(self, who: Who, *, fresh: bool) -> str:
        """The person's name. Raises Stranger or Unsure, which are ours to record."""
        try:
            return await self._people.admit(who, fresh=fresh)
        except NotAllowed as error:
            raise Stranger(error.what, not_done=error.not_done, then=error.then) from error

    def same_team(self, who: Who) -> None:
        """The check that takes no time. Raises Stranger."""
        try:
            self._people.same_team(who)
        except NotAllowed as error:
            raise Stranger(error.what) from error

    async def invalid(self, place: Place) -> str:
        """Words for a button that means nothing any more, with a way to the card that does."""
        found = await self._bridge.call(self._posts.card_near, place.channel, place.message, place.thread)
        link = await self._voice.link(found.channel, found.ts) if found else ""
        pointer = f" <{link}|This is the current card.>" if link else " `/runs` lists what is open."
        return f"That button is no longer valid. Nothing was changed.{pointer}"

    async def _command(self, text: str, who: Who, place: Place, key: str) -> None:
        name = await self.admit(who, fresh=False)
        caller = Caller(who.id, name, place.channel, "slack", key)
        # Planning takes seconds and the interpreter's lock with it: whoever typed at the same moment is
        # acknowledged first.
        await asyncio.sleep(BREATH_SECONDS)
        reply = await self._bridge.plan(self._desk.command, text, caller)
        if isinstance(reply, Proposal):
            if reply.dry_run and (view := await self._bridge.call(self._desk.view, reply.change)) is not None:
                await self._voice.tell(place, cards.dry_run(view))
            elif not reply.dry_run and place.channel[:1] not in {"C", "G"}:
                await self._voice.tell(
                    place, replies.words("It is asked in the channel of the policy, not here.")
                )
        else:
            await self._show(place, reply)

    async def _show(self, place: Place, reply: Text | Table | File | Later) -> None:
        if isinstance(reply, Later):
            await self._voice.tell(place, replies.words(words(reply.text)))
            made = await self._bridge.long(reply.work)
            if not isinstance(made, Proposal):
                await self._show(place, made)
        elif isinstance(reply, File):
            await self._hand_over(place, reply)
        else:
            await self._voice.tell(
                place, replies.table(reply) if isinstance(reply, Table) else replies.text(reply)
            )

    async def _click(self, who: Who, place: Place, what: str, value: str) -> None:
        await self.admit(who, fresh=True)
        answer: Answer | None = None
        if what in STOPPING and value.startswith(OF_CHANGE):
            change = value.removeprefix(OF_CHANGE)
            answer = await self._bridge.call(self._desk.stop, change, what, who.id, "slack")
        elif await self._known(value):
            # Which options a question has is the desk's to say.
            answer = await self._bridge.call(self._desk.vote, value, what, who.id, "slack")
        if answer is None:
            await self.refused(place, what, "unknown button", await self.invalid(place))
        elif answer.text:
            await self._voice.tell(place, replies.words(words(answer.text)))

    async def with_reason(self, who: Who, decision: str, choice: str, reason: str) -> Answer:
        """An answer that counts only with words. Raises SignalboxError for people who may not answer at all."""
        await self.admit(who, fresh=True)
        return await self._bridge.call(self._desk.vote, decision, choice, who.id, "slack", reason=reason)

    async def _known(self, decision: str) -> bool:
        change = await self._bridge.call(self._posts.change_of, decision)
        return bool(change)

    async def _hand_over(self, place: Place, file: File) -> None:
        """Files cannot be ephemeral, so they go to the person's own conversation with the bot."""
        try:
            room = await self._web.call("conversations_open", patience=3.0, users=place.person)
            await self._web.slack.files_upload_v2(
                channel=room["channel"]["id"],
                filename=file.name,
                content=file.content,
                title=file.title or file.name,
            )
        except (SlackApiError, Gone, OSError, KeyError) as error:
            log.warning("slack.file_not_sent", name=file.name, error=str(error))
            await self._voice.tell(
                place,
                replies.words(
                    "Slack did not take the file. `signalbox run` in a terminal writes it to disk."
                ),
            )
            return
        await self._voice.tell(
            place,
            replies.words(f"📎 In your messages with Signalbox: {escape(file.title or file.name)}"),
        )


class Stranger(NotAllowed):
    """Refused for who they are, before the desk was asked."""


def typed(body: Mapping[str, Any]) -> str:
    """The command as it was typed."""
    return f"{body.get('command', '')} {body.get('text') or ''}".strip()
