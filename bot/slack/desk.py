"""What the Slack face needs of the desk, and no more."""

from __future__ import annotations

from typing import Protocol

from bot.changes.views import Answer, ChangeView
from bot.estate import Estate
from bot.reply import Caller, Reply


class Desk(Protocol):
    """Where every face asks and decides: synchronous, thread-safe, raises SignalboxError."""

    @property
    def estate(self) -> Estate:
        """The estate in force."""

    def command(self, text: str, caller: Caller) -> Reply:
        """Do what was typed; may take seconds, since plans are made from a live observation."""

    def vote(
        self, decision: str, choice: str, person: str, face: str = "slack", *, reason: str = ""
    ) -> Answer:
        """One person's answer to one decision; `choice` is the action of an option, `reason` their words."""

    def stop(self, change: str, how: str, person: str, face: str) -> Answer:
        """Ask a running change to stop; `how` is rollback or abort."""

    def view(self, change: str) -> ChangeView | None:
        """A change as people see it."""

    def changes(self, limit: int = 20) -> list[ChangeView]:
        """The newest changes first."""

    def refuse_click(self, person: str, what: str, why: str) -> None:
        """Record that someone was turned away before the desk was asked."""

    def trouble(self) -> list[str]:
        """What is wrong between the trail and its archive, a line each; none when all is well."""

    def thread(self, change: str, channel: str, ts: str) -> None:
        """Remember where a change's card stands."""
