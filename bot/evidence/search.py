"""Search of the trail, newest row first, a page at a time, with the work of a page bounded.

Columns of the table only narrow what is read; whether a row is shown is decided by its bytes. What was committed
to instead of being written (e-mail addresses) cannot be found by its words.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import orjson
from sqlmodel import Session, col, select

from bot.evidence.told import told
from bot.store.database import Database
from bot.store.tables import Entry, Head
from bot.trail.append import Trail
from bot.trail.event import Event, Name

WORK = 50_000
"""Rows that one page passes over at most."""
_SPAN = 2_000
"""Rows read at once."""

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
}
"""Words for kinds of events: each stands for names, or for beginnings of names that end in a colon."""


@dataclass(frozen=True)
class Query:
    """What is looked for; everything given must hold.

    `what` are words of GROUPS, event names or beginnings of them, of which one must hold. Times are epoch
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
        """The events looked for; none means every event."""
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


@dataclass(frozen=True)
class Hit:
    """A row that was found: when (epoch milliseconds), who, where it was typed, and one line in plain words."""

    seq: int
    time_ms: int
    who: str
    face: str
    name: str
    change: str
    words: str
    body: bytes = field(repr=False)


@dataclass(frozen=True)
class Page:
    """Hits, newest first. `passed` rows were looked at, down to `last` (its time: `last_ms`).

    `more` asks for the next page; None when everything was looked at. `foreign` rows were passed that no
    Signalbox wrote.
    """

    query: Query
    hits: tuple[Hit, ...]
    passed: int
    last: int | None
    last_ms: int | None
    more: Query | None
    foreign: int = 0


def search(database: Database, query: Query, *, limit: int = 10, work: int = WORK) -> Page:
    """One page: `limit` hits at most, after passing over `work` rows at most."""
    with database.read() as session:
        head = session.exec(select(Head)).first()
        size = head.size if head is not None else 0
        first = 0 if query.since_ms is None else _first_at(session, query.since_ms, size)
        end = size if query.until_ms is None else _first_at(session, query.until_ms, size)
    top = end if query.before is None else min(query.before, end)
    looking = _Looking(database, query, first, top, work)
    hits: list[Hit] = []
    for seq, body in looking.rows():
        if (found := _hit(seq, body, query, looking)) is not None:
            hits.append(found)
            if len(hits) == limit:
                break
    done = looking.at <= first
    return Page(
        query=query,
        hits=tuple(hits),
        passed=looking.passed,
        last=looking.at if looking.passed else None,
        last_ms=looking.last_ms,
        more=None if done else replace(query, before=looking.at),
        foreign=looking.foreign,
    )


def searched(trail: Trail, person: str, face: str, words: str, page: Page | None = None) -> None:
    """Record that somebody looked; to be done before anything is shown. Raises TrailError: then nothing is.

    Without a page it was one row, taken away with its proof.
    """
    trail.note(
        Event(
            name=Name.TRAIL_SEARCHED,
            actor=person,
            face=face,
            detail={
                "query": words[:1000] or "everything",
                "hits": 1 if page is None else len(page.hits),
                "passed": 1 if page is None else page.passed,
            },
        )
    )


class _Looking:
    """Rows from `top` (outside) down to `first`, and how far that came: `at` is the last one passed."""

    def __init__(self, database: Database, query: Query, first: int, top: int, work: int) -> None:
        self._database = database
        self._query = query
        self.names = frozenset(query.names())
        self._first = first
        self._work = work
        self.at = max(top, first)
        self.passed = 0
        self.last_ms: int | None = None
        self.foreign = 0

    def rows(self) -> Iterator[tuple[int, bytes]]:
        """(seq, bytes), newest first. Many short reads: nothing is kept open meanwhile."""
        while self.at > self._first and self.passed < self._work:
            top = self.at
            low, found, whole = self._some(top, min(_SPAN, self._work - self.passed))
            for seq, body in found:
                self._pass_to(seq, 1 if self._query.change else top - seq)
                top = seq
                yield seq, body
            if whole:
                self._pass_to(low, 0 if self._query.change else top - low)

    def _some(self, top: int, span: int) -> tuple[int, list[tuple[int, bytes]], bool]:
        """Rows below `top`: down to which number, which ones, and whether nothing else is between."""
        wanted = select(Entry.seq, Entry.body).where(Entry.seq < top, Entry.seq >= self._first)
        if self._query.change:
            wanted = wanted.where(Entry.change == self._query.change).limit(span)
        else:
            wanted = wanted.where(Entry.seq >= top - span)
            if self.names:
                wanted = wanted.where(col(Entry.name).in_(sorted(self.names)))
        with self._database.read() as session:
            rows = session.exec(wanted.order_by(col(Entry.seq).desc())).all()
        found = [(int(seq), bytes(body)) for seq, body in rows]
        if self._query.change:
            return self._first, found, len(found) < span
        return max(self._first, top - span), found, True

    def _pass_to(self, seq: int, rows: int) -> None:
        self.at = seq
        self.passed += rows


def _hit(seq: int, body: bytes, query: Query, looking: _Looking) -> Hit | None:
    """The row when its bytes say what is looked for."""
    try:
        record = orjson.loads(body)
        time_ms, name = int(record["time"]), str(record["api"]["operation"])
        who, change = str(record["actor"]["user"]["uid"]), str(record["unmapped"]["change"]["uid"])
        face = str(record["src_endpoint"]["name"])
    except (ValueError, KeyError, TypeError):
        looking.foreign += 1
        return None
    looking.last_ms = time_ms
    wrong = (
        (query.by and query.by.casefold() != who.casefold())
        or (query.what and name not in looking.names)
        or (query.change and query.change != change)
        or (query.since_ms is not None and time_ms < query.since_ms)
        or (query.until_ms is not None and time_ms >= query.until_ms)
        or (query.about and not _about(record, query.about))
    )
    return None if wrong else Hit(seq, time_ms, who, face, name, change, told(record), body)


def _about(record: Mapping[str, Any], wanted: tuple[str, ...]) -> bool:
    texts = [text.casefold() for text in _texts(record["unmapped"])]
    texts += [str(record["api"]["operation"]), str(record["actor"]["user"]["uid"]).casefold()]
    return all(any(word.casefold() in text for text in texts) for word in wanted)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def _first_at(session: Session, time_ms: int, size: int) -> int:
    """The first row not before this time: times never run backwards, so halving finds it."""
    low, high = 0, size
    while low < high:
        middle = (low + high) // 2
        row = session.exec(
            select(Entry.seq, Entry.body)
            .where(Entry.seq >= middle, Entry.seq < high)
            .order_by(col(Entry.seq))
            .limit(1)
        ).first()
        if row is None:
            high = middle
        elif _time(row[1]) < time_ms:
            low = row[0] + 1
        else:
            high = middle
    return low


def _time(body: bytes) -> int:
    try:
        return int(orjson.loads(body)["time"])
    except (ValueError, KeyError, TypeError):
        return 0


def _starts(name: str, start: str) -> bool:
    return name == start or name.startswith(start if start.endswith(":") else start + ":")


def _iso(ms: int | None) -> str:
    if ms is None:
        return ""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
