"""Slack's text: everything that came from outside is escaped, so that no reason can ping a channel."""

from __future__ import annotations

import re
from collections.abc import Iterable

from bot.clock import iso

SECTION = 3000
"""Longest text of a section."""

MESSAGE = 4000
"""Longest `text` that chat.update takes."""


def escape(text: str) -> str:
    """Slack's three control characters, made harmless."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def words(text: str) -> str:
    """Our own words from the desk, in which `<@U…>` may stand for a person; all else is escaped."""
    return re.sub(r"&lt;@([UW][A-Z0-9]+)&gt;", r"<@\1>", escape(text))


def clip(text: str, limit: int) -> str:
    """At most `limit` characters, cut before an entity or mention rather than through it."""
    if len(text) <= limit:
        return text
    cut = text[: limit - 1]
    for opening, closing in (("<", ">"), ("&", ";")):
        start = cut.rfind(opening)
        if start >= 0 and closing not in cut[start:]:
            cut = cut[:start]
    return cut + "…"


def mention(person: str) -> str:
    """A person by name; ids that are not Slack's (terminal, calendar, the bot) stay words."""
    return (
        f"<@{person}>"
        if person[:1] in {"U", "W"} and person.isalnum() and person.isupper()
        else escape(person)
    )


def mentions(people: Iterable[str]) -> str:
    """`A, B and C`."""
    names = [mention(p) for p in people]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else "nobody"


def moment(at: float) -> str:
    """A time of day in the reader's own time zone; UTC where a client does not draw it."""
    return f"<!date^{int(at)}^{{time_secs}}|{iso(at)[11:19]} UTC>"


def day(at: float) -> str:
    """The day and the time, for what may be long ago."""
    return f"<!date^{int(at)}^{{date_short_pretty}} {{time}}|{iso(at)[:16].replace('T', ' ')} UTC>"


def bullets(lines: Iterable[str], mark: str = "•") -> str:
    """The desk's lines as a list."""
    return "\n".join(f"{mark} {words(line)}" for line in lines)
