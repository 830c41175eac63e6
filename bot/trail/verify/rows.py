"""The rows one after the other: bytes, links, tree, times, and what they say. Memory stays flat, and it is fast."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Any

import orjson

from bot.trail.meaning import NAMES as MEANT
from bot.trail.meaning import Meaning
from bot.trail.tree import EMPTY, Frontier
from bot.trail.verify import keys as keys_of
from bot.trail.verify.heads import Heads
from bot.trail.verify.keys import Keys
from bot.trail.verify.report import Report

LONGEST_ROW = 65_535
_OPTIONS = orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER
_RECOVERED = "trail:log:recovered"
_LOOKED_AT = MEANT | keys_of.NAMES
# Digits and signs fall out and `,` `[` become `:`, so that a fraction or an exponent shows as `:.` or `:e`.
_FLAT = bytes.maketrans(b",[E", b"::e")
_DIGITS = b"0123456789-"
_FRACTION = re.compile(rb"[:,\[]-?[0-9]+[.eE]")


class Walk:
    """Takes in the rows of one log in their order, as many at a time as come."""

    def __init__(
        self,
        report: Report,
        keys: Keys,
        heads: Heads,
        *,
        frontier: Frontier | None = None,
        prev: bytes = EMPTY,
        since: int | None = None,
    ) -> None:
        self.report = report
        self.keys = keys
        self.heads = heads
        self.meaning = Meaning(report.findings, since)
        self.frontier = frontier or Frontier()
        self.prev = prev
        self.last_ms = 0
        self.tree = True
        """Whether every row so far is there: without one of them no root can be compared"""
        self._expected = self.frontier.size
        self._begun = False
        self._odd: tuple[str, bytes, dict[str, Any], int, str] = ("", b"", {}, 0, "")
        report.first = self.frontier.size

    def take(self, rows: Iterable[tuple[Any, Any, Any, Any]]) -> None:
        """Rows as (seq, prev, leaf, body); prev and leaf are None where the source has no such columns."""
        sha256, loads, dumps, options = hashlib.sha256, orjson.loads, orjson.dumps, _OPTIONS
        flat, digits, looked_at = _FLAT, _DIGITS, _LOOKED_AT
        frontier, hashes, heads = self.frontier, self.frontier.hashes, self.heads
        prev, last_ms, expected = self.prev, self.last_ms, self._expected
        chain = self.report.chain if self._begun else None
        size, stop, first = frontier.size, heads.next, frontier.size
        for seq, stored_prev, stored_leaf, body in rows:
            name = ""
            try:
                leaf = sha256(b"\x00" + body).digest()
                record = loads(body)
                time_ms = record["time"]
                bare = body.translate(flat, digits)
                good = (
                    seq == expected
                    and dumps(record, None, options) == body
                    and record["seq"] == seq
                    and record["prev"] == prev.hex()
                    and record["chain_uid"] == chain
                    and (stored_leaf is None or (stored_leaf == leaf and stored_prev == prev))
                    and type(time_ms) is int
                    and time_ms >= last_ms
                    and len(body) <= LONGEST_ROW
                    and b":." not in bare
                    and b":e" not in bare
                )
                name = record["api"]["operation"]
            except (KeyError, TypeError, ValueError, AttributeError):
                good = False
            if not good:
                self.prev, self.last_ms, self._expected = prev, last_ms, expected
                if not self._trouble(seq, stored_prev, stored_leaf, body):
                    expected = self._expected
                    continue
                chain, leaf, record, time_ms, name = self._odd
                expected = self._expected
            else:
                expected += 1
            prev = leaf
            last_ms = time_ms
            ends = size
            while ends & 1:
                leaf = sha256(b"\x01" + hashes.pop() + leaf).digest()
                ends >>= 1
            hashes.append(leaf)
            size += 1
            if name in looked_at:
                self._read(seq, name, record)
                stop = heads.next
            if size >= stop:
                frontier.size = size
                heads.stop(frontier, last_ms, tree=self.tree)
                stop = heads.next
        frontier.size = size
        self.report.rows += size - first
        self.prev, self.last_ms, self._expected = prev, last_ms, expected
        self.report.last_ms = last_ms

    def end(self, now_ms: int | None = None) -> Report:
        """The verdict over everything taken in."""
        report = self.report
        report.head = self.prev.hex()
        self.heads.end(self.last_ms, now_ms, tree=self.tree)
        self.keys.end()
        report.unresolved, report.reviews = len(self.meaning.intents), len(self.meaning.reviews)
        if not report.rows and report.sound:
            report.gap("there is no trail")
        if report.unresolved:
            report.note(f"{report.unresolved} calls whose outcome nobody saw (a crash or a lost answer).")
        if self.meaning.unseen:
            some = ", ".join(sorted(self.meaning.unseen)[:5])
            report.gap(
                f"{len(self.meaning.unseen)} changes ran here that began before the first row here ({some})"
            )
        return report

    def _trouble(self, seq: Any, stored_prev: Any, stored_leaf: Any, body: Any) -> bool:
        """What is wrong with this row, in words. False when it is not taken into the log at all."""
        report, expected = self.report, self._expected
        if type(seq) is not int or type(body) is not bytes:
            report.find(
                seq if type(seq) is int else -1,
                "not-a-row",
                f"row {expected} or later has no number or no bytes",
            )
            self.tree = False
            return False
        if seq < expected:
            report.find(seq, "out-of-order", f"row {seq} is there twice, or after row {expected - 1}")
            self.tree = False
            return False
        if seq > expected:
            missing = f"row {expected} is" if seq == expected + 1 else f"rows {expected} to {seq - 1} are"
            report.find(seq, "gap", f"{missing} missing")
            self.tree = False
        leaf = hashlib.sha256(b"\x00" + body).digest()
        record = self._parsed(seq, body)
        time_ms = record.get("time")
        if record:
            self._links(seq, record, leaf, stored_prev)
        if stored_leaf is not None and stored_leaf != leaf:
            report.find(seq, "edited", "the body was altered after it was written")
        if type(time_ms) is not int:
            time_ms = self.last_ms
        api = record.get("api")
        name = api.get("operation") if isinstance(api, dict) else None
        if record and not isinstance(name, str):
            report.find(seq, "not-our-shape", "what it says cannot be read: it has no operation")
        self._expected = seq + 1
        self._odd = (
            report.chain, leaf, record, max(time_ms, self.last_ms), name if isinstance(name, str) else ""
        )  # fmt: skip
        return True

    def _parsed(self, seq: int, body: bytes) -> dict[str, Any]:
        """The record, empty when it is none."""
        report = self.report
        if len(body) > LONGEST_ROW:
            report.find(seq, "too-long", f"it has {len(body)} bytes, and a row has at most {LONGEST_ROW}")
        try:
            record = orjson.loads(body)
            canonical = orjson.dumps(record, None, _OPTIONS)
        except (orjson.JSONDecodeError, orjson.JSONEncodeError) as error:
            report.find(seq, "not-json", f"the body is not valid JSON: {error}")
            return {}
        if canonical != body or not isinstance(record, dict) or _fractions(body, record):
            report.find(seq, "not-canonical", "the body is not in canonical form")
        return record if isinstance(record, dict) else {}

    def _links(self, seq: int, record: dict[str, Any], leaf: bytes, stored_prev: Any) -> None:
        report = self.report
        if record.get("seq") != seq or type(record.get("seq")) is not int:
            report.find(
                seq, "misnumbered", f"it lies at {seq}, and says that it is row {record.get('seq')!r}"
            )
        if seq == self._expected and (
            record.get("prev") != self.prev.hex() or stored_prev not in (None, self.prev)
        ):
            report.find(
                seq, "broken-link", "it does not follow the row before it: one of the two was altered"
            )
        time_ms = record.get("time")
        if type(time_ms) is not int:
            report.find(seq, "not-our-shape", "what it says cannot be read: it has no time")
        elif time_ms < self.last_ms:
            report.find(seq, "backdated", "its time lies before that of the row before it")
        chain = record.get("chain_uid")
        if not self._begun:
            self._begun = True
            report.first_ms = time_ms if type(time_ms) is int else 0
            if isinstance(chain, str) and not report.chain:
                report.chain = chain
        if chain != report.chain or not chain:
            report.find(seq, "other-chain", f"it belongs to the log {chain!r}, not {report.chain!r}")

    def _read(self, seq: int, name: str, record: dict[str, Any]) -> None:
        try:
            if name in MEANT:
                self.meaning.read(seq, record)
            if name in keys_of.NAMES:
                self.keys.read(seq, record)
            elif name == _RECOVERED:
                self.heads.recovery(seq, record)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            self.report.find(
                seq, "not-our-shape", f"what it says cannot be read: {type(error).__name__} {error}"
            )


def _fractions(body: bytes, record: object) -> bool:
    """Whether there is a number in it that is no integer: the trail has none."""
    if not _FRACTION.search(body):
        return False
    left = [record]
    while left:
        one = left.pop()
        if isinstance(one, float):
            return True
        if isinstance(one, dict):
            left.extend(one.values())
        elif isinstance(one, list | tuple):
            left.extend(one)
    return False
