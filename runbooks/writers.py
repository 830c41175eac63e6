"""May this database's writer be moved: a pure judgment of what each Region tells of it."""

from __future__ import annotations

from collections.abc import Iterator

from bot.clock import span
from bot.estate import Estate
from bot.facts.survey import DatabaseSeen, Survey
from bot.ports import ClusterState, GlobalDatabase
from runbooks.order import CUSTOMERS_FIRST, Order
from runbooks.request import Request
from runbooks.written import apart


def of_database(
    name: str, estate: Estate, survey: Survey, request: Request, order: Order
) -> tuple[list[str], list[str]]:
    """What stops a move of this database, and what people should know of it; each a sentence."""
    to, old = request.to, estate.other(request.to)
    seen = survey.databases[name]
    view = seen.views.get(to)
    if view is None:
        why = survey.unknown.get(f"database {name} {to}", "no answer")
        return [f"{name}: {to} does not tell its state ({why})"], []
    target, cluster = view.member(to), seen.clusters.get(to)
    if target is None:
        return _of_detached(name, to, old, cluster, request)
    stops = list(_cluster_blockers(name, to, old, view, cluster, seen))
    notes: list[str] = []
    if request.planned and survey.regions[old].reachable:
        stops += _apart(name, to, old, survey)
    if view.moving:
        elsewhere = view.moving_to not in ("", target.arn)
        if request.planned:
            stops.append(f"{name} is being moved already ({view.moving} to {view.moving_to or 'somewhere'}).")
        elif elsewhere:
            moving = f"{name} is being moved by someone else ({view.moving} to {view.moving_to})"
            notes.append(f"{moving}: that is waited for, and then {name} is promoted in {to}.")
        else:
            notes.append(f"{name} is on its way to {to} already ({view.moving}).")
    elif view.writer is None:
        (stops if request.planned else notes).append(f"{name} has no single writer.")
    elif view.writer.region == to and name in apart(estate, survey, to):
        notes.append(
            f"{name} is written in {to}, but {old} is not seen to follow it and may write its own. "
            f"{_parted(old, to)}"
        )
        return stops, notes
    elif view.writer.region == to:
        notes.append(f"{name} is already written in {to}.")
        return stops, notes
    elif view.writer.region != old:
        strange = f"{name} is written in {view.writer.region}, which is no Region of this estate"
        (stops if request.planned else notes).append(
            f"{strange}."
            if request.planned
            else f"{strange}: it is promoted from there, which is not fenced."
        )
    if request.planned and target.sync not in ("connected", ""):
        stops.append(f"{name} in {to} is {target.sync}.")
    silent = not survey.regions[old].reachable
    lag_stops, lag_notes = _of_lag(name, estate, seen.lag_ms.get(to), request, order, silent=silent)
    return stops + lag_stops, notes + lag_notes


def _apart(name: str, to: str, old: str, survey: Survey) -> Iterator[str]:
    """Why the newest writes may not be where the target says: a planned move must lose none."""
    seen = survey.databases[name]
    here, there = seen.views[to], seen.views.get(old)
    if there is None:
        why = survey.unknown.get(f"database {name} {old}", "no answer")
        yield f"{name}: {old} does not tell its state ({why})."
        return
    if here.member(old) is None or there.member(old) is None:
        yield (
            f"{name} in {old} is not part of its global database: what was written there would be left behind. "
            f"Make a global database of it again, with a secondary in {to}, first."
        )
        return
    writers = here.writer and here.writer.region, there.writer and there.writer.region
    if writers[0] != writers[1]:
        yield (
            f"{name}: {to} says that it is written in {writers[0] or 'no single Region'}, {old} says in "
            f"{writers[1] or 'no single Region'}. Nobody knows yet where the newest writes are."
        )


def _of_detached(
    name: str, to: str, old: str, cluster: ClusterState | None, request: Request
) -> tuple[list[str], list[str]]:
    if request.planned or cluster is None or cluster.status != "available" or not cluster.instances:
        return [f"{name} has no cluster in {to}."], []
    alone = f"{name} was detached from its global database and stands alone in {to}"
    return [], [
        f"{alone}: it counts as promoted, and a write will prove it. {_parted(old, to)}",
    ]


def _parted(old: str, to: str) -> str:
    return f"What {old} wrote since it was detached is not in {to}."


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
    name: str, estate: Estate, lag_ms: int | None, request: Request, order: Order, *, silent: bool
) -> tuple[list[str], list[str]]:
    allowed = estate.objectives.rpo_seconds
    if lag_ms is None:
        if order in CUSTOMERS_FIRST:
            return [], [f"{name}: replication lag is unknown."]
        why = f"{name}: replication lag is unknown, so how much would be lost is too."
        return ([], [why]) if request.planned else ([why], [])
    if lag_ms <= allowed * 1000:
        return [], []
    told = f"{name} lags {span(lag_ms / 1000)}, the objective allows {span(allowed)}"
    if order in CUSTOMERS_FIRST and not silent:
        return [], [f"{told}: that much is lost when the writers move."]
    if order in CUSTOMERS_FIRST:
        # The old writer is silent, so the reading grows by a second a second without a write being lost.
        return [], [f"{told}; it grows while {estate.other(request.to)} is silent, the heartbeat will tell."]
    if request.planned:
        return [], [f"{told}: writes pause until it has caught up."]
    return [f"{told}. Wait until it has caught up, or use --planned, which loses nothing."], []
