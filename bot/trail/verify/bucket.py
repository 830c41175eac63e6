"""A locked bucket: every object as it was first stored, its lock, and whether anybody put something over it."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Protocol

from bot.trail.note import NotANote, parse_key
from bot.trail.recovered import generation
from bot.trail.tree import leaf_hash
from bot.trail.verify.heads import Heads, Signed
from bot.trail.verify.keys import Keys, pins
from bot.trail.verify.recoveries import check_local, relate
from bot.trail.verify.report import Locks, Report, Row, Unreadable
from bot.trail.verify.rows import Walk
from bot.trail.verify.segments import named, rows_of

RETENTION_DAYS = 365
_DAY = 86_400.0
_KEY = re.compile(r"(.+)/(entries|checkpoints|keys)/([^/]+)")
_AGAIN = re.compile(r"(.+)/r[1-9][0-9]{0,8}")
_AT_ONCE = 8
_RECENT = 1024


class Version(Protocol):
    """One version of an object, or a delete marker; `modified` epoch seconds of the storage's clock."""

    @property
    def key(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def modified(self) -> float: ...
    @property
    def marker(self) -> bool: ...


class Content(Protocol):
    """An object's bytes and lock; `mode` is empty and `until` None where none was told."""

    @property
    def body(self) -> bytes: ...
    @property
    def modified(self) -> float: ...
    @property
    def mode(self) -> str: ...
    @property
    def until(self) -> float | None: ...


class Bucket(Protocol):
    """What the verifier needs of an archive; keys are below the archive's prefix."""

    @property
    def where(self) -> str: ...
    def versions(self, prefix: str = "") -> Iterator[Any]:
        """Every version and delete marker (`Version`), by key; of one key the oldest first."""

    def read(self, key: str, version: str = "") -> Any:
        """One version (`Content`)."""


def verify_bucket(
    bucket: Bucket,
    *,
    pinned: Sequence[str] = (),
    known: bytes | None = None,
    now: float | None = None,
    retention_days: int = RETENTION_DAYS,
) -> Report:
    """Verify an archive. Raises ValueError when it cannot be read or holds several logs and no key says which."""
    store = _Store(bucket, Report(source=bucket.where), retention_days)
    chain, origins = store.survey([one.name for one in pins(pinned)])
    report = store.report
    if not origins:
        report.gap("there is no trail in this bucket")
        return report
    walks: dict[str, Walk] = {}
    asked: tuple[int, ...] = ()
    for place, origin in enumerate(reversed(origins)):
        newest = place == 0
        one = report if newest else Report(source=f"{bucket.where}, below {origin}")
        walk = _origin(store, origin, one, pinned, known if newest else None, asked)
        walk.end(int(now * 1000) if newest and now is not None else None)
        walks[origin] = walk
        parted = next((found for found in walk.heads.recovered if found.origin == origin), None)
        asked = (parted.local_size,) if parted else ()
        if not newest:
            for found in one.findings:
                report.find(found.seq, found.code, f"below {origin}: {found.message}")
    newest_walk = walks[origins[-1]]
    if newest_walk.heads.recovered and newest_walk.tree:
        again = ((row.seq, row.body) for row in store.rows(origins[-1]))
        store.report_rows = Report()
        check_local(report, newest_walk.heads.recovered, again)
    relate(report, chain, origins, walks)
    if report.chain != chain and report.rows:
        report.find(-1, "other-log", f"below {chain} lie rows of the log {report.chain!r}")
    store.keys(origins, walks)
    report.locks = store.locks
    return report


def bodies(bucket: Bucket, first: int = 0, pinned: Sequence[str] = ()) -> Iterator[tuple[int, bytes]]:
    """(seq, body) of the newest origin's rows from `first` on, in order. Raises Unreadable."""
    store = _Store(bucket, Report(), 0)
    _, origins = store.survey([one.name for one in pins(pinned)])
    for row in store.rows(origins[-1]) if origins else ():
        if row.seq >= first:
            yield row.seq, row.body


def _origin(
    store: _Store,
    origin: str,
    report: Report,
    pinned: Sequence[str],
    known: bytes | None,
    asked: Iterable[int],
) -> Walk:
    store.report_rows = report
    keys = Keys(report, pinned)
    heads = Heads(report, keys, store.signed(origin), known)
    heads.ask(asked)
    walk = Walk(report, keys, heads)
    walk.take(store.rows(origin))
    return walk


@dataclass
class _Store:
    """Reads the oldest version of each object, and looks at every lock on the way."""

    bucket: Bucket
    report: Report
    days: int
    report_rows: Report = field(default_factory=Report)
    locked: int = 0
    shortest: float = float("inf")
    first_until: float = float("inf")

    @property
    def locks(self) -> Locks | None:
        """What was seen of the locks."""
        return Locks(self.locked, self.shortest, self.first_until) if self.locked else None

    def survey(self, names: list[str]) -> tuple[str, list[str]]:
        """The log's chain and its origins, oldest first; reads the list of all objects once."""
        origins: set[str] = set()
        strange, last = 0, ""
        for one in self._listed(""):
            found = _KEY.fullmatch(one.key)
            if found is None:
                strange += 1
                continue
            origins.add(found[1])
            if one.marker:
                self.report.find(
                    -1,
                    "delete-marker",
                    f"somebody deleted {one.key} (a marker hides it): what it hides is still read",
                )
            elif one.key == last:
                self.report.find(
                    -1, "second-version", f"somebody stored {one.key} again: the first version is what counts"
                )
                self._lock(one.key, self._read(one.key, one.version))
            if not one.marker:
                last = one.key
        if strange:
            self.report.note(f"{strange} objects in the bucket are none of a log's.")
        chains = {found[1] if (found := _AGAIN.fullmatch(one)) else one for one in origins}
        wanted = {name.removesuffix("/unattested") for name in names}
        if len(chains) > 1:
            chains = chains & wanted
            if len(chains) != 1:
                raise Unreadable(
                    f"{self.bucket.where} holds several logs: {', '.join(sorted(origins)[:5])}; say which with --key"
                )
        chain = next(iter(chains), "")
        mine = sorted(
            (one for one in origins if generation(chain, one) >= 0), key=lambda one: generation(chain, one)
        )
        return chain, mine

    def rows(self, origin: str) -> Iterator[Row]:
        """The rows below an origin, by their numbers."""
        report, upto = self.report_rows, 0
        recent: dict[int, bytes] = {}
        for key, held in self._objects(f"{origin}/entries/"):
            span = named(key.rsplit("/", 1)[1])
            if span is None:
                report.find(-1, "segment-malformed", f"{key} is no name of a file of rows")
                continue
            for row in rows_of(held.body, span, key, report):
                leaf = leaf_hash(row.body)
                if row.seq < upto:
                    if recent.get(row.seq) != leaf:
                        report.find(row.seq, "fork", f"there are two different rows {row.seq} below {origin}")
                    continue
                recent[row.seq] = leaf
                recent.pop(row.seq - _RECENT, None)
                upto = row.seq + 1
                yield row

    def signed(self, origin: str) -> Iterator[Signed]:
        """The checkpoints below an origin by size, with the time at which the storage had them."""
        for key, held in self._objects(f"{origin}/checkpoints/"):
            name = key.rsplit("/", 1)[1]
            if not re.fullmatch(r"[0-9]{20}", name):
                self.report_rows.find(-1, "checkpoint-malformed", f"{key} is no name of a checkpoint")
                continue
            yield Signed(origin, int(name), held.body, key, stored_ms=int(held.modified * 1000))

    def keys(self, origins: Iterable[str], walks: dict[str, Walk]) -> None:
        """The files of keys: each holds the key that it is named by, and a row of the log names it too."""
        for origin in origins:
            told = walks[origin].keys.all
            for name, held in self._objects(f"{origin}/keys/"):
                try:
                    key = parse_key(held.body.decode(errors="replace"))
                except NotANote as error:
                    self.report.find(-1, "key-malformed", f"{name} holds no key: {error}")
                    continue
                if name != f"{origin}/keys/{key.id.hex()}.vkey":
                    self.report.find(-1, "key-malformed", f"{name} holds another key, {key.id.hex()}")
                elif key not in told:
                    self.report.note(
                        f"{name} holds a key that no row of this log names; nothing was verified with it."
                    )

    def _objects(self, prefix: str) -> Iterator[tuple[str, Content]]:
        """Key and first version of each object, a few of them fetched ahead."""
        waiting: deque[tuple[str, Future[Any]]] = deque()
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for one in self._firsts(prefix):
                waiting.append((one.key, pool.submit(self._read, one.key, one.version)))
                if len(waiting) >= 2 * _AT_ONCE:
                    yield self._next(waiting)
            while waiting:
                yield self._next(waiting)

    def _next(self, waiting: deque[tuple[str, Future[Any]]]) -> tuple[str, Content]:
        key, coming = waiting.popleft()
        held = coming.result()
        self._lock(key, held)
        return key, held

    def _firsts(self, prefix: str) -> Iterator[Version]:
        last = ""
        for one in self._listed(prefix):
            if not one.marker and one.key != last:
                last = one.key
                yield one

    def _lock(self, key: str, held: Content) -> None:
        until, least = held.until, held.modified + self.days * _DAY
        if not held.mode or until is None:
            self.report.find(
                -1,
                "lock-missing",
                f"no lock is told of {key}: it is not locked, or s3:GetObjectRetention is not allowed to you",
            )
        elif held.mode != "COMPLIANCE":
            self.report.find(
                -1, "lock-weak", f"{key} is locked in mode {held.mode}, which privileged people can lift"
            )
        elif until < least - 1:
            days = (until - held.modified) / _DAY
            self.report.find(
                -1, "lock-short", f"{key} is locked for {days:.1f} days, and {self.days} are required"
            )
        else:
            self.locked += 1
            self.shortest = min(self.shortest, (until - held.modified) / _DAY)
            self.first_until = min(self.first_until, until)

    def _listed(self, prefix: str) -> Iterator[Version]:
        try:
            yield from self.bucket.versions(prefix)
        except Exception as error:  # of a client that the verifier does not know
            raise Unreadable(f"{self.bucket.where} cannot be listed: {error}") from error

    def _read(self, key: str, version: str) -> Any:
        try:
            return self.bucket.read(key, version)
        except Exception as error:
            raise Unreadable(f"{key} in {self.bucket.where} cannot be read: {error}") from error
