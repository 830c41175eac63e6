"""What is said in channels when trail and archive part, when rows wait, and when all is well again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.slack import blocks as b
from bot.slack.mrkdwn import MESSAGE, clip, escape, mentions
from bot.trail.event import Name

ANCHORS = (Name.LOG_ANCHORED, Name.LOG_UNANCHORED, Name.LOG_DIVERGED, Name.LOG_RECOVERED)
"""Rows that say how database and archive stand to each other: the newest of them counts."""
LAGS = (Name.ARCHIVE_LATE, Name.ARCHIVE_CAUGHT_UP)
_GO_ON = "*Emergencies go ahead:* `/failover REGION` without `--planned` is never refused for this."


@dataclass(frozen=True)
class Row:
    """A row of the trail as far as a notice needs it."""

    name: str
    actor: str
    detail: Mapping[str, Any]
    signers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Notice:
    """A message; `loud` = in every channel of the estate, else in the one for operations."""

    body: b.Body
    loud: bool = False


def notice(row: Row, before: Row | None, leads: Sequence[str]) -> Notice | None:
    """What this row is worth saying after the one `before` of the same kind; None when nothing has changed.

    A start that finds all well says nothing.
    """
    was = before.name if before else ""
    if row.name == Name.LOG_RECOVERED:
        return _recovered(row)
    if row.name == was and row.detail.get("state") == (before.detail.get("state") if before else None):
        return None
    if row.name == Name.LOG_DIVERGED:
        return _diverged(row, leads)
    if row.name == Name.LOG_UNANCHORED:
        return _unanchored(row)
    if row.name == Name.LOG_ANCHORED and was in (Name.LOG_UNANCHORED, Name.LOG_DIVERGED):
        text = "✅ *The archive of the trail answers, and agrees with this database again.* Nothing is refused for it."
        return Notice(_body(text), loud=was == Name.LOG_DIVERGED)
    if row.name == Name.ARCHIVE_LATE:
        return _late(row)
    if row.name == Name.ARCHIVE_CAUGHT_UP and was == Name.ARCHIVE_LATE:
        return Notice(
            _body("✅ *The archive has caught up*: every signed row of the trail is locked in it again.")
        )
    return None


def _diverged(row: Row, leads: Sequence[str]) -> Notice:
    what = {
        "behind": "This database lacks rows of the trail that are locked in the archive.",
        "forked": "This database holds another trail than the one that is locked in the archive.",
    }.get(str(row.detail.get("state")), "This database holds something else than what was signed.")
    text = (
        f"🚨 *{what}*{_why(row)}\n"
        f"*Not done:* planned changes are refused, and approvals of them do not count. {_GO_ON}\n"
        f"*What to do:* {mentions(leads)}: make sure that no other Signalbox writes to another database. Then two "
        "of you look at both heads and sign with `signalbox recover` at a terminal."
    )
    header = b.header("🚨 The trail and its archive differ")
    return Notice(_body(text, header, "Trail and archive differ. " + what), loud=True)


def _unanchored(row: Row) -> Notice:
    text = (
        "🚨 *The archive of the trail did not answer when Signalbox started* (unanchored): nobody knows yet whether "
        f"this database is whole.{_why(row)}\nNothing is refused for it so far; it is asked again and again. "
        "*What to do:* look at the archive's bucket and the role that writes to it (`signalbox doctor`); "
        "`/signalbox status` tells how it stands."
    )
    return Notice(_body(text))


def _late(row: Row) -> Notice:
    text = (
        f"⚠️ *Rows of the trail wait for the archive longer than they should{_lag(row)}.*{_why(row)}\n"
        f"If it stays so, planned changes are refused; `/signalbox status` tells from when on. {_GO_ON}"
    )
    return Notice(_body(text))


def _recovered(row: Row) -> Notice:
    origin = escape(str(row.detail.get("origin", "")))
    signers = mentions(row.signers or (row.actor,))
    if row.detail.get("emergency"):
        text = (
            f"🔨 *{signers} recovered the trail alone, in an emergency.* The log goes on as `{origin}`; planned "
            "changes go through again. What only the archive has stays locked there. Leads must review it."
        )
        return Notice(_body(text, b.header("🔨 Emergency recovery of the trail"), text), loud=True)
    text = (
        f"✅ *The trail was recovered, signed by {signers}.* The log goes on as `{origin}` and is shipped anew; "
        "planned changes go through again."
    )
    return Notice(_body(text), loud=True)


def _why(row: Row) -> str:
    why = str(row.detail.get("why", "")).strip()
    return f" {clip(escape(why), 600)}" if why else ""


def _lag(row: Row) -> str:
    rows, waited = row.detail.get("waiting"), row.detail.get("waited")
    return f": {rows} rows, the oldest for {escape(str(waited))}" if rows and waited else ""


def _body(text: str, header: b.Block | None = None, short: str = "") -> b.Body:
    blocks = [*([header] if header else []), b.section(clip(text, 2900))]
    return {"text": clip(short or text, MESSAGE), "blocks": blocks}
