"""Signed heads against the rows: each checkpoint's root, its signature, its time, and what none of them covers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bot.trail.note import LONGEST_NOTE, NotANote, Note, parse_note
from bot.trail.recovered import generation
from bot.trail.tree import Frontier
from bot.trail.verify.keys import Keys
from bot.trail.verify.recoveries import Recovered
from bot.trail.verify.report import Report, Unreadable, when

NEVER = 2**63
LATEST_MS = 20 * 60 * 1000
"""Twice the heartbeat: longer than this nothing is unsigned, and nothing is silent, in a log that is alive."""
SKEW_MS = 5 * 60 * 1000
"""How far the storage's clock and the trail's may be apart, and how late a checkpoint may be stored."""


@dataclass(frozen=True)
class Signed:
    """A checkpoint as it was found: what its place says (`origin`, `size`), the note's bytes, and when it was stored.

    `root` is what a column beside it says, None where there is none; `stored_ms` the storage's own clock.
    """

    origin: str
    size: int
    note: bytes
    where: str
    root: bytes | None = None
    stored_ms: int | None = None


class Heads:
    """Goes with the rows from one checkpoint to the next. `next` is the size at which it wants to be asked."""

    def __init__(
        self,
        report: Report,
        keys: Keys,
        signed: Iterable[Signed],
        known: bytes | None = None,
        *,
        whole: bool = True,
        part: bool = False,
    ) -> None:
        """`part`: the rows end where a pack's window did, and the log went on."""
        self._report = report
        self._part = part
        self._keys = keys
        self._signed = iter(signed)
        self._whole = whole
        self._coming: Signed | None = None
        self._known = _known(known)
        self._known_fits: bool | None = None
        self._parted = False
        self._watching: int | None = None
        self._waiting_ms: int | None = None
        self._late, self._latest_ms = 0, 0
        self._any = False
        self._began = ""
        self.recovered: list[Recovered] = []
        self.roots: dict[int, bytes] = {}
        """What `ask` asked for, by size"""
        self._asked: list[int] = []
        self._advance()

    @property
    def next(self) -> int:
        """The next size of the log at which `stop` is to be called."""
        coming = self._coming.size if self._coming else NEVER
        known = self._known.checkpoint.size if self._known and self._known_fits is None else NEVER
        watching = self._watching if self._watching is not None else NEVER
        asked = self._asked[0] if self._asked else NEVER
        return min(coming, known, watching, asked)

    @property
    def coming(self) -> Signed | None:
        """The next checkpoint."""
        return self._coming

    def ask(self, sizes: Iterable[int]) -> None:
        """Keep the roots of these sizes in `roots`."""
        self._asked = sorted({*self._asked, *sizes})

    def recovery(self, seq: int, record: Mapping[str, Any]) -> None:
        """A row `trail:log:recovered`. Raises KeyError, TypeError… for what is not of our shape."""
        detail = record["unmapped"]["detail"]
        locked, local = detail["locked"], detail["local"]
        self.recovered.append(
            Recovered(
                seq, str(detail["origin"]), str(locked["origin"]), int(locked["size"]), str(locked["root"]),
                int(local["size"]), str(local["root"]),
            )
        )  # fmt: skip

    def stop(self, frontier: Frontier, last_ms: int, *, tree: bool = True) -> None:
        """The log has `frontier.size` rows now, the last of this time. Without `tree` rows are missing in it."""
        size = frontier.size
        while self._asked and self._asked[0] <= size:
            if self._asked.pop(0) == size:
                self.roots[size] = frontier.root()
        if self._watching is not None and self._watching <= size:
            self._watching, self._waiting_ms = None, last_ms
        if self._known and self._known_fits is None and self._known.checkpoint.size <= size:
            self._known_fits = not tree or self._known.checkpoint.root == frontier.root()
        while self._coming is not None and self._coming.size <= size:
            self._take(self._coming, frontier, last_ms, tree=tree)
            self._advance()

    def _advance(self) -> None:
        self._coming = next(self._signed, None)

    def _take(self, one: Signed, frontier: Frontier, last_ms: int, *, tree: bool) -> None:
        report, seq = self._report, max(0, one.size - 1)
        note = self._parsed(one, seq)
        if note is None:
            return
        self._any = True
        report.checkpoints += 1
        point = note.checkpoint
        if self._is_other(point.origin, one.size, seq):
            return
        if one.size != frontier.size:
            report.find(
                seq,
                "checkpoint-misplaced",
                f"the checkpoint {one.where} over {one.size} rows is out of order",
            )
            return
        wrong = self._keys.check(note)
        if wrong:
            report.find(
                seq, "checkpoint-not-signed", f"the checkpoint {one.where} counts for nothing: {wrong}"
            )
            return
        root = frontier.root()
        if one.root is not None and one.root != point.root:
            report.find(
                seq,
                "checkpoint-column",
                f"beside the checkpoint {one.where} another root is stored than was signed",
            )
        if tree and root != point.root:
            self._differs(one.where, seq)
            return
        if tree and not self._parted:
            report.size, report.root, report.origin = one.size, root.hex(), point.origin
            report.newest = one.note
            self._watching, self._waiting_ms = one.size + 1, None
        if one.stored_ms is not None:
            self._timely(one, one.stored_ms, last_ms, seq)

    def _parsed(self, one: Signed, seq: int) -> Note | None:
        try:
            note = parse_note(one.note)
        except NotANote as error:
            self._report.find(seq, "checkpoint-malformed", f"the checkpoint {one.where} is none: {error}")
            return None
        if (note.checkpoint.origin, note.checkpoint.size) != (one.origin, one.size):
            self._report.find(
                seq,
                "checkpoint-misnamed",
                f"the checkpoint {one.where} is one of {note.checkpoint.origin} over {note.checkpoint.size} rows",
            )
            return None
        return note

    def _is_other(self, origin: str, size: int, seq: int) -> bool:
        """Whether this checkpoint is none of this log, or of an origin that was not in use at this size."""
        report = self._report
        number = generation(report.chain, origin)
        if number < 0:
            report.find(
                seq, "other-log", f"a checkpoint of the log {origin!r} lies with those of {report.chain!r}"
            )
            return True
        named = [one.origin for one in self.recovered if one.seq < size]
        in_use = named[-1] if named else report.chain if report.first == 0 else self._began
        self._began = self._began or origin
        if in_use and origin != in_use:
            report.find(
                seq,
                "origin-wrong",
                f"a checkpoint over {size} rows is signed for {origin}, and the log was {in_use} then",
            )
            return True
        return False

    def _differs(self, where: str, seq: int) -> None:
        if self._parted:
            return
        self._parted = True
        report = self._report
        since = f"the first {report.size} rows still fit" if report.size else "no checkpoint before it fits"
        report.find(
            seq,
            "root-differs",
            f"what was signed is not what is here: the checkpoint {where} has another root, so rows before it were"
            f" altered, added, removed or written anew; {since}",
        )

    def _timely(self, one: Signed, stored_ms: int, last_ms: int, seq: int) -> None:
        """The storage's clock is not the bot's: no row is newer than when its checkpoint was stored.

        Rows cannot be older than the one before them, so after a checkpoint that was stored in time none can be
        backdated by more than the skew either.
        """
        if last_ms > stored_ms + SKEW_MS:
            self._report.find(
                seq,
                "time-ahead",
                f"its time is {when(last_ms)}, and the archive had it at {when(stored_ms)}: the clock was wrong or set",
            )
        elif stored_ms - last_ms > SKEW_MS:
            self._late += 1
            self._latest_ms = max(self._latest_ms, stored_ms - last_ms)

    def end(self, last_ms: int, now_ms: int | None, *, tree: bool) -> None:
        """All rows were read: what was signed beyond them, what nobody signed, and whether the log is still alive."""
        report = self._report
        rows = report.first + report.rows
        if self._whole:
            self._beyond(rows)
            self._uncovered(last_ms)
        self._check_known(rows, tree=tree)
        if self._late:
            report.note(
                f"{self._late} checkpoints were stored more than 5 minutes after their last row (the longest"
                f" {self._latest_ms // 60000} min): the archive was away, nobody was there to store them, or a clock"
                " was set back. The times of these rows are the bot's word alone."
            )
        if now_ms is not None and report.rows and now_ms - last_ms > LATEST_MS:
            report.gap(
                f"the newest row is of {when(last_ms)}, {(now_ms - last_ms) // 60000} minutes ago: the bot records a"
                " heartbeat every 10 minutes, so either it is not running or newer rows were removed"
            )

    def _beyond(self, rows: int) -> None:
        missing = 0
        while self._coming is not None:
            one = self._coming
            note = self._parsed(one, rows - 1)
            if note is not None:
                self._any = True
                missing = max(missing, one.size)
            self._advance()
        if missing:
            self._report.find(
                max(0, rows - 1),
                "cut-off",
                f"{missing} rows were signed and only {rows} are here: the newest ones were removed",
            )

    def _uncovered(self, last_ms: int) -> None:
        report = self._report
        if not report.rows:
            return
        if not self._any:
            report.gap("nothing was ever signed: without a checkpoint a log vouches for itself alone")
        elif not report.size and report.sound:
            report.gap("no checkpoint covers a row")
        elif self._waiting_ms is not None and last_ms - self._waiting_ms > LATEST_MS:
            report.gap(
                f"no checkpoint covers the rows from {when(self._waiting_ms)} on: a checkpoint comes every minute, so"
                " the newest ones are missing"
            )

    def _check_known(self, rows: int, *, tree: bool) -> None:
        if self._known is None:
            return
        report, point = self._report, self._known.checkpoint
        number = generation(report.chain, point.origin)
        if number < 0:
            report.find(
                -1,
                "other-log",
                f"the checkpoint you kept is of the log {point.origin!r}: this is another one",
            )
        elif not self._known.signers(self._keys.all):
            report.find(
                -1,
                "known-not-signed",
                "the checkpoint you kept is not signed by a key of this log: its keys are others now",
            )
        elif point.size < report.first:
            report.gap("the checkpoint you kept is older than the first row here, so it cannot be compared")
        elif self._part and point.size > rows:
            report.gap("the checkpoint you kept is newer than the last row here, so it cannot be compared")
        elif self._known_fits is False or (self._known_fits is None and point.size > rows and self._whole):
            self._lost(rows)

    def _lost(self, rows: int) -> None:
        """The checkpoint that was kept does not fit: unless a recovery names what went with it, it was hidden."""
        assert self._known is not None
        point = self._known.checkpoint
        named = [
            one
            for one in self.recovered
            if one.locked_origin == point.origin and one.local_size < point.size <= one.locked_size
        ]
        if named and (point.size < named[0].locked_size or point.root.hex() == named[0].locked_root):
            self._report.gap(
                f"the checkpoint you kept lies beyond row {named[0].local_size}, from where the log was lost and"
                f" recovered (row {named[0].seq}); compare it with the archive below {point.origin}"
            )
            return
        self._report.find(
            min(point.size, rows) - 1,
            "not-the-beginning",
            f"the log you saw ({point.size} rows) is not the beginning of this one ({rows} rows)",
        )


def _known(raw: bytes | None) -> Note | None:
    if raw is None:
        return None
    try:
        if len(raw) > LONGEST_NOTE:
            raise NotANote("it is too long")
        return parse_note(raw)
    except NotANote as error:
        raise Unreadable(f"the checkpoint you kept is none: {error}") from error
