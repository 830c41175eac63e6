"""What is approved is compared with the world, and what is still safe is not asked twice."""

from __future__ import annotations

import pytest
from memory_world import EAST, WEST, MemoryWorld
from test_failover_plan import before, planned_from
from visits import play, settle

from bot.errors import UsageError
from bot.facts.survey import survey
from bot.plan import Plan
from bot.ports import Sample
from bot.verdict import Kind
from commands.failover import failover as command
from runbooks.failover import failover
from runbooks.preflight import preflight
from runbooks.request import Request


def replanned(world: MemoryWorld, like: Plan, request: Request | None = None) -> Plan:
    """The plan that a second look gives, the approved one at hand."""
    seen = survey(world.ports(), world.estate)
    asked = request or Request(WEST, reason="a test")
    return failover(world.estate, seen, asked, peaks={}, durations={}, like=like)


def test_a_promotion_carries_its_bound_where_lag_tells_of_loss() -> None:
    """A Region that answers lags for real; a dark one only grows silent."""
    limping, dark = planned_from(MemoryWorld()), planned_from(MemoryWorld(dark={EAST}))
    assert limping.step("promote/ledger").args["max_loss_ms"] == 1000 * limping.bounds["data_loss_seconds"]
    assert "max_loss_ms" not in dark.step("promote/ledger").args


def test_the_bound_of_a_dark_failover_is_never_less_than_what_is_lost() -> None:
    """No "at most 5 min" beside a database that lags two hours."""
    world = MemoryWorld(dark={EAST})
    assert planned_from(world).bounds == {"data_loss_seconds": 300}
    world.lag["ledger"] = 7200.4
    plan = planned_from(world)
    assert plan.bounds == {"data_loss_seconds": 7201}
    assert any("fell silent, at most 2 h" in loss for loss in plan.facts["losses"])
    world.lag["ledger"] = None
    assert any("ledger: unknown: at most" in loss for loss in planned_from(world).facts["losses"])


def test_silence_does_not_void_the_bound_that_was_approved() -> None:
    """The reading grows by a second a second; more than that was not approved."""
    world = MemoryWorld(dark={EAST})
    approved = planned_from(world)
    world.clock.at += 600
    world.lag["ledger"] = 640.0
    assert replanned(world, approved).digest == approved.digest
    world.lag["ledger"] = 1000.0
    assert replanned(world, approved).bounds == {"data_loss_seconds": 1000}


def test_dark_or_partitioned_is_a_difference_in_words_only() -> None:
    """What is measured flips while people read; what they approve does not."""
    world = MemoryWorld(dark={EAST})
    dark = planned_from(world)
    world.figures[world.estate.metrics.last_write or ""] = (
        Sample({"region": EAST}, world.clock.now() - 2, world.clock.now()),
    )
    partitioned = planned_from(world)
    assert (dark.facts["order"], partitioned.facts["order"]) == ("dark", "partitioned")
    assert dark.digest == partitioned.digest
    assert dark.facts["order_why"] != partitioned.facts["order_why"]
    assert replanned(world, dark).digest == dark.digest
    world.dark.clear()
    assert replanned(world, partitioned).digest == partitioned.digest


@pytest.mark.parametrize("dark", [True, False])
def test_a_failover_that_hangs_has_another_way_in_the_plan(*, dark: bool) -> None:
    """Approved with the rest, with the words of its button; nothing else has one."""
    plan = planned_from(MemoryWorld(dark={EAST} if dark else set()))
    for step in plan.steps:
        if step.phase == "promote":
            assert step.instead is not None
            assert (step.instead.do, step.instead.label) == ("database.detach@1", "Detach and promote alone")
            assert step.instead.args == step.args
        else:
            assert step.instead is None
    planned = planned_from(MemoryWorld(), planned=True)
    assert not any(step.instead for step in planned.steps)


def test_the_fence_that_stands_holds_nothing_back() -> None:
    """It needs the bounded tries to have ended, asks nobody, and nothing needs it; jobs that run once ask soon."""
    plan = planned_from(MemoryWorld(dark={EAST}))
    watch = plan.step("fence/standing")
    assert watch.standing
    assert (watch.on_fail, watch.phase, watch.blocks) == (
        "go_on",
        "standing",
        (f"region/{EAST}", f"sync/{EAST}"),
    )
    assert {"fence/workloads", "fence/network", "fence/confirm"} <= set(watch.needs)
    assert not [s.id for s in plan.steps if watch.id in s.needs]
    check = plan.step("activate/check")
    assert (check.standing, check.on_fail) == (True, "hold")
    assert {s.id for s in plan.steps if s.standing} == {"fence/standing", "activate/check", "traffic/let-in"}
    databases = {d["database"] for d in watch.args["databases"]}
    assert databases == {"payments", "ledger", "reporting"}
    for way in (planned_from(MemoryWorld()), planned_from(MemoryWorld(), planned=True)):
        assert not any(step.standing for step in way.steps)


def test_what_can_and_cannot_be_made_sure_of_is_said_before_approval() -> None:
    """Three sentences that a tired reader understands."""
    notes = " ".join(planned_from(MemoryWorld(partitioned={EAST})).notes)
    assert (
        f"Made sure before anything is promoted: {EAST} is seen to refuse writes, or every name server"
        in notes
    )
    assert f"no payment was accepted in {EAST} for 30 s" in notes
    assert f"Cannot be made sure while {EAST} does not answer: that nothing writes there." in notes
    assert f"The run stays open until {EAST} has been fenced" in notes
    limping = " ".join(planned_from(MemoryWorld()).notes)
    assert "stays open" not in limping


