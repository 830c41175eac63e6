from __future__ import annotations

import copy
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from left_region import STOP_EAST, STOP_WEST, WINDOW, left
from memory_world import EAST, WEST, MemoryWorld, case_estate
from visits import look, settle

from bot.actions.kinds import KINDS
from bot.canon import canonical
from bot.errors import Unreachable
from bot.estate import Routing
from bot.facts.survey import survey
from bot.plan import Plan, Step
from bot.ports import GlobalDatabase
from bot.verdict import Kind, Verdict
from runbooks.failover import failover
from runbooks.preflight import Preflight, preflight
from runbooks.request import Request

ESTATE = case_estate()
LOST = ("c0ffee: payments 0.4 s, payments lost: unknown until reconciled",)
WRITING = [n for n, s in ESTATE.services.items() if s.writes and s.kind == "service"]
ONCE = [n for n, s in ESTATE.services.items() if s.kind != "service"]


def planned_back(world: MemoryWorld, *, lost: tuple[str, ...] = (), to: str = EAST) -> Plan:
    """The plan that a fresh look gives to `/failover us-east-1 --planned`."""
    seen = survey(world.ports(), world.estate)
    request = Request(to, planned=True, reason="a test")
    return failover(world.estate, seen, request, peaks={}, durations={}, unreconciled=lost)


def judged(world: MemoryWorld) -> Preflight:
    """Whether it may run."""
    seen = survey(world.ports(), world.estate)
    return preflight(world.estate, seen, Request(EAST, planned=True, reason="a test"))


def carried_out(world: MemoryWorld, plan: Plan, *, before: str | None = None) -> dict[str, Verdict]:
    """Every step in the plan's order, what people are asked being answered; every one must be seen done."""
    found: dict[str, Verdict] = {}
    for step in plan.steps:
        if before is not None and step.id.startswith(before):
            break
        found[step.id] = settle(world.ports(), step.do, step.args, step=step.id)
        assert found[step.id].kind == (Kind.UNKNOWN if step.ask else Kind.PASS), (step.id, found[step.id].why)
    return found


def ahead(plan: Plan, step: Step) -> set[str]:
    """Every step that must have ended before this one starts."""
    found: set[str] = set()
    todo = list(step.needs)
    while todo:
        step_id = todo.pop()
        if step_id not in found:
            found.add(step_id)
            todo += plan.step(step_id).needs
    return found


@st.composite
def lefts(draw: st.DrawFn) -> MemoryWorld:
    """Mixed states of a Region that was left: writers moved back by hand, records half flipped, pods on or off."""
    world = left(ESTATE)
    for name in ESTATE.databases:
        world.writer[name] = draw(st.sampled_from([EAST, WEST]))
    how = draw(st.sampled_from(["stopped", "fenced", "both"]))
    if how == "fenced":
        world.stops.clear()
    world.denied[EAST] = how != "stopped"
    for name in world.weights:
        world.weights[name] = draw(st.sampled_from([{EAST: 100, WEST: 0}, {EAST: 0, WEST: 100}]))
    world.windows[EAST] = [dict(WINDOW)] if draw(st.booleans()) else []
    world.windows[WEST] = [dict(WINDOW)] if draw(st.booleans()) else []
    for name in draw(st.sets(st.sampled_from(sorted(ESTATE.services)), max_size=5)):
        world.scale(draw(st.sampled_from([EAST, WEST])), ESTATE.services[name].namespace, name, 0)
    return world


few = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@few
@given(world=lefts(), lost=st.sampled_from([(), LOST]))
def test_every_failback_keeps_the_rules(world: MemoryWorld, lost: tuple[str, ...]) -> None:
    """From any mixture of writers, weights and pods."""
    plan = planned_back(world, lost=lost)
    canonical(plan.model_dump(mode="json"), limit=64 * 1024)
    assert plan.digest == planned_back(world, lost=lost).digest
    assert (plan.runbook, plan.title) == ("failback@1", f"Fail back from {WEST} to {EAST}")
    promoted = [step for step in plan.steps if step.phase == "promote"]
    assert {s.args["database"] for s in promoted} == {n for n, r in world.writer.items() if r == WEST}
    sending = [s for s in plan.steps if s.do in ("traffic.weights@1", "traffic.unstop@1")]
    for step in plan.steps:
        assert KINDS[step.do].describe(step.args)
        assert step.undo is None or KINDS[step.undo.do].describe(step.undo.args)
        assert step.do != "traffic.stop@1"
    for step in promoted:
        assert {"guard", "capacity/replicas", f"members/{step.args['database']}"} <= ahead(plan, step)
        assert bool(lost) == ("losses/signed" in ahead(plan, step))
        assert (step.commits, step.skippable) == (True, False)
        for send in sending:
            assert step.id in ahead(plan, send)
    opened = [s for s in plan.steps if s.do == "fence.open@1"]
    assert len(opened) == world.denied[EAST]
    for step in opened:
        assert step.id in ahead(plan, plan.step("capacity/replicas"))
        assert step.undo is not None
        assert step.undo.do == "fence.network@1"
    assert ("traffic/unstop" in {s.id for s in plan.steps}) == bool(world.stops)
    if world.stops:
        others = {s.id for s in sending} - {"traffic/unstop"}
        assert others <= ahead(plan, plan.step("traffic/unstop"))
    assert {"traffic/drained", *(s.id for s in promoted)} <= ahead(plan, plan.step("standby/warm"))


@few
@given(world=lefts())
def test_from_any_mixed_state_everything_ends_in_the_region_returned_to(world: MemoryWorld) -> None:
    """One writer each, customers there, open, nothing stopped; the Region that was left stands by."""
    assert judged(world).blockers == ()
    plan = planned_back(world, lost=LOST)
    world.calls.clear()
    stopped = bool(world.stops)
    carried_out(world, plan)
    assert set(world.writer.values()) == {EAST}
    assert not world.stops
    assert world.denied == {EAST: False, WEST: False}
    assert [len(w) for w in world.windows.values()] == [0, 0]
    for name in WRITING:
        service = ESTATE.services[name]
        assert world.pods[WEST, f"{service.namespace}/{name}"].wanted == ESTATE.standby.replicas, name
        assert world.pods[EAST, f"{service.namespace}/{name}"].wanted >= service.replicas, name
    for name in ONCE:
        service = ESTATE.services[name]
        assert world.pods[WEST, f"{service.namespace}/{name}"].wanted == 0, name
        assert world.pods[EAST, f"{service.namespace}/{name}"].wanted > 0, name
    for weights in world.weights.values():
        assert weights == {EAST: 100, WEST: 0}
    if stopped:
        sends = [c for c in world.calls if c.startswith(("switchover", "weights", "unstop", "stop"))]
        assert sends[-1] == f"unstop STOP-{EAST}"
    found = judged(world)
    assert found.already
    assert planned_back(world, to=WEST).runbook == "switchover@1"


@few
@given(world=lefts())
def test_a_rollback_before_the_first_switchover_closes_the_region_again(world: MemoryWorld) -> None:
    """Customers were never touched; the network, Argo CD and what was off are as they were."""
    at_first = copy.deepcopy(world, {id(ESTATE): ESTATE})
    plan = planned_back(world)
    if not any(step.commits for step in plan.steps):
        return
    done = carried_out(world, plan, before="promote/")
    assert not [c for c in world.calls if c.startswith(("weights", "stop", "unstop", "switchover"))]
    back = plan.back(list(done))
    for step in back.steps:
        assert settle(world.ports(), step.do, step.args, step=step.id).kind == Kind.PASS, step.id
    for name in ("writer", "denied", "windows", "stops", "weights"):
        assert getattr(world, name) == getattr(at_first, name), name
    for key, group in at_first.groups.items():
        assert world.groups[key].minimum == group.minimum
    for key, workload in at_first.pods.items():
        assert world.pods[key].minimum == workload.minimum, key
        if workload.wanted == 0:
            assert world.pods[key].wanted == 0, key
        else:
            assert world.pods[key].wanted > 0, key


