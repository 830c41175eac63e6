"""Failover without the old Region's help: fence it or empty it, promote, and prove it on the other side."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from bot.actions.guard import QUIET_SECONDS
from bot.estate import Estate
from bot.facts.survey import Survey
from bot.plan import Plan, Step
from runbooks import fencing, promoting, ready, traffic
from runbooks.checks import checks
from runbooks.failback import failback
from runbooks.losses import BOUND, bound_seconds
from runbooks.order import CUSTOMERS_FIRST, returning
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
    like: Plan | None = None,
    unreconciled: Sequence[str] = (),
) -> Plan:
    """The plan for this request, planned ones included; the preflight says whether it may run.

    `peaks` are pods by service, `durations` seconds by step id or kind. Peaks above the estate's own sizes
    are part of what is approved. `like` is the plan that was approved: where its order and its bounds are
    still safe they are kept, so that a Region that comes and goes voids nothing.
    Raises Refused for a Region that the estate does not have.
    """
    if request.planned:
        plan = failback if returning(survey, request.to) else switchover
        return plan(estate, survey, request, peaks=peaks, durations=durations, unreconciled=unreconciled)
    request = as_approved(request, like)
    make = Steps.of(estate, survey, request, peaks, durations)
    found = preflight(estate, survey, request)
    # What was written apart is lost whole: no number of seconds bounds it.
    bounded = set(make.moving) - set(make.apart)
    bounds = {BOUND: bound_seconds(make.moving, survey, estate, request, like)} if bounded else {}
    if found.watch:
        return _watch(make, found)
    steps = _customers_first(make) if found.order in CUSTOMERS_FIRST else _limping(make, bounds)
    return Plan(
        runbook="failover@1",
        title=f"Fail over from {make.old} to {make.to}",
        estate_digest=estate.digest,
        request={"to": make.to, "from": make.old, "planned": False, "reason": request.reason},
        steps=tuple(steps),
        bounds=bounds,
        notes=tuple(_notes(make, found)),
        facts=make.facts(found),
    )


def _watch(make: Steps, found: Preflight) -> Plan:
    """Everything is in the target: what is left is to see the old Region fenced, for as long as it takes."""
    old, steps = make.old, []
    if not make.survey.regions[make.old].stopped:
        start = _let_in(make, ())
        stop = traffic.stop(make, ids(start))
        steps += [*start, stop, traffic.answers(make, [stop.id], every=False)]
    # No way back: a rollback would start a second writer beside the one that serves.
    hold = ready.hold_sync(make, old)
    closing = [step.model_copy(update={"undo": None}) for step in (hold, fencing.standing(make, [hold.id]))]
    return Plan(
        runbook="failover@1",
        title=f"Keep watch on {make.old} until it is fenced",
        estate_digest=make.estate.digest,
        request={"to": make.to, "from": make.old, "planned": False, "reason": make.request.reason},
        steps=(*steps, *closing),
        notes=(
            f"Nothing is promoted and nobody is moved: {make.to} serves already.",
            f"The run stays open until {old} has been fenced.",
            f"{old} stays fenced and held from Argo CD until a failback, also when this run is rolled back.",
        ),
        facts=make.facts(found),
    )


def as_approved(request: Request, like: Plan | None) -> Request:
    """The request with the order that was approved where that is safe in any light: customers first."""
    if like is None or request.planned or like.facts.get("order") not in CUSTOMERS_FIRST:
        return request
    return replace(request, traffic_first=True)


def _customers_first(make: Steps) -> list[Step]:
    """Customers leave first; capacity comes beside and never delays a promotion.

    The old Region is fenced for as long as it takes: tried for a bounded time, then watched.
    """
    hold, hold_old = ready.hold_sync(make, make.to), ready.hold_sync(make, make.old)
    closed = fencing.closed(make)
    start = _let_in(make, ids(closed))
    stop = traffic.stop(make, [*ids(closed), *ids(start)])
    answers = traffic.answers(make, [stop.id], every=False)
    drained = traffic.drained(make, [answers.id], on_fail="go_on")
    nodes = ready.nodes(make, [hold.id], on_fail="go_on")
    replicas = ready.replicas(make, [hold.id, *ids(nodes)])
    # Argo CD there is held at the same time and not before: a Region that is silent would cost that time twice.
    stopped = fencing.workloads(make, (), on_fail="go_on")
    steps = [hold, *closed, *start, stop, answers, drained, *nodes, replicas, hold_old, stopped]
    if make.moving:
        network = fencing.network(make, (), on_fail="go_on")
        steps += [network, fencing.confirm(make, ["fence/workloads", network.id], on_fail="go_on")]
        # The guard itself looks for either proof, so it need not wait for attempts on a silent Region.
        steps.append(fencing.guard(make, "emptied", [stop.id]))
    promotions = promoting.promote(make, PROMOTION, ["guard"], alone=True)
    opened = fencing.opened(make, _guard(make), closed=bool(closed))
    # What stands by is restarted at once: nodes that do not come must not keep anyone from being served.
    services = promoting.services(make, ids(opened))
    writes = promoting.writes(make, ids(opened))
    steps += [*promotions, *opened, *services, *writes, *promoting.heartbeats(make)]
    proofs = checks(make, [*ids(services), answers.id], ids(writes))
    restore = ready.restore(make, [proofs[1].id, replicas.id, drained.id])
    fences = ("fence/workloads", "fence/network", "fence/confirm")
    tried = [step.id for step in steps if step.id in fences]
    watch = [*traffic.never_both(make, [stop.id]), fencing.standing(make, [*tried, hold_old.id])]
    activate = _once(make, [*tried, *ids(promotions)])
    # Git starts what Argo CD is free to start, so it stays held until a person has answered.
    release = ready.release_sync(make, make.to, [restore.id, *ids(activate)])
    return [*steps, *proofs, restore, *watch, *activate, release]


def _guard(make: Steps) -> list[str]:
    return ["guard"] if make.moving else []


def _let_in(make: Steps, needs: Iterable[str]) -> list[Step]:
    """The target's own STOP, removed before the old Region is stopped: never both.

    Where it cannot be seen it lies in a Region that is dark for health checkers too, and stops nobody. Routing
    controls are both switched by one call.
    """
    if make.estate.dns.routing is not None or not make.survey.regions[make.to].stopped:
        return []
    return [traffic.start_again(make, needs)]


def _once(make: Steps, needs: list[str]) -> list[Step]:
    """What may run only once: not before the old Region is seen fenced, or a person has said so."""
    if not (names := promoting.once(make)):
        return []
    sure = fencing.sure(make, names, needs)
    return [sure, *promoting.activate(make, [sure.id], phase=sure.phase)]


def _limping(make: Steps, bounds: Mapping[str, int]) -> list[Step]:
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
    most = 1000 * bounds.get(BOUND, 0)
    promotions = promoting.promote(make, PROMOTION, ["guard"], max_loss_ms=most, alone=True)
    opened = fencing.opened(make, _guard(make))
    services = promoting.services(make, [replicas.id, stopped.id, *ids(opened)])
    writes = promoting.writes(make, [stopped.id, *ids(opened)])
    activate = promoting.activate(make, [*ids(promotions), stopped.id, *ids(opened)])
    steps += [*promotions, *opened, *services, *writes, *activate, *promoting.heartbeats(make)]
    start = _let_in(make, [*ids(services), *ids(writes)])
    stop = traffic.stop(make, [*ids(services), *ids(writes), *ids(start)])
    answers = traffic.answers(make, [stop.id], every=False)
    drained = traffic.drained(make, [answers.id], on_fail="go_on")
    proofs = checks(make, ids(services), [answers.id])
    restore = ready.restore(make, [proofs[1].id, drained.id, *ids(activate)])
    release = ready.release_sync(make, make.to, [restore.id])
    return [*steps, *start, stop, answers, drained, *proofs, restore, release]


def _notes(make: Steps, found: Preflight) -> list[str]:
    notes = []
    if there := make.there:
        notes.append(f"Already written in {make.to} and left as it is: {', '.join(there)}.")
    if make.moving:
        notes.append("From the first promotion on there is no way back but a failback.")
    if found.order in CUSTOMERS_FIRST:
        notes += _notes_of_customers_first(make)
    if found.order == "limping":
        notes.append(f"If {make.old} cannot be fenced: roll back, and ask again with --traffic-first.")
        notes.append(f"{make.old} stays fenced and held from Argo CD until a failback.")
    notes.append(f"Before Argo CD is released in {make.to}, Git must name it as the serving Region.")
    return notes


def _notes_of_customers_first(make: Steps) -> Iterator[str]:
    """What can be made sure of, what cannot, and what stays open."""
    old, ttl = make.old, max(record.ttl_seconds for record in make.estate.dns.records)
    if make.moving:
        yield (
            f"Made sure before anything is promoted: {old} is seen to refuse writes, or every name server that "
            f"answers has led to {make.to} alone for {ttl} s and no payment was accepted in {old} for "
            f"{QUIET_SECONDS} s. Until then {make.to} answers 503 to what writes."
        )
        yield (
            f"Cannot be made sure while {old} does not answer: that nothing writes there. A client that does not "
            f"follow DNS could still be served there; what it writes there is not in {make.to}."
        )
    yield (
        f"The run stays open until {old} has been fenced: it is watched, and closed for writes the moment it "
        "answers. Jobs that run once wait for that, or for a person who starts them anyway."
    )
    yield f"{old} stays fenced and held from Argo CD until a failback."
