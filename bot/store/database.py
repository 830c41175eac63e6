"""Sessions on SQLite and PostgreSQL: short transactions, bounded waits, errors in our words."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from sqlmodel import Session

from bot.errors import TrailError

_BUSY_SECONDS = 4


class Database:
    """One database. Reads see a snapshot; writes on SQLite take the write lock at once."""

    def __init__(self, url: str) -> None:
        self.url = url.replace("postgresql://", "postgresql+psycopg://", 1)
        self.sqlite = self.url.startswith("sqlite")
        try:
            self.engine = _sqlite(self.url) if self.sqlite else _postgres(self.url)
        except (SQLAlchemyError, ImportError, TypeError) as error:
            raise TrailError(
                "SIGNALBOX_DATABASE_URL is no URL of a SQLite or PostgreSQL database.",
                not_done="Nothing was started.",
            ) from error
        self._writing = self.engine.execution_options(signalbox_write=True)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session to look with. Raises TrailError when the database does not answer."""
        with self._session(self.engine) as session:
            yield session
            # A rollback would expire the rows that the caller takes away.
            session.expunge_all()
            session.rollback()

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A transaction: committed at the end, rolled back on any exception.

        Raises TrailError when the database is locked, full or away; IntegrityError passes as it is, since
        a constraint is an answer.
        """
        with self._session(self._writing) as session:
            yield session
            session.commit()

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A bare connection in a write transaction, for migrations."""
        with self._writing.begin() as connection:
            yield connection

    def now(self, session: Session) -> float:
        """Epoch seconds of the clock that leases count in: the database's."""
        if self.sqlite:
            return time.time()
        return float(
            session.connection().execute(text("select extract(epoch from clock_timestamp())")).scalar_one()
        )

    def close(self) -> None:
        """Give the connections back."""
        self.engine.dispose()

    @contextmanager
    def _session(self, engine: Engine) -> Iterator[Session]:
        session = Session(engine, expire_on_commit=False)
        try:
            yield session
        except IntegrityError:
            session.rollback()
            raise
        except SQLAlchemyError as error:
            _quietly_roll_back(session)
            reason = str(error.orig) if isinstance(error, DBAPIError) and error.orig else str(error)
            raise TrailError(
                f"The database did not take it: {reason.strip().splitlines()[0]}.",
                then="Check the database; the same request can be made again.",
            ) from error
        except BaseException:
            _quietly_roll_back(session)
            raise
        finally:
            _quietly_close(session)


def _quietly_roll_back(session: Session) -> None:
    try:
        session.rollback()
    except SQLAlchemyError:
        session.invalidate()


def _quietly_close(session: Session) -> None:
    try:
        session.close()
    except SQLAlchemyError:
        session.invalidate()


def _sqlite(url: str) -> Engine:
    path = url.removeprefix("sqlite:///")
    if path and path != ":memory:":
        Path(path).resolve().parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        url, connect_args={"timeout": _BUSY_SECONDS, "check_same_thread": False}, pool_size=16
    )

    @event.listens_for(engine, "connect")
    def _connect(raw: Any, _record: Any) -> None:
        raw.isolation_level = None  # we say BEGIN ourselves, see _begin
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            f"busy_timeout={_BUSY_SECONDS * 1000}",
        ):
            raw.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        write = connection.get_execution_options().get("signalbox_write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine


def _postgres(url: str) -> Engine:
    # tcp_user_timeout: an outage is noticed in seconds, not in the kernel's quarter of an hour.
    return create_engine(
        url,
        pool_size=16,
        pool_pre_ping=True,
        pool_timeout=_BUSY_SECONDS,
        connect_args={
            "connect_timeout": 3,
            "tcp_user_timeout": 4000,
            "options": f"-c statement_timeout={_BUSY_SECONDS * 1000} -c lock_timeout={_BUSY_SECONDS * 1000}"
            " -c idle_in_transaction_session_timeout=15000",
        },
    )
