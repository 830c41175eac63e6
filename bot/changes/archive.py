"""What the archive has of the trail, and what is refused while it has too little: planned changes, and nothing else.

The archive lies downstream of the trail. While this database differs from what is locked there, or while rows have
waited for it too long, a planned change is not taken on and an approval of one is not counted: what moves production
at leisure can wait until it will be provable. The question stays open, earlier approvals keep counting, and the next
one goes through once the archive is well. An unplanned failover, its fence, break-glass, a rollback, an abort, the
answer to a hold and a run under way are never asked about it. Where no archive is configured nothing is refused.
"""

from __future__ import annotations

from dataclasses import dataclass

import orjson
from sqlmodel import Session, col, select

from bot.clock import iso, span
from bot.errors import Refused
from bot.store.tables import Anchor, CheckpointRow, Entry, Head
from bot.trail.anchor import DIVERGED
from bot.trail.event import Name

NEVER_REFUSED = ("failover", "trail-recovery")
"""Kinds of change that pass whatever the archive says; every other kind is planned, and can wait."""
_URGENT = "An emergency is never refused for this: /failover REGION without --planned goes ahead."


@dataclass(frozen=True)
class Limits:
    """How long rows may wait for the archive, seconds of the calendar: until it is said, until plans are refused."""

    late_seconds: float = 300.0
    limit_seconds: float = 3600.0


@dataclass(frozen=True)
class Standing:
    """The trail and its archive at one moment. `state` as in the table `anchor`.

    `waiting` rows are not locked yet, the oldest of them since `since` (epoch seconds). `signed` and `signed_at` are
    of the newest checkpoint here, `locked` of the newest one in the archive. `attested` is None before any key.
    """

    chain: str
    origin: str
    rows: int
    state: str
    why: str
    locked: int
    shipped_at: float | None
    waiting: int
    since: float | None
    signed: int
    signed_at: float | None
    attested: bool | None

    def waited(self, now: float) -> float:
        """Seconds for which the oldest row has waited."""
        return 0.0 if self.since is None else max(0.0, now - self.since)


def look(session: Session) -> Standing:
    """How trail and archive stand. Loads columns only, so that a head row locked later is read afresh."""
    head = session.exec(select(Head.chain, Head.origin, Head.size)).first()
    chain, origin, rows = head or ("", "", 0)
    anchor = session.exec(
        select(Anchor.state, Anchor.why, Anchor.locked_size, Anchor.shipped_at).where(Anchor.origin == origin)
    ).first()
    state, why, locked, shipped_at = anchor or ("new", "", 0, None)
    points = (
        select(CheckpointRow.size, CheckpointRow.at)
        .where(CheckpointRow.origin == origin)
        .order_by(col(CheckpointRow.size).desc())
        .limit(1)
    )
    newest = session.exec(points).first()
    shipped = session.exec(points.where(col(CheckpointRow.shipped_at).is_not(None))).first()
    held = shipped[0] if shipped else 0
    return Standing(
        chain=chain,
        origin=origin,
        rows=rows,
        state=state,
        why=why,
        locked=max(locked, held),
        shipped_at=shipped_at,
        waiting=max(0, rows - held),
        since=_since(session, held, chain, origin),
        signed=newest[0] if newest else 0,
        signed_at=newest[1] if newest else None,
        attested=_attested(session),
    )


def refusal(standing: Standing, limits: Limits | None, now: float) -> Refused | None:
    """Why no planned change may begin now, in words for the person; None when one may."""
    if limits is None:
        return None
    if standing.state in DIVERGED:
        return Refused(
            f"Planned changes are stopped: {difference(standing)}",
            not_done="This was not taken on and nothing was started.",
            then="Two leads settle it with `signalbox recover` (runbook: docs/operating.md). " + _URGENT,
        )
    if standing.waited(now) > limits.limit_seconds:
        return Refused(
            f"Planned changes are stopped: {standing.waiting} rows of the trail have waited "
            f"{span(standing.waited(now))} for the archive, longer than {span(limits.limit_seconds)}.",
            not_done="This was not taken on and nothing was started.",
            then="It goes on by itself once the archive has caught up: see /signalbox status, mend what keeps "
            "it away, then ask or approve again. " + _URGENT,
        )
    return None


