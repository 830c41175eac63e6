"""A trail in a database: read in one snapshot, row by row, as the driver gives it."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from bot.trail.verify.heads import Heads, Signed
from bot.trail.verify.keys import Keys
from bot.trail.verify.recoveries import check_local
from bot.trail.verify.report import Report, Row, Unreadable
from bot.trail.verify.rows import Walk

_BATCH = 2000
_EVERY = 2**62


def verify_rows(
    rows: Iterable[Row],
    head: tuple[int, bytes] | None,
    *,
    whole: bool = True,
    signed: Iterable[Signed] = (),
    pinned: Sequence[str] = (),
    known: bytes | None = None,
    now: float | None = None,
    source: str = "",
) -> Report:
    """Verify rows in the order of their `seq` against the head row (size, leaf) and the checkpoints, by size.

    Unless `whole`, the rows are the beginning of a log, which head and newer checkpoints do not describe.
    """
    walk = _walk(Report(source=source), signed, pinned, known, whole=whole)
    walk.take(rows)
    return _ended(walk, head, now, whole=whole)


def verify_database(
    url: str,
    *,
    rows: int | None = None,
    pinned: Sequence[str] = (),
    known: bytes | None = None,
    now: float | None = None,
) -> Report:
    """Verify the trail in a database, or its first `rows` rows. Raises ValueError when it cannot be read.

    `pinned` are verifier keys that must vouch for the log, `known` a checkpoint kept from last time. Without `now`
    (epoch seconds of the trail's calendar) it is not judged whether the newest row is recent.
    """
    with opened(url) as connection:
        found = connection.execute(text("select size, leaf, chain, origin from head")).all()
        upto = _EVERY if rows is None else rows
        report = Report(source=shown(url))
        with closing(signed_in(connection, report)) as signed, closing(batches(connection, 0, upto)) as read:
            walk = _walk(report, signed, pinned, known, whole=rows is None)
            for batch in read:
                walk.take([row[:4] for row in batch])
                _indexed(report, batch)
            head = (found[0].size, _bytes(found[0].leaf)) if len(found) == 1 else None
            _ended(walk, head, now, whole=rows is None)
        if walk.heads.recovered and walk.tree:
            with closing(batches(connection, 0, upto)) as read:
                again = ((row[0], row[3]) for batch in read for row in batch)
                check_local(report, walk.heads.recovered, again)
        if head is not None and rows is None:
            _named(report, found[0], walk.heads)
        if rows is None and report.sound:
            there = connection.execute(text("select count(*) from entry")).scalar_one()
            if there != report.rows:
                report.find(-1, "rows-beside", f"{there - report.rows} rows have numbers that no row has")
        return report


def _indexed(report: Report, batch: list[Any]) -> None:
    """The columns that searches go by must say what the bodies say, or a row could be hidden from them."""
    for seq, _, _, body, name, change in batch:
        try:
            told = (
                b'"api":{"operation":"%b"' % name.encode() in body  # its neighbours: who acted has a uid, too
                and b'","uid":"%b"}' % change.encode() in body
            )
        except (AttributeError, TypeError):
            told = False
        if not told:
            report.find(
                seq, "index-differs", "the columns that searches go by say something else than the row"
            )


def _walk(
    report: Report, signed: Iterable[Signed], pinned: Sequence[str], known: bytes | None, *, whole: bool
) -> Walk:
    keys = Keys(report, pinned)
    return Walk(report, keys, Heads(report, keys, signed, known, whole=whole))


def _ended(walk: Walk, head: tuple[Any, bytes] | None, now: float | None, *, whole: bool) -> Report:
    report = walk.report
    if head is None and report.rows:
        report.find(-1, "head-missing", "the head row is missing although there are rows")
    elif head is not None and whole and head != (report.rows, walk.prev):
        report.find(
            -1,
            "head-differs",
            f"the head says {head[0]} rows, {report.rows} are there, or their last hash differs",
        )
    return walk.end(None if now is None else int(now * 1000))


def _named(report: Report, head: Any, heads: Heads) -> None:
    origin = heads.recovered[-1].origin if heads.recovered else report.chain
    if report.rows and (head.chain, head.origin) != (report.chain, origin):
        report.find(
            -1,
            "head-differs",
            f"the head row names the log {head.chain!r} and {head.origin!r}, the rows {report.chain!r} and {origin!r}",
        )


@contextmanager
def opened(url: str) -> Iterator[Connection]:
    """A connection in one snapshot. Raises Unreadable, also for what goes wrong while it is used."""
    if url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///")).is_file():
        raise Unreadable(f"there is no database at {url}")
    try:
        engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1))
    except (SQLAlchemyError, ImportError, ValueError) as error:
        raise Unreadable(f"{shown(url)!r} is no database's URL") from error
    try:
        with engine.connect() as connection:
            # One snapshot: a row appended between two reads would look like a head that differs.
            if engine.dialect.name == "postgresql":
                connection = connection.execution_options(isolation_level="REPEATABLE READ")
            else:
                connection.exec_driver_sql("PRAGMA query_only = on")
                connection.exec_driver_sql("BEGIN")
            yield connection
    except Unreadable:
        raise
    except Exception as error:
        # Whatever a hostile file makes the driver raise: it is said, and it is no stack trace.
        raise Unreadable(
            f"cannot read the trail: {(str(error).splitlines() or [type(error).__name__])[0]}"
        ) from error
    finally:
        engine.dispose()


def batches(connection: Connection, first: int, upto: int = _EVERY) -> Generator[list[Any], None, None]:
    """The rows [first, upto) as (seq, prev, leaf, body, name, change), some thousands at a time, from the driver."""
    # Two integers, written as such: what the driver is given must be the same for both databases.
    where = f"seq >= {first:d} and seq < {upto:d}"
    asked = f"select seq, prev, leaf, body, name, change from entry where {where} order by seq"  # noqa: S608
    return _read(connection, asked, "rows", _BATCH)


def _read(connection: Connection, asked: str, name: str, count: int) -> Generator[list[Any], None, None]:
    driver: Any = connection.connection.driver_connection
    server = connection.dialect.name == "postgresql"
    # A cursor of the client would hold all rows of PostgreSQL in memory.
    cursor = driver.cursor(name=f"signalbox_{name}") if server else driver.cursor()
    try:
        cursor.execute(asked)
        while found := cursor.fetchmany(count):
            yield found
    finally:
        cursor.close()


def signed_in(connection: Connection, report: Report) -> Generator[Signed, None, None]:
    """The checkpoints of the database by size."""
    if connection.dialect.name == "postgresql":
        there = connection.execute(text("select to_regclass('checkpoint') is not null")).scalar()
    else:
        asked = "select count(*) from sqlite_master where type = 'table' and name = 'checkpoint'"
        there = connection.execute(text(asked)).scalar()
    if not there:
        report.gap("this database has no table of checkpoints")
        return
    asked = "select origin, size, root, note from checkpoint order by size, origin"
    with closing(_read(connection, asked, "signed", 500)) as found:
        for origin, size, root, note in (row for some in found for row in some):
            if type(size) is not int or not isinstance(origin, str):
                report.find(-1, "checkpoint-malformed", "a checkpoint in the table has no origin or no size")
                continue
            yield Signed(origin, size, _bytes(note), f"in the table ({origin}, {size})", _bytes(root))


def bodies(url: str, first: int = 0) -> Generator[tuple[int, bytes], None, None]:
    """(seq, body) from `first` on, in order. Raises Unreadable."""
    with opened(url) as connection, closing(batches(connection, first)) as read:
        for seq, _, _, body, *_ in (row for batch in read for row in batch):
            yield seq, body


def shown(url: str) -> str:
    """The URL without its password."""
    head, at, tail = url.rpartition("@")
    if not at or "://" not in head:
        return url
    scheme, _, who = head.partition("://")
    return f"{scheme}://{who.partition(':')[0]}@{tail}"


def _bytes(value: object) -> bytes:
    """A column's bytes; what is of another type was not written by us, and is found as such."""
    return bytes(value) if isinstance(value, bytes | memoryview) else b""
