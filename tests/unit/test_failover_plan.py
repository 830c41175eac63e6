from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from left_region import parted
from memory_world import EAST, WEST, MemoryWorld, case_estate
from visits import play, settle

from bot.actions import guard
from bot.actions.kinds import KINDS
from bot.canon import canonical
from bot.estate import Estate
from bot.facts.survey import survey
from bot.plan import Plan, Step
from bot.verdict import Kind
from runbooks.failover import failover
from runbooks.preflight import preflight
from runbooks.request import Request

ESTATE: Estate = case_estate()
MUTATES_BEFORE_COMMIT = (
    "sync.hold@1",
    "capacity.",
    "fence.workloads",
    "fence.network",
    "fence.standing",
    "traffic.stop",
)


def planned_from(
    world: MemoryWorld, *, planned: bool = False, peaks: dict[str, int] | None = None, **durations: float
) -> Plan:
    """The plan that a fresh look gives."""
    seen = survey(world.ports(), world.estate)
    request = Request(WEST, planned, "a test")
    return failover(world.estate, seen, request, peaks=peaks or {}, durations=durations)


@st.composite
def worlds(draw: st.DrawFn) -> MemoryWorld:
    """Mixed states: some writers moved, customers gone or not, the old Region dark or not, Argo CD or not."""
    world = MemoryWorld(estate=ESTATE)
    for name in ESTATE.databases:
        world.writer[name] = draw(st.sampled_from([EAST, WEST]))
        world.lag[name] = draw(st.sampled_from([0.2, 30.0]))
    if draw(st.booleans()):
        world.stops.add(("fintech-stop-us-west-2", f"STOP-{EAST}"))
    if draw(st.booleans()):
        world.share = None
    world.denied[EAST] = draw(st.booleans())
    for name, service in ESTATE.services.items():
        if draw(st.integers(0, 9)) == 0:
            world._change(EAST, service.namespace, name, wanted=0, ready=0, updated=0, total=0)
    if draw(st.booleans()):
        world.dark.add(EAST)
    return world


def before(plan: Plan, step: Step) -> set[str]:
    """Every step that must have ended before this one starts."""
    found: set[str] = set()
    todo = list(step.needs)
    while todo:
        step_id = todo.pop()
        if step_id not in found:
            found.add(step_id)
            todo += plan.step(step_id).needs
    return found


few = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@few
@given(world=worlds(), is_planned=st.booleans())
def test_every_plan_keeps_the_rules(world: MemoryWorld, *, is_planned: bool) -> None:
    """Whatever state it starts from."""
    plan = planned_from(world, planned=is_planned)
    canonical(plan.model_dump(mode="json"), limit=64 * 1024)
    promoted = [step for step in plan.steps if step.phase == "promote"]
    assert {step.args["database"] for step in promoted} == {n for n, r in world.writer.items() if r == EAST}
    for step in plan.steps:
        assert step.do in KINDS
        assert step.title
        assert step.expect_seconds > 0
        if step.undo is not None:
            assert KINDS[step.undo.do].describe(step.undo.args)
    for step in promoted:
        assert "guard" in before(plan, step)
        assert step.commits
        assert not step.skippable
        assert step.undo is None
    if promoted:
        assert not plan.step("guard").skippable
        assert plan.step("guard").on_fail == "hold"


@few
@given(world=worlds(), is_planned=st.booleans())
def test_what_is_changed_before_the_point_of_no_return_can_be_undone(
    world: MemoryWorld, *, is_planned: bool
) -> None:
    """Every step that may have changed something before the first promotion has its way back in the plan."""
    plan = planned_from(world, planned=is_planned)
    for step in plan.steps:
        late = step.phase == "restore" or any(plan.step(n).commits for n in before(plan, step))
        if step.do.startswith(MUTATES_BEFORE_COMMIT) and not late:
            assert step.undo is not None, step.id


@few
@given(world=worlds(), is_planned=st.booleans())
def test_the_same_world_gives_the_same_digest(world: MemoryWorld, *, is_planned: bool) -> None:
    """Lag, time, shares and durations drift while people read; what they approve does not."""
    first = planned_from(world, planned=is_planned)
    world.clock.at += 300
    for name in world.lag:
        world.lag[name] = 1.7
    second = planned_from(world, planned=is_planned, **{"database.failover@1": 99.0})
    assert first.digest == second.digest


@few
@given(world=worlds())
def test_never_both_regions_are_sent_away(world: MemoryWorld) -> None:
    """A plan stops the Region that is left, and no other."""
    for step in planned_from(world).steps:
        if step.do == "traffic.stop@1":
            assert step.args["stop"]["key"] == f"STOP-{EAST}"
            assert step.args["stop"]["bucket_region"] == WEST


