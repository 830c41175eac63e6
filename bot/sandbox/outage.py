"""An outage of the bot's own database: the SQLite file is locked by somebody else."""

from __future__ import annotations

import sqlite3

LOCK_SECONDS = 10.0  # real: the bot's transactions are short, the lock is won long before


class Outage:
    """Holds an exclusive lock on a SQLite database while it lasts.

    Readers of a database in WAL mode go on, writers wait and then fail: what a full disk or a stuck
    transaction looks like. PostgreSQL is not supported.
    """

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self._lock: sqlite3.Connection | None = None

    def begin(self) -> None:
        """Take the lock. Raises ValueError for other databases, sqlite3.Error when it is not won."""
        if not self._url.startswith("sqlite:///"):
            raise ValueError("database-down works with SQLite only: stop PostgreSQL itself instead")
        if self._lock is None:
            lock = sqlite3.connect(
                self._url.removeprefix("sqlite:///"),
                timeout=LOCK_SECONDS,
                isolation_level=None,
                check_same_thread=False,
            )
            try:
                lock.execute("BEGIN EXCLUSIVE")
            except sqlite3.Error:
                lock.close()
                raise
            self._lock = lock

    def end(self) -> None:
        """Release the lock."""
        if self._lock:
            self._lock.rollback()
            self._lock.close()
            self._lock = None
