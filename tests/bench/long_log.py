"""A long trail, written as fast as the database takes it: what verifying and proving are measured on."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

from bot.canon import canonical
from bot.clock import SystemClock
from bot.store.database import Database
from bot.store.migrate import migrate
from bot.trail.append import Trail
from bot.trail.checkpoint import Checkpointer, Keyring
from bot.trail.event import Event, Name, body
from bot.trail.tree import leaf_hash
from bot.world.signing import FileKey

CHAIN = "signalbox/bench"
BATCH = 20_000
EVERY_MS = 7_000
STEP = Event(
    name=Name.STEP_SEEN, actor="U00ONCALL01", change="bench000", run="run-bench", step="capacity.us-west-2",
    detail={"verdict": "fail", "why": "not yet seen done: 3 of 42 pods are ready", "evidence": {"note": "x" * 220}},
)  # fmt: skip


def write(folder: Path, rows: int) -> str:
    """A log of about this many rows of about 950 bytes, with its checkpoints; returns the database's URL."""
    path = folder / "long.db"
    url = f"sqlite:///{path}"
    database = Database(url)
    try:
        migrate(database)
        trail = Trail(database, SystemClock(), chain=CHAIN)
        checkpointer = Checkpointer(trail, Keyring(FileKey(folder / "signing.key")))
        trail.note(Event(name=Name.BOT_STARTED))
        checkpointer.seal()
        for first in range(2, rows, BATCH):
            _insert(
                path, first, min(BATCH, rows - first), int(time.time() * 1000) - EVERY_MS * (rows - first)
            )
            checkpointer.seal()
        trail.note(Event(name=Name.BOT_HEARTBEAT))
        checkpointer.seal()
    finally:
        database.close()
    return url


def _insert(path: Path, first: int, count: int, time_ms: int) -> None:
    """Rows as the trail writes them, without a transaction for each."""
    with closing(sqlite3.connect(path)) as connection, connection:
        size, prev, last_ms = connection.execute("select size, leaf, time_ms from head").fetchone()
        found = []
        for seq in range(size, size + count):
            last_ms = max(last_ms, time_ms + EVERY_MS * (seq - first))
            raw = canonical(
                body(STEP, log=CHAIN, seq=seq, prev=prev, time_ms=min(last_ms, int(time.time() * 1000)),
                     clamped_ms=None)
            )  # fmt: skip
            leaf = leaf_hash(raw)
            found.append((seq, prev, leaf, raw, str(STEP.name), STEP.change, last_ms / 1000))
            prev = leaf
        connection.executemany(
            "insert into entry (seq, prev, leaf, body, name, change, at) values (?, ?, ?, ?, ?, ?, ?)", found
        )
        connection.execute(
            "update head set size = ?, leaf = ?, time_ms = ?",
            (size + count, prev, min(last_ms, int(time.time() * 1000))),
        )
