"""What a pack is about: a span of days, and the rows of one log that tell of them, read as bytes and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import orjson
from sqlmodel import col, select

from bot.errors import Altered, Refused, UsageError
from bot.store.database import Database
from bot.store.tables import CheckpointRow, Entry, Head

_QUARTER = re.compile(r"(\d{4})-?[Qq]([1-4])")
_BATCH = 512
_MATTERS = (
    b'"change:plan:proposed"',
    b'"decision:glass:broken"',
    b'"trail:log:recovered"',
    b'"change:request:closed"',
    b'"close"',
    b'"trail:key:',
    b'"estate:file:accepted"',
)
"""A row before the window matters only if it holds one of these: the others are not even parsed."""


@dataclass(frozen=True)
class Days:
    """A span of whole days in UTC: `since` and the day after the last one, epoch milliseconds."""

    since_ms: int
    until_ms: int

    @property
    def words(self) -> str:
        """As people say it; the last day is the last one inside."""
        return f"{_day(self.since_ms)} to {_day(self.until_ms - 1)}"


def days(first: str, last: str) -> Days:
    """From the first to the last day, both inside, `2026-07-01`. Raises UsageError."""
    try:
        begin, end = date.fromisoformat(first), date.fromisoformat(last)
    except ValueError as error:
        raise UsageError(f"{first} to {last} are not two days.", then="Write days as 2026-07-01.") from error
    if end < begin:
        raise UsageError(f"{last} is before {first}.", then="The first day comes first.")
    return Days(_ms(begin), _ms(end + timedelta(days=1)))


def quarter(words: str) -> Days:
    """The three months of `2026-Q3`. Raises UsageError."""
    found = _QUARTER.fullmatch(words.strip())
    if found is None or found[1] == "0000":
        raise UsageError(f"{words!r} is no quarter.", then="Write it as 2026-Q3.")
    year, first = int(found[1]), 3 * int(found[2]) - 2
    after = date(year, first + 3, 1) if first < 10 else date(year + 1, 1, 1)
    return Days(_ms(date(year, first, 1)), _ms(after))


@dataclass(frozen=True)
class Row:
    """One row: the bytes that were hashed, and what they say."""

    seq: int
    body: bytes
    record: dict[str, Any] = field(repr=False)

    @property
    def name(self) -> str:
        """`source:subject:action`."""
        return str(self.record["api"]["operation"])

    @property
    def time_ms(self) -> int:
        """When, epoch milliseconds; never smaller than the row's before."""
        return int(self.record["time"])

    @property
    def actor(self) -> str:
        """Who: a person's id, or `signalbox`."""
        return str(self.record["actor"]["user"]["uid"])

    @property
    def face(self) -> str:
        """Where it was typed or clicked: slack, terminal, calendar, signalbox."""
        return str(self.record["src_endpoint"]["name"])

    @property
    def ok(self) -> bool | None:
        """Whether it went well; None = not known."""
        return {1: True, 2: False}.get(self.record["status_id"])

    @property
    def change(self) -> str:
        """The change that it belongs to, or empty."""
        return str(self.record["unmapped"]["change"]["uid"])

    @property
    def run(self) -> str:
        """The run that it belongs to, or empty."""
        return str(self.record["unmapped"]["change"]["run"])

    @property
    def step(self) -> str:
        """The step that it belongs to, or empty."""
        return str(self.record["unmapped"]["change"]["step"])

    @property
    def detail(self) -> dict[str, Any]:
        """What was noted beside."""
        return dict(self.record["unmapped"]["detail"])

    @property
    def approval(self) -> dict[str, Any]:
        """Who was asked or answered what."""
        return dict(self.record["unmapped"].get("approval", {}))


@dataclass(frozen=True)
class Window:
    """The rows of a pack, [first, size): from the first that matters to the checkpoint that closes it.

    Of the window itself are the rows [inside, outside): those between `days.since_ms` and `days.until_ms`. Rows
    before `inside` tell how changes began that were open; rows from `outside` on are there because the checkpoint
    covers them. `complete` is false while the log has not reached the end of the window. `keys` (verifier keys) and
    `estate` (digest) are what rows before the window had introduced and accepted last.
    """

    database: Database
    chain: str
    days: Days
    first: int
    inside: int
    outside: int
    size: int
    complete: bool
    keys: tuple[str, ...] = ()
    estate: str = ""

    def rows(self, first: int | None = None, upto: int | None = None) -> Iterator[Row]:
        """Rows in order, a few hundred in memory at a time; without bounds those of the window. Raises Altered."""
        begin = self.inside if first is None else first
        for seq, body in bodies(self.database, begin, self.outside if upto is None else upto):
            yield parsed(seq, body)

    def these(self, seqs: Iterable[int]) -> Iterator[Row]:
        """The rows with these numbers, in their order. Raises Altered where one is missing."""
        wanted = list(seqs)
        for at in range(0, len(wanted), _BATCH):
            some = wanted[at : at + _BATCH]
            with self.database.read() as session:
                rows = session.execute(select(Entry.seq, Entry.body).where(col(Entry.seq).in_(some)))
                found = {int(seq): bytes(body) for seq, body in rows}
            for seq in some:
                if seq not in found:
                    raise Altered(f"The trail lacks row {seq}.", not_done="No pack was made.")
                yield parsed(seq, found[seq])