def test_in_the_dark_customers_leave_first_and_capacity_delays_nothing() -> None:
    """A promotion waits for the guard alone; nothing that the dark Region must answer is waited for."""
    plan = planned_from(MemoryWorld(dark={EAST}))
    ahead = before(plan, plan.step("promote/payments"))
    assert ahead == {"guard", "traffic/stop"}
    assert not any(i.startswith("capacity/") for i in before(plan, plan.step("check/payments")))
    for step in plan.steps:
        if step.phase == "fence" and step.id != "guard":
            assert step.on_fail == "go_on"
            waiting = {s.id for s in plan.steps if step.id in s.needs and s.phase != "fence"}
            assert waiting <= {"activate/check", "fence/standing", "traffic/let-in"}


def to_the_east(world: MemoryWorld, *, traffic_first: bool = False) -> Plan:
    """An unplanned failover to us-east-1."""
    seen = survey(world.ports(), world.estate)
    request = Request(EAST, reason="a test", traffic_first=traffic_first)
    return failover(world.estate, seen, request, peaks={}, durations={})


@pytest.mark.parametrize("way", ["partitioned", "traffic first", "fenced"])
def test_a_region_whose_writers_were_left_behind_is_opened_behind_the_guard(way: str) -> None:
    """Both Regions write, each its own: as careful as with a promotion, though the target calls itself the writer."""
    world = parted()
    if way == "partitioned":
        world.partitioned, world.paying = {WEST}, {WEST}
    plan = to_the_east(world, traffic_first=way == "traffic first")
    assert plan.facts["blockers"] == []
    assert not plan.step("guard").skippable
    assert len(plan.step("guard").args["databases"]) == 3
    for step in plan.steps:
        if step.id in ("fence/open", "activate") or step.id.startswith(("services/", "write/", "promote/")):
            assert "guard" in before(plan, step), step.id
    assert plan.step("fence/network").args["region"] == WEST
    assert plan.bounds == {}
    assert "target/closed" not in {step.id for step in plan.steps}
    if way == "fenced":
        assert "guard" in before(plan, plan.step("traffic/unstop"))


def test_a_writer_left_behind_is_cut_off_before_customers_come_to_it() -> None:
    """Customers leave first, and the guard asks that they have: so its open subnets are closed until then."""
    world = parted()
    world.denied[EAST] = False
    plan = to_the_east(world, traffic_first=True)
    closed = plan.step("target/closed")
    assert (closed.do, closed.args["region"], closed.skippable) == ("fence.network@1", EAST, False)
    for step in ("traffic/unstop", "traffic/stop"):
        assert closed.id in before(plan, plan.step(step))
    assert {"guard", closed.id} <= before(plan, plan.step("fence/open"))
    guard._since.clear()
    assert {v.kind for v in play(world.ports(), plan).values()} == {Kind.PASS}
    assert world.denied == {EAST: False, WEST: True}


def test_a_region_that_serves_alone_is_not_cut_off() -> None:
    """What a run that ended early left undone is finished where customers are."""
    world = parted()
    world._change(WEST, "production", "payment-service", ready=0)
    assert "target/closed" not in {step.id for step in planned_from(world).steps}


def test_a_region_that_answers_is_fenced_before_and_left_after() -> None:
    """Target capacity, fence, promotion, services on the new writer, traffic."""
    plan = planned_from(MemoryWorld())
    ahead = before(plan, plan.step("promote/payments"))
    assert {"capacity/replicas", "fence/workloads", "fence/network", "fence/confirm", "guard"} <= ahead
    ahead = before(plan, plan.step("traffic/stop"))
    assert {"promote/payments", "services/payments", "services/ledger", "write/reporting"} <= ahead


def test_a_planned_move_changes_weights_and_loses_nothing() -> None:
    """No STOP object, no data loss; the pause of writes is an expectation, since nothing enforces it."""
    plan = planned_from(MemoryWorld(), planned=True)
    kinds = {step.do for step in plan.steps}
    assert "database.switchover@1" in kinds
    assert not kinds & {"database.failover@1", "traffic.stop@1", "fence.network@1"}
    assert plan.bounds == {}
    assert any("expected for less than 11 min" in note for note in plan.notes)


def test_peaks_raise_what_is_asked_for_up_to_the_maximum() -> None:
    """The sampled peak counts where it is above the estate's own size."""
    plan = planned_from(MemoryWorld(), peaks={"api-gateway": 11, "help-center": 99, "ledger": 1})
    wanted = {w["name"]: w["replicas"] for w in plan.step("capacity/replicas").args["workloads"]}
    assert (wanted["api-gateway"], wanted["help-center"], wanted["ledger"]) == (11, 4, 4)
    assert "batch-settlement" not in wanted


