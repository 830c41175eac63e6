"""Something that a verifier holds against a trail."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """Something wrong at `seq` (-1: the trail as a whole). `code` is stable, `message` for people."""

    seq: int
    code: str
    message: str
