"""Failover without the old Region's help: fence it or empty it, promote, and prove it on the other side."""

from __future__ import annotations

from collections.abc import Mapping

from bot.estate import Estate
from bot.facts.survey import Survey
from bot.plan import Plan, Step
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
    hold = make.hold_sync(make.to)
    stop = make.stop_traffic(())
    answers = make.answers([stop.id], every=False)
    drained = make.drained([answers.id], on_fail="go_on")
    nodes = make.nodes([hold.id], on_fail="go_on")
    replicas = make.replicas([hold.id])
    steps = [hold, stop, answers, drained, *nodes, replicas, make.fence_workloads((), on_fail="go_on")]
    if make.moving:
        network = make.fence_network((), on_fail="go_on")
        steps += [network, make.fence_confirm(["fence/workloads", network.id], on_fail="go_on")]
        # The guard itself looks for either proof, so it need not wait for attempts on a silent Region.
        steps.append(make.guard("emptied", [stop.id]))
    promotions = make.promote(PROMOTION, ["guard"])
    services = make.services([replicas.id])
    writes = make.writes(())
    activate = make.activate([*ids(promotions), replicas.id])
    heartbeats = make.heartbeats()
    steps += [*promotions, *services, *writes, *activate, *heartbeats]
    checks = make.checks([*ids(services), answers.id], ids(writes))
    return [*steps, *checks, *_end(make, [checks[1].id, *ids(activate)], [make.to])]


def _limping(make: Steps) -> list[Step]:
    """The old Region answers: make ready, fence it, see it refuse a write, promote, then move customers."""
    holds = [make.hold_sync(make.to), make.hold_sync(make.old)]
    nodes = make.nodes([holds[0].id], on_fail="hold")
    replicas = make.replicas([holds[0].id])
    ready = [*ids(nodes), replicas.id, holds[1].id]
    stopped = make.fence_workloads(ready, on_fail="hold")
    steps = [*holds, *nodes, replicas, stopped]
    if make.moving:
        network = make.fence_network(ready, on_fail="hold")
        confirm = make.fence_confirm([stopped.id, network.id], on_fail="hold")
        steps += [network, confirm, make.guard("fenced", [confirm.id])]
    promotions = make.promote(PROMOTION, ["guard"])
    services = make.services([replicas.id, stopped.id])
    writes = make.writes([stopped.id])
    activate = make.activate([*ids(promotions), stopped.id])
    steps += [*promotions, *services, *writes, *activate, *make.heartbeats()]
    stop = make.stop_traffic([*ids(services), *ids(writes)])
    answers = make.answers([stop.id], every=False)
    drained = make.drained([answers.id], on_fail="hold")
    checks = make.checks(ids(services), [answers.id])
    end = _end(make, [checks[1].id, drained.id, *ids(activate)], [make.to])
    return [*steps, stop, answers, drained, *checks, *end]


def _end(make: Steps, needs: list[str], released: list[str]) -> list[Step]:
    restore = make.restore(needs)
    return [restore, *(make.release_sync(region, [restore.id]) for region in released)]


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
