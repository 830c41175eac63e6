"""What a command answers, apart from where it is shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Text:
    """Words for the person who asked, in Slack's mrkdwn without mentions; `ok` is false when it was refused."""

    text: str
    ok: bool = True


@dataclass(frozen=True)
class Table:
    """Rows under headings; `note` says what is left out."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


@dataclass(frozen=True)
class Proposal:
    """A change was requested: its id. The faces show the card of it."""

    change: str
    dry_run: bool = False


@dataclass(frozen=True)
class File:
    """A file to hand over."""

    name: str
    content: bytes
    title: str = ""
    kind: Literal["text/plain", "image/png", "application/zip"] = "text/plain"


@dataclass(frozen=True)
class Later:
    """Words at once, and what comes of work that takes long: the face calls `work` where nobody waits for it.

    `work` raises SignalboxError with words for the person.
    """

    text: str
    work: Callable[[], Reply]


Reply = Text | Table | Proposal | File | Later


@dataclass(frozen=True)
class Caller:
    """Who typed a command, and where. `person` is the estate's id; `where` a channel id or `terminal`."""

    person: str
    name: str
    where: str
    face: Literal["slack", "terminal", "calendar"] = "slack"
    key: str = ""
    extra: dict[str, str] = field(default_factory=dict)
