"""What is looked for in the trail: kinds of events by words, people, times, changes, text."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from datetime import UTC, datetime

from bot.trail.event import Name

GROUPS: dict[str, tuple[str, ...]] = {
    "approvals": ("decision:",),
    "votes": (Name.VOTE_CAST,),
    "refused": (Name.COMMAND_REFUSED, Name.CLICK_REFUSED, Name.ESTATE_REFUSED),
    "commands": ("person:command:",),
    "calls": ("call:",),
    "break-glass": (Name.GLASS_BROKEN,),
    "changes": ("change:",),
    "runs": ("run:plan:", "run:stop:"),
    "steps": ("run:step:",),
    "holds": (
        Name.STEP_HELD,
        Name.STEP_ASKED,
        Name.STEP_SKIPPED,
        Name.STEP_RETRIED,
        Name.STEP_REROUTED,
        Name.STEP_ACKNOWLEDGED,
    ),
    "rollbacks": (Name.RUN_STOPPING,),
    "expired": (Name.DECISION_EXPIRED,),
    "policy": ("estate:",),
    "access": ("evidence:",),
    "archive": ("trail:log:", "trail:archive:"),
    "keys": ("trail:key:",),
    "redactions": (Name.FIELD_REDACTED,),
    "starts": ("bot:process:started", "bot:process:stopped"),
    "heartbeats": (Name.BOT_HEARTBEAT,),
    "everything": tuple(Name),
}
"""Words for kinds of events: each stands for names, or for beginnings of names that end in a colon."""


@dataclass(frozen=True)
class Query:
    """What is looked for; everything given must hold.

    `what` are words of GROUPS, event names or beginnings of them, of which one must hold; without any, all events are
    meant but heartbeats, of which there is one every ten minutes. Times are epoch
    milliseconds, `until_ms` itself outside. `about` are words that all must stand in the row. `before` is where the
    last page ended.
    """

    by: str = ""
    what: tuple[str, ...] = ()
    since_ms: int | None = None
    until_ms: int | None = None
    change: str = ""
    about: tuple[str, ...] = ()
    before: int | None = None

    def names(self) -> tuple[str, ...]:
        """The events looked for; none means every event but heartbeats."""
        starts = [start for word in self.what for start in GROUPS.get(word, (word,))]
        return tuple(name for name in Name if any(_starts(name, start) for start in starts))

    def words(self) -> str:
        """As it is typed, so that it finds the same again: times are absolute."""
        parts = [*self.what]
        for option, value in (
            ("--by", self.by),
            ("--from", _iso(self.since_ms)),
            ("--to", _iso(self.until_ms)),
            ("--change", self.change),
            *(("--about", one) for one in self.about),
            ("--before", "" if self.before is None else str(self.before)),
        ):
            parts += [option, value] if value else []
        return shlex.join(parts)


def _starts(name: str, start: str) -> bool:
    return name == start or name.startswith(start if start.endswith(":") else start + ":")


def _iso(ms: int | None) -> str:
    if ms is None:
        return ""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