def bodies(database: Database, first: int, upto: int) -> Iterator[tuple[int, bytes]]:
    """(seq, bytes) of the rows [first, upto), which must be there without a gap. Raises Altered.

    Many short reads: nothing is locked or kept open while a pack is written.
    """
    at = first
    while at < upto:
        with database.read() as session:
            some = session.execute(
                select(Entry.seq, Entry.body)
                .where(Entry.seq >= at, Entry.seq < min(upto, at + _BATCH))
                .order_by(col(Entry.seq))
            )
            found = [(int(seq), bytes(body)) for seq, body in some]
        for seq, body in found:
            if seq != at:
                break
            yield seq, body
            at += 1
        if not found or found[-1][0] != at - 1:
            raise Altered(
                f"The trail lacks row {at}.", not_done="No pack was made.", then="Run signalbox verify."
            )


def parsed(seq: int, body: bytes) -> Row:
    """The row of these bytes. Raises Altered for bytes that no Signalbox wrote."""
    try:
        row = Row(seq, body, orjson.loads(body))
        told = (row.name, row.time_ms, row.actor, row.face, row.ok, row.change, row.run, row.step)
        assert told
        assert isinstance(row.record["unmapped"]["detail"], dict)
    except (ValueError, KeyError, TypeError, AssertionError) as error:
        raise Altered(
            f"Row {seq} of the trail is not what Signalbox writes.",
            not_done="No pack was made.",
            then="Run signalbox verify.",
        ) from error
    return row


def open_window(database: Database, asked: Days) -> Window:
    """Find the rows of these days. The newest checkpoint bounds them: seal before, so that nothing is left out.

    Raises Refused where there is nothing signed to hand over, Altered where rows are missing.
    """
    with database.read() as session:
        head = session.exec(select(Head)).first()
        sizes = sorted(set(session.exec(select(CheckpointRow.size))))
    if head is None or not sizes:
        raise Refused(
            "The trail has no signed checkpoint, so a pack could prove nothing.",
            not_done="No pack was made.",
            then="Start signalbox serve once: it signs within a minute.",
        )
    inside = _first_at(database, asked.since_ms, sizes[-1])
    outside = _first_at(database, asked.until_ms, sizes[-1])
    before = _before(database, inside)
    # One row from after the window, at least: it shows that nothing was cut off at the end.
    size = next((one for one in sizes if one > outside), sizes[-1])
    return Window(
        database=database,
        chain=head.chain,
        days=asked,
        first=min([inside, *before.opened]),
        inside=inside,
        outside=outside,
        size=size,
        complete=outside < sizes[-1],
        keys=tuple(before.keys),
        estate=before.estate,
    )


@dataclass
class _Before:
    """What was so when the window began."""

    opened: list[int] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    estate: str = ""


def _before(database: Database, inside: int) -> _Before:
    """Where changes began that were open or unreviewed, which keys and which estate were in force."""
    found = _Before()
    began: dict[str, int] = {}
    open_changes: set[str] = set()
    reviews: dict[str, str] = {}
    for seq, body in bodies(database, 0, inside):
        if not any(mark in body for mark in _MATTERS):
            continue
        row = parsed(seq, body)
        match row.name:
            case "change:plan:proposed":
                began.setdefault(row.change, seq)
                open_changes.add(row.change)
            case "decision:glass:broken" | "trail:log:recovered" if row.approval.get("review"):
                reviews[str(row.approval.get("review"))] = row.change
            case "change:request:closed":
                open_changes.discard(row.change)
            case "decision:question:decided":
                reviews.pop(str(row.approval.get("decision")), None)
            case "trail:key:introduced" | "trail:key:rotated":
                found.keys.append(str(row.detail.get("key")))
            case "estate:file:accepted":
                found.estate = str(row.detail.get("after"))
    found.opened = [began[one] for one in {*open_changes, *reviews.values()} if one in began]
    return found


def _first_at(database: Database, time_ms: int, size: int) -> int:
    """The first row whose own time is not before this one: times never run backwards, so halving finds it."""
    low, high = 0, size
    while low < high:
        middle = (low + high) // 2
        seq, body = next(bodies(database, middle, middle + 1))
        if parsed(seq, body).time_ms < time_ms:
            low = middle + 1
        else:
            high = middle
    return low


def _ms(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000


def _day(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d")