def test_every_writer_of_the_old_region_is_fenced() -> None:
    """Services that write, singletons and consumers, and nobody else."""
    fenced = {w["name"] for w in planned_from(MemoryWorld()).step("fence/workloads").args["workloads"]}
    assert fenced == {n for n, s in ESTATE.services.items() if s.writes or s.kind != "service"}


def run(world: MemoryWorld, *, planned: bool = False) -> dict[str, Any]:
    """Plan and play to the end; the verdicts by step."""
    guard._since.clear()
    plan = planned_from(world, planned=planned)
    found = play(world.ports(), plan)
    return {step.id: found[step.id].kind for step in plan.steps if step.id in found}


def moved_once(world: MemoryWorld) -> None:
    """Every writer is in the target, promoted once, and customers are there."""
    assert set(world.writer.values()) == {WEST}
    promotions = [c for c in world.calls if c.startswith(("failover", "switchover"))]
    assert len(promotions) == len(set(promotions))
    assert settle(
        world.ports(),
        "traffic.answers@1",
        {
            "to": WEST,
            "names": ["api.fintech.example"],
            "name_servers": list(world.estate.dns.name_servers),
            "addresses": ["127.0.2.1"],
            "all": True,
        },
    ).kind == Kind.PASS  # fmt: skip


def test_a_dark_region_s_production_moves() -> None:
    """From the plan alone: all passes but the fence; what runs once is started on a person's word."""
    world = MemoryWorld(dark={EAST})
    plan = planned_from(world)
    found = run(world)
    assert {i for i, kind in found.items() if kind != Kind.PASS} == {
        "fence/workloads",
        "fence/network",
        "fence/confirm",
        "traffic/let-in",
        "sync/hold/us-east-1",
        "fence/standing",
        "activate/check",
    }
    moved_once(world)
    assert world.pods[WEST, "internal/batch-settlement"].wanted == 0
    activate = plan.step("activate")
    assert settle(world.ports(), activate.do, activate.args).kind == Kind.PASS
    assert preflight(world.estate, survey(world.ports(), world.estate), Request(WEST)).watch


def test_a_limping_region_s_production_moves() -> None:
    """Every step passes, the old side is fenced, the target back at rest."""
    world = MemoryWorld()
    assert set(run(world).values()) == {Kind.PASS}
    moved_once(world)
    assert world.denied[EAST]
    assert world.pods[WEST, "production/api-gateway"].minimum == 4
    assert [len(w) for w in world.windows.values()] == [1, 0]


def test_a_planned_move_moves_everything() -> None:
    """Every step passes, weights have moved, Argo CD is free in both Regions."""
    world = MemoryWorld()
    assert set(run(world, planned=True).values()) == {Kind.PASS}
    moved_once(world)
    assert world.weights["app.fintech.example"] == {EAST: 0, WEST: 100}
    assert not world.stops
    assert [len(w) for w in world.windows.values()] == [0, 0]


def test_a_second_run_of_a_plan_changes_nothing() -> None:
    """Each step looks first: a take-over in the middle does nothing twice."""
    world = MemoryWorld()
    plan = planned_from(world)
    guard._since.clear()
    play(world.ports(), plan, until="traffic/answers")
    done = list(world.calls)
    play(world.ports(), plan, until="traffic/answers")
    assert world.calls == done


def test_the_way_back_before_the_point_of_no_return_restores_the_world() -> None:
    """Everything that was done up to the guard is undone: pods, minimums, network, windows."""
    world = MemoryWorld()
    guard._since.clear()
    plan = planned_from(world)
    done = play(world.ports(), plan, until="guard")
    assert {v.kind for v in done.values()} == {Kind.PASS}
    back = plan.back(list(done))
    assert {v.kind for v in play(world.ports(), back).values()} == {Kind.PASS}
    fresh = MemoryWorld()
    assert world.denied == fresh.denied
    assert world.windows == fresh.windows
    for key, workload in fresh.pods.items():
        assert world.pods[key].minimum == workload.minimum, key
        if key[0] == EAST:
            assert world.pods[key].wanted == workload.wanted, key


@few
@given(world=worlds())
def test_from_any_mixed_state_the_run_ends_with_one_writer_in_the_target(world: MemoryWorld) -> None:
    """Or it holds at the guard, and then nothing was promoted."""
    at_first = dict(world.writer)
    if not preflight(world.estate, survey(world.ports(), world.estate), Request(WEST)).blockers:
        found = run(world)
        if found.get("guard", Kind.PASS) == Kind.PASS:
            moved_once(world)
        else:
            assert world.writer == at_first
