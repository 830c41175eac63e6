"""`index.html`: the window as a compliance lead reads it, on screen and on paper, with nothing to load."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.clock import span
from bot.evidence import figures
from bot.evidence.controls import controls, count
from bot.evidence.estates import Estates
from bot.evidence.population import LONGEST_MS
from bot.evidence.records import ChangeRecord, Gap, Population
from bot.evidence.sample import Sampling, always
from bot.evidence.table import at, generator
from bot.evidence.templates import render
from bot.evidence.window import Window
from bot.trail.note import UNATTESTED


@dataclass(frozen=True)
class Shown:
    """All that the page is made from. `missing` are parts that this pack lacks; `start` the first row in it."""

    window: Window
    found: Population
    chosen: Sequence[ChangeRecord]
    how: Sampling
    estates: Estates
    verdict: Mapping[str, Any]
    missing: Mapping[str, str]
    start: int


def html(shown: Shown, files: Sequence[str]) -> bytes:
    """The page. Whatever people typed is text in it, never markup."""
    found = shown.found
    recovered = [one for one in found.changes if one.rto_parts]
    lost = [(one, name, ms) for one in found.changes for name, ms in sorted(one.times.loss_ms.items())]
    return render(
        "index.html",
        shown=shown,
        window=shown.window,
        found=found,
        when=_when,
        at=at,
        count=count,
        lasted=lasted,
        always=always,
        by=generator(),
        chosen={one.id for one in shown.chosen},
        tiles=list(_tiles(found)),
        attention=list(_attention(shown)),
        moments=sorted(_moments(found)),
        controls=controls(found),
        denials=[
            (c, q, v) for c in found.changes for q in c.of("approval") for v in q.votes if v.choice == "deny"
        ],
        rto=figures.recovery_times([(_label(one), one.rto_parts, _rto(shown, one)) for one in recovered]),
        recovered=[(one, _rto(shown, one)) for one in recovered],
        rpo=figures.data_lost([(f"{one.id} {name}", ms, _rpo(shown, one)) for one, name, ms in lost]),
        lost=[(one, name, ms, _rpo(shown, one)) for one, name, ms in lost],
        files=[
            name for name in files if not name.startswith(("trail/entries", "trail/checkpoints", "samples/"))
        ],
        many={part: sum(name.startswith(part) for name in files) for part in _MANY},
    )


_MANY = ("samples/", "trail/entries/", "trail/checkpoints/")


def _tiles(found: Population) -> Iterator[tuple[str, int, str]]:
    """(label, number, what population.csv says it is)."""
    yield "changes", len(found.changes), "lines of population.csv"
    yield (
        "of them ran",
        sum(one.started_seq is not None for one in found.changes),
        "run_started_at_utc is set",
    )
    yield "denied", len(found.where("denied")), "result = denied"
    yield (
        "expired, cancelled, void",
        len(found.where("expired", "cancelled", "void")),
        "result is one of these",
    )
    yield "rolled back", len(found.where("rolled_back")), "result = rolled_back"
    yield "aborted or pre-empted", len(found.where("aborted", "preempted")), "result is one of these"
    yield "dry runs", len(found.where("dry_run")), "result = dry_run"
    yield "break-glass", len(found.emergencies), "emergency = yes"
    yield "drills", len(found.drills), "drill = yes"
    yield "refusals", len(found.refusals), "about = refusal in events.csv"
    yield "calls announced", sum(one.calls.intents for one in found.changes), "sum of calls_announced"
    yield "gaps in the heartbeat", len(found.gaps), "see Coverage"


def _attention(shown: Shown) -> Iterator[str]:
    """What a reader must not miss, each a fact."""
    found, window = shown.found, shown.window
    if shown.verdict["exit_code"] != 0:
        yield f"When this pack was made, the verifier did not verify the log: {shown.verdict['words']}"
    if not window.complete:
        yield "The window was not over when this pack was made, or nothing was written after it: it is not complete."
    if (
        window.inside == 0
        and found.first_ms is not None
        and found.first_ms - window.days.since_ms > LONGEST_MS
    ):
        yield f"The log begins within this period, at {_when(found.first_ms)}: of the time before it nothing is known."
    if found.gaps:
        longest = max(gap.until_ms - gap.since_ms for gap in found.gaps)
        yield (
            f"{count(len(found.gaps), 'time', 'times')} without a heartbeat for more than 20 minutes; the longest "
            f"lasted {span(longest / 1000)}."
        )
    for one in found.unreviewed:
        how = "was started by break-glass" if one.emergency else "let the log go on by one person's signature"
        yield f"Change {one.id} {how}, and its review was open when the window ended."
    for one in found.changes:
        if one.started_seq is not None and one.requester in {vote.person for vote in one.approvers}:
            yield f"Change {one.id} was approved by the person who asked for it."
        if one.calls.unanswered or one.calls.unknown:
            bad = one.calls.unanswered + one.calls.unknown
            yield f"Change {one.id}: {count(bad, 'call has', 'calls have')} no known outcome."
        if one.skipped or one.unconfirmed:
            yield f"Change {one.id}: {one.skipped} steps were skipped and {one.unconfirmed} not confirmed."
        if one.result in ("aborted", "preempted", "rolled_back"):
            yield f"Change {one.id} ended as {one.result.replace('_', ' ')}."
        if one.result in ("open", "standing"):
            yield f"Change {one.id} was {one.result} when the window ended."
    for noted in found.archive:
        if noted.ok is False or noted.name.endswith((":late", ":diverged", ":recovered", ":unanchored")):
            yield f"Row {noted.seq}, {noted.name}: {noted.words or 'no details recorded'}"
    if not found.drills:
        yield "No drills in this period."
    keys = [*window.keys, *(noted.words for noted in found.keys)]
    if any(UNATTESTED in key for key in keys):
        yield "Checkpoints are or were signed with a key in a file (/unattested), not by a key management service."
    for name, what in sorted(shown.missing.items()):
        yield f"Not in this pack: {name} ({what})."


def _moments(found: Population) -> Iterator[tuple[int, str, str, str, str, str]]:
    """(row, when, kind, change, who, what): the timeline."""
    for one in found.changes:
        if one.inside:
            what = "Dry run shown" if one.dry_run else "Asked for"
            yield one.asked_seq, _when(one.asked_ms), "asked", one.id, one.requester, f"{what}: {one.command}"
        for question in one.questions.values():
            for vote in question.votes:
                said = f"{question.kind}: {vote.choice}" + (f" ({vote.reason})" if vote.reason else "")
                yield vote.seq, _when(vote.at_ms), "decided", one.id, vote.person, said
            if question.state in ("expired", "void") and question.ended_seq is not None:
                said = f"{question.kind} {question.state}" + (f": {question.why}" if question.why else "")
                yield question.ended_seq, _when(question.ended_ms), "bad", one.id, "signalbox", said
        if one.glass_seq is not None:
            yield (
                one.glass_seq,
                _when(one.glass_ms),
                "bad",
                one.id,
                one.glass_by,
                "Break-glass: started without an approval",
            )
        if one.started_seq is not None:
            yield one.started_seq, _when(one.started_ms), "ran", one.id, one.requester, "Run started"
        if one.closed_seq is not None and not one.dry_run:
            said = f"Closed: {one.result.replace('_', ' ')}" + (f" ({one.why})" if one.why else "")
            yield (
                one.closed_seq,
                _when(one.closed_ms),
                "ran" if one.result == "done" else "bad",
                one.id,
                "",
                said,
            )
    for some, kind in ((found.refusals, "bad"), (found.estates, "own"), (found.keys, "own"), (found.archive, "own"),
                       (found.process, "own"), (found.access, "own")):  # fmt: skip
        for noted in some:
            said = noted.words if kind == "own" else f"Refused: {noted.words}"
            yield noted.seq, _when(noted.at_ms), kind, "", noted.actor, f"{said or noted.name}"


def _when(ms: int | None) -> str:
    """To the second, for people."""
    return at(ms)[:19].replace("T", " ")


def _label(one: ChangeRecord) -> str:
    return f"{one.id} {'drill' if one.drill else 'real'}"


def _rto(shown: Shown, one: ChangeRecord) -> int | None:
    estate = shown.estates.by_digest(one.estate)
    return estate.objectives.rto_seconds if estate else None


def _rpo(shown: Shown, one: ChangeRecord) -> int | None:
    estate = shown.estates.by_digest(one.estate)
    return estate.objectives.rpo_seconds if estate else None


def lasted(gap: Gap) -> str:
    """How long nothing beat."""
    return span((gap.until_ms - gap.since_ms) / 1000)
