"""chat.*, reactions.* : posting, editing, and everything that is refused."""

from __future__ import annotations

import re
from typing import Any

from bot.sandbox.personas import BOT_USER
from bot.sandbox.slack import blocks
from bot.sandbox.slack.api import Call, Method
from bot.sandbox.slack.errors import Refusal, invalid_arguments
from bot.sandbox.slack.message import Message
from bot.sandbox.slack.rates import TIER_3, TIER_4
from bot.sandbox.slack.workspace import Room, Workspace

POSTED_TEXT = 40_000
UPDATED_TEXT = 4_000
METADATA_BYTES = 8_000


class ChatApi:
    """Methods that write messages."""

    def __init__(self, workspace: Workspace, base_url: list[str]) -> None:
        self._workspace = workspace
        self._base_url = base_url

    def methods(self) -> dict[str, Method]:
        """By name."""
        return {
            "chat.postMessage": Method(self.post, "chat:write", TIER_4),
            "chat.update": Method(self.update, "chat:write", TIER_3),
            "chat.postEphemeral": Method(self.post_ephemeral, "chat:write", TIER_4),
            "chat.delete": Method(self.delete, "chat:write", TIER_3),
            "chat.getPermalink": Method(self.permalink, None, TIER_4 * 10),
            "reactions.add": Method(self.react, "reactions:write", TIER_3),
        }

    def post(self, call: Call) -> dict[str, Any]:
        """chat.postMessage."""
        room = self._writable(call)
        thread_ts = call.text("thread_ts")
        if thread_ts:
            parent = room.public(thread_ts)
            if parent is None or parent.is_reply:
                raise Refusal("cannot_reply_to_message")
        text, kit = content(call)
        message = self._workspace.add(
            Message(
                ts=self._workspace.next_ts(room),
                channel=room.id,
                user=BOT_USER,
                text=text[:POSTED_TEXT],
                blocks=kit or [],
                thread_ts=thread_ts,
                broadcast=call.flag("reply_broadcast") and thread_ts is not None,
                metadata=_metadata(call),
            )
        )
        return {"channel": room.id, "ts": message.ts, "message": message.as_slack(metadata=True)}

    def update(self, call: Call) -> dict[str, Any]:
        """chat.update: takes channel ids only; keeps the blocks when only text is sent, as was seen."""
        room = self._workspace.rooms.get(call.required("channel"))
        if room is None:
            raise Refusal("channel_not_found")
        message = self._own(room, call.required("ts"), "cant_update_message")
        text, kit = content(call)
        if len(text) > UPDATED_TEXT:
            raise Refusal("msg_too_long")
        if kit is None:
            if message.blocks:
                call.flags.append("chat.update without blocks leaves the old blocks, buttons too")
        else:
            message.blocks, message.state, message.failed = kit, {}, {}
        message.text = text
        message.metadata = _metadata(call) or message.metadata
        message.edited = self._workspace.next_ts(room)
        self._workspace.changed("messages", room.id)
        return {"channel": room.id, "ts": message.ts, "text": message.text, "message": message.as_slack()}

    def post_ephemeral(self, call: Call) -> dict[str, Any]:
        """chat.postEphemeral: in a thread it is shown only if somebody replied there before."""
        room = self._writable(call)
        persona = self._workspace.persona(call.required("user"))
        if persona is None or persona.id not in room.members:
            raise Refusal("user_not_in_channel")
        text, kit = content(call)
        thread_ts = call.text("thread_ts")
        hidden = thread_ts is not None and not room.replies(thread_ts)
        if hidden:
            call.flags.append("ephemeral in a thread without replies is shown to nobody")
        message = self._workspace.add(
            Message(
                ts=self._workspace.next_ts(room),
                channel=room.id,
                user=BOT_USER,
                text=text[:POSTED_TEXT],
                blocks=kit or [],
                thread_ts=thread_ts,
                ephemeral_to=persona.id,
                hidden=hidden,
            )
        )
        return {"message_ts": message.ts}

    def delete(self, call: Call) -> dict[str, Any]:
        """chat.delete."""
        room = self._workspace.rooms.get(call.required("channel"))
        if room is None:
            raise Refusal("channel_not_found")
        message = self._own(room, call.required("ts"), "cant_delete_message")
        room.remove(message)
        self._workspace.changed("messages", room.id)
        return {"channel": room.id, "ts": message.ts}

    def permalink(self, call: Call) -> dict[str, Any]:
        """chat.getPermalink: shaped like Slack's, and the simulator's own page follows it."""
        room = self._workspace.rooms.get(call.required("channel"))
        if room is None:
            raise Refusal("channel_not_found")
        message = room.public(call.required("message_ts"))
        if message is None:
            raise Refusal("message_not_found")
        where = f"{self._base_url[0]}/archives/{room.id}/p{message.ts.replace('.', '')}"
        if message.is_reply:
            where += f"?thread_ts={message.thread_ts}&cid={room.id}"
        return {"channel": room.id, "permalink": where}

    def react(self, call: Call) -> dict[str, Any]:
        """reactions.add."""
        room = self._workspace.rooms.get(call.required("channel"))
        if room is None:
            raise Refusal("channel_not_found")
        message = room.public(call.required("timestamp"))
        if message is None:
            raise Refusal("message_not_found")
        name = call.required("name").strip(":")
        if not re.fullmatch(r"[a-z0-9_+'-]+(::skin-tone-[2-6])?", name):
            raise Refusal("invalid_name")
        users = message.reactions.setdefault(name, [])
        if BOT_USER in users:
            raise Refusal("already_reacted")
        users.append(BOT_USER)
        self._workspace.changed("messages", room.id)
        return {}

    def _writable(self, call: Call) -> Room:
        name = call.required("channel")
        persona = self._workspace.persona(name) if name.startswith("U") else None
        room = self._workspace.direct(persona.id) if persona else self._workspace.room(name)
        if room is None:
            raise Refusal("channel_not_found")
        if room.archived:
            raise Refusal("is_archived")
        if BOT_USER not in room.members:
            raise Refusal("not_in_channel")
        return room

    @staticmethod
    def _own(room: Room, ts: str, otherwise: str) -> Message:
        message = room.messages.get(ts)
        if message is None:
            raise Refusal("message_not_found")
        if message.ephemeral_to or not message.by_bot:
            raise Refusal(otherwise)
        return message


def content(call: Call) -> tuple[str, list[dict[str, Any]] | None]:
    """Text and validated blocks of a request; None when it names no blocks. Raises Refusal `no_text`."""
    raw = call.data("blocks", "invalid_blocks_format")
    text = call.text("text") or ""
    if not text and not raw:
        raise Refusal("no_text")
    if raw is None:
        return text, None
    if not text:
        call.flags.append("blocks without text: notifications and screen readers get nothing")
    return text, blocks.require_message(raw)


def _metadata(call: Call) -> dict[str, Any] | None:
    metadata = call.data("metadata", "invalid_metadata_format")
    if metadata is None:
        return None
    if not isinstance(metadata, dict) or not isinstance(metadata.get("event_type"), str):
        raise Refusal("invalid_metadata_format")
    if not isinstance(metadata.get("event_payload"), dict):
        raise Refusal("invalid_metadata_format")
    if len(str(metadata)) > METADATA_BYTES:
        raise Refusal("metadata_too_large")
    if set(metadata) - {"event_type", "event_payload", "entities"}:
        raise invalid_arguments("unknown key [json-pointer:/metadata]")
    return metadata
