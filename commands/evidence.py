"""`/evidence`: one file for the auditors, of a quarter or of some days."""

from __future__ import annotations

import io
from typing import Annotated

import cyclopts

from bot.command import Here, command
from bot.errors import NotAllowed, Refused, UsageError
from bot.evidence.pack import Asked
from bot.evidence.sample import Sampling
from bot.evidence.window import Days, days, quarter
from bot.reply import File, Later, Reply

ROLES = ("lead", "auditor")
First = Annotated[str, cyclopts.Parameter(name="--from")]


@command(
    "/evidence",
    usage="[2026-Q3 | --from DAY --to DAY] [--seed WORDS --sample N]",
    examples=("/evidence 2026-Q3", "/evidence --from 2026-07-01 --to 2026-07-31 --seed 4711 --sample 25"),
)
def evidence(
    period: str = "",
    *,
    first: First = "",
    to: str = "",
    seed: str = "",
    sample: int | None = None,
    call: Here,
) -> Reply:
    """Make an evidence pack for the auditors; it comes as a file.

    Args:
        period: a quarter, as 2026-Q3.
        first: the first day instead, UTC.
        to: the last day, itself inside.
        seed: the auditor's words by which samples are drawn.
        sample: how many changes are shown whole beside those that always are; all unless told.
    """
    if call.desk.estate.role(call.caller.person) not in ROLES:
        raise NotAllowed(
            "Evidence packs are made for leads and auditors: they hold everything that anybody did here.",
            not_done="No pack was made.",
            then="Ask a lead.",
        )
    span = asked_days(period, first, to)
    sampling = asked_sampling(seed, sample)
    packer = call.desk.packer
    if packer is None:
        raise Refused("This Signalbox signs no checkpoints, so a pack could prove nothing.")
    asked = Asked(span, sampling, call.caller.person, call.caller.face)

    def work() -> Reply:
        out = io.BytesIO()
        made = packer.pack(asked, out)
        return File(
            name=f"signalbox-evidence-{period.upper() or span.words.replace(' ', '-')}.zip",
            content=out.getvalue(),
            title=f"Evidence, {made.words}",
            kind="application/zip",
        )

    return Later(
        f"Making the pack for {span.words}. It comes as a file, and that it was made is recorded.", work
    )


def asked_days(period: str, first: str, last: str) -> Days:
    """A quarter or two days. Raises UsageError."""
    if period and (first or last):
        raise UsageError("A quarter and days exclude each other.", then="Leave one of them out.")
    if period:
        return quarter(period)
    if not first or not last:
        raise UsageError("Which days?", then="Give a quarter such as 2026-Q3, or --from DAY --to DAY.")
    return days(first, last)


def asked_sampling(seed: str, sample: int | None) -> Sampling:
    """How samples are drawn. Raises UsageError."""
    if sample is None and seed:
        raise UsageError("A seed draws nothing without --sample N.", then="Add --sample 25, for example.")
    if sample is not None and (sample < 0 or not seed):
        raise UsageError(
            "A sample needs a number and the auditor's seed.", then="For example --seed 4711 --sample 25."
        )
    return Sampling(seed, sample)
