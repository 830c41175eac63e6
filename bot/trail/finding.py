"""Something that a verifier holds against a trail."""

from __future__ import annotations

from dataclasses import dataclass

KEPT = 1000
"""Findings that are kept of one log; a hostile one must not fill the memory. All are counted."""


@dataclass(frozen=True)
class Finding:
    """Something wrong at `seq` (-1: the trail as a whole). `code` is stable, `message` for people."""

    seq: int
    code: str
    message: str


class Findings(list[Finding]):
    """The first thousand findings, and how many there were."""

    def __init__(self, found: tuple[Finding, ...] | list[Finding] = ()) -> None:
        super().__init__(found)
        self.total = len(self)

    def append(self, found: Finding) -> None:
        self.total += 1
        if len(self) < KEPT:
            super().append(found)
