"""What the verifier says: findings, what is missing, what is only worth knowing, and the verdict in words."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from bot.trail.finding import Finding, Findings

VERIFIED, TAMPERED, INCOMPLETE, USAGE = 0, 1, 2, 3
_VERDICTS = {VERIFIED: "verified", TAMPERED: "tampered", INCOMPLETE: "incomplete"}
_NOTES = 200


class Unreadable(ValueError):
    """The source cannot be read, or is none; the message says why."""


class Row(NamedTuple):
    """A stored row: what its columns claim (None where the source keeps no such column), and the bytes that count."""

    seq: int
    prev: bytes | None
    leaf: bytes | None
    body: bytes


@dataclass(frozen=True)
class Signer:
    """A key that the log speaks of: `trusted` is why it counts: pinned, vouched, or log (only the log says so)."""

    key: str
    attested: bool
    trusted: str
    signed: int = 0


@dataclass(frozen=True)
class Locks:
    """How the objects of a bucket are locked: the shortest time in days, and until when the first one is, epoch."""

    objects: int
    days: float
    until: float


@dataclass
class Report:
    """What the verifier found. Times are the trail's own, epoch milliseconds."""

    source: str = ""
    rows: int = 0
    """Rows that were read"""
    first: int = 0
    """The first one's number: not 0 in a pack that begins later"""
    head: str = ""
    """The last row's leaf hash"""
    chain: str = ""
    origin: str = ""
    size: int = 0
    """Rows under the newest checkpoint that fits"""
    root: str = ""
    checkpoints: int = 0
    first_ms: int = 0
    last_ms: int = 0
    findings: Findings = field(default_factory=Findings)
    gaps: list[str] = field(default_factory=list)
    """What could not be shown, without being held against anyone: exit code 2"""
    notes: list[str] = field(default_factory=list)
    """Worth knowing, and held against nobody"""
    signers: list[Signer] = field(default_factory=list)
    pinned: bool = False
    """Whether the keys were given from elsewhere; else the log itself names them"""
    locks: Locks | None = None
    unresolved: int = 0
    """Intents without an outcome: calls whose end nobody saw, normal after a crash"""
    reviews: int = 0
    """Reviews of a break-glass that nobody has closed yet"""
    newest: bytes = b""
    """The newest checkpoint that fits, as signed: worth keeping for the next time"""

    def find(self, seq: int, code: str, message: str) -> None:
        """Hold something against the log."""
        self.findings.append(Finding(seq, code, message))

    def note(self, words: str) -> None:
        """Say something without holding it against anyone."""
        if len(self.notes) < _NOTES:
            self.notes.append(words)

    def gap(self, words: str) -> None:
        """Something could not be shown."""
        if words not in self.gaps and len(self.gaps) < _NOTES:
            self.gaps.append(words)

    @property
    def sound(self) -> bool:
        """Nothing is held against it, signed or not: what a log without checkpoints can be at best."""
        return not self.findings

    @property
    def incomplete(self) -> str:
        """The first thing that could not be shown, or empty."""
        return self.gaps[0] if self.gaps else ""

    @property
    def exit_code(self) -> int:
        """0 verified, 1 tampered, 2 incomplete."""
        if self.findings:
            return TAMPERED
        return INCOMPLETE if self.gaps else VERIFIED

    def words(self) -> str:
        """The verdict in one line."""
        if self.findings:
            first, count = self.findings[0], self.findings.total
            where = f"at row {first.seq}" if first.seq >= 0 else "about the log as a whole"
            many = f"{count} findings, the first" if count > 1 else "1 finding,"
            return f"NOT verified: {many} {where}: {first.message}"
        reviews = "1 review" if self.reviews == 1 else f"{self.reviews} reviews"
        open_ones = f" Open: {reviews} of a break-glass." if self.reviews else ""
        if self.gaps:
            return f"Incomplete: {self.gaps[0]}.{open_ones}"
        return f"Verified: {self.rows} rows, unbroken; head {self.head[:16]}.{open_ones}"

    def checked(self) -> list[str]:
        """What was looked at, a line each, for people."""
        said = []
        if self.source:
            said.append(f"Source: {self.source}")
        if self.rows:
            last = self.first + self.rows - 1
            said.append(
                f"Rows: {self.rows:,} of {self.chain or 'an unnamed log'}, number {self.first} to {last},"
                f" {when(self.first_ms)} to {when(self.last_ms)}"
            )
        if self.checkpoints:
            said.append(
                f"Checkpoints: {self.checkpoints:,} signed heads; the newest covers the first {self.size:,} rows"
            )
        for one in self.signers:
            kept = "" if one.attested else ", unattested: its private half lies in a file"
            said.append(f"Key: {one.key} ({_TRUST[one.trusted]}{kept}), {one.signed:,} checkpoints")
        if self.locks is not None:
            said.append(
                f"Locks: {self.locks.objects:,} objects, each COMPLIANCE for {self.locks.days:.0f} days or more,"
                f" the first until {when(int(self.locks.until * 1000))}"
            )
        return said

    def as_json(self) -> str:
        """The report as JSON."""
        told: dict[str, Any] = {
            "verdict": _VERDICTS[self.exit_code],
            "exit_code": self.exit_code,
            "words": self.words(),
            "source": self.source,
            "chain": self.chain,
            "origin": self.origin,
            "rows": self.rows,
            "first": self.first,
            "head": self.head,
            "time": {"first_ms": self.first_ms, "last_ms": self.last_ms},
            "checkpoints": {"count": self.checkpoints, "size": self.size, "root": self.root},
            "keys": [vars(one) for one in self.signers],
            "pinned": self.pinned,
            "locks": vars(self.locks) if self.locks else None,
            "findings": [vars(one) for one in self.findings],
            "findings_count": self.findings.total,
            "incomplete": self.gaps,
            "notes": self.notes,
            "unresolved": self.unresolved,
            "reviews": self.reviews,
            "newest_checkpoint": self.newest.decode(errors="replace"),
        }
        return json.dumps(told, indent=2)


_TRUST = {
    "pinned": "you gave it",
    "vouched": "vouched for by the key you gave",
    "log": "NOT pinned: only the log itself names it",
    "unknown": "nobody vouches for it",
}


def when(milliseconds: int) -> str:
    """A time of the trail for people, `2026-01-31 03:04:05Z`; a number that is no time as it is."""
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return str(milliseconds)
