"""The population as lines that a spreadsheet reads, and the words that say how it was made."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

from bot.evidence.records import ChangeRecord, Population
from bot.evidence.sample import RULE, Sampling, always
from bot.evidence.templates import render
from bot.evidence.window import Window

HEADINGS = (
    "change", "asked_at_utc", "asked_within_window", "kind", "drill", "result", "emergency", "emergency_reviewed",
    "requested_by", "where", "command", "reason", "approval_role", "approval_quorum", "approved_by", "approved_at_utc",
    "denied_by", "plans_made", "approvals_voided", "approvals_expired", "run_started_at_utc", "ended_at_utc",
    "plan_digest", "run_digest", "steps_planned", "steps_done", "steps_held", "steps_skipped", "steps_retried",
    "steps_not_confirmed", "rolled_back", "calls_announced", "calls_succeeded", "calls_failed", "calls_unknown",
    "calls_without_outcome", "calls_with_request_id", "recovery_seconds", "payments_lost", "rows", "first_row",
    "last_row", "sampled", "always_listed_because",
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")


def at(ms: int | None) -> str:
    """Epoch milliseconds as UTC text with milliseconds; empty for None."""
    if ms is None:
        return ""
    return datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{ms % 1000:03d}Z"


def safe(cell: object) -> str:
    """A cell that no spreadsheet takes for a formula: what begins like one gets an apostrophe in front."""
    text = str(cell)
    return "'" + text if text.lstrip().startswith(_FORMULA) else text


def as_csv(headings: Sequence[str], lines: Iterable[Sequence[object]]) -> bytes:
    """RFC 4180, UTF-8, CRLF."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(headings)
    for line in lines:
        writer.writerow([safe(cell) for cell in line])
    return out.getvalue().encode()


def population_csv(found: Population, chosen: Iterable[ChangeRecord]) -> bytes:
    """One line a change, as many as there were."""
    ids = {one.id for one in chosen}
    return as_csv(HEADINGS, (list(_line(one, sampled=one.id in ids)) for one in found.changes))


def events_csv(found: Population) -> bytes:
    """What belongs to no change's run, a line each: refusals, access, estates, keys, archive, starts and stops."""
    kinds = {
        "refusal": found.refusals,
        "access": found.access,
        "estate": found.estates,
        "key": found.keys,
        "archive": found.archive,
        "process": found.process,
    }
    lines = sorted(
        (one.seq, at(one.at_ms), kind, one.name, one.actor, one.face, one.words)
        for kind, some in kinds.items()
        for one in some
    )
    return as_csv(("row", "at_utc", "about", "event", "by", "where", "what"), lines)


def _line(one: ChangeRecord, *, sampled: bool) -> Iterator[object]:
    approvals = one.of("approval")
    last = approvals[-1] if approvals else None
    denied = [vote.person for asked in approvals for vote in asked.votes if vote.choice == "deny"]
    parts = one.rto_parts
    calls = one.calls
    yield from (one.id, at(one.asked_ms), _yes(one.inside), one.kind, _yes(one.drill), one.result)
    yield from (_yes(one.emergency), "" if one.reviewed is None else _yes(one.reviewed))
    yield from (one.requester, one.face, one.command, one.reason)
    yield from (last.role if last else "", last.quorum if last else "")
    yield " ".join(vote.person for vote in one.approvers)
    yield at(max((vote.at_ms for vote in one.approvers), default=None))
    yield " ".join(denied)
    yield from (
        one.plans,
        sum(a.state == "void" for a in approvals),
        sum(a.state == "expired" for a in approvals),
    )
    yield from (at(one.started_ms), at(one.closed_ms), one.digest, one.run_digest)
    yield from (one.steps, one.steps_done, one.holds, one.skipped, one.retried, one.unconfirmed)
    yield _yes(one.rolled_back)
    yield from (
        calls.intents,
        calls.succeeded,
        calls.failed,
        calls.unknown,
        calls.unanswered,
        calls.request_ids,
    )
    yield f"{sum(seconds for _, seconds in parts):.3f}" if parts else ""
    yield "" if one.times.payments_lost is None else one.times.payments_lost
    yield from (len(one.seqs), one.seqs[0], one.seqs[-1], _yes(sampled), always(one))


def _yes(flag: bool) -> str:
    return "yes" if flag else "no"


def generator() -> str:
    """Which program made it."""
    try:
        return f"signalbox {version('signalbox')}"
    except PackageNotFoundError:
        return "signalbox, not installed as a package"


def query_text(
    window: Window, found: Population, chosen: Sequence[ChangeRecord], how: Sampling, before: int
) -> bytes:
    """What was read, in words and as SQL, with the counts that tie."""
    return render(
        "population.query.txt",
        by=generator(),
        window=window,
        found=found,
        asked=sum(one.inside for one in found.changes),
        shown=len(chosen),
        how=how.words,
        rule=RULE,
        before=before,
        since=at(window.days.since_ms),
        until=at(window.days.until_ms),
        first_at=at(found.first_ms) or "none",
        last_at=at(found.last_ms) or "none",
    )
