"""In which order a failover is done: by who answers, and by what customers are still seen to do."""

from __future__ import annotations

from typing import Literal

from bot.clock import span
from bot.estate import Estate
from bot.facts.survey import RegionSeen, Survey
from runbooks.request import Request

Order = Literal["dark", "partitioned", "limping", "healthy"]
CUSTOMERS_FIRST = ("dark", "partitioned")
"""Orders in which customers leave before the writers move: the same steps, told in other words."""
DRAINED_PERMILLE = 10
WRITING_MS = 20_000
"""A silent Region whose customers had a write accepted within it may have another one accepted now."""


def returning(survey: Survey, to: str) -> bool:
    """Whether a planned move to this Region is a failback: it was left, and is still fenced or stopped for DNS."""
    target = survey.regions[to]
    return bool(target.fenced or target.stopped)


def order_of(estate: Estate, survey: Survey, request: Request) -> tuple[Order, str]:
    """The order of doing, and why in plain words.

    A Region that answers only in part counts as one that does not: it cannot be fenced for sure.
    """
    old = estate.other(request.to)
    seen = survey.regions[old]
    if request.planned and returning(survey, request.to):
        return "healthy", (
            f"Failback: {request.to} was left by a failover. It is opened and made ready, the writers move while "
            "writes pause, and customers come last."
        )
    if request.planned:
        return "healthy", f"Planned: {old} answers, so everything is made ready before writes pause."
    if not seen.reachable:
        return _of_silent(old, seen)
    if request.traffic_first:
        return "dark", f"Customers first, as asked or approved: they leave {old} before the writers move."
    if seen.permille is not None and seen.permille <= DRAINED_PERMILLE:
        return "dark", f"Customers have left {old} already ({_percent(seen.permille)} of requests)."
    return (
        "limping",
        f"{old} still answers: it is fenced, and seen to refuse writes, before the writers move.",
    )


def _of_silent(old: str, seen: RegionSeen) -> tuple[Order, str]:
    cannot = f"{old} cannot be fenced for sure (without an answer: {', '.join(seen.silent)})"
    then = (
        "Customers are sent away first, and nothing is promoted before that is seen; capacity comes at the same "
        f"time, and {old} is fenced as soon as it answers."
    )
    told = _told(seen)
    if writing(seen):
        lost = "What is paid there from now on is lost or must be reconciled by hand."
        head = f"{old} is not known to be dark: it may still take payments ({told}). {lost}"
        return (
            "partitioned",
            f"{head} {cannot}. Customers get errors from the first step until the writers have moved. {then}",
        )
    return "dark", f"{cannot}, and is quiet as far as is measured: {told}. {then}"


def writing(seen: RegionSeen) -> bool:
    """Whether a Region that does not answer us may still accept customers' writes; not known is maybe."""
    if seen.quiet_ms is not None:
        return seen.quiet_ms <= WRITING_MS
    return seen.permille is None or seen.permille > DRAINED_PERMILLE


def _told(seen: RegionSeen) -> str:
    """What is known of its customers, in words."""
    if seen.permille is None and seen.quiet_ms is None:
        return "neither its share of requests nor its last payment is measured"
    share = "its share of requests is not measured"
    if seen.permille is not None:
        share = f"{_percent(seen.permille)} of requests still go there"
    last = "when it last accepted a payment is not measured"
    if seen.quiet_ms is not None:
        last = f"the last payment was accepted {span(seen.quiet_ms / 1000)} ago"
    return f"{share}, {last}"


def _percent(permille: int) -> str:
    return f"{permille / 10:g} %"
