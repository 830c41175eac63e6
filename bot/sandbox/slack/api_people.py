"""auth.test, apps.*, users.*, usergroups.*, conversations.*: who is there and what was said."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bot.sandbox.personas import APP, BOT, BOT_USER, TEAM
from bot.sandbox.slack import members
from bot.sandbox.slack.api import Call, Method
from bot.sandbox.slack.errors import Refusal
from bot.sandbox.slack.rates import TIER_2, TIER_3, TIER_4
from bot.sandbox.slack.workspace import Room, Workspace

PAGE_SIZE = 100


class PeopleApi:
    """Methods that only read."""

    def __init__(
        self,
        workspace: Workspace,
        ticket_url: Callable[[], str],
        *,
        base_url: list[str],
        scopes: frozenset[str],
    ) -> None:
        self._workspace = workspace
        self._ticket_url = ticket_url
        self._base_url = base_url
        self._email = "users:read.email" in scopes

    def methods(self) -> dict[str, Method]:
        """By name."""
        return {
            "auth.test": Method(self.who_am_i, None, TIER_4 * 10),
            "apps.connections.open": Method(self.connect, None, TIER_4, caller="app"),
            "users.info": Method(self.user, "users:read", TIER_4),
            "users.list": Method(self.users, "users:read", TIER_2),
            "users.lookupByEmail": Method(self.by_email, "users:read.email", TIER_3),
            "usergroups.list": Method(self.groups, "usergroups:read", TIER_2),
            "usergroups.users.list": Method(self.group_members, "usergroups:read", TIER_2),
            "conversations.info": Method(self.conversation, "channels:read", TIER_3),
            "conversations.list": Method(self.conversations, "channels:read", TIER_2),
            "conversations.members": Method(self.members, "channels:read", TIER_4),
            "conversations.open": Method(self.open, "im:write", TIER_3),
            "conversations.replies": Method(self.replies, "channels:history", TIER_3),
            "conversations.history": Method(self.history, "channels:history", TIER_3),
        }

    def who_am_i(self, _call: Call) -> dict[str, Any]:
        """auth.test."""
        return {
            "url": f"{self._base_url[0]}/",
            "team": members.DOMAIN,
            "user": members.BOT_NAME.lower(),
            "team_id": TEAM,
            "user_id": BOT_USER,
            "bot_id": BOT,
            "app_id": APP,
            "is_enterprise_install": False,
        }

    def connect(self, _call: Call) -> dict[str, Any]:
        """apps.connections.open."""
        return {"url": self._ticket_url()}

    def user(self, call: Call) -> dict[str, Any]:
        """users.info."""
        user_id = call.required("user")
        if user_id == BOT_USER:
            return {"user": members.bot_object()}
        persona = next((p for p in self._workspace.personas.values() if p.id == user_id), None)
        if persona is None:
            raise Refusal("user_not_found")
        return {"user": members.user_object(persona, with_email=self._email)}

    def users(self, call: Call) -> dict[str, Any]:
        """users.list."""
        people = [
            members.user_object(p, with_email=self._email)
            for p in self._workspace.personas.values()
            if p.team == TEAM
        ]
        page, cursor = _page([*people, members.bot_object()], call)
        return {"members": page, "response_metadata": {"next_cursor": cursor}}

    def by_email(self, call: Call) -> dict[str, Any]:
        """users.lookupByEmail."""
        wanted = call.required("email").lower()
        for persona in self._workspace.personas.values():
            if members.email(persona) == wanted:
                return {"user": members.user_object(persona, with_email=True)}
        raise Refusal("users_not_found")

    def groups(self, call: Call) -> dict[str, Any]:
        """usergroups.list."""
        groups = list(members.groups(self._workspace.personas).values())
        if not call.flag("include_users"):
            groups = [{key: value for key, value in g.items() if key != "users"} for g in groups]
        return {"usergroups": groups}

    def group_members(self, call: Call) -> dict[str, Any]:
        """usergroups.users.list."""
        group = members.groups(self._workspace.personas).get(call.required("usergroup"))
        if group is None:
            raise Refusal("no_such_subteam")
        return {"users": group["users"]}

    def conversation(self, call: Call) -> dict[str, Any]:
        """conversations.info."""
        return {"channel": self._describe(self._room(call))}

    def conversations(self, call: Call) -> dict[str, Any]:
        """conversations.list: public channels."""
        rooms = [self._describe(room) for room in self._workspace.rooms.values() if not room.direct]
        page, cursor = _page(rooms, call)
        return {"channels": page, "response_metadata": {"next_cursor": cursor}}

    def members(self, call: Call) -> dict[str, Any]:
        """conversations.members."""
        page, cursor = _page(sorted(self._room(call).members), call)
        return {"members": page, "response_metadata": {"next_cursor": cursor}}

    def open(self, call: Call) -> dict[str, Any]:
        """conversations.open: one user only, the simulator has no group conversations."""
        names = call.required("users").split(",")
        persona = next((p for p in self._workspace.personas.values() if p.id == names[0].strip()), None)
        if persona is None or len(names) > 1:
            raise Refusal("user_not_found")
        return {"channel": {"id": self._workspace.direct(persona.id).id}}

    def replies(self, call: Call) -> dict[str, Any]:
        """conversations.replies: the parent, then its replies."""
        room = self._readable(call)
        ts = call.required("ts")
        named = room.public(ts)
        parent = room.public(named.thread_ts) if named and named.thread_ts else named
        if parent is None:
            raise Refusal("thread_not_found")
        metadata = call.flag("include_all_metadata")
        replies = room.replies(parent.ts)
        first = parent.as_slack(metadata=metadata)
        if replies:
            first |= {"thread_ts": parent.ts, "reply_count": len(replies), "latest_reply": replies[-1].ts}
        rest = [{**m.as_slack(metadata=metadata), "parent_user_id": parent.user} for m in replies]
        page, cursor = _page([first, *rest], call, PAGE_SIZE * 10)
        return {
            "messages": page,
            "has_more": bool(cursor),
            "response_metadata": {"next_cursor": cursor},
        }

    def history(self, call: Call) -> dict[str, Any]:
        """conversations.history: newest first, without replies and ephemerals."""
        room = self._readable(call)
        oldest, latest = call.text("oldest") or "0", call.text("latest") or "9" * 16
        metadata = call.flag("include_all_metadata")
        found = [
            m.as_slack(metadata=metadata)
            for m in reversed(room.messages.values())
            if not m.ephemeral_to
            and (not m.is_reply or m.broadcast)
            and float(oldest) <= float(m.ts) <= float(latest)
        ]
        page, cursor = _page(found, call)
        return {"messages": page, "has_more": bool(cursor), "response_metadata": {"next_cursor": cursor}}

    def _room(self, call: Call) -> Room:
        room = self._workspace.rooms.get(call.required("channel"))
        if room is None:
            raise Refusal("channel_not_found")
        return room

    def _readable(self, call: Call) -> Room:
        room = self._room(call)
        if BOT_USER not in room.members:
            raise Refusal("not_in_channel")
        return room

    def _describe(self, room: Room) -> dict[str, Any]:
        teams = {p.team for p in self._workspace.personas.values() if p.id in room.members}
        return {
            "id": room.id,
            "name": room.name,
            "is_channel": not room.direct,
            "is_im": room.direct,
            "is_private": False,
            "is_archived": room.archived,
            "is_member": BOT_USER in room.members,
            "is_ext_shared": bool(teams - {TEAM}) and not room.direct,
            "num_members": len(room.members),
        }


def _page(rows: list[Any], call: Call, size: int = PAGE_SIZE) -> tuple[list[Any], str]:
    """The page asked for and the next cursor, empty at the end. Raises Refusal `invalid_cursor`."""
    cursor = call.text("cursor") or "at:0"
    if not cursor.startswith("at:") or not cursor[3:].isdigit():
        raise Refusal("invalid_cursor")
    start = int(cursor[3:])
    end = start + max(1, min(call.number("limit", size), 1000))
    return rows[start:end], f"at:{end}" if end < len(rows) else ""
