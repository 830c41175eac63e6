"""`/audit`: search the trail, and take a row away with its proof."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import cyclopts

from bot.clock import iso
from bot.command import Call, Here, command
from bot.errors import NotAllowed, UsageError
from bot.evidence.row_proof import proof_of
from bot.evidence.search import ALL, Hit, Page, search, searched
from bot.evidence.wanted import HOW, Typed, query
from bot.reply import File, Reply, Text

ROLES = ("lead", "on-call", "auditor")
HITS = 10
"""Rows on one page in Slack."""
Option = cyclopts.Parameter
First = Annotated[str, Option(name="--from")]
Several = Annotated[tuple[str, ...], Option(negative="")]


@command(
    "/audit",
    usage="[WORDS… | proof ROW] [--by PERSON] [--what EVENTS] [--from TIME] [--to TIME] [--change ID] "
    "[--about TEXT] [--before ROW]",
    examples=("/audit approvals last 7d", "/audit calls us-west-2 --from 2026-07-01", "/audit proof 1234"),
)
def audit(
    *words: str,
    by: str = "",
    what: Several = (),
    first: First = "",
    to: str = "",
    change: str = "",
    about: Several = (),
    before: int | None = None,
    call: Here,
) -> Reply:
    """Search the trail: who did what, when; or take one row away with its proof.

    Args:
        words: kinds of events, times, people, or text to find.
        by: the id of a person, `me` or `signalbox`.
        what: kinds of events, as approvals, refused, calls, or the beginning of an event's name.
        first: the earliest time, as 2026-07-01, 2026-07-01T03:00Z or 7d.
        to: the latest time, a day being inside.
        change: the id of a change.
        about: text within the row: a Region, a service, a database, an operation, a request id.
        before: where the last page ended.
    """
    if call.desk.estate.role(call.caller.person) not in ROLES:
        raise NotAllowed(
            "You have no role here, so the trail is not shown to you.",
            not_done="Nothing was searched.",
            then="Ask someone on call.",
        )
    if words[:1] == ("proof",):
        return _proof(words[1:], call)
    typed = Typed(words, by, what, first, to, change, about, before, call.caller.person)
    wanted = query(typed, call.desk.clock.now())
    page = search(call.desk.database, wanted, limit=HITS)
    searched(call.desk.trail, call.caller.person, call.caller.face, wanted.words(), page)
    return Text("\n".join(_lines(page)))


def _proof(words: tuple[str, ...], call: Call) -> Reply:
    if len(words) != 1 or not words[0].isascii() or not words[0].isdigit() or len(words[0]) > 18:
        raise UsageError("Of which row?", then="Give its number: /audit proof 1234.")
    found = proof_of(call.desk.database, int(words[0]))
    searched(call.desk.trail, call.caller.person, call.caller.face, f"proof of row {found.seq}")
    return File(
        name=f"signalbox-row-{found.seq}.zip",
        content=found.zipped,
        title=f"Row {found.seq} with its proof. To check it: {found.how}",
        kind="application/zip",
    )


def _lines(page: Page) -> list[str]:
    asked = _calm(replace(page.query, before=None).words()) or ALL
    if not page.hits:
        lines = [f"*Nothing found:* {asked}"]
    else:
        lines = [f"*The trail, newest first:* {asked}", *(_line(hit) for hit in page.hits)]
    if page.foreign:
        lines.append(f":warning: {page.foreign} rows are not what Signalbox writes: run signalbox verify.")
    lines.append(_how_far(page))
    if page.more is not None:
        lines.append(f"Go on: `/audit {_calm(page.more.words())}`")
    if page.hits:
        lines.append(f"A row with its proof: `/audit proof {page.hits[0].seq}`")
    elif not page.query.words():
        lines.append(HOW)
    return lines


def _line(hit: Hit) -> str:
    who = f"<@{hit.who}>" if _is_slack(hit.who) else _calm(hit.who)
    if hit.automatic:
        who = f"Signalbox for {who}"
    of = f" (`{_calm(hit.change)}`)" if hit.change else ""
    return f"`{hit.seq}` {iso(hit.time_ms / 1000)[:19].replace('T', ' ')} {who}: {_calm(hit.words)}{of}"


def _how_far(page: Page) -> str:
    if page.more is None:
        return f"{page.passed} rows were looked at; there are no older ones to look at. Times are UTC."
    since = f", {iso(page.last_ms / 1000)}" if page.last_ms is not None else ""
    return f"{page.passed} rows were looked at, down to row {page.last}{since}; older ones were not. Times are UTC."


def _is_slack(person: str) -> bool:
    return person[:1] in ("U", "W") and person.isascii() and person.isalnum() and person.isupper()


def _calm(text: str) -> str:
    """What others wrote, so that it mentions nobody and ends no code: the face escapes the rest."""
    return text.replace("<@", "< @").replace("`", "'")
