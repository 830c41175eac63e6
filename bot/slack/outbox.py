"""One message, posted once and kept up to date, whatever gets lost on the way.

A row is written before the post and completed after it. A row without a `ts` means that nobody knows: then
our own metadata is looked for in Slack before anything is posted again.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import structlog
from slack_sdk.errors import SlackApiError

from bot.slack.blocks import Body
from bot.slack.bridge import Bridge
from bot.slack.posts import EVENT_TYPE, Posted, Posts, digest, metadata, opaque
from bot.slack.web import Busy, Gone, Web, error_of

log = structlog.get_logger()

LOST_SECONDS = 1.5
"""A post whose answer got lost may still be on its way inside Slack for about this long."""

STALE_SECONDS = 10.0
"""A claim of another process is taken over after this long."""

PAGES = 5
NO_CHANNEL = {
    "channel_not_found",
    "not_in_channel",
    "is_archived",
    "restricted_action",
    "restricted_action_read_only_channel",
    "restricted_action_thread_only_channel",
    "ekm_access_denied",
}
UNEDITABLE = {"cant_update_message", "edit_window_closed", "message_not_found"}


class Later(Exception):
    """Not now; try again after `seconds`."""

    def __init__(self, why: str, seconds: float = 0.0) -> None:
        super().__init__(why)
        self.seconds = seconds


class NoChannel(Exception):
    """Slack does not let the bot speak there; nothing was posted."""


class Outbox:
    """Posts and updates."""

    def __init__(self, posts: Posts, web: Web, bridge: Bridge) -> None:
        self._posts = posts
        self._web = web
        self._bridge = bridge
        self._ours: set[str] = set()

    async def post(self, post: Posted, body: Body, *, known: bool, broadcast: bool = False) -> Posted:
        """Post `body`; `known` says that the row exists already without a `ts`.

        `broadcast` = a reply that stands in the channel too.

        Raises Later when it is not known whether it stands or when Slack is busy, NoChannel when it can not
        stand there.
        """
        if known:
            found = await self._settle(post)
            if found is not None:
                return found
            post = replace(post, at=time.time())
            await self._bridge.call(self._posts.save, post)
        elif not await self._bridge.call(self._posts.claim, post):
            raise Later(f"another replica posts {post.key}")
        self._ours.add(post.key)
        where: dict[str, Any] = {"channel": post.channel} | (
            {"thread_ts": post.thread} if post.thread else {}
        )
        if post.thread and broadcast:
            where["reply_broadcast"] = True
        try:
            answer = await self._web.call(
                "chat_postMessage", metadata=metadata(post.key), unfurl_links=False, **where, **body
            )
        except Busy as error:
            await self._bridge.call(self._posts.forget, post.key)
            raise Later(f"{post.key}: {error}", error.seconds) from error
        except Gone as error:
            raise Later(f"{post.key}: {error}", LOST_SECONDS) from error
        except SlackApiError as error:
            await self._bridge.call(self._posts.forget, post.key)
            if error_of(error) in NO_CHANNEL:
                raise NoChannel(error_of(error)) from error
            raise _later(post.key, error) from error
        return await self._stands(
            replace(post, channel=str(answer["channel"]), ts=str(answer["ts"]), body=digest(body))
        )

    async def upload(self, post: Posted, picture: bytes, title: str) -> Posted:
        """Show a picture in a thread, at most once: a second one would only confuse. Raises Later."""
        if not await self._bridge.call(self._posts.claim, post):
            return replace(post, ts="lost")
        try:
            await self._web.call(
                "files_upload_v2",
                channel=post.channel,
                thread_ts=post.thread,
                content=picture,
                filename="run.png",
                title=title,
                alt_txt=title,
            )
        except Busy as error:
            await self._bridge.call(self._posts.forget, post.key)
            raise Later(f"{post.key}: {error}", error.seconds) from error
        except (Gone, SlackApiError) as error:
            log.warning("slack.picture_lost", key=post.key, error=str(error))
            return await self._stands(replace(post, ts="lost"))
        return await self._stands(replace(post, ts="shown"))

    async def update(self, post: Posted, body: Body) -> Posted | None:
        """Show `body` in the same place; None when the message is gone and may be posted anew."""
        await self._web.update_turn()
        try:
            await self._web.call("chat_update", channel=post.channel, ts=post.ts, **body)
        except Gone as error:
            raise Later(f"{post.key}: {error}") from error
        except SlackApiError as error:
            if error_of(error) not in UNEDITABLE:
                raise _later(post.key, error) from error
            log.warning("slack.message_not_editable", key=post.key, error=error_of(error))
            if error_of(error) == "message_not_found":
                await self._bridge.call(self._posts.forget, post.key)
                return None
        return await self._stands(replace(post, body=digest(body)))

    async def is_shared(self, channel: str) -> bool:
        """Whether people of another company are in this channel; False when Slack does not say."""
        try:
            answer = await self._web.call("conversations_info", patience=2.0, channel=channel)
        except (SlackApiError, Gone):
            return False
        room = answer.get("channel") or {}
        return bool(room.get("is_ext_shared") or room.get("is_pending_ext_shared"))

    async def _stands(self, post: Posted) -> Posted:
        await self._bridge.call(self._posts.save, post)
        self._ours.discard(post.key)
        return post

    async def _settle(self, post: Posted) -> Posted | None:
        """Find out whether a message without `ts` stands; None = it does not, post it."""
        age = time.time() - post.at
        if 0 <= age < (LOST_SECONDS if post.key in self._ours else STALE_SECONDS):
            raise Later(f"{post.key} may be under way", 0.5)
        ts = await self._find(post)
        if ts is None:
            return None
        log.info("slack.message_found_again", key=post.key)
        return await self._stands(replace(post, ts=ts, body=""))

    async def _find(self, post: Posted) -> str | None:
        """The `ts` of our message with this key, by its metadata. Raises Later when Slack cannot be asked."""
        method = "conversations_replies" if post.thread else "conversations_history"
        arguments: dict[str, Any] = {"channel": post.channel, "limit": 200, "include_all_metadata": True}
        if post.thread:
            arguments["ts"] = post.thread
        wanted, cursor = opaque(post.key), ""
        for _ in range(PAGES):
            try:
                page = await self._web.call(
                    method, patience=5.0, **arguments, **({"cursor": cursor} if cursor else {})
                )
            except Gone as error:
                raise Later(f"{post.key}: {error}") from error
            except SlackApiError as error:
                if error_of(error) in {"missing_scope", "thread_not_found", *NO_CHANNEL}:
                    return None  # a second copy is harmless, a missing one is not
                raise _later(post.key, error) from error
            for message in page.get("messages", ()):
                found = message.get("metadata") or {}
                if (
                    found.get("event_type") == EVENT_TYPE
                    and (found.get("event_payload") or {}).get("key") == wanted
                ):
                    return str(message["ts"])
            cursor = str((page.get("response_metadata") or {}).get("next_cursor", ""))
            if not cursor:
                break
        return None


def _later(key: str, error: SlackApiError) -> Later:
    seconds = (
        float(error.response.headers.get("Retry-After", "0")) if error.response.status_code == 429 else 0.0
    )
    return Later(f"{key}: {error_of(error)}", seconds)
