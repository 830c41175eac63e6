"""`/failover`: move production to another Region."""

from __future__ import annotations

from difflib import get_close_matches

from bot.command import Here, command
from bot.errors import UsageError
from bot.reply import Reply
from runbooks.request import Request


@command(
    "/failover",
    usage="REGION [--planned] [--dry-run] [--reason TEXT]",
    examples=(
        '/failover us-west-2 --reason "us-east-1 dark"',
        "/failover us-west-2 --planned",
        "/failover us-west-2 --dry-run",
    ),
)
def failover(
    region: str, *, planned: bool = False, dry_run: bool = False, reason: str = "", call: Here
) -> Reply:
    """Move production to another Region.

    Args:
        region: the Region that production moves to.
        planned: lose nothing: wait for the old writer to be caught up (needs both Regions).
        dry_run: show the plan and change nothing.
        reason: why; everyone who decides reads it.
    """
    regions = list(call.desk.estate.regions)
    if region not in regions:
        near = get_close_matches(region, regions, 1, cutoff=0.4)
        raise UsageError(
            f"There is no Region {region!r} in this estate.",
            then=f"Did you mean {near[0]}?" if near else f"Regions: {', '.join(regions)}.",
        )
    request = Request(to=region, planned=planned, reason=reason.strip())
    reply: Reply = call.desk.propose(request, call.caller, call.words, dry_run=dry_run)
    return reply
