"""Back into a Region that a failover has left: opened, caught up, written again, and only then sent customers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bot.estate import Estate
from bot.facts.survey import Survey
from bot.plan import Plan, Step
from runbooks import fencing, traffic
from runbooks.request import Request
from runbooks.steps import HEALTH_SECONDS, Steps, ids
from runbooks.switchover import (
    common_notes,
    facts,
    made_ready,
    moved_over,
    pause_seconds,
    served,
    settled,
    signed,
)

MOST_LAG_MS = 30_000
"""A member that lags more is waited for before writes pause: they would pause for as long."""


def failback(
    estate: Estate,
    survey: Survey,
    request: Request,
    *,
    peaks: Mapping[str, int],
    durations: Mapping[str, float],
    unreconciled: Sequence[str] = (),
) -> Plan:
    """The plan of a planned move to a Region that `returning` knows. Arguments as of `failover`."""
    make = Steps.of(estate, survey, request, peaks, durations)
    return Plan(
        runbook="failback@1",
        title=f"Fail back from {make.old} to {make.to}",
        estate_digest=estate.digest,
        request={"to": make.to, "from": make.old, "planned": True, "reason": request.reason},
        steps=tuple(_steps(make, unreconciled)),
        notes=tuple(_notes(make, unreconciled)),
        facts=facts(make, unreconciled),
    )


def _steps(make: Steps, unreconciled: Sequence[str]) -> list[Step]:
    sign, prepared = signed(make, unreconciled), made_ready(make, fencing.opened(make))
    # Looked at last, so that nothing pauses for a database that has fallen behind meanwhile.
    members = _members(make, [*ids(sign), *ids(prepared)])
    over = moved_over(make, [*ids(sign), *ids(prepared), *ids(members)])
    weights = traffic.weights(make, served(over))
    # As long as STOP stands the weights decide nothing: they agree first, and what removes it comes last.
    start = [traffic.start_again(make, ids(weights))] if _stopped(make) else []
    sent = [*ids(weights), *ids(start)]
    return [*sign, *prepared, *members, *over, *weights, *start, *settled(make, over, sent)]


def _stopped(make: Steps) -> bool:
    return bool(make.survey.regions[make.to].stopped)


def _members(make: Steps, needs: Sequence[str]) -> list[Step]:
    steps = []
    for name in make.moving:
        database = make.estate.databases[name]
        args = {
            "database": name,
            "global_cluster": database.global_cluster,
            "from": make.old,
            "to": make.to,
            "target_cluster": database.clusters[make.to],
            "most_lag_ms": MOST_LAG_MS,
        }
        steps.append(make.step(f"members/{name}", "database.connected@1", args, "prepare", needs))
    return steps


def _pause(make: Steps) -> int:
    kinds, seconds = [], 0
    if _stopped(make):
        kinds, seconds = [traffic.start_again(make, ()).do], HEALTH_SECONDS
    if not _agreed(make):
        kinds.append("traffic.weights@1")
    return pause_seconds(make.estate, *kinds, seconds=seconds)


def _agreed(make: Steps) -> bool:
    """Whether every name's weights send everyone to the target already, STOP apart."""
    return all(
        weights and weights.get(make.to, 0) > 0 and not weights.get(make.old, 0)
        for weights in make.survey.weights.values()
    )


def _notes(make: Steps, unreconciled: Sequence[str]) -> list[str]:
    notes = list(common_notes(make, _pause(make)))
    if make.moving:
        notes.insert(1, "From the first switchover on there is no way back but a new failover.")
    if unreconciled:
        notes.append("A lead signs off what was lost before, and nothing pauses until then.")
    if _stopped(make):
        arc = make.estate.dns.routing is not None
        how = "its routing control is switched on" if arc else f"STOP of {make.to} is removed"
        notes.append(f"Customers come to {make.to} last: weights agree first, then {how}.")
    return notes
