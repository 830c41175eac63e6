"""Proves that a trail is whole. Imports nothing of the bot outside this package, trusts no stored hash.

Checked: every body is canonical JSON, `seq` runs from 0 without a gap, each `prev` is the recomputed leaf before
it, time never runs backwards, one chain, the head row agrees; then what the rows say: no run without an approval of
its plan's digest by enough different people of whom the requester is none (or a break-glass after its time), no
answer at a terminal without its signature, no call without a run, no outcome without its intent. Not yet
checked: the newest rows removed together with the head row; signed checkpoints will show that.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from bot.trail.finding import Finding
from bot.trail.meaning import Meaning

VERIFIED, TAMPERED, INCOMPLETE, USAGE = 0, 1, 2, 3
_EVERY = 2**62
_GENESIS = hashlib.sha256(b"").digest()


@dataclass(frozen=True)
class Row:
    """A stored row: what its columns claim, and the bytes that count."""

    seq: int
    prev: bytes
    leaf: bytes
    body: bytes


@dataclass
class Report:
    """What the verifier found."""

    rows: int = 0
    head: str = ""
    findings: list[Finding] = field(default_factory=list)
    unresolved: int = 0
    """Intents without an outcome: calls whose end nobody saw, normal after a crash"""
    reviews: int = 0
    """Reviews of a break-glass that nobody has closed yet"""
    incomplete: str = ""

    @property
    def exit_code(self) -> int:
        """0 verified, 1 tampered, 2 incomplete."""
        if self.findings:
            return TAMPERED
        return INCOMPLETE if self.incomplete else VERIFIED

    def words(self) -> str:
        """The verdict in one line."""
        if self.findings:
            first = self.findings[0]
            return (
                f"NOT verified: {len(self.findings)} findings, the first at row {first.seq}: {first.message}"
            )
        if self.incomplete:
            return f"Incomplete: {self.incomplete}"
        count = "1 review" if self.reviews == 1 else f"{self.reviews} reviews"
        open_ones = f" Open: {count} of a break-glass." if self.reviews else ""
        return f"Verified: {self.rows} rows, unbroken; head {self.head[:16]}.{open_ones}"

    def as_json(self) -> str:
        """The report as JSON."""
        verdict = {VERIFIED: "verified", TAMPERED: "tampered", INCOMPLETE: "incomplete"}[self.exit_code]
        return json.dumps({"verdict": verdict, **asdict(self)}, indent=2)


def verify_database(url: str, *, rows: int | None = None) -> Report:
    """Verify the trail in a database, or its first `rows` rows. Raises ValueError when it cannot be read."""
    if url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///")).is_file():
        raise ValueError(f"there is no database at {url}")
    try:
        engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1))
    except (SQLAlchemyError, ImportError) as error:
        raise ValueError(f"{url!r} is no database's URL") from error
    try:
        with engine.connect() as connection:
            # One snapshot: a row appended between two reads would look like a head that differs.
            if engine.dialect.name == "postgresql":
                connection = connection.execution_options(isolation_level="REPEATABLE READ")
            else:
                connection.exec_driver_sql("BEGIN")
            head = connection.execute(text("select size, leaf from head")).all()
            query = text("select seq, prev, leaf, body from entry where seq < :rows order by seq")
            found = connection.execution_options(yield_per=1000).execute(
                query, {"rows": _EVERY if rows is None else rows}
            )
            stream = (Row(r.seq, _bytes(r.prev), _bytes(r.leaf), _bytes(r.body)) for r in found)
            whole = rows is None
            return verify_rows(
                stream, (int(head[0].size), bytes(head[0].leaf)) if len(head) == 1 else None, whole=whole
            )
    except SQLAlchemyError as error:
        raise ValueError(f"cannot read the trail: {str(error).splitlines()[0]}") from error
    finally:
        engine.dispose()


def _bytes(value: object) -> bytes:
    """A column's bytes; what is of another type was not written by us, and is found as such."""
    return bytes(value) if isinstance(value, bytes | memoryview) else b""


def verify_rows(rows: Iterable[Row], head: tuple[int, bytes] | None, *, whole: bool = True) -> Report:
    """Verify rows in the order of their `seq` against the head row (size, leaf). Streams: memory stays flat.

    Unless `whole`, the rows are the beginning of a log, which the head does not describe.
    """
    report = Report()
    meaning = Meaning(report.findings)
    prev, last_time, chain = _GENESIS, 0, None
    for row in rows:
        expected = report.rows
        report.rows += 1
        leaf = hashlib.sha256(b"\x00" + row.body).digest()
        record = _parsed(report, row)
        if record is not None:
            found = _links(row, record, expected, prev, last_time, chain, leaf)
            report.findings.extend(found)
            last_time = max(last_time, _number(record.get("time")))
            chain = chain or record.get("chain_uid")
            try:
                meaning.read(row.seq, record)
            except (KeyError, TypeError, AttributeError, ValueError) as error:
                report.findings.append(
                    Finding(
                        row.seq,
                        "not-our-shape",
                        f"what it says cannot be read: {type(error).__name__} {error}",
                    )
                )
        prev = leaf
    report.head = prev.hex()
    if head is None:
        if report.rows:
            report.findings.append(
                Finding(-1, "head-missing", "the head row is missing although there are rows")
            )
        else:
            report.incomplete = "there is no trail"
    elif whole and head != (report.rows, prev):
        report.findings.append(
            Finding(
                -1,
                "head-differs",
                f"the head says {head[0]} rows, {report.rows} are there, or their last hash differs",
            )
        )
    if not report.rows and not report.findings:
        report.incomplete = "there is no trail"
    report.unresolved, report.reviews = len(meaning.intents), len(meaning.reviews)
    return report


def _parsed(report: Report, row: Row) -> dict[str, Any] | None:
    try:
        record = orjson.loads(row.body)
        canonical = orjson.dumps(record, option=orjson.OPT_SORT_KEYS)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError) as error:
        report.findings.append(Finding(row.seq, "not-json", f"the body is not valid JSON: {error}"))
        return None
    if canonical != row.body or not isinstance(record, dict):
        report.findings.append(Finding(row.seq, "not-canonical", "the body is not in canonical form"))
        return None
    return record


def _links(
    row: Row, record: dict[str, Any], expected: int, prev: bytes, last_time: int, chain: object, leaf: bytes
) -> Iterator[Finding]:
    if record.get("seq") != expected or row.seq != expected:
        yield Finding(row.seq, "gap", f"row {expected} was expected here, the body says {record.get('seq')}")
    if record.get("prev") != prev.hex() or row.prev != prev:
        yield Finding(
            row.seq, "broken-link", "it does not follow the row before it: one of the two was altered"
        )
    if row.leaf != leaf:
        yield Finding(row.seq, "edited", "the body was altered after it was written")
    if _number(record.get("time")) < last_time:
        yield Finding(row.seq, "backdated", "its time lies before that of the row before it")
    if chain is not None and record.get("chain_uid") != chain:
        yield Finding(
            row.seq, "other-chain", f"it belongs to the log {record.get('chain_uid')!r}, not {chain!r}"
        )


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0
