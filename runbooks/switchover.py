"""A planned move while both Regions answer: no write is lost, writes pause while the writers move."""

from __future__ import annotations

from collections.abc import Mapping

from bot.clock import span
from bot.estate import Estate
from bot.facts.survey import Survey
from bot.plan import Plan, Step
from runbooks import fencing, promoting, ready, traffic
from runbooks.checks import checks
from runbooks.preflight import preflight
from runbooks.request import Request
from runbooks.steps import SECONDS, Steps, ids

PROMOTION = "database.switchover@1"
_PAUSE = (
    "fence.workloads@1",
    "fence.guard@1",
    "database.switchover@1",
    "workload.restart@1",
    "traffic.weights@1",
    "traffic.answers@1",
)


def switchover(
    estate: Estate,
    survey: Survey,
    request: Request,
    *,
    peaks: Mapping[str, int],
    durations: Mapping[str, float],
) -> Plan:
    """The plan of a planned move; the preflight says whether it may run. Arguments as of `failover`."""
    make = Steps.of(estate, survey, request, peaks, durations)
    return Plan(
        runbook="switchover@1",
        title=f"Switch over from {make.old} to {make.to}",
        estate_digest=estate.digest,
        request={"to": make.to, "from": make.old, "planned": True, "reason": request.reason},
        steps=tuple(_steps(make)),
        notes=tuple(_notes(make)),
        facts=make.facts(preflight(estate, survey, request)),
    )


def pause_seconds(estate: Estate) -> int:
    """The longest pause of writes to expect: twice what the steps in it take, old answers included."""
    ttl = max(record.ttl_seconds for record in estate.dns.records)
    usual = sum(SECONDS[kind] for kind in _PAUSE) + ttl
    minutes = -(-2 * usual // 60)
    return min(60 * minutes, estate.objectives.rto_seconds)


def _steps(make: Steps) -> list[Step]:
    holds = [ready.hold_sync(make, make.to), ready.hold_sync(make, make.old)]
    nodes = ready.nodes(make, [holds[0].id], on_fail="hold")
    replicas = ready.replicas(make, [holds[0].id, *ids(nodes)])
    prepared = [*ids(nodes), replicas.id, holds[1].id]
    stopped = fencing.workloads(make, prepared, on_fail="hold", skippable=False)
    steps = [*holds, *nodes, replicas, stopped]
    if make.moving:
        steps.append(fencing.guard(make, "switchover", [stopped.id]))
    promotions = promoting.promote(make, PROMOTION, ["guard"])
    services = promoting.services(make, [replicas.id, stopped.id])
    writes = promoting.writes(make, [stopped.id])
    activate = promoting.activate(make, [*ids(promotions), stopped.id])
    steps += [*promotions, *services, *writes, *activate]
    if make.moving:
        # Aurora has made the old side read-only by now; seen from inside, it is proof and not a condition.
        steps.append(fencing.confirm(make, ids(promotions), on_fail="go_on"))
    weights = traffic.weights(make, [*ids(services), *ids(writes)])
    answers = traffic.answers(make, ids(weights), every=True)
    drained = traffic.drained(make, [answers.id], on_fail="hold")
    proofs = checks(make, ids(services), [answers.id])
    restore = ready.restore(make, [proofs[1].id, drained.id, *ids(activate)])
    releases = [ready.release_sync(make, region, [restore.id]) for region in (make.to, make.old)]
    return [*steps, *weights, answers, drained, *proofs, restore, *releases]


def _notes(make: Steps) -> list[str]:
    notes = []
    if make.moving:
        pause = span(pause_seconds(make.estate))
        notes.append(
            f"Writes pause, expected for less than {pause}; nothing ends a longer pause by itself. "
            "What needs a writing service answers 503 meanwhile."
        )
        notes.append("From the first switchover on there is no way back but a failback.")
    if there := make.there:
        notes.append(f"Already written in {make.to} and left as it is: {', '.join(there)}.")
    if gradual := [n for n, s in make.estate.services.items() if s.cross_region_writes]:
        notes.append(f"Weights move in one step, also for {', '.join(sorted(gradual))}.")
    notes.append(f"Services that only read keep running in {make.old}.")
    notes.append("Before Argo CD is released, Git must name the new serving Region.")
    return notes
