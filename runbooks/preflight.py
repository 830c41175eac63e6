"""May this failover be planned, in which order, and what would be lost: a pure judgment of a survey."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from bot.clock import span
from bot.estate import Estate
from bot.facts.survey import DatabaseSeen, Survey
from bot.ports import ClusterState, GlobalDatabase
from bot.routers import answers as route
from runbooks.request import Request

Order = Literal["dark", "limping", "healthy"]
DRAINED_PERMILLE = 10


@dataclass(frozen=True)
class Preflight:
    """Blockers refuse, warnings are shown, losses are what people approve; each is a sentence for people."""

    blockers: tuple[str, ...]
    warnings: tuple[str, ...]
    losses: tuple[str, ...]
    order: Order
    order_why: str
    already: bool


def preflight(estate: Estate, survey: Survey, request: Request) -> Preflight:
    """Judge the survey. Unknown about the target blocks; about the Region being left, only a planned move."""
    if request.to not in estate.regions:
        near = get_close_matches(request.to, estate.regions, 1)
        hint = f"Did you mean {near[0]}?" if near else f"Known: {', '.join(estate.regions)}."
        return Preflight(
            (f"{request.to} is not a Region of this estate. {hint}",), (), (), "limping", "", False
        )
    order, why = order_of(estate, survey, request)
    already = _already(estate, survey, request.to)
    blockers, warnings = list(_region_blockers(estate, survey, request)), []
    if already:
        blockers = [f"{request.to} already serves: every writer is there and every name leads there."]
    for name in estate.databases:
        stops, notes = _of_database(name, estate, survey, request, order)
        blockers += [] if already else stops
        warnings += notes
    warnings += _warnings(estate, survey, request)
    return Preflight(
        blockers=tuple(blockers),
        warnings=tuple(warnings),
        losses=tuple(_losses(estate, survey, request, order)),
        order=order,
        order_why=why,
        already=already,
    )


def order_of(estate: Estate, survey: Survey, request: Request) -> tuple[Order, str]:
    """The order of doing, and why in plain words."""
    old = estate.other(request.to)
    seen = survey.regions[old]
    if request.planned:
        return "healthy", f"Planned: {old} answers, so everything is made ready before writes pause."
    if not seen.reachable:
        silent = " and ".join(
            label for label, ok in (("its AWS API", seen.aws), ("its cluster", seen.cluster)) if not ok
        )
        return "dark", (
            f"{old} cannot be fenced: {silent} do not answer. Customers are sent away first, and nothing is "
            "promoted before that is seen; capacity comes at the same time."
        )
    if request.traffic_first:
        return "dark", f"Asked for: customers leave {old} before the writers move."
    if seen.permille is not None and seen.permille <= DRAINED_PERMILLE:
        return "dark", f"Customers have left {old} already ({seen.permille / 10:g} % of requests)."
    return (
        "limping",
        f"{old} still answers: it is fenced, and seen to refuse writes, before the writers move.",
    )


def moved(estate: Estate, survey: Survey, to: str) -> tuple[str, ...]:
    """Databases that are already written in the target, and at rest."""
    return tuple(
        name
        for name in estate.databases
        if (view := survey.databases[name].view(to)) is not None
        and not view.moving
        and view.writer is not None
        and view.writer.region == to
    )


def _already(estate: Estate, survey: Survey, to: str) -> bool:
    if len(moved(estate, survey, to)) < len(estate.databases):
        return False
    addresses = [estate.regions[to].ingress.address]
    found = {name: by_server for name, by_server in survey.answers.items() if by_server is not None}
    return len(found) == len(survey.answers) and route.only(found, addresses)


def _region_blockers(estate: Estate, survey: Survey, request: Request) -> Iterator[str]:
    to, old = request.to, estate.other(request.to)
    target, left = survey.regions[to], survey.regions[old]
    if not target.aws:
        yield f"{to}'s AWS API cannot be used, so nothing can be moved there."
    if not target.cluster:
        why = survey.unknown.get(f"workloads {to}", "no answer")
        yield f"{to}'s cluster cannot be used ({why}), so nothing can be moved there."
    if target.stopped:
        yield f"{to} is itself stopped for DNS; with both Regions stopped, customers would be sent to both."
    if not request.planned:
        return
    if not left.reachable:
        yield f"{old} does not answer, so a planned move is impossible. Without --planned: `/failover {to}`."
    if left.stopped is None or target.stopped is None:
        yield "It is unknown whether a Region is stopped for DNS."
    for name, weights in sorted(survey.weights.items()):
        if weights is None:
            yield f"The records of {name} cannot be read, so its weights cannot be moved."
        elif missing := {old, to} - weights.keys():
            yield f"{name} has no weighted record for {', '.join(sorted(missing))}."
    yield from _capacity_blockers(estate, survey, to)


def _capacity_blockers(estate: Estate, survey: Survey, to: str) -> Iterator[str]:
    for name, group in sorted((survey.regions[to].groups or {}).items()):
        if group.issues:
            yield f"Node group {name} in {to} reports {', '.join(group.issues)}."
    for name in _absent(estate, survey, to):
        yield f"{name} is critical and is not deployed in {to}."


def _absent(estate: Estate, survey: Survey, region: str) -> list[str]:
    found = survey.regions[region].workloads
    if found is None:
        return []
    return [n for n, s in estate.services.items() if s.critical and f"{s.namespace}/{n}" not in found]


def _warnings(estate: Estate, survey: Survey, request: Request) -> Iterator[str]:
    to, old = request.to, estate.other(request.to)
    if not request.planned:
        yield from _capacity_blockers(estate, survey, to)
        if survey.regions[to].stopped is None:
            yield f"Whether {to} is itself stopped for DNS cannot be seen: that object lies in {old}."
        if survey.regions[old].permille is None:
            yield f"How many customers {old} still receives is not measured."
    elif survey.regions[old].permille is None:
        yield f"How many customers {old} receives is not measured: seeing them leave will hold."
    limits = {g: s.max for g, s in estate.regions[to].node_groups.items()}
    for name, group in sorted((survey.regions[to].groups or {}).items()):
        if group.maximum < limits[name]:
            yield f"Node group {name} in {to} stops at {group.maximum} nodes, the estate says {limits[name]}."
    if survey.regions[to].held:
        yield f"Argo CD in {to} is held by a deny window already."


def _of_database(
    name: str, estate: Estate, survey: Survey, request: Request, order: Order
) -> tuple[list[str], list[str]]:
    to, old = request.to, estate.other(request.to)
    seen = survey.databases[name]
    view = seen.views.get(to)
    if view is None:
        why = survey.unknown.get(f"database {name} {to}", "no answer")
        return [f"{name}: {to} does not tell its state ({why})"], []
    target, cluster = view.member(to), seen.clusters.get(to)
    if target is None:
        return [f"{name} has no cluster in {to}."], []
    stops = list(_cluster_blockers(name, to, old, view, cluster, seen))
    notes: list[str] = []
    if view.moving:
        if request.planned or view.moving_to not in ("", target.arn):
            stops.append(f"{name} is being moved already ({view.moving} to {view.moving_to or 'somewhere'}).")
        else:
            notes.append(f"{name} is on its way to {to} already ({view.moving}).")
    elif view.writer is None:
        (stops if request.planned else notes).append(f"{name} has no single writer.")
    elif view.writer.region == to:
        notes.append(f"{name} is already written in {to}.")
        return stops, notes
    if request.planned and target.sync not in ("connected", ""):
        stops.append(f"{name} in {to} is {target.sync}.")
    lag_stops, lag_notes = _of_lag(name, estate, seen.lag_ms.get(to), request, order)
    return stops + lag_stops, notes + lag_notes


def _cluster_blockers(
    name: str,
    to: str,
    old: str,
    view: GlobalDatabase,
    cluster: ClusterState | None,
    seen: DatabaseSeen,
) -> Iterator[str]:
    if cluster is None:
        yield f"{name}: the state of its cluster in {to} is unknown."
        return
    if not cluster.instances:
        yield f"{name} has no instance in {to}: nothing would answer after the promotion."
    source = seen.clusters.get(old)
    version = source.engine_version if source else view.engine_version
    # Same major and minor is what Aurora asks for; a patch may differ (Aurora User Guide, global databases).
    if _minor(cluster.engine_version) != _minor(version):
        versions = f"{cluster.engine_version} in {to} and {version} in {old}"
        yield f"{name} runs {versions}: Aurora refuses to promote it."


def _minor(version: str) -> tuple[str, ...]:
    return tuple(version.split(".")[:2])


def _of_lag(
    name: str, estate: Estate, lag_ms: int | None, request: Request, order: Order
) -> tuple[list[str], list[str]]:
    allowed = estate.objectives.rpo_seconds
    if lag_ms is None:
        if order == "dark":
            return [], [f"{name}: replication lag is unknown."]
        why = f"{name}: replication lag is unknown, so how much would be lost is too."
        return ([], [why]) if request.planned else ([why], [])
    if lag_ms <= allowed * 1000:
        return [], []
    told = f"{name} lags {span(lag_ms / 1000)}, the objective allows {span(allowed)}"
    if order == "dark":
        # The old writer is silent, so the reading grows by a second a second without a write being lost.
        return [], [f"{told}; it grows while {estate.other(request.to)} is silent, the heartbeat will tell."]
    if request.planned:
        return [], [f"{told}: writes pause until it has caught up."]
    return [f"{told}. Wait until it has caught up, or use --planned, which loses nothing."], []


def _losses(estate: Estate, survey: Survey, request: Request, order: Order) -> Iterator[str]:
    if request.planned:
        yield "No data is lost. Writes pause while the writers move."
        return
    there = moved(estate, survey, request.to)
    for name in estate.databases:
        if name in there:
            continue
        lag_ms = survey.databases[name].lag_ms.get(request.to)
        if lag_ms is None:
            yield f"{name}: how much would be lost is unknown."
        elif order == "dark" and lag_ms > 10_000:
            yield f"{name}: loses what had not arrived when {estate.other(request.to)} fell silent."
        else:
            yield f"{name}: may lose {max(1, lag_ms) / 1000:.1f} s of writes (lag now)."
