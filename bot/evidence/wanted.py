"""What a person typed to search the trail, as a query: words first, options beside them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from difflib import get_close_matches

from bot.errors import UsageError
from bot.evidence.query import GROUPS, Query
from bot.trail.event import Name

HOW = "Words are kinds of events (approvals, refused, calls, …), times (today, last 7d), people, or text to find."
_PERSON = re.compile(r"(?:<@)?([UW][A-Z0-9]{8,})(?:\|[^>]*)?>?")
_AGO = re.compile(r"(\d{1,5})\s?(min|h|d|w)")
_SECONDS = {"min": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_NAME = re.compile(r"[a-z_]+(:[a-z_]+){0,2}:?")
_CHANGE = re.compile(r"[0-9a-f]{8}")
_DAY_MS = 86_400_000
_LATEST_MS = 253_370_764_800_000
"""The beginning of the year 9999: later times have no day after them."""


@dataclass(frozen=True)
class Typed:
    """A search as it was typed: free words and options; `person` is who typed it and what `me` means."""

    words: Sequence[str] = ()
    by: str = ""
    what: Sequence[str] = ()
    first: str = ""
    to: str = ""
    change: str = ""
    about: Sequence[str] = ()
    before: int | None = None
    person: str = ""


def query(typed: Typed, now: float) -> Query:
    """The query that was meant. `now` is epoch seconds. Raises UsageError with what can be written instead."""
    by, what, about, change = typed.by, [], list(typed.about), typed.change
    since = _moment(typed.first, now, end=False) if typed.first else None
    until = _moment(typed.to, now, end=True) if typed.to else None
    for word in _joined(typed.words):
        plain = word.casefold()
        if _is_event(plain):
            what.append(plain)
        elif (span := _span(plain, now)) is not None:
            if since is not None:
                raise UsageError("There are two beginnings.", then="Give one time, or --from and --to.")
            since, until = span[0], span[1] if until is None else until
        elif (person := _person(word, typed.person)) and not by:
            by = person
        elif _CHANGE.fullmatch(plain) and not change:
            change = plain
        else:
            about.append(word)
    for word in typed.what:
        if not _is_event(word.casefold()):
            raise UsageError(f"There is no kind of event {word!r}.", then=_near(word))
        what.append(word.casefold())
    if any(one is not None and not 0 <= one < _LATEST_MS for one in (since, until)):
        raise UsageError("The trail has no such time.", then="Give a time since 1970.")
    if since is not None and until is not None and until <= since:
        raise UsageError("The end is not after the beginning.", then="Give the earlier time to --from.")
    if typed.before is not None and typed.before < 0:
        raise UsageError(
            "--before is the number of a row.", then="Leave it out to begin with the newest row."
        )
    return Query(
        by=_person(by, typed.person) or by,
        what=tuple(dict.fromkeys(what)),
        since_ms=since,
        until_ms=until,
        change=change.removeprefix("run-"),
        about=tuple(one for one in about if one.strip()),
        before=typed.before,
    )


def _joined(words: Sequence[str]) -> Iterator[str]:
    """`last 7d` as one word, `last` itself left out."""
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word.casefold() in ("last", "past") and rest and _AGO.fullmatch(rest[0].casefold()):
            word = rest.pop(0)
        yield word


def _is_event(word: str) -> bool:
    if word in GROUPS:
        return True
    if not _NAME.fullmatch(word) or ":" not in word:
        return False
    return any(name == word or name.startswith(word.rstrip(":") + ":") for name in Name)


def _near(word: str) -> str:
    kinds = [*GROUPS, *Name]
    near = get_close_matches(word.casefold(), kinds, 1, cutoff=0.5)
    return (
        f"Did you mean {near[0]}?"
        if near
        else f"There are: {', '.join(GROUPS)}; or names as decision:vote:cast."
    )


def _person(word: str, me: str) -> str:
    if word.casefold() == "me":
        return me
    if word.casefold() == "signalbox":
        return "signalbox"
    found = _PERSON.fullmatch(word)
    return found[1] if found else ""


def _span(word: str, now: float) -> tuple[int, int | None] | None:
    """From when until when a word for a time is; an open end is now."""
    today = datetime.fromtimestamp(now, UTC).date()
    if word == "today":
        return _ms(today), None
    if word == "yesterday":
        return _ms(today) - _DAY_MS, _ms(today)
    if ago := _AGO.fullmatch(word):
        return (int(now) - int(ago[1]) * _SECONDS[ago[2]]) * 1000, None
    if re.fullmatch(r"\d{4}-\d\d-\d\d", word):
        day = _moment(word, now, end=False)
        return day, day + _DAY_MS
    return None


def _moment(text: str, now: float, *, end: bool) -> int:
    """Epoch milliseconds of a day (its end when `end`), a time, or a word for one. Raises UsageError."""
    word = text.strip().casefold()
    if word == "now":
        return int(now) * 1000
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", word):
            return _ms(date.fromisoformat(word) + timedelta(days=int(end)))
        if (span := _span(word, now)) is not None:
            return span[1] if end and span[1] is not None else span[0]
        when = datetime.fromisoformat(word.upper())
        when = when if when.tzinfo else when.replace(tzinfo=UTC)
        return int(when.timestamp()) * 1000
    except (ValueError, OverflowError) as error:
        raise UsageError(
            f"{text!r} is no time.", then="Write 2026-07-01, 2026-07-01T03:00Z, today, yesterday or 7d."
        ) from error


def _ms(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000
