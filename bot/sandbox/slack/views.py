"""Modals and Home tabs: what each person has open, and what they filled in."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bot.sandbox.personas import APP, BOT, TEAM
from bot.sandbox.slack.elements import Values, state_of
from bot.sandbox.slack.errors import Refusal
from bot.sandbox.slack.workspace import new_id

MAX_STACK = 3
SENT_KEYS = (
    "type",
    "title",
    "submit",
    "close",
    "blocks",
    "callback_id",
    "private_metadata",
    "clear_on_close",
    "notify_on_close",
    "external_id",
    "submit_disabled",
)


@dataclass(eq=False)
class View:
    """A modal or Home tab of one person.

    `errors` (by block id) and `notice` are what the client shows beside the blocks after a submission that
    was refused or got lost.
    """

    id: str
    user: str
    body: dict[str, Any]
    root: str
    previous: str | None = None
    hash: str = ""
    values: Values = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    notice: str | None = None

    def replace(self, body: dict[str, Any]) -> None:
        """Show another body in the same place."""
        self.body = body
        self.hash = f"{secrets.token_hex(4)}.{secrets.token_hex(4)}"
        kept = {block.get("block_id") for block in body["blocks"]}
        self.values = {block: values for block, values in self.values.items() if block in kept}
        self.errors, self.notice = {}, None

    def as_slack(self) -> dict[str, Any]:
        """The `view` object of answers and payloads."""
        sent = {key: self.body[key] for key in SENT_KEYS if key in self.body}
        empty = {"callback_id": "", "private_metadata": "", "external_id": "", "title": None, "submit": None}
        flags = {"close": None, "clear_on_close": False, "notify_on_close": False}
        return {
            **empty,
            **flags,
            **sent,
            "id": self.id,
            "team_id": TEAM,
            "app_id": APP,
            "app_installed_team_id": TEAM,
            "bot_id": BOT,
            "state": {"values": state_of(self.body["blocks"], self.values)},
            "hash": self.hash,
            "root_view_id": self.root,
            "previous_view_id": self.previous,
        }

    def as_shown(self) -> dict[str, Any]:
        """The same with what only the client knows: errors and its notice."""
        return {**self.as_slack(), "errors": self.errors, "notice": self.notice}


class Views:
    """The stack of modals and the Home tab of each user id."""

    def __init__(self, changed: Callable[[str, str | None], None]) -> None:
        self.changed = changed
        self.stacks: dict[str, list[View]] = {}
        self.homes: dict[str, View] = {}

    def open(self, user: str, body: dict[str, Any]) -> View:
        """Show a modal as a new stack."""
        self._check_external_id(body, None)
        view = self._new(user, body)
        self.stacks[user] = [view]
        self.changed("views", None)
        return view

    def push(self, user: str, body: dict[str, Any]) -> View:
        """Put a modal on top. Raises Refusal `push_limit_reached` above three."""
        stack = self.stacks.setdefault(user, [])
        if len(stack) >= MAX_STACK:
            raise Refusal("push_limit_reached")
        self._check_external_id(body, None)
        view = self._new(user, body, below=stack[-1] if stack else None)
        stack.append(view)
        self.changed("views", None)
        return view

    def update(self, view: View, body: dict[str, Any], expected_hash: str | None = None) -> View:
        """Show another body. Raises Refusal `hash_conflict` when the view changed meanwhile."""
        if expected_hash and expected_hash != view.hash:
            raise Refusal("hash_conflict")
        self._check_external_id(body, view)
        view.replace(body)
        self.changed("views", None)
        return view

    def publish(self, user: str, body: dict[str, Any], expected_hash: str | None = None) -> View:
        """Set a Home tab. Raises Refusal `hash_conflict`."""
        view = self.homes.get(user)
        if view is None:
            view = self.homes[user] = self._new(user, body)
        elif expected_hash and expected_hash != view.hash:
            raise Refusal("hash_conflict")
        else:
            view.replace(body)
        self.changed("home", None)
        return view

    async def published(self, user: str, old_hash: str, seconds: float) -> None:
        """Wait until this user's Home tab is another than `old_hash`, or for so long."""
        for _ in range(int(seconds / 0.02)):
            if user in self.homes and self.homes[user].hash != old_hash:
                return
            await asyncio.sleep(0.02)

    def find(self, *, view_id: str | None = None, external_id: str | None = None) -> View | None:
        """An open modal or Home tab."""
        for view in [*self.homes.values(), *(v for stack in self.stacks.values() for v in stack)]:
            if view_id and view.id == view_id:
                return view
            if external_id and view.body.get("external_id") == external_id:
                return view
        return None

    def top(self, user: str) -> View | None:
        """The modal in front of this user."""
        stack = self.stacks.get(user)
        return stack[-1] if stack else None

    def pop(self, user: str) -> None:
        """Close the modal in front."""
        if stack := self.stacks.get(user):
            stack.pop()
        self.changed("views", None)

    def clear(self, user: str) -> None:
        """Close every modal of this user."""
        self.stacks.pop(user, None)
        self.changed("views", None)

    def _check_external_id(self, body: dict[str, Any], itself: View | None) -> None:
        external_id = body.get("external_id")
        if external_id and self.find(external_id=external_id) not in {None, itself}:
            raise Refusal("duplicate_external_id")

    def _new(self, user: str, body: dict[str, Any], below: View | None = None) -> View:
        view_id = new_id("V")
        view = View(view_id, user, body, below.root if below else view_id, below.id if below else None)
        view.replace(body)
        return view
