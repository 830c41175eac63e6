"""An outage of the bot's own database: SQLite's file is locked, PostgreSQL lets nobody in."""

from __future__ import annotations

import sqlite3

LOCK_SECONDS = 10.0  # real: the bot's transactions are short, the lock is won long before


class Outage:
    """Takes the database away while it lasts.

    SQLite: an exclusive lock. Readers of a database in WAL mode go on, writers wait and then fail: what a
    full disk or a stuck transaction looks like. PostgreSQL: it closes all connections and refuses new ones,
    which needs the owner's rights and the database `postgres` beside it.
    """

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self._lock: sqlite3.Connection | None = None
        self._closed = False

    def begin(self) -> None:
        """Take it away. Raises sqlite3.Error, or ValueError for a PostgreSQL that does not let itself be closed."""
        if not self._url.startswith("sqlite:///"):
            self._open_postgres(False)
        elif self._lock is None:
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

    def _open_postgres(self, opened: bool) -> None:
        import psycopg
        from psycopg import sql

        name = psycopg.conninfo.conninfo_to_dict(self._plain).get("dbname", "")
        closing = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
        altered = sql.SQL("ALTER DATABASE {} WITH ALLOW_CONNECTIONS {}").format(
            sql.Identifier(str(name)), sql.Literal(opened)
        )
        try:
            with psycopg.connect(self._plain, dbname="postgres", autocommit=True) as beside:
                beside.execute(altered)
                if not opened:
                    beside.execute(closing, (name,))
        except psycopg.Error as error:
            raise ValueError(f"PostgreSQL stays as it is: {error}") from error
        self._closed = not opened

    @property
    def _plain(self) -> str:
        """The URL without SQLAlchemy's driver."""
        scheme, _, rest = self._url.partition("://")
        return f"{scheme.partition('+')[0]}://{rest}"

    def end(self) -> None:
        """Give it back."""
        if self._closed:
            self._open_postgres(True)
        if self._lock:
            self._lock.rollback()
            self._lock.close()
            self._lock = None