def test_what_argo_cd_was_kept_from_before_it_is_kept_from_after_a_rollback() -> None:
    """A Region that an earlier run left held would be overwritten by what Git still says."""
    world = left()
    plan = planned_back(world)
    assert plan.step(f"sync/hold/{EAST}").undo is None
    assert plan.step(f"sync/hold/{WEST}").undo is not None
    world.windows[EAST] = [{"kind": "deny", "description": "the weekend"}]
    assert planned_back(world).step(f"sync/hold/{EAST}").undo is not None


def test_nothing_starts_in_the_region_before_its_databases_can_be_reached() -> None:
    """Argo CD held, then the network, then pods."""
    world = left()
    plan = planned_back(world)
    carried_out(world, plan, before="members/")
    opened = world.calls.index(f"allow {EAST}")
    assert opened < min(i for i, c in enumerate(world.calls) if c.startswith((f"scale {EAST}", "minimum")))
    assert f"sync/hold/{EAST}" in plan.step("fence/open").needs


def test_lost_writes_are_signed_off_by_a_lead_before_anything_pauses() -> None:
    """The sentences are part of what is approved; nobody may skip the question."""
    plan = planned_back(left(), lost=LOST)
    step = plan.step("losses/signed")
    assert step.ask is not None
    assert (step.ask.options, step.ask.roles, step.skippable) == (("acknowledge",), ("lead",), False)
    assert step.args["losses"] == list(LOST)
    assert plan.digest != planned_back(left(), lost=("another sentence",)).digest
    assert "losses/signed" in ahead(plan, plan.step("fence/workloads"))
    assert f"Not reconciled yet: {LOST[0]}" in plan.facts["losses"]
    verdict = look(left().ports(), step.do, step.args)
    assert verdict.kind == Kind.UNKNOWN
    assert LOST[0] in verdict.why
    assert "losses/signed" not in {s.id for s in planned_back(left()).steps}


def test_a_move_back_without_stop_and_fence_is_a_plain_switchover() -> None:
    """Weights alone say where customers are; what was lost is signed off all the same."""
    world = left()
    world.stops.clear()
    world.denied[EAST] = False
    world.weights = {name: {EAST: 0, WEST: 100} for name in world.weights}
    plan = planned_back(world, lost=LOST)
    assert (plan.runbook, plan.title) == ("switchover@1", f"Switch over from {WEST} to {EAST}")
    assert not {s.do for s in plan.steps} & {"traffic.unstop@1", "fence.open@1", "database.connected@1"}
    assert "losses/signed" in ahead(plan, plan.step("fence/workloads"))


def test_the_pause_counts_what_is_in_it() -> None:
    """Removing STOP and what health checks need, instead of weights that agree already."""

    def told(world: MemoryWorld) -> str:
        return next(n for n in planned_back(world).notes if n.startswith("Writes pause"))

    world = left()
    assert "expected for less than 11 min;" in told(world)
    world.weights = {name: {EAST: 0, WEST: 100} for name in world.weights}
    assert "expected for less than 12 min;" in told(world)


def test_a_serving_region_that_is_stopped_blocks() -> None:
    """With both stopped Route 53 answers by weight alone, which is nobody's wish."""
    world = left()
    world.stops.add(STOP_WEST)
    assert [b for b in judged(world).blockers if f"Remove STOP-{WEST} in fintech-stop-us-east-1" in b]
    world.stops.discard(STOP_EAST)
    world.denied[EAST] = False
    assert judged(world).blockers == ()


def test_whether_the_region_is_cut_off_must_be_known() -> None:
    """A writer that nobody reaches is worse than no failback."""
    world = left()
    ports = world.ports()

    class Blind:
        def denied(self, region: str, subnets: object) -> bool:
            raise Unreachable("EC2 is throttled.")

    seen = survey(replace(ports, network=Blind()), world.estate)  # type: ignore[arg-type]
    blockers = preflight(world.estate, seen, Request(EAST, planned=True)).blockers
    assert any("unknown whether the database subnets" in b for b in blockers)


