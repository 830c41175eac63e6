"""What people's doings need: the workspace, the ways to the bot, and Slackbot's private lines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.sandbox.personas import Persona
from bot.sandbox.slack.deliver import Deliveries
from bot.sandbox.slack.files import Files
from bot.sandbox.slack.members import display_name
from bot.sandbox.slack.message import SLACKBOT, Message
from bot.sandbox.slack.response_url import ResponseUrls
from bot.sandbox.slack.triggers import Triggers
from bot.sandbox.slack.troubles import Troubles
from bot.sandbox.slack.views import Views
from bot.sandbox.slack.workspace import Room, Workspace


class Impossible(Exception):
    """Something that a person cannot do in Slack's client. `error` is our name for it, `details` go along."""

    def __init__(self, error: str, **details: Any) -> None:
        super().__init__(error)
        self.error = error
        self.details = details

    def answer(self) -> dict[str, Any]:
        """What the console is told."""
        return {"ok": False, "ack_ms": 0.0, "error": self.error, **self.details}


@dataclass(frozen=True)
class SlashCommand:
    """A command registered in the app's manifest."""

    command: str
    description: str = ""
    usage_hint: str = ""


@dataclass(frozen=True)
class Desk:
    """The parts, handed to everything that a person does."""

    workspace: Workspace
    views: Views
    triggers: Triggers
    deliveries: Deliveries
    responses: ResponseUrls
    files: Files
    troubles: Troubles
    commands: Mapping[str, SlashCommand]

    def who(self, user: str) -> Persona:
        """The persona of this name or id. Raises Impossible, also while Slack is down for everybody."""
        persona = self.workspace.persona(user)
        if persona is None:
            raise Impossible("no_such_user")
        if self.troubles.down():
            raise Impossible("slack_down")
        return persona

    def where(self, persona: Persona, channel: str) -> Room:
        """A conversation that this persona is in. Raises Impossible."""
        room = self.workspace.room(channel)
        if room is None or persona.id not in room.members:
            raise Impossible("no_such_channel")
        return room

    def slackbot(self, room: Room, user: str, text: str, thread_ts: str | None = None) -> None:
        """A line of Slackbot that only `user` sees."""
        ts = self.workspace.next_ts(room)
        self.workspace.add(Message(ts, room.id, SLACKBOT, text, thread_ts=thread_ts, ephemeral_to=user))

    def shown(self, room: Room, message: Message, *, viewer: str | None) -> dict[str, Any]:
        """A message as the page and the console see it."""
        body = message.as_slack(metadata=True)
        replies = room.replies(message.ts) if not message.is_reply else []
        if message.state:
            body["state"] = {"values": message.state}
        return {
            **body,
            "channel": room.id,
            "author": {
                "id": message.user,
                "name": display_name(message.user, self.workspace.personas),
                "bot": message.by_bot or message.user == SLACKBOT,
            },
            "ephemeral": message.ephemeral_to is not None,
            "ephemeral_to": message.ephemeral_to,
            "files": [self.files.shown(file_id) for file_id in message.files],
            "reply_count": len(replies),
            "latest_reply": replies[-1].ts if replies else None,
            "reply_users": list(dict.fromkeys(m.user for m in replies)),
            "click_failed": message.failed.get(viewer, []) if viewer else [],
        }
