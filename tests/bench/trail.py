"""The trail by itself: durable rows a second of one writer, and how fast a whole trail is verified."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

from bot.clock import SystemClock
from bot.store.database import Database
from bot.store.migrate import migrate
from bot.trail.append import Trail
from bot.trail.event import Event, Name
from bot.trail.verify import VERIFIED, verify_database
from tests.bench import floors
from tests.bench.figures import Figure, Form, median, ms
from tests.bench.sandbox import Broken

AT_ONCE = 500
ROUNDS = 3


def measure(folder: Path, form: Form) -> list[Figure]:
    """Append row by row, then many, then verify them all. Informative: nothing was promised."""
    url = f"sqlite:///{folder}/trail.db"
    database = Database(url)
    try:
        migrate(database)
        trail = Trail(database, SystemClock())
        seconds = [_append(trail) for _ in range(form.commits)]
        for _ in range(0, form.rows, AT_ONCE):
            trail.note(*[_event()] * min(AT_ONCE, form.rows))
    finally:
        database.close()
    floor = median(floors.sqlite_commits(folder, form.commits))
    return [
        Figure(
            "Trail, durable rows a second, one writer",
            f"{1 / median(seconds):.0f} / s",
            floor=f"{1 / floor:.0f} / s",
            ratio=median(seconds) / floor,
            how=f"{form.commits} appends, each its own commit, SQLite; p50 {ms(median(seconds))}; floor: bare commits",
        ),
        _verify(url, folder / "trail.db"),
    ]


def _append(trail: Trail) -> float:
    started = time.perf_counter()
    trail.note(_event())
    return time.perf_counter() - started


def _event() -> Event:
    return Event(name=Name.STEP_SEEN, change="bench", run="run-bench", step="step",
                 detail={"verdict": "fail", "why": "not yet seen done: 3 of 42 pods are ready"})  # fmt: skip


def _verify(url: str, path: Path) -> Figure:
    with closing(sqlite3.connect(path)) as connection:
        bodies = [row[0] for row in connection.execute("select body from entry order by seq")]
    floor = min(floors.hashing(bodies) for _ in range(ROUNDS))
    best = min(_verified(url) for _ in range(ROUNDS))
    size = sum(map(len, bodies)) / len(bodies)
    return Figure(
        "Trail, rows verified a second",
        f"{len(bodies) / best:,.0f} / s",
        floor=f"{len(bodies) / floor:,.0f} / s",
        ratio=best / floor,
        how=f"{len(bodies):,} rows of {size:.0f} bytes in {best:.2f} s, best of {ROUNDS};"
        " floor: hashing the same bytes",
    )


def _verified(url: str) -> float:
    started = time.perf_counter()
    report = verify_database(url)
    if report.exit_code != VERIFIED:
        raise Broken(f"the trail does not verify: {report.words()}")
    return time.perf_counter() - started