def test_nodes_that_do_not_come_are_told_with_what_the_estate_could_free() -> None:
    """Names from the estate, so that what runs there meanwhile changes no digest."""
    world = MemoryWorld()
    args = planned_from(world).step("capacity/nodes/general").args
    assert {w["name"] for w in args["needed"]} == {n for n, s in world.estate.services.items() if s.critical}
    spare = {n for n, s in world.estate.services.items() if not s.critical and s.kind == "service"}
    assert {w["name"] for w in args["spare"]} == spare


def test_a_dark_order_stays_when_the_region_answers_again() -> None:
    """Customers first is safe in any light: the guard decides."""
    world = MemoryWorld(dark={EAST})
    approved = planned_from(world)
    world.dark.clear()
    assert planned_from(world).digest != approved.digest
    assert replanned(world, approved).digest == approved.digest


def test_a_region_that_falls_silent_needs_a_new_approval() -> None:
    """Who approved a fence before the promotion did not approve to go without."""
    world = MemoryWorld()
    approved = planned_from(world)
    world.dark.add(EAST)
    assert replanned(world, approved).digest != approved.digest


def test_in_the_dark_what_runs_once_waits_for_the_fence_and_holds_nothing_else_back() -> None:
    """A hold of its own: not customers, not payments, not capacity; only Argo CD stays held with it."""
    plan = planned_from(MemoryWorld(dark={EAST}))
    assert plan.step("activate").needs == ("activate/check",)
    check = plan.step("activate/check")
    assert check.skippable
    assert check.on_fail == "hold"
    assert {"fence/confirm", "promote/payments"} <= before(plan, check)
    waiting = {s.id for s in plan.steps if "activate/check" in before(plan, s)}
    assert waiting == {"activate", f"sync/release/{WEST}"}
    # What the report counts as recovery time.
    assert {check.phase, plan.step("activate").phase} == {"restore"}


@pytest.mark.parametrize("dark", [True, False])
def test_capacity_goes_down_only_after_customers_came(*, dark: bool) -> None:
    """And a share that nobody measures holds no unplanned run."""
    plan = planned_from(MemoryWorld(dark={EAST} if dark else set()))
    assert "traffic/drained" in plan.step("restore").needs
    assert plan.step("traffic/drained").on_fail == "go_on"
    assert planned_from(MemoryWorld(), planned=True).step("traffic/drained").on_fail == "hold"


def test_customers_first_is_asked_for_and_survives_being_stored() -> None:
    """For a Region that answers and cannot be fenced."""
    asked = Request(WEST, reason="x", traffic_first=True)
    assert Request.from_json(asked.as_json()) == asked
    world = MemoryWorld()
    plan = failover(world.estate, survey(world.ports(), world.estate), asked, peaks={}, durations={})
    assert plan.facts["order"] == "dark"
    assert before(plan, plan.step("promote/payments")) == {"guard", "traffic/stop"}
    steps = planned_from(world)
    for step in ("fence/workloads", "fence/network", "fence/confirm", "guard"):
        assert "--traffic-first" in steps.step(step).args["way_on"]
        assert "way_on" not in plan.step(step).args
    assert any("--traffic-first" in note for note in steps.notes)


def test_a_planned_move_cannot_go_without_a_fence() -> None:
    """The two wishes exclude each other."""
    from types import SimpleNamespace

    desk = SimpleNamespace(estate=MemoryWorld().estate)
    with pytest.raises(UsageError, match="exclude each other"):
        command(WEST, planned=True, traffic_first=True, call=SimpleNamespace(desk=desk))


def test_what_is_absent_is_neither_started_nor_brought_back() -> None:
    """A Deployment that is not there is no step's target."""
    world = MemoryWorld()
    del world.pods[WEST, "internal/batch-settlement"]
    del world.pods[EAST, "production/payment-service"]
    plan = planned_from(world)
    assert "batch-settlement" not in {w["name"] for w in plan.step("activate").args["workloads"]}
    undo = plan.step("fence/workloads").undo
    assert undo is not None
    assert "payment-service" not in {w["name"] for w in undo.args["workloads"]}


def test_customers_first_from_a_region_that_can_be_fenced_asks_nobody() -> None:
    """Every step passes, the fence is seen closed, and what runs once is on in the target alone."""
    world = MemoryWorld()
    asked = Request(WEST, reason="x", traffic_first=True)
    plan = failover(world.estate, survey(world.ports(), world.estate), asked, peaks={}, durations={})
    assert {v.kind for v in play(world.ports(), plan).values()} == {Kind.PASS}
    settlement = "internal/batch-settlement"
    assert (world.pods[EAST, settlement].wanted, world.pods[WEST, settlement].wanted) == (0, 1)


@pytest.mark.parametrize("dark", [True, False])
def test_what_an_aborted_run_left_is_done_by_the_next(*, dark: bool) -> None:
    """With every writer there already nothing is promoted, and what was off is on in the end."""
    world = MemoryWorld(dark={EAST} if dark else set())
    world.writer = dict.fromkeys(world.writer, WEST)
    world.stops.add(("fintech-stop-us-west-2", f"STOP-{EAST}"))
    plan = planned_from(world)
    assert not [step for step in plan.steps if step.phase == "promote"]
    assert plan.bounds == {}
    found = play(world.ports(), plan)
    held = [i for i, verdict in found.items() if verdict.kind != Kind.PASS]
    silent = [f"sync/hold/{EAST}", "fence/workloads", "traffic/let-in", "fence/standing", "activate/check"]
    assert held == (silent if dark else [])
    if dark:
        activate = plan.step("activate")
        assert settle(world.ports(), activate.do, activate.args).kind == Kind.PASS
    found = preflight(world.estate, survey(world.ports(), world.estate), Request(WEST))
    assert (found.already, found.watch) == (not dark, dark)
