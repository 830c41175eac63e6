"""The trail's proof of one ended change, in one line: every row up to its end, verified once a process."""

from __future__ import annotations

import threading

from sqlmodel import col, select

from bot.store.database import Database
from bot.store.tables import Entry
from bot.trail.event import Name
from bot.trail.verify import verify_database


class Proof:
    """Remembers what the verifier said; the rows before a change's end never change."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._said: dict[str, str] = {}

    def words(self, change: str) -> str:
        """What the verifier says of the trail up to the end of this change."""
        with self._lock:
            if change not in self._said:
                try:
                    self._said[change] = self._verify(change)
                except ValueError as error:
                    return f"The trail could not be verified now: {error}."
            return self._said[change]

    def _verify(self, change: str) -> str:
        with self._database.read() as session:
            end = session.exec(
                select(Entry.seq)
                .where(Entry.change == change, Entry.name == Name.CHANGE_CLOSED)
                .order_by(col(Entry.seq).desc())
                .limit(1)
            ).first()
        if end is None:
            return "Not verified: the trail does not hold the end of this change."
        return verify_database(self._database.url, rows=end + 1).words()
