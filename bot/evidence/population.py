"""Reads the rows of a window into its population: nothing is looked up elsewhere, so nothing can be left out there."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from bot.evidence.records import Calls, Cast, ChangeRecord, Gap, Noted, Population, Question
from bot.evidence.told import told
from bot.evidence.window import Row, Window
from bot.trail.event import Name

HEARTBEAT_MS = 600_000
LONGEST_MS = 2 * HEARTBEAT_MS
"""Longer without a heartbeat is a gap."""
_MOVES = ("promote/", "cutover/", "write/", "services/", "activate", "traffic/")
_PROVES = ("check/",)
_ACCESS = (Name.TRAIL_SEARCHED, Name.PACK_EXPORTED, Name.TRAIL_VERIFIED)
_ARCHIVE = (
    Name.LOG_ANCHORED,
    Name.LOG_UNANCHORED,
    Name.LOG_DIVERGED,
    Name.LOG_RECOVERED,
    Name.ARCHIVE_LATE,
    Name.ARCHIVE_CAUGHT_UP,
    Name.FIELD_REDACTED,
)
_KEYS = (Name.KEY_INTRODUCED, Name.KEY_ROTATED)
_ESTATES = (Name.ESTATE_ACCEPTED, Name.ESTATE_REFUSED, Name.POLICY_CHANGED)
_PROCESS = (Name.BOT_STARTED, Name.BOT_STOPPED)
_REFUSALS = (Name.COMMAND_REFUSED, Name.CLICK_REFUSED)


@lru_cache(maxsize=1)
def population(window: Window) -> Population:
    """Everything in the window. One pass over its rows; what is kept grows with the changes, not with the rows.

    Raises Altered where a row is missing or is none of ours.
    """
    reader = _Reader(window)
    for row in window.rows(window.first, window.outside):
        reader.read(row)
    return reader.end()


class _Reader:
    def __init__(self, window: Window) -> None:
        self._window = window
        self._found = Population()
        self._changes: dict[str, ChangeRecord] = {}
        self._beat_ms: int | None = None if window.first == 0 and window.inside == 0 else window.days.since_ms
        self._since_beat: list[str] = []

    def read(self, row: Row) -> None:
        """Take in one row: the change's, always; everything else only from within the window."""
        if row.change:
            self._of_change(row)
        if row.seq >= self._window.inside:
            self._inside(row)

    def end(self) -> Population:
        """The whole, once all was read."""
        found, window = self._found, self._window
        until = window.days.until_ms if window.complete else found.last_ms
        if until is not None:
            self._gap(until)
        found.changes = [one for one in self._changes.values() if one.seqs and one.seqs[-1] >= window.inside]
        found.unreviewed = [one for one in self._changes.values() if one.reviewed is False]
        for one in found.changes:
            one.inside = one.asked_seq >= window.inside
        return found

    def _inside(self, row: Row) -> None:
        found, name = self._found, row.name
        found.counts[name] += 1
        found.first_ms = row.time_ms if found.first_ms is None else found.first_ms
        found.last_ms = row.time_ms
        if name == Name.BOT_HEARTBEAT:
            found.heartbeats += 1
            self._gap(row.time_ms)
            self._beat_ms, self._since_beat = row.time_ms, []
        else:
            if self._beat_ms is None:
                self._beat_ms = row.time_ms  # the log's first row: nothing could beat before
            if len(self._since_beat) < 10_000:
                self._since_beat.append(name)
        for names, into in (
            (_ACCESS, found.access),
            (_ARCHIVE, found.archive),
            (_KEYS, found.keys),
            (_ESTATES, found.estates),
            (_PROCESS, found.process),
            (_REFUSALS, found.refusals),
        ):
            if name in names:
                into.append(noted(row))

    def _gap(self, now_ms: int) -> None:
        since = self._beat_ms
        if since is None or now_ms - since <= LONGEST_MS:
            return
        stopped = Name.BOT_STOPPED in self._since_beat
        why = "Signalbox was stopped meanwhile" if stopped else ""
        self._found.gaps.append(Gap(since, now_ms, len(self._since_beat), why))

    def _of_change(self, row: Row) -> None:
        one = self._changes.get(row.change)
        if one is None:
            one = self._changes[row.change] = ChangeRecord(
                row.change, asked_seq=row.seq, asked_ms=row.time_ms
            )
        one.seqs.append(row.seq)
        detail, approval = row.detail, row.approval
        match row.name:
            case Name.CHANGE_PLANNED | Name.CHANGE_DRY_RUN:
                _planned(one, row, detail)
            case Name.DECISION_OPENED:
                _opened(one, row, detail, approval)
            case Name.VOTE_CAST:
                _voted(one, row, approval)
            case Name.DECISION_DECIDED:
                _ended(one, row, approval.get("decision"), "decided", str(approval.get("outcome", "")))
            case Name.DECISION_EXPIRED:
                _ended(one, row, approval.get("decision"), "expired", "")
            case Name.DECISION_VOIDED:
                _ended(one, row, detail.get("decision"), "void", "", _why(detail))
            case Name.GLASS_BROKEN:
                one.glass_by, one.glass_seq, one.glass_ms = row.actor, row.seq, row.time_ms
                one.review = str(approval.get("review", ""))
            case Name.LOG_RECOVERED if approval.get("review"):
                one.recovered_alone, one.review = True, str(approval["review"])
            case Name.CHANGE_CLOSED:
                one.result, one.why = str(detail.get("state", "closed")), str(detail.get("why", one.why))
                one.closed_seq, one.closed_ms = row.seq, row.time_ms
            case Name.CALL_INTENT:
                one.calls.intents += 1
            case Name.CALL_OUTCOME:
                _outcome(one.calls, row, detail)
            case _:
                _of_run(one, row, detail)


