"""What a PostgreSQL client of the simulated databases has in hand: a session, and its errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.sandbox.net.storage import Storage

if TYPE_CHECKING:
    from bot.sandbox.net.databases import Databases


class DatabaseError(Exception):
    """What a PostgreSQL client sees: five-character SQLSTATE and the server's message."""

    def __init__(self, sqlstate: str, message: str) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate


class ConnectionTimedOut(DatabaseError):
    """Nothing answered: the Region is dark or the network drops the packets."""

    def __init__(self, host: str) -> None:
        super().__init__("08001", f'connection to server at "{host}", port 5432 failed: timeout expired')


@dataclass
class Connection:
    """A session with one copy of one database."""

    databases: Databases
    copy: Storage
    started_at: float
    host: str

    @property
    def read_only(self) -> bool:
        """Whether writes fail: not the writer, or a session opened before this copy became the writer."""
        return not self.copy.writable or self.started_at < self.copy.since

    def must_write(self, command: str) -> None:
        """Raise what PostgreSQL answers to `command` (say, INSERT) when this session may not write."""
        self.databases.advance()
        self.databases.reach(self.copy.region, self.host)
        if self.read_only:
            raise DatabaseError("25006", f"cannot execute {command} in a read-only transaction")

    def pay(self, payment: str) -> None:
        """Commit a payment. Raises DatabaseError 25006 or ConnectionTimedOut."""
        with self.databases.locked():
            self.must_write("INSERT")
            self.copy.insert(payment, self.databases.now())

    def payment(self, payment: str) -> float | None:
        """When the payment was committed, None when it is not in this copy."""
        with self.databases.locked():
            self.databases.reach(self.copy.region, self.host)
            return self.copy.payments.get(payment)