class Resyncing(MemoryWorld):
    """The old cluster is being rebuilt from the new writer's storage."""

    sync = "pending-resync"

    def global_database(self, region: str, identifier: str) -> GlobalDatabase:
        found = super().global_database(region, identifier)
        return replace(found, members=tuple(replace(m, sync=self.sync) for m in found.members))


def test_a_member_that_is_not_connected_blocks_and_later_is_waited_for() -> None:
    """Seen before asking it refuses; lost between approval and fence it is waited for, writes going on."""
    world = Resyncing()
    world.__dict__.update(left().__dict__)
    assert "payments in us-east-1 is pending-resync." in judged(world).blockers
    step = planned_back(world).step("members/payments")
    assert look(world.ports(), step.do, step.args).kind == Kind.INCONCLUSIVE
    world.sync = "connected"
    assert look(world.ports(), step.do, step.args).kind == Kind.PASS
    world.lag["payments"] = 31.0
    assert "lags 31.0 s, 30 s are allowed" in look(world.ports(), step.do, step.args).why
    world.lag["payments"] = None
    assert look(world.ports(), step.do, step.args).kind == Kind.UNKNOWN
    world.writer["payments"] = EAST
    assert look(world.ports(), step.do, step.args).kind == Kind.PASS


@pytest.mark.parametrize("writer", [EAST, WEST])
def test_a_database_that_was_detached_is_never_taken_for_one_that_moved(writer: str) -> None:
    """The old member is the only one left and calls itself the writer; the newest writes stand alone elsewhere."""

    class Detached(MemoryWorld):
        def global_database(self, region: str, identifier: str) -> GlobalDatabase:
            found = super().global_database(region, identifier)
            alone = tuple(replace(m, writer=writer == EAST) for m in found.members if m.region == EAST)
            return replace(found, members=alone)

    world = Detached()
    world.__dict__.update(left().__dict__)
    assert any(
        "payments in us-west-2 is not part of its global database" in b for b in judged(world).blockers
    )


def test_regions_that_name_different_writers_block() -> None:
    """After a partition each side may believe itself."""

    class Split(MemoryWorld):
        def global_database(self, region: str, identifier: str) -> GlobalDatabase:
            found = super().global_database(region, identifier)
            members = tuple(replace(m, writer=m.region == region) for m in found.members)
            return replace(found, members=members)

    world = Split()
    world.__dict__.update(left().__dict__)
    assert any("Nobody knows yet where the newest writes are" in b for b in judged(world).blockers)


def test_a_fence_that_still_stands_is_taken_away_though_nothing_moves() -> None:
    """A failover that was given up after its fence left everything here, and cut off."""
    world = left()
    world.writer = dict.fromkeys(world.writer, EAST)
    world.stops.clear()
    found = judged(world)
    assert found.blockers == ()
    assert any("cut off by network ACL: its database subnets" in w for w in found.warnings)
    carried_out(world, planned_back(world))
    assert not world.denied[EAST]
    assert judged(world).already


def test_with_routing_controls_the_region_s_own_is_switched_on_last() -> None:
    """No STOP object is looked for or touched, and never are both controls off."""
    routing = Routing(
        endpoints={EAST: "https://a.example"}, controls={EAST: "arn:x/east", WEST: "arn:x/west"}
    )
    dns = ESTATE.dns.model_copy(update={"routing": routing})
    world = left(ESTATE.model_copy(update={"dns": dns}))
    world.stops.clear()
    world.controls = {"arn:x/east": False, "arn:x/west": True}
    plan = planned_back(world)
    assert any("then its routing control is switched on" in note for note in plan.notes)
    carried_out(world, plan)
    assert world.controls == {"arn:x/east": True, "arn:x/west": True}
    sends = [c for c in world.calls if c.startswith(("switchover", "flip", "weights", "stop", "unstop"))]
    assert sends[-1] == "flip east=True"
    assert judged(world).already
