"""Trigger ids: the right to open one modal for one person, for three seconds."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from bot.sandbox.personas import TEAM
from bot.sandbox.slack.errors import Refusal

TRIGGER_SECONDS = 3.0


@dataclass
class Trigger:
    """Made for `user` at `at`; `used` once a modal was opened with it."""

    user: str
    at: float
    used: bool = False


class Triggers:
    """Every trigger id ever handed out."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._numbers = itertools.count(1001)
        self._triggers: dict[str, Trigger] = {}

    def new(self, user: str) -> str:
        """A fresh trigger id for this user."""
        trigger_id = f"{next(self._numbers)}.{TEAM}.{secrets.token_hex(16)}"
        self._triggers[trigger_id] = Trigger(user, self._now())
        return trigger_id

    def spend(self, trigger_id: str) -> str:
        """Use a trigger id up and return its user. Raises Refusal as Slack names it."""
        trigger = self._triggers.get(trigger_id)
        if trigger is None:
            raise Refusal("invalid_trigger_id")
        if trigger.used:
            raise Refusal("exchanged_trigger_id")
        if self._now() - trigger.at > TRIGGER_SECONDS:
            raise Refusal("expired_trigger_id")
        trigger.used = True
        return trigger.user
