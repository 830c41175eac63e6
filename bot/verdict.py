"""The one answer that probes, preflight, judges and readiness give."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, field_validator

from bot.scrub import scrub


class Kind(StrEnum):
    """Four answers; the order is from best to worst."""

    PASS = "pass"  # noqa: S105 - a verdict
    INCONCLUSIVE = "inconclusive"
    UNKNOWN = "unknown"
    FAIL = "fail"


class Verdict(BaseModel):
    """What was found, why, and on what evidence.

    Reasons may quote what somebody else said: they hold no secret.

    For a step: `pass` = seen done; `fail` = seen not done, so act; `inconclusive` = under way, so wait;
    `unknown` = could not be seen, which is never treated as done.
    """

    model_config = ConfigDict(frozen=True)

    kind: Kind
    reasons: tuple[str, ...] = ()
    evidence: dict[str, Any] = {}

    @field_validator("reasons")
    @classmethod
    def _without_secrets(cls, reasons: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(scrub, reasons))

    @property
    def why(self) -> str:
        """The reasons in one line."""
        return "; ".join(self.reasons)


def passed(reason: str = "", **evidence: Any) -> Verdict:
    """Seen good."""
    return Verdict(kind=Kind.PASS, reasons=(reason,) if reason else (), evidence=evidence)


def failed(reason: str, **evidence: Any) -> Verdict:
    """Seen bad, or not yet done."""
    return Verdict(kind=Kind.FAIL, reasons=(reason,), evidence=evidence)


def waiting(reason: str, **evidence: Any) -> Verdict:
    """Under way."""
    return Verdict(kind=Kind.INCONCLUSIVE, reasons=(reason,), evidence=evidence)


def unknown(reason: str, **evidence: Any) -> Verdict:
    """Not seen."""
    return Verdict(kind=Kind.UNKNOWN, reasons=(reason,), evidence=evidence)


_ORDER = list(Kind)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """All of them as one: the worst kind wins, its reasons are kept. Nothing to judge is unknown."""
    found = list(verdicts)
    if not found:
        return unknown("nothing was observed")
    kind = max((v.kind for v in found), key=_ORDER.index)
    evidence: dict[str, Any] = {}
    for verdict in found:
        evidence |= verdict.evidence
    reasons = tuple(dict.fromkeys(r for v in found if v.kind == kind for r in v.reasons))
    return Verdict(kind=kind, reasons=reasons, evidence=evidence)
