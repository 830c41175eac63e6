"""The workspace: who is in it, its channels, and every message ever posted."""

from __future__ import annotations

import itertools
import random
import string
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from bot.sandbox.personas import BOT_USER, Channel, Persona
from bot.sandbox.slack.message import Message

Changed = Callable[[str, str | None], None]


def new_id(prefix: str) -> str:
    """An id shaped like Slack's: its prefix and ten capitals or digits."""
    return prefix + "".join(random.choices(string.ascii_uppercase + string.digits, k=10))


@dataclass
class Room:
    """A channel or a direct conversation with the bot."""

    id: str
    name: str
    members: set[str]
    direct: bool = False
    archived: bool = False
    messages: dict[str, Message] = field(default_factory=dict)
    threads: dict[str, list[Message]] = field(default_factory=dict)
    last_micros: int = 0

    def public(self, ts: str) -> Message | None:
        """The message at `ts` unless it is ephemeral: the Web API does not know those."""
        message = self.messages.get(ts)
        return None if message is None or message.ephemeral_to else message

    def replies(self, parent_ts: str) -> list[Message]:
        """The thread below `parent_ts`, oldest first, without ephemerals."""
        return self.threads.get(parent_ts, [])

    def put(self, message: Message) -> None:
        """Store a message under its `ts`."""
        self.messages[message.ts] = message
        if message.thread_ts and message.is_reply and not message.ephemeral_to:
            self.threads.setdefault(message.thread_ts, []).append(message)

    def remove(self, message: Message) -> None:
        """Forget a message; its replies stay."""
        del self.messages[message.ts]
        if message.thread_ts and message in self.replies(message.thread_ts):
            self.threads[message.thread_ts].remove(message)


class Workspace:
    """Shared state of the simulator. Lives in one event loop, hence no locks."""

    def __init__(
        self,
        personas: Mapping[str, Persona],
        channels: Mapping[str, Channel],
        *,
        bot_channels: Iterable[str] | None,
        now: Callable[[], float],
        changed: Changed,
    ) -> None:
        self.personas = dict(personas)
        self.now = now
        self.changed = changed
        joined = set(channels if bot_channels is None else bot_channels)
        self.rooms: dict[str, Room] = {}
        for channel in channels.values():
            members = {p.id for p in personas.values() if channel.name in p.channels}
            if channel.name in joined:
                members.add(BOT_USER)
            self.rooms[channel.id] = Room(channel.id, channel.name, members)
        self._direct = itertools.count(1)

    def persona(self, name_or_id: str) -> Persona | None:
        """The member with this name (also `@name`) or user id."""
        name = name_or_id.removeprefix("@")
        return self.personas.get(name) or next((p for p in self.personas.values() if p.id == name), None)

    def room(self, name_or_id: str) -> Room | None:
        """The conversation with this id or name (also `#name`)."""
        name = name_or_id.removeprefix("#")
        return self.rooms.get(name) or next((r for r in self.rooms.values() if r.name == name), None)

    def direct(self, user: str) -> Room:
        """The conversation between the bot and one user, opened on first use."""
        for room in self.rooms.values():
            if room.direct and user in room.members:
                return room
        room = Room(f"D{next(self._direct):010d}", f"direct-{user}", {user, BOT_USER}, direct=True)
        self.rooms[room.id] = room
        return room

    def next_ts(self, room: Room) -> str:
        """A `seconds.micros` stamp, unique and rising within the channel."""
        room.last_micros = max(int(self.now() * 1_000_000), room.last_micros + 1)
        return f"{room.last_micros // 1_000_000}.{room.last_micros % 1_000_000:06d}"

    def add(self, message: Message) -> Message:
        """Store a message under its own `ts` and tell the page."""
        self.rooms[message.channel].put(message)
        self.changed("messages", message.channel)
        return message
