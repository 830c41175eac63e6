"""Which changes are shown whole: chosen by the auditor's seed, so that nobody else can choose.

The rule, which anybody can repeat: sort the ids of the changes in `population.csv` that no rule takes in anyway by
SHA-256(seed ‖ 0x0A ‖ id), both UTF-8, as hex; take the first N. Always taken beside them are those started by
break-glass, those that rolled back or were aborted or pre-empted, and those that were denied or voided.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from bot.evidence.records import ChangeRecord

RULE = (
    "Rank every change that is not listed anyway by SHA-256(seed, newline, change id) as hex, both in UTF-8, and take "
    "the first N. Always listed beside them: started by break-glass, rolled back, aborted, pre-empted, denied, voided."
)
_ALWAYS = ("rolled_back", "aborted", "preempted", "denied", "void")


@dataclass(frozen=True)
class Sampling:
    """How to choose: `count` None takes all; the seed is the auditor's."""

    seed: str = ""
    count: int | None = None

    @property
    def words(self) -> str:
        """As the pack says it."""
        if self.count is None:
            return "every change (no sampling)"
        return f"{self.count} by the seed {self.seed!r}, and all that are always listed"


def always(change: ChangeRecord) -> str:
    """Why this change is listed whatever the seed says; empty when it is not."""
    if change.emergency:
        return "break-glass"
    if change.rolled_back or change.result in _ALWAYS:
        return "rolled back" if change.rolled_back else change.result.replace("_", " ")
    return ""


def rank(seed: str, change: str) -> str:
    """Where a change stands in the draw."""
    return hashlib.sha256(f"{seed}\n{change}".encode()).hexdigest()


def sampled(changes: Sequence[ChangeRecord], how: Sampling) -> list[ChangeRecord]:
    """The chosen ones, in the order of the population."""
    if how.count is None:
        return list(changes)
    drawn = sorted((one.id for one in changes if not always(one)), key=lambda one: rank(how.seed, one))
    chosen = set(drawn[: how.count])
    return [one for one in changes if one.id in chosen or always(one)]
