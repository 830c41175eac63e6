"""Search of the trail, newest row first, a page at a time, with the work of a page bounded.

Columns of the table only narrow what is read; whether a row is shown is decided by its bytes. What was committed
to instead of being written (e-mail addresses) cannot be found by its words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import orjson
from sqlalchemy import func
from sqlmodel import Session, col, select

from bot.evidence.query import Query
from bot.evidence.told import told
from bot.store.database import Database
from bot.store.tables import Entry, Head
from bot.trail.append import Trail
from bot.trail.event import Event, Name

WORK = 50_000
"""Rows that one page passes over at most."""
ALL = "everything but heartbeats"
"""What a search without words is for."""
_SPAN = 256
"""Rows read at once."""
_FEW = 20_000
"""Rows of a kind that are looked up one by one; of more, all rows are passed over."""
_BY_ITSELF = ("run:step:", "run:plan:", "call:outside:")
_PLAIN = re.compile(r"[A-Za-z0-9 _.:/#@+-]+")


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

    @property
    def automatic(self) -> bool:
        """Whether Signalbox did it by itself, in the name of a person who had started it."""
        return self.face == "signalbox" and self.who != "signalbox" and self.name.startswith(_BY_ITSELF)


@dataclass(frozen=True)
class Page:
    """Hits, newest first. `passed` rows were looked at, down to `last` (its time: `last_ms`).

    `more` asks for the next page; None when everything was looked at. `foreign` of the rows that had to be read no
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
    with database.read() as session:
        reached = session.exec(select(Entry.body).where(Entry.seq == looking.at)).first()
    return Page(
        query=query,
        hits=tuple(hits),
        passed=looking.passed,
        last=looking.at if looking.passed else None,
        last_ms=_time(reached) if looking.passed and reached is not None else None,
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
                "query": words[:1000] or ALL,
                "hits": 1 if page is None else len(page.hits),
                "passed": 1 if page is None else page.passed,
            },
        )
    )


class _Looking:
    """Rows from `top` (outside) down to `first`, and how far that came: `at` is the last one passed."""

    def __init__(self, database: Database, query: Query, first: int, top: int, work: int) -> None:
        self._database = database
        self._change = query.change
        self.names = frozenset(query.names())
        self._first = first
        self._work = work
        self.at = max(top, first)
        self.passed = 0
        self.foreign = 0

    def rows(self) -> Iterator[tuple[int, bytes]]:
        """(seq, bytes), newest first. Many short reads: nothing is kept open meanwhile."""
        few = self._few()
        while self.at > self._first and self.passed < self._work:
            top, span = self.at, min(_SPAN, self._work - self.passed)
            low, found = self._through(top, span) if few is None else self._among(few, top, span)
            for seq, body in found:
                self._pass_to(seq, top - seq if few is None else 1)
                top = seq
                yield seq, body
            self._pass_to(low, top - low if few is None else 0)

    def _few(self) -> list[int] | None:
        """The rows of the change or of the names, newest first, when an index tells that they are few."""
        wanted = select(Entry.seq).limit(_FEW + 1)
        if self._change:
            wanted = wanted.where(Entry.change == self._change)
        elif self.names:
            wanted = wanted.where(col(Entry.name).in_(sorted(self.names)))
        else:
            return None
        with self._database.read() as session:
            found = [int(seq) for seq in session.exec(wanted)]
        return None if len(found) > _FEW else sorted(found, reverse=True)

    def _among(self, few: list[int], top: int, span: int) -> tuple[int, list[tuple[int, bytes]]]:
        """The next of these rows, and down to where there is none else."""
        left = [seq for seq in few if self._first <= seq < top]
        some = left[:span]
        low = self._first if len(left) == len(some) else some[-1]
        return low, self._read(col(Entry.seq).in_(some))

    def _through(self, top: int, span: int) -> tuple[int, list[tuple[int, bytes]]]:
        """The rows just below `top`, those left out that their columns tell to be others."""
        low = max(self._first, top - span)
        where: list[Any] = [Entry.seq < top, Entry.seq >= low]
        # Not the bare columns: their index would be read anew, from its beginning, for every span.
        if self._change:
            where.append(func.coalesce(Entry.change, "") == self._change)
        if self.names:
            where.append(func.coalesce(Entry.name, "").in_(sorted(self.names)))
        else:
            where.append(func.coalesce(Entry.name, "") != str(Name.BOT_HEARTBEAT))
        return low, self._read(*where)

    def _read(self, *where: Any) -> list[tuple[int, bytes]]:
        wanted = select(Entry.seq, Entry.body).where(*where).order_by(col(Entry.seq).desc())
        with self._database.read() as session:
            return [(int(seq), bytes(body)) for seq, body in session.exec(wanted)]

    def _pass_to(self, seq: int, rows: int) -> None:
        self.at = seq
        self.passed += rows


def _hit(seq: int, body: bytes, query: Query, looking: _Looking) -> Hit | None:
    """The row when its bytes say what is looked for."""
    if _cannot(body, query):
        return None
    try:
        record = orjson.loads(body)
        time_ms, name = int(record["time"]), str(record["api"]["operation"])
        who, change = str(record["actor"]["user"]["uid"]), str(record["unmapped"]["change"]["uid"])
        face = str(record["src_endpoint"]["name"])
    except (ValueError, KeyError, TypeError):
        looking.foreign += 1
        return None
    wrong = (
        (query.by and query.by.casefold() != who.casefold())
        or (name not in looking.names if query.what else name == Name.BOT_HEARTBEAT)
        or (query.change and query.change != change)
        or (query.since_ms is not None and time_ms < query.since_ms)
        or (query.until_ms is not None and time_ms >= query.until_ms)
        or (query.about and not _about(record, query.about))
    )
    return None if wrong else Hit(seq, time_ms, who, face, name, change, told(record), body)


def _cannot(body: bytes, query: Query) -> bool:
    """Whether a look at the bytes is enough to pass over them: they hold nothing that JSON would write otherwise."""
    words = [word for word in (query.by, *query.about) if _PLAIN.fullmatch(word)]
    if not words or not body.isascii():
        return False
    lower = body.lower()
    return any(word.lower().encode() not in lower for word in words)


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
