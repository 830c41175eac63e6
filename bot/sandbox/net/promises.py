"""What customers were promised: payments acknowledged to them, and whether that was right."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Acknowledgment:
    """A payment that a customer was told is safe. `term` numbers the writership that said so."""

    payment: str
    region: str
    term: int
    at: float


@dataclass
class Promises:
    """Acknowledgments of one database, in the order in which they were given."""

    given: dict[str, Acknowledgment] = field(default_factory=dict)
    newest_term: int = 0
    by_two_writers: int = 0
    handed_over: dict[int, float] = field(default_factory=dict)
    """Until when the copy that began a writership had replicated what came before, by term."""

    def give(self, acknowledgment: Acknowledgment) -> None:
        """Keep an acknowledgment; the first one of a payment counts.

        One by an older writership after a newer one has acknowledged anything is a payment that two writers
        took at the same time: the split brain that a fence is there to prevent.
        """
        if acknowledgment.payment in self.given:
            return
        self.given[acknowledgment.payment] = acknowledgment
        if acknowledgment.term < self.newest_term:
            self.by_two_writers += 1
        self.newest_term = max(self.newest_term, acknowledgment.term)

    def broken(self, surviving: Container[str]) -> int:
        """How many acknowledged payments are not among the surviving ones."""
        return sum(payment not in surviving for payment in self.given)

    def broken_without_excuse(self, surviving: Container[str]) -> int:
        """Broken ones that no promotion explains: every promoted copy had replicated them before its turn."""
        return sum(
            payment not in surviving
            and all(given.at <= until for term, until in self.handed_over.items() if term > given.term)
            for payment, given in self.given.items()
        )
