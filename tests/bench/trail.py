"""The trail by itself: durable rows a second, how fast a whole trail is verified and in how much memory, a proof."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlmodel import col, select

from bot.clock import SystemClock
from bot.store.database import Database
from bot.store.migrate import migrate
from bot.store.tables import CheckpointRow, Entry
from bot.trail import tree
from bot.trail.append import Trail
from bot.trail.checkpoint import Checkpointer, Keyring
from bot.trail.keeper import Keeper
from bot.trail.tiles import prove
from bot.world.signing import FileKey
from tests.bench import floors, long_log
from tests.bench.figures import Figure, Form, median, ms, quantile
from tests.bench.sandbox import ROOT, Broken

AT_ONCE = 500
ROUNDS = 3
_CHILD = """
import json, re, sys, time
from bot.trail.verify import verify_database
began = time.perf_counter()
report = verify_database(sys.argv[1])
print(json.dumps({"seconds": time.perf_counter() - began, "exit": report.exit_code, "rows": report.rows,
    "words": report.words(), "mib": int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024}))
"""


def measure(folder: Path, form: Form) -> list[Figure]:
    """Append row by row and many at once; then verify, and prove rows of, a log of `form.log_rows`."""
    figures = [_single(folder, form), _batched(folder, form)]
    url = long_log.write(folder, form.log_rows)
    return [*figures, *_verify(url, folder / "long.db", form), _proof(url, form), _lag(folder, form)]


@contextmanager
def _trail(path: Path) -> Iterator[Trail]:
    database = Database(f"sqlite:///{path}")
    try:
        migrate(database)
        yield Trail(database, SystemClock())
    finally:
        database.close()


def _single(folder: Path, form: Form) -> Figure:
    with _trail(folder / "single.db") as trail:
        seconds = [_append(trail, 1) for _ in range(form.commits)]
    floor = median(floors.sqlite_commits(folder, form.commits))
    rate, p99 = len(seconds) / sum(seconds), quantile(seconds, 0.99)
    return Figure(
        "Trail, durable rows a second, one writer",
        f"{rate:.0f} / s, p99 {ms(p99)}",
        target="≥ 200 / s, p99 ≤ 25 ms",
        met=None if form.short else rate >= 200 and p99 <= 0.025,
        floor=f"{1 / floor:.0f} / s",
        ratio=median(seconds) / floor,
        how=f"{form.commits} appends, each its own commit, SQLite; p50 {ms(median(seconds))}; floor: bare commits",
    )


def _batched(folder: Path, form: Form) -> Figure:
    with _trail(folder / "batched.db") as trail:
        counts = [min(AT_ONCE, form.rows - first) for first in range(0, form.rows, AT_ONCE)]
        seconds = sum(_append(trail, count) for count in counts)
    rate = form.rows / seconds
    return Figure(
        "Trail, rows a second, many in a commit",
        f"{rate:,.0f} / s",
        target="≥ 1,500 / s",
        met=None if form.short else rate >= 1500,
        how=f"{form.rows:,} rows, {AT_ONCE} in a commit, SQLite",
    )


def _append(trail: Trail, count: int) -> float:
    events = [long_log.STEP] * count
    started = time.perf_counter()
    trail.note(*events)
    return time.perf_counter() - started


def _verify(url: str, path: Path, form: Form) -> Iterator[Figure]:
    with closing(sqlite3.connect(path)) as connection:
        bodies = [
            row[0] for row in connection.execute("select body from entry order by seq limit ?", (form.rows,))
        ]
    floor = min(floors.hashing(bodies) for _ in range(ROUNDS)) / len(bodies)
    told = min((_verified(url) for _ in range(ROUNDS)), key=lambda one: float(one["seconds"]))
    rows, seconds, mib = int(told["rows"]), float(told["seconds"]), float(told["mib"])
    size = sum(map(len, bodies)) / len(bodies)
    yield Figure(
        "Trail, rows verified a second, one core",
        f"{rows / seconds:,.0f} / s",
        target="≥ 30,000 / s and ≤ 2 × its floor",
        met=None if form.short else rows / seconds >= 30_000 and seconds / rows <= 2 * floor,
        floor=f"{1 / floor:,.0f} / s",
        ratio=seconds / rows / floor,
        how=f"{rows:,} rows of {size:.0f} bytes with their checkpoints in {seconds:.2f} s, best of {ROUNDS},"
        " in a process of its own; floor: hashing the same bytes in a bare loop",
    )
    yield Figure(
        "Trail, memory of the verifier",
        f"{mib:.0f} MiB",
        target="≤ 256 MiB",
        met=None if form.short else mib <= 256,
        how=f"largest resident size of that process over {rows:,} rows",
    )


def _verified(url: str) -> dict[str, object]:
    ended = subprocess.run(
        [sys.executable, "-c", _CHILD, url], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if ended.returncode:
        raise Broken(f"the verifier ended with {ended.returncode}: {ended.stderr[-500:]}")
    told: dict[str, object] = json.loads(ended.stdout)
    if told["exit"] != 0:
        raise Broken(f"the trail does not verify: {told['words']}")
    return told


def _proof(url: str, form: Form) -> Figure:
    database = Database(url)
    places = [form.log_rows * part // 20 for part in range(1, 20)]
    try:
        seconds, largest = [], 0
        for seq in places:
            started = time.perf_counter()
            with database.read() as session:
                proof = prove(session, seq)
            seconds.append(time.perf_counter() - started)
            largest = max(largest, tree.HASH_BYTES * len(proof.path))
    finally:
        database.close()
    slowest = max(seconds)
    return Figure(
        "Trail, one inclusion proof",
        f"{largest} B, {ms(slowest)}",
        target="≤ 640 B, ≤ 50 ms",
        met=None if form.short else largest <= 640 and slowest <= 0.05,
        how=f"{len(places)} rows of {form.log_rows:,}, the largest and the slowest; checked before it is given",
    )


class _Fast(SystemClock):
    """The machine's time, so many times faster."""

    def __init__(self, rate: float) -> None:
        self._began, self._rate = time.time(), rate

    def now(self) -> float:
        return self._began + (time.time() - self._began) * self._rate


def _lag(folder: Path, form: Form) -> Figure:
    """A row every five seconds of the calendar, and a keeper: how long rows wait until they are signed."""
    clock = _Fast(20.0 if form.short else 1.0)
    database = Database(f"sqlite:///{folder}/kept.db")
    try:
        migrate(database)
        trail = Trail(database, clock)
        keeper = Keeper(trail, Checkpointer(trail, Keyring(FileKey(folder / "kept.key"))), lambda: True)
        keeper.start()
        until = clock.now() + (130 if form.short else 190)
        while clock.now() < until:
            trail.note(long_log.STEP)
            time.sleep(5 / clock._rate)
        keeper.stop()
        with database.read() as session:
            points = session.exec(select(CheckpointRow).order_by(col(CheckpointRow.size))).all()
            ats = session.exec(select(Entry.at).order_by(col(Entry.seq))).all()
    finally:
        database.close()
    firsts = [0, *(point.size for point in points)]
    lags = [point.at - ats[first] for first, point in zip(firsts, points, strict=False)]
    return Figure(
        "Trail, longest wait of a row for its checkpoint",
        f"{max(lags):.1f} s",
        target="≤ 60 s",
        met=None if form.short else max(lags) <= 60,
        how=f"{len(ats)} rows in {ats[-1] - ats[0]:.0f} s of the calendar, {len(points)} checkpoints",
    )
