"""The trail's proof of one change, in one line: every row up to its end so far, verified once a process.

A run that has settled is reported while it still stands; when it ends at last the proof is made anew.
"""

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
        self._said: dict[tuple[str, int], str] = {}

    def words(self, change: str) -> str:
        """What the verifier says of the trail up to the end of this change, or to where its run settled."""
        with self._lock:
            end = self._end(change)
            if end is None:
                return "Not verified: the trail does not hold the end of this change."
            if (change, end) not in self._said:
                try:
                    said = verify_database(self._database.url, rows=end + 1).words()
                except ValueError as error:
                    return f"The trail could not be verified now: {error}."
                self._said[change, end] = said
            return self._said[change, end]

    def _end(self, change: str) -> int | None:
        with self._database.read() as session:
            return session.exec(
                select(Entry.seq)
                .where(Entry.change == change, col(Entry.name).in_([Name.CHANGE_CLOSED, Name.RUN_SETTLED]))
                .order_by(col(Entry.seq).desc())
                .limit(1)
            ).first()
