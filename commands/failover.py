"""`/failover`: move production to another Region."""

from __future__ import annotations

from difflib import get_close_matches

from bot.command import Here, command
from bot.errors import UsageError
from bot.reply import Reply
from runbooks.request import Request


@command(
    "/failover",
    usage="REGION [--planned] [--traffic-first] [--dry-run] [--reason TEXT]",
    examples=(
        '/failover us-west-2 --reason "us-east-1 dark"',
        "/failover us-west-2 --planned",
        "/failover us-west-2 --dry-run",
    ),
)
def failover(
    region: str,
    *,
    planned: bool = False,
    traffic_first: bool = False,
    dry_run: bool = False,
    reason: str = "",
    call: Here,
) -> Reply:
    """Move production to another Region.

    Args:
        region: the Region that production moves to.
        planned: lose nothing: wait for the old writer to be caught up (needs both Regions).
        traffic_first: customers leave before the writers move: for a Region that answers and cannot be fenced.
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
    if planned and traffic_first:
        raise UsageError(
            "--planned and --traffic-first exclude each other: a planned move fences first.",
            then="Leave one of them out.",
        )
    request = Request(to=region, planned=planned, reason=reason.strip(), traffic_first=traffic_first)
    reply: Reply = call.desk.propose(request, call.caller, call.words, dry_run=dry_run)
    return reply
