"""Estates by the digest that the trail names: who had which role then, and what the objectives were.

They lie in a table, so each is taken only when its bytes have the digest that a row of the trail holds.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pydantic import ValidationError

from bot.estate import Estate
from bot.store.database import Database
from bot.store.tables import EstateRow

NOT_KNOWN = "not known: the estate is not kept, or not as the trail names it"


@dataclass
class Estates:
    """Remembers those that were asked for."""

    database: Database
    _known: dict[str, Estate | None] = field(default_factory=dict)

    def by_digest(self, digest: str) -> Estate | None:
        """The estate with this digest, or None."""
        if digest and digest not in self._known:
            with self.database.read() as session:
                row = session.get(EstateRow, digest)
            try:
                found = Estate.model_validate_json(row.body) if row else None
            except ValidationError:
                found = None
            self._known[digest] = found if found is not None and found.digest == digest else None
        return self._known.get(digest)

    def role(self, digest: str, person: str) -> str:
        """The role that this estate gives the person, in words."""
        estate = self.by_digest(digest)
        if estate is None:
            return NOT_KNOWN
        return estate.role(person) or "none"
