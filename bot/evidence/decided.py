"""Statements about a window that its rows decide by counting: how many cases there were, and which contradict."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bot.evidence.records import ChangeRecord, Population
from bot.evidence.table import at


@dataclass(frozen=True)
class Decided:
    """`cases` of them were looked at, `exceptions` name those that contradict. That says nothing of the control."""

    control: str
    id: str
    statement: str
    cases: int
    exceptions: tuple[str, ...]
    of: str

    @property
    def words(self) -> str:
        """The counts, and every exception by name."""
        named = f": {', '.join(self.exceptions)}" if self.exceptions else ""
        return f"Cases: {self.cases} ({self.of}). Exceptions: {len(self.exceptions)}{named}."


def decided(found: Population) -> list[Decided]:
    """Each statement of which there was a case; about what did not happen nothing is said."""
    ran = [one for one in found.changes if one.started_seq is not None]
    called = [one for one in found.changes if one.calls.intents]
    made = [
        Decided(
            "CC8.1",
            "approved-before-run",
            "Every run began after as many people as its policy needs had approved it, or by break-glass.",
            len(ran),
            _ids(one for one in ran if not one.emergency and not _approved(one)),
            "runs",
        ),
        Decided(
            "CC8.1",
            "approved-plan-ran",
            "Every run was of the plan whose digest was asked about and approved.",
            len(ran),
            _ids(one for one in ran if not _same_plan(one)),
            "runs",
        ),
        Decided(
            "CC8.1",
            "calls-have-outcomes",
            "Every call that was announced has a recorded outcome, be it unknown.",
            sum(one.calls.intents for one in called),
            _ids(one for one in called if one.calls.unanswered),
            "calls; exceptions are the changes with one that has none",
        ),
        Decided(
            "CC6.3",
            "requester-not-approver",
            "Nobody is among those who approved a run that they had asked for.",
            len(ran),
            _ids(one for one in ran if one.requester in {vote.person for vote in one.approvers}),
            "runs",
        ),
        Decided(
            "CC7.4",
            "break-glass-reviewed",
            "Every break-glass was reviewed by the end of the window.",
            len(found.emergencies),
            _ids(one for one in found.emergencies if not one.reviewed),
            "uses of break-glass",
        ),
        Decided(
            "CC7.2",
            "heartbeat-unbroken",
            "No time without a heartbeat was longer than 20 minutes.",
            found.heartbeats,
            tuple(f"{at(gap.since_ms)} to {at(gap.until_ms)}" for gap in found.gaps),
            "heartbeats",
        ),
    ]
    return [one for one in made if one.cases or one.exceptions]


def _approved(one: ChangeRecord) -> bool:
    asked = one.of("approval")
    before = {
        vote.person for vote in one.approvers if one.started_seq is not None and vote.seq < one.started_seq
    }
    return bool(asked) and 0 < asked[-1].quorum <= len(before - {one.requester})


def _same_plan(one: ChangeRecord) -> bool:
    asked = one.of("approval")
    return bool(asked) and asked[-1].digest != "" and asked[-1].digest == one.run_digest


def _ids(changes: Iterable[ChangeRecord]) -> tuple[str, ...]:
    return tuple(one.id for one in changes)
