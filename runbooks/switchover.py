"""A planned move while both Regions answer: no write is lost, writes pause while the writers move."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from bot.clock import span
from bot.estate import Estate
from bot.facts.survey import Survey
from bot.plan import Ask, Plan, Step
from runbooks import fencing, promoting, ready, traffic
from runbooks.checks import checks
from runbooks.preflight import preflight
from runbooks.request import Request
from runbooks.steps import SECONDS, Steps, ids

PROMOTION = "database.switchover@1"
PAUSE = (
    "fence.workloads@1",
    "fence.guard@1",
    "database.switchover@1",
    "workload.restart@1",
    "traffic.answers@1",
)
"""What writes wait for in any planned move; how customers are sent comes on top."""


def switchover(
    estate: Estate,
    survey: Survey,
    request: Request,
    *,
    peaks: Mapping[str, int],
    durations: Mapping[str, float],
    unreconciled: Sequence[str] = (),
) -> Plan:
    """The plan of a planned move; the preflight says whether it may run. Arguments as of `failover`."""
    make = Steps.of(estate, survey, request, peaks, durations)
    return Plan(
        runbook="switchover@1",
        title=f"Switch over from {make.old} to {make.to}",
        estate_digest=estate.digest,
        request={"to": make.to, "from": make.old, "planned": True, "reason": request.reason},
        steps=tuple(_steps(make, unreconciled)),
        notes=tuple(_notes(make)),
        facts=facts(make, unreconciled),
    )


def pause_seconds(estate: Estate, *more: str, seconds: int = 0) -> int:
    """The longest pause of writes to expect: twice what the steps in it take, old answers included.

    `more` are kinds of steps that send the customers, `seconds` what nothing but time is needed for.
    """
    ttl = max(record.ttl_seconds for record in estate.dns.records)
    usual = sum(SECONDS[kind] for kind in (*PAUSE, *more)) + ttl + seconds
    minutes = -(-2 * usual // 60)
    return min(60 * minutes, estate.objectives.rto_seconds)


def facts(make: Steps, unreconciled: Sequence[str]) -> dict[str, object]:
    """What was seen and judged; what earlier failovers lost is told with what this one does."""
    found = make.facts(preflight(make.estate, make.survey, make.request))
    return {**found, "losses": [*found["losses"], *(f"Not reconciled yet: {each}" for each in unreconciled)]}


def signed(make: Steps, unreconciled: Sequence[str]) -> list[Step]:
    """A lead's word on what was lost when the target was left: moving back may lose it a second time."""
    if not unreconciled:
        return []
    args = {"region": make.to, "losses": list(unreconciled)}
    ask = Ask(options=("acknowledge",), roles=("lead",))
    return [make.step("losses/signed", "people.signoff@1", args, "prepare", skippable=False, ask=ask)]


def made_ready(make: Steps, opening: Sequence[Step] = ()) -> list[Step]:
    """Argo CD held in both Regions, and the target up to the peak; no service starts before `opening` has ended."""
    holds = [ready.hold_sync(make, make.to), ready.hold_sync(make, make.old)]
    nodes = ready.nodes(make, [holds[0].id], on_fail="hold")
    replicas = ready.replicas(make, [holds[0].id, *ids(opening), *ids(nodes)])
    return [*holds, *opening, *nodes, replicas]


def moved_over(make: Steps, needs: Sequence[str]) -> list[Step]:
    """Writes stopped in the old Region once `needs` have ended, the writers moved, services and jobs on them."""
    stopped = fencing.workloads(make, needs, on_fail="hold", skippable=False)
    steps = [stopped]
    if make.moving:
        steps.append(fencing.guard(make, "switchover", [stopped.id]))
    promotions = promoting.promote(make, PROMOTION, ["guard"])
    services = promoting.services(make, ["capacity/replicas", stopped.id])
    writes = promoting.writes(make, [stopped.id])
    activate = promoting.activate(make, [*ids(promotions), stopped.id])
    steps += [*promotions, *services, *writes, *activate]
    if make.moving:
        # Aurora has made the old side read-only by now; seen from inside, it is proof and not a condition.
        steps.append(fencing.confirm(make, ids(promotions), on_fail="go_on"))
    return steps


def served(over: Iterable[Step]) -> list[str]:
    """Of what moved over: the steps that see customers' writes served on the new side."""
    return [step.id for step in over if step.do in ("workload.restart@1", "probe.write@1")]


def settled(make: Steps, over: Sequence[Step], sent: Sequence[str]) -> list[Step]:
    """Customers, sent by the steps `sent`, seen on the new side; both Regions at rest, each in its new part."""
    answers = traffic.answers(make, sent, every=True)
    drained = traffic.drained(make, [answers.id], on_fail="hold")
    proofs = checks(make, [step.id for step in over if step.do == "workload.restart@1"], [answers.id])
    calm = [proofs[1].id, drained.id]
    restore = ready.restore(make, [*calm, *(s.id for s in over if s.do == "workload.activate@1")])
    rest = ("database.switchover@1", "fence.confirm@1")
    warm = ready.stand_by(make, [*calm, *(step.id for step in over if step.do in rest)])
    releases = [ready.release_sync(make, region, [restore.id, warm.id]) for region in (make.to, make.old)]
    return [answers, drained, *proofs, restore, warm, *releases]


def _steps(make: Steps, unreconciled: Sequence[str]) -> list[Step]:
    sign, prepared = signed(make, unreconciled), made_ready(make)
    over = moved_over(make, [*ids(sign), *ids(prepared)])
    weights = traffic.weights(make, served(over))
    return [*sign, *prepared, *over, *weights, *settled(make, over, ids(weights))]


def common_notes(make: Steps, pause: int) -> Iterator[str]:
    """What holds for every planned move; `pause` in seconds."""
    if make.moving:
        yield (
            f"Writes pause, expected for less than {span(pause)}; nothing ends a longer pause by itself. "
            "What needs a writing service answers 503 meanwhile."
        )
    if there := make.there:
        yield f"Already written in {make.to} and left as it is: {', '.join(there)}."
    yield (
        f"{make.old} stands by afterwards: services that only read keep running, those that write are on again "
        "beside a reader and refuse writes, jobs that run once stay off."
    )
    yield "Before Argo CD is released, Git must name the new serving Region."


def _notes(make: Steps) -> list[str]:
    notes = list(common_notes(make, pause_seconds(make.estate, "traffic.weights@1")))
    if make.moving:
        notes.insert(1, "From the first switchover on there is no way back but a failback.")
    if gradual := [n for n, s in make.estate.services.items() if s.cross_region_writes]:
        notes.append(f"Weights move in one step, also for {', '.join(sorted(gradual))}.")
    return notes