def check(session: Session, kind: str, limits: Limits | None, now: float) -> None:
    """Raises Refused when a change of this kind may not begin now."""
    if limits is None or kind in NEVER_REFUSED:
        return
    if (refused := refusal(look(session), limits, now)) is not None:
        raise refused


def difference(standing: Standing) -> str:
    """How database and archive differ, a sentence."""
    if standing.state == "behind":
        said = (
            f"this database lacks rows of the trail that are locked in the archive ({standing.locked} rows)"
        )
    else:
        said = "this database holds another trail than the one that is locked in the archive"
    return f"{said}. {standing.why}".strip().rstrip(".") + "."


def status_lines(standing: Standing, limits: Limits | None, now: float) -> list[str]:
    """How the trail stands, for the status command: rows and signature, the key, the archive."""
    signed = "nothing is signed yet"
    if standing.signed_at is not None:
        age = span(now - standing.signed_at)
        signed = f"the newest checkpoint signs {standing.signed} of them, {age} old"
    lines = [f"Trail: {standing.rows} rows; {signed}."]
    if standing.attested is False:
        lines.append(
            ":warning: It is signed with a local key (unattested): who has the file can sign anything."
        )
    elif standing.attested:
        lines.append("It is signed with a key that nobody can take out (attested).")
    if limits is None:
        return [*lines, "Archive: none is configured; the trail lies in this database alone."]
    return [*lines, _archive_line(standing), *_lag(standing, limits, now)]


def trouble(standing: Standing, limits: Limits, now: float) -> list[str]:
    """Those lines of the status that say something is wrong with the archive, without their signs."""
    lines = [_archive_line(standing), *_lag(standing, limits, now)]
    return [line.partition(": ")[2] for line in lines if line.startswith((":rotating_light:", ":warning:"))]


def _archive_line(standing: Standing) -> str:
    if standing.state in DIVERGED:
        return (
            f":rotating_light: Archive: {difference(standing)} Planned changes are refused until two leads have "
            "recorded it with `signalbox recover`; emergencies go ahead."
        )
    if standing.state == "unanchored":
        why = f" {standing.why}".rstrip(".")
        return (
            f":rotating_light: Archive: it did not answer when Signalbox started, so nobody knows whether this "
            f"database is whole.{why}{'.' if standing.why else ''} It is asked again."
        )
    if standing.state == "new":
        return "Archive: not compared with this database yet."
    when = f", at {iso(standing.shipped_at)}" if standing.shipped_at else ""
    return f"Archive: it agrees with this database; {standing.locked} rows are locked{when}."


def _lag(standing: Standing, limits: Limits, now: float) -> list[str]:
    if not standing.waiting or standing.since is None:
        return []
    waited = standing.waited(now)
    words = f"{standing.waiting} rows wait for the archive since {iso(standing.since)}"
    if waited > limits.limit_seconds:
        return [
            f":rotating_light: {words} ({span(waited)}). Planned changes are refused; emergencies go ahead."
        ]
    if waited > limits.late_seconds:
        left = span(limits.limit_seconds - waited)
        return [f":warning: {words} ({span(waited)}). In {left} planned changes are refused."]
    return [f"{words}."]


def _since(session: Session, first: int, chain: str, origin: str) -> float | None:
    """When the oldest row that waits began to: its own time, or the recovery's, which sends all rows anew."""
    at = session.exec(select(Entry.at).where(Entry.seq == first)).first()
    if at is None or origin == chain:
        return at
    recovered = select(Entry.at).where(Entry.name == Name.LOG_RECOVERED).order_by(col(Entry.seq).desc())
    return max(at, session.exec(recovered.limit(1)).first() or at)


def _attested(session: Session) -> bool | None:
    names = [Name.KEY_INTRODUCED, Name.KEY_ROTATED]
    rows = select(Entry.body).where(col(Entry.name).in_(names)).order_by(col(Entry.seq).desc())
    body = session.exec(rows.limit(1)).first()
    return bool(orjson.loads(body)["unmapped"]["detail"].get("attested")) if body else None