def _planned(one: ChangeRecord, row: Row, detail: dict[str, Any]) -> None:
    one.plans += 1
    one.dry_run = row.name == Name.CHANGE_DRY_RUN
    one.command, one.digest = str(detail.get("command", "")), str(detail.get("digest", ""))
    one.runbook, one.estate = str(detail.get("runbook", "")), str(detail.get("estate", ""))
    one.kind = str(detail.get("kind", "")) or _kind(one.runbook, one.command)
    one.reason = str(detail.get("reason", one.reason))
    one.steps = len(detail.get("steps", ()))
    if one.plans == 1:
        one.requester, one.face = row.actor, row.face
    if one.dry_run:
        one.result, one.closed_seq, one.closed_ms = "dry_run", row.seq, row.time_ms


def _kind(runbook: str, command: str) -> str:
    """Of rows that do not name it: what was typed says it."""
    return runbook.split("@", 1)[0] + ("-planned" if " --planned" in command else "")


def _opened(one: ChangeRecord, row: Row, detail: dict[str, Any], approval: dict[str, Any]) -> None:
    told = {**detail, **approval}
    key = str(told.get("decision", f"row {row.seq}"))
    one.questions[key] = Question(
        id=key,
        kind=str(detail.get("kind", "approval")),
        seq=row.seq,
        at_ms=row.time_ms,
        step=row.step,
        role=str(told.get("role", "")),
        quorum=int(told.get("quorum", 0)),
        digest=str(told.get("digest", "")),
        options=str(told.get("options", "")),
    )


def _voted(one: ChangeRecord, row: Row, approval: dict[str, Any]) -> None:
    question = one.questions.get(str(approval.get("decision")))
    if question is not None:
        question.votes.append(
            Cast(
                seq=row.seq,
                at_ms=row.time_ms,
                person=row.actor,
                choice=str(approval.get("choice", "")),
                face=row.face,
                reason=str(approval.get("reason", "")),
                signed=bool(approval.get("signature")),
            )
        )


def _ended(one: ChangeRecord, row: Row, decision: Any, state: str, outcome: str, why: str = "") -> None:
    question = one.questions.get(str(decision))
    if question is not None:
        question.state, question.outcome, question.why = state, outcome, why
        question.ended_seq, question.ended_ms = row.seq, row.time_ms


