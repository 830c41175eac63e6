"""A message as it is stored: what a click is checked against."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from bot.sandbox.personas import APP, BOT, BOT_USER, TEAM

SLACKBOT = "USLACKBOT"


@dataclass(eq=False)
class Message:
    """One message of a channel. `ephemeral_to` is the only user who sees it; None means everybody."""

    ts: str
    channel: str
    user: str
    text: str
    blocks: list[dict[str, Any]] = field(default_factory=list)
    thread_ts: str | None = None
    broadcast: bool = False
    metadata: dict[str, Any] | None = None
    ephemeral_to: str | None = None
    hidden: bool = False
    edited: str | None = None
    files: list[str] = field(default_factory=list)
    reactions: dict[str, list[str]] = field(default_factory=dict)
    state: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    failed: dict[str, list[str]] = field(default_factory=dict)
    """Action ids whose click got no acknowledgement, by user: Slack marks such a button for its clicker."""

    @property
    def by_bot(self) -> bool:
        """Whether the app under test wrote it, hence may edit it."""
        return self.user == BOT_USER

    @property
    def is_reply(self) -> bool:
        """Whether it stands in a thread below another message."""
        return self.thread_ts is not None and self.thread_ts != self.ts

    def seen_by(self, user: str) -> bool:
        """Whether `user`, a member of the channel, sees it."""
        return not self.hidden and self.ephemeral_to in {None, user}

    def as_slack(self, *, metadata: bool = False) -> dict[str, Any]:
        """The message object of the Web API and of payloads."""
        body: dict[str, Any] = {
            "type": "message",
            "user": self.user,
            "team": TEAM,
            "text": self.text,
            "ts": self.ts,
        }
        if self.by_bot:
            body |= {"bot_id": BOT, "app_id": APP}
        if self.blocks:
            body["blocks"] = self.blocks
        if self.thread_ts:
            body["thread_ts"] = self.thread_ts
        if self.broadcast:
            body["subtype"] = "thread_broadcast"
        if self.edited:
            body["edited"] = {"user": self.user, "ts": self.edited}
        if self.reactions:
            body["reactions"] = [
                {"name": name, "users": users, "count": len(users)} for name, users in self.reactions.items()
            ]
        if metadata and self.metadata:
            body["metadata"] = self.metadata
        return body
