"""May this failover be planned, in which order, and what would be lost: a pure judgment of a survey."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches

from bot.actions.inventory import listed
from bot.estate import Estate, Service
from bot.facts.survey import Survey, stop_key
from bot.routers import answers as route
from runbooks.losses import losses
from runbooks.order import Order, order_of, returning
from runbooks.request import Request
from runbooks.writers import of_database
from runbooks.written import moved


@dataclass(frozen=True)
class Preflight:
    """Blockers refuse, warnings are shown, losses are what people approve; each is a sentence for people.

    `already` = nothing is left to do. `watch` = only the fence of the Region that was left is.
    """

    blockers: tuple[str, ...]
    warnings: tuple[str, ...]
    losses: tuple[str, ...]
    order: Order
    order_why: str
    already: bool
    watch: bool = False


def preflight(estate: Estate, survey: Survey, request: Request) -> Preflight:
    """Judge the survey. Unknown about the target blocks; about the Region being left, only a planned move."""
    if request.to not in estate.regions:
        near = get_close_matches(request.to, estate.regions, 1)
        hint = f"Did you mean {near[0]}?" if near else f"Known: {', '.join(estate.regions)}."
        return Preflight(
            (f"{request.to} is not a Region of this estate. {hint}",), (), (), "limping", "", False
        )
    order, why = order_of(estate, survey, request)
    left = _led_here(estate, survey, request.to)
    old = estate.other(request.to)
    watch = left == [] and not request.planned and _may_still_write(estate, survey, old)
    already = left == [] and not watch
    blockers, warnings = list(_region_blockers(estate, survey, request)), []
    if left:
        warnings.append(
            f"{request.to} is written and sent to already; what is left is done: {'; '.join(left)}."
        )
    if watch:
        warnings.append(
            f"{request.to} is written and sent to already, but {old} is not seen fenced: it is watched, and closed "
            "for writes the moment it answers. Nothing else is done."
        )
    if already:
        blockers = [f"{request.to} already serves: every writer is there and every name leads there."]
    for name in estate.databases:
        stops, notes = of_database(name, estate, survey, request, order)
        blockers += [] if already or watch else stops
        warnings += notes
    warnings += _warnings(estate, survey, request)
    there = moved(estate, survey, request.to)
    moving = [name for name in estate.databases if name not in there]
    return Preflight(
        blockers=tuple(blockers),
        warnings=tuple(warnings),
        losses=tuple(losses(moving, survey, estate, request)),
        order=order,
        order_why=why,
        already=already,
        watch=watch,
    )


def by_place(estate: Estate) -> list[tuple[str, Service]]:
    """The services by namespace and name: the order in which plans name them."""
    return sorted(estate.services.items(), key=lambda item: (item[1].namespace, item[0]))


def leads_to(estate: Estate, survey: Survey, to: str) -> bool:
    """Whether every public name is seen to lead to this Region alone."""
    addresses = [estate.regions[to].ingress.address]
    found = {name: by_server for name, by_server in survey.answers.items() if by_server is not None}
    return len(found) == len(survey.answers) and route.only(found, addresses)


def _led_here(estate: Estate, survey: Survey, to: str) -> list[str] | None:
    """What does not yet run in the Region that is written and that every name leads to; None elsewhere."""
    if not leads_to(estate, survey, to) or len(moved(estate, survey, to)) < len(estate.databases):
        return None
    here = survey.regions[to].workloads or {}
    sick, off = [], []
    for name, service in by_place(estate):
        workload = here.get(f"{service.namespace}/{name}")
        if service.critical and (workload is None or not workload.serving):
            sick.append(name)
        if service.kind != "service" and (workload is None or workload.wanted == 0):
            off.append(name)
    cut = ["its database subnets"] if survey.regions[to].fenced else []
    told = (("cut off by network ACL", cut), ("not serving", sick), ("off", off))
    return [f"{what}: {listed(names)}" for what, names in told if names]


def _may_still_write(estate: Estate, survey: Survey, old: str) -> bool:
    """Whether the Region that was left is not seen fenced: it is dark, or stopped for DNS as a failover leaves it.

    A Region that answers and is not stopped is a standby, whose databases follow; not known is not fenced.
    """
    seen = survey.regions[old]
    if not seen.reachable:
        return True
    here = seen.workloads or {}
    writers = [
        here.get(f"{service.namespace}/{name}")
        for name, service in by_place(estate)
        if service.writes or service.kind != "service"
    ]
    wanted = any(workload is not None and workload.wanted > 0 for workload in writers)
    return bool(seen.stopped) and (wanted or not seen.fenced)


def _region_blockers(estate: Estate, survey: Survey, request: Request) -> Iterator[str]:
    to, old = request.to, estate.other(request.to)
    target, left = survey.regions[to], survey.regions[old]
    if not target.aws:
        yield f"{to}'s AWS API cannot be used, so nothing can be moved there."
    if not target.cluster:
        why = survey.unknown.get(f"workloads {to}", "no answer")
        yield f"{to}'s cluster cannot be used ({why}), so nothing can be moved there."
    if not request.planned:
        return
    if not left.reachable:
        yield f"{old} does not answer, so a planned move is impossible. Without --planned: `/failover {to}`."
    if left.stopped is None or target.stopped is None:
        yield "It is unknown whether a Region is stopped for DNS."
    if target.fenced is None and target.aws:
        yield f"It is unknown whether the database subnets of {to} are cut off by network ACL."
    if left.stopped and returning(survey, to):
        remove = f"Remove {stop_key(old)} in {estate.regions[to].stop_bucket} ({to})"
        way = remove if estate.dns.routing is None else "Switch its routing control on"
        yield (
            f"{old}, where customers are to be served until {to} takes over, is stopped for DNS. {way} by hand "
            f"first, and see every name lead to {old}."
        )
    for name, weights in sorted(survey.weights.items()):
        if weights is None:
            yield f"The records of {name} cannot be read, so its weights cannot be moved."
        elif missing := {old, to} - weights.keys():
            yield f"{name} has no weighted record for {', '.join(sorted(missing))}."
    yield from _deployment_blockers(estate, survey, to)


def _perhaps_stopped(estate: Estate, to: str, old: str) -> str:
    if estate.dns.routing is not None:
        return f"The routing controls cannot be read: whether customers are let into {to} is not known."
    return (
        f"Whether {to} is itself stopped for DNS cannot be seen: that object lies in {old}. If {to} was left by an "
        "earlier failover and health checkers still read it there, DNS would answer both; nothing is promoted then. "
        f"It is removed as soon as {old} answers."
    )


def _left_before(survey: Survey, to: str) -> Iterator[str]:
    """A Region that was left and must serve again because the other one fails: opened by the plan itself."""
    if returning(survey, to):
        left = (
            ("its database subnets are opened again", survey.regions[to].fenced),
            ("its STOP is removed before the other one's is set", survey.regions[to].stopped),
        )
        yield (
            f"{to} was left by an earlier failover: {' and '.join(what for what, so in left if so)}. What was lost "
            "then is not signed off; where nothing is wrong with the other Region, use --planned."
        )


def _deployment_blockers(estate: Estate, survey: Survey, to: str, fence_waits: str = "") -> Iterator[str]:
    old = estate.other(to)
    if survey.regions[to].groups is None:
        yield f"The node groups of {to} could not be read, so nobody knows whether there is room."
    for name, group in sorted((survey.regions[to].groups or {}).items()):
        if group.issues:
            waits = f" {fence_waits}" if fence_waits else ""
            yield f"Node group {name} in {to} reports {', '.join(group.issues)}.{waits}"
    for name in _undeployed(estate, survey, to, [n for n, s in by_place(estate) if s.critical]):
        yield f"{name} is critical and is not deployed in {to}."
    may_write = [n for n, s in by_place(estate) if s.writes or s.kind != "service"]
    if gone := _undeployed(estate, survey, old, may_write):
        yield (
            f"Not deployed in {old}, though the estate says that it may write there: {listed(gone)}. "
            "What writes under another name is not stopped."
        )
    if gone := _undeployed(estate, survey, to, [n for n, s in by_place(estate) if s.kind != "service"]):
        yield f"Not deployed in {to}, so it cannot be started there: {listed(gone)}."


def _undeployed(estate: Estate, survey: Survey, region: str, names: Iterable[str]) -> list[str]:
    found = survey.regions[region].workloads
    if found is None:
        return []
    return [n for n in names if f"{estate.services[n].namespace}/{n}" not in found]


def _warnings(estate: Estate, survey: Survey, request: Request) -> Iterator[str]:
    to, old = request.to, estate.other(request.to)
    if not request.planned:
        waits = f"{old} is not fenced before its nodes are there, or people go on without them."
        limping = order_of(estate, survey, request)[0] == "limping"
        yield from _deployment_blockers(estate, survey, to, waits if limping else "")
        yield from _left_before(survey, to)
        if survey.regions[to].stopped is None:
            yield _perhaps_stopped(estate, to, old)
        if survey.regions[old].permille is None:
            yield f"How many customers {old} still receives is not measured."
        if survey.regions[old].last_write_ms is None:
            yield f"When {old} last accepted a payment is not measured: its share of requests must tell."
    else:
        yield from _returning_warnings(survey, to)
        if survey.regions[old].permille is None:
            yield f"How many customers {old} receives is not measured: seeing them leave will hold."
    limits = {g: s.max for g, s in estate.regions[to].node_groups.items()}
    for name, group in sorted((survey.regions[to].groups or {}).items()):
        if group.maximum < limits[name]:
            yield f"Node group {name} in {to} stops at {group.maximum} nodes, the estate says {limits[name]}."
    if survey.regions[to].held:
        yield f"Argo CD in {to} is held by a deny window already."


def _returning_warnings(survey: Survey, to: str) -> Iterator[str]:
    if not returning(survey, to):
        return
    found = (
        ("its database subnets are cut off", survey.regions[to].fenced),
        ("it is stopped for DNS", survey.regions[to].stopped),
    )
    left = " and ".join(what for what, there in found if there)
    yield f"This is a failback: {to} was left before, and {left}; steps of this plan take that back."