def _outcome(calls: Calls, row: Row, detail: dict[str, Any]) -> None:
    calls.succeeded += row.ok is True
    calls.failed += row.ok is False
    calls.unknown += row.ok is None
    calls.request_ids += bool(detail.get("request_id"))


def _of_run(one: ChangeRecord, row: Row, detail: dict[str, Any]) -> None:
    match row.name:
        case Name.RUN_STARTED:
            one.run, one.run_digest = row.run, str(detail.get("digest", ""))
            one.started_seq, one.started_ms = row.seq, row.time_ms
            one.times.approved_ms = row.time_ms
        case Name.RUN_SETTLED:
            one.settled_ms = row.time_ms
            one.result = "standing"
        case Name.RUN_ENDED:
            one.ended_ms = row.time_ms
        case Name.RUN_STOPPING if "undo" in detail:
            one.rolled_back = True
        case Name.RUN_STOPPING if row.ok is not False:
            one.stops.append(str(detail.get("how", "")))
        case Name.STEP_HELD:
            one.holds += 1
        case Name.STEP_SKIPPED:
            one.skipped += 1
        case Name.STEP_UNCONFIRMED:
            one.unconfirmed += 1
        case Name.STEP_RETRIED | Name.STEP_REROUTED:
            one.retried += 1
        case Name.STEP_DONE:
            one.steps_done += 1
            _measured(one, row, detail.get("evidence") or {})


def _measured(one: ChangeRecord, row: Row, evidence: Any) -> None:
    if not isinstance(evidence, dict):
        return
    times = one.times
    if row.step.startswith(_MOVES):
        times.moved_ms = row.time_ms
    if row.step.startswith(_PROVES):
        times.verified_ms = row.time_ms
    served, survived = evidence.get("last_served_ms"), evidence.get("survived_at_ms")
    if isinstance(served, int):
        times.outage_ms = max(times.outage_ms or served, served)
    if isinstance(survived, int):
        times.survived_ms = max(times.survived_ms or survived, survived)
    if row.step.startswith("heartbeat/"):
        loss = evidence.get("loss_ms")
        times.loss_ms[row.step.partition("/")[2]] = max(0, loss) if isinstance(loss, int) else None
    if isinstance(evidence.get("payments_lost"), int):
        times.payments_lost = evidence["payments_lost"]


def _why(detail: dict[str, Any]) -> str:
    why = detail.get("why", "")
    return "; ".join(map(str, why)) if isinstance(why, list) else str(why)


_SAYS = {
    Name.BOT_STARTED: "Signalbox started ({replica})",
    Name.BOT_STOPPED: "Signalbox stopped ({replica})",
    Name.ESTATE_ACCEPTED: "Estate accepted: {before} to {after}",
    Name.ESTATE_REFUSED: "Estate file refused, the last accepted one stayed in force: {why}",
    Name.COMMAND_REFUSED: "{text}: {why}",
    Name.CLICK_REFUSED: "{what}: {why}",
    Name.KEY_INTRODUCED: "Signing key introduced: {key}",
    Name.KEY_ROTATED: "Signing key changed from {before} to {key}, vouched for by the old one",
}


def noted(row: Row) -> Noted:
    """A row in words: whole where an auditor compares them with something, else as a search tells it."""
    detail = row.detail
    pattern = _SAYS.get(Name(row.name)) if row.name in _KNOWN else None
    if pattern:
        words = pattern.format_map(_Told({key: _plain(value) for key, value in detail.items()}))
    else:
        words = told(row.record)
    return Noted(row.seq, row.time_ms, row.name, row.actor, row.face, words, row.change, row.ok)


_KNOWN = {str(name) for name in Name}


class _Told(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "not told"


def _plain(value: Any) -> str:
    if isinstance(value, str):
        return value or "none"
    if isinstance(value, list):
        return ", ".join(map(_plain, value))
    if isinstance(value, dict) and value.keys() == {"$c", "d"}:
        return f"withheld, commitment {value['d']}"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_plain(one)}" for key, one in sorted(value.items()))
    if value is None:
        return "none"
    return ("no", "yes")[value] if isinstance(value, bool) else str(value)
