"""Failover without the old Region's help: fence it or empty it, promote, and prove it on the other side."""

from __future__ import annotations

from collections.abc import Mapping

from bot.estate import Estate
from bot.facts.survey import Survey
from bot.plan import Plan, Step
from runbooks import fencing, promoting, ready, traffic
from runbooks.checks import checks
from runbooks.preflight import Preflight, preflight
from runbooks.request import Request
from runbooks.steps import Steps, ids
from runbooks.switchover import switchover

PROMOTION = "database.failover@1"


def failover(
    estate: Estate,
    survey: Survey,
    request: Request,
    *,
    peaks: Mapping[str, int],
    durations: Mapping[str, float],
) -> Plan:
    """The plan for this request, planned ones included; the preflight says whether it may run.

    `peaks` are pods by service, `durations` seconds by step id or kind. Peaks above the estate's own sizes
    are part of what is approved. Raises Refused for a Region that the estate does not have.
    """
    if request.planned:
        return switchover(estate, survey, request, peaks=peaks, durations=durations)
    make = Steps.of(estate, survey, request, peaks, durations)
    found = preflight(estate, survey, request)
    steps = _dark(make) if found.order == "dark" else _limping(make)
    return Plan(
        runbook="failover@1",
        title=f"Fail over from {make.old} to {make.to}",
        estate_digest=estate.digest,
        request={"to": make.to, "from": make.old, "planned": False, "reason": request.reason},
        steps=tuple(steps),
        bounds={"data_loss_seconds": estate.objectives.rpo_seconds} if make.moving else {},
        notes=tuple(_notes(make, found)),
        facts=make.facts(found),
    )


def _dark(make: Steps) -> list[Step]:
    """Customers leave first; capacity comes beside and never delays a promotion."""
    hold = ready.hold_sync(make, make.to)
    stop = traffic.stop(make, ())
    answers = traffic.answers(make, [stop.id], every=False)
    drained = traffic.drained(make, [answers.id], on_fail="go_on")
    nodes = ready.nodes(make, [hold.id], on_fail="go_on")
    replicas = ready.replicas(make, [hold.id, *ids(nodes)])
    steps = [hold, stop, answers, drained, *nodes, replicas, fencing.workloads(make, (), on_fail="go_on")]
    if make.moving:
        network = fencing.network(make, (), on_fail="go_on")
        steps += [network, fencing.confirm(make, ["fence/workloads", network.id], on_fail="go_on")]
        # The guard itself looks for either proof, so it need not wait for attempts on a silent Region.
        steps.append(fencing.guard(make, "emptied", [stop.id]))
    promotions = promoting.promote(make, PROMOTION, ["guard"])
    # What stands by is restarted at once: nodes that do not come must not keep anyone from being served.
    services = promoting.services(make, ())
    writes = promoting.writes(make, ())
    activate = promoting.activate(make, ids(promotions))
    heartbeats = promoting.heartbeats(make)
    steps += [*promotions, *services, *writes, *activate, *heartbeats]
    proofs = checks(make, [*ids(services), answers.id], ids(writes))
    return [*steps, *proofs, *_end(make, [proofs[1].id, replicas.id, *ids(activate)], [make.to])]


def _limping(make: Steps) -> list[Step]:
    """The old Region answers: make ready, fence it, see it refuse a write, promote, then move customers."""
    holds = [ready.hold_sync(make, make.to), ready.hold_sync(make, make.old)]
    nodes = ready.nodes(make, [holds[0].id], on_fail="hold")
    replicas = ready.replicas(make, [holds[0].id, *ids(nodes)])
    prepared = [*ids(nodes), replicas.id, holds[1].id]
    stopped = fencing.workloads(make, prepared, on_fail="hold")
    steps = [*holds, *nodes, replicas, stopped]
    if make.moving:
        network = fencing.network(make, prepared, on_fail="hold")
        confirm = fencing.confirm(make, [stopped.id, network.id], on_fail="hold")
        steps += [network, confirm, fencing.guard(make, "fenced", [confirm.id])]
    promotions = promoting.promote(make, PROMOTION, ["guard"])
    services = promoting.services(make, [replicas.id, stopped.id])
    writes = promoting.writes(make, [stopped.id])
    activate = promoting.activate(make, [*ids(promotions), stopped.id])
    steps += [*promotions, *services, *writes, *activate, *promoting.heartbeats(make)]
    stop = traffic.stop(make, [*ids(services), *ids(writes)])
    answers = traffic.answers(make, [stop.id], every=False)
    drained = traffic.drained(make, [answers.id], on_fail="hold")
    proofs = checks(make, ids(services), [answers.id])
    end = _end(make, [proofs[1].id, drained.id, *ids(activate)], [make.to])
    return [*steps, stop, answers, drained, *proofs, *end]


def _end(make: Steps, needs: list[str], released: list[str]) -> list[Step]:
    restore = ready.restore(make, needs)
    return [restore, *(ready.release_sync(make, region, [restore.id]) for region in released)]


def _notes(make: Steps, found: Preflight) -> list[str]:
    notes = []
    if there := make.there:
        notes.append(f"Already written in {make.to} and left as it is: {', '.join(there)}.")
    if make.moving:
        notes.append("From the first promotion on there is no way back but a failback.")
    if found.order == "limping":
        notes.append(f"{make.old} stays fenced and held from Argo CD until a failback.")
    notes.append(f"Before Argo CD is released in {make.to}, Git must name it as the serving Region.")
    return notes
