"""One writer: nothing is promoted past the guard."""

from __future__ import annotations

from pathlib import Path

import pytest
from house import EAST, LEAD, ONCALL, WEST, House, house
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from left_region import parted
from memory_world import MemoryWorld
from steps_of import plan_of, planned_from
from test_failover_plan import before, worlds

from bot.actions.guard import GUARD
from bot.engine.moves import ENDED, Progress, State, moves
from bot.errors import Refused
from bot.plan import Plan
from bot.store.database import Database
from bot.verdict import Kind

PROMOTING = ("database.failover@1", "database.switchover@1")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(world=worlds(), is_planned=st.booleans(), dice=st.data())
def test_no_promotion_may_be_visited_before_the_guard_has_ended(
    world: MemoryWorld, dice: st.DataObject, *, is_planned: bool
) -> None:
    """Whatever the other steps' states: as long as the guard has not passed, `moves` offers no promotion."""
    plan: Plan = planned_from(world, planned=is_planned)
    promotions = {s.id for s in plan.steps if s.do in PROMOTING}
    for step in promotions:
        assert "guard" in before(plan, plan.step(step))
    states = {s.id: Progress(dice.draw(st.sampled_from(list(State)))) for s in plan.steps}
    for step in promotions:
        states[step] = Progress(State.PENDING)
    if promotions:
        states["guard"] = Progress(dice.draw(st.sampled_from([State.PENDING, State.ACTIVE, State.HELD])))
    assert not promotions & set(moves(plan, states, 1e12).visit)
    assert State.HELD not in ENDED


FENCED = {
    "denied": True,
    "wanted": [],
    "running": [],
    "jobs": {"payments": {"state": "failed", "message": "cannot execute INSERT in a read-only transaction"}},
}
GONE = {"answers": {"a": {"ns": ["2"]}}, "permille": 0, "quiet_ms": 30_000, "seconds": 60, "why": ""}
STAYED = {"answers": {"a": {"ns": ["1"]}}, "permille": 900, "quiet_ms": 0, "seconds": 0, "why": ""}
SILENT = {"answers": {}, "permille": None, "quiet_ms": None, "seconds": 0, "why": "no answer"}
ARGS = {
    "how": "emptied",
    "from": EAST,
    "to": WEST,
    "addresses": ["2"],
    "limit_percent": 1,
    "ttl_seconds": 60,
    "databases": [{"database": "payments"}],
}


@pytest.mark.parametrize(
    ("sent", "fence", "verdict"),
    [
        (GONE, {}, Kind.PASS),
        (STAYED, FENCED, Kind.PASS),
        (SILENT, FENCED, Kind.PASS),
        (STAYED, {}, Kind.INCONCLUSIVE),
        (SILENT, {"why": "dark"}, Kind.UNKNOWN),
        (STAYED, FENCED | {"denied": False}, Kind.INCONCLUSIVE),
        (STAYED, FENCED | {"wanted": ["production/a"]}, Kind.INCONCLUSIVE),
        (STAYED, FENCED | {"running": ["production/a"]}, Kind.INCONCLUSIVE),
        (STAYED, FENCED | {"jobs": {}}, Kind.INCONCLUSIVE),
        (STAYED, FENCED | {"jobs": {"p": {"state": "succeeded", "message": "1"}}}, Kind.INCONCLUSIVE),
        (STAYED, FENCED | {"jobs": {"p": {"state": "running", "message": ""}}}, Kind.INCONCLUSIVE),
        (STAYED, FENCED | {"jobs": {"p": {"state": "absent", "message": ""}}}, Kind.INCONCLUSIVE),
        (STAYED, FENCED | {"jobs": {"p": {"state": "failed", "message": ""}}}, Kind.INCONCLUSIVE),
        (
            STAYED,
            FENCED | {"jobs": {"p": {"state": "failed", "message": "password authentication failed"}}},
            Kind.INCONCLUSIVE,
        ),
        (GONE | {"answers": {"a": {"ns": ["1", "2"]}}}, {}, Kind.INCONCLUSIVE),
        (GONE | {"answers": {"a": {"ns": []}}}, {}, Kind.INCONCLUSIVE),
        (GONE | {"answers": {"a": {"ns": None}}}, {}, Kind.INCONCLUSIVE),
        (GONE | {"answers": {"a": {"ns": ["2"]}, "b": {"ns": None}}}, {}, Kind.INCONCLUSIVE),
        (GONE | {"permille": 11}, {}, Kind.INCONCLUSIVE),
        (GONE | {"permille": None, "seconds": 119}, {}, Kind.INCONCLUSIVE),
        (GONE | {"permille": None, "seconds": 120}, {}, Kind.PASS),
        (GONE | {"permille": None, "quiet_ms": None, "seconds": 119}, {}, Kind.INCONCLUSIVE),
        (GONE | {"permille": None, "quiet_ms": None, "seconds": 120}, {}, Kind.PASS),
        (GONE | {"seconds": 59}, {}, Kind.INCONCLUSIVE),
        (GONE | {"quiet_ms": 29_999}, {}, Kind.INCONCLUSIVE),
        (GONE | {"quiet_ms": None}, {}, Kind.PASS),
        (GONE | {"quiet_ms": None, "permille": 1}, {}, Kind.INCONCLUSIVE),
    ],
)
def test_the_guard_s_verdict(sent: dict[str, object], fence: dict[str, object], verdict: Kind) -> None:
    """A fence seen to refuse, or customers seen gone; every half of a proof keeps it closed."""
    found = GUARD.judge(ARGS, {"sent": sent, "fence": fence}).kind
    assert found == verdict or (verdict == Kind.INCONCLUSIVE and found == Kind.UNKNOWN)


@pytest.fixture
def box(database: Database, tmp_path: Path) -> House:
    return house(database, tmp_path)


@pytest.mark.parametrize("words", ["/failover us-west-2", "/failover us-west-2 --planned"])
def test_nobody_can_skip_the_guard(box: House, words: str) -> None:
    """A guard that stays closed holds; skipping is not offered and not taken; a retry only looks again."""
    change = box.approved(words)
    service = box.estates.now.services["payment-service"]
    closed = True

    def tick() -> bool:
        # Someone starts a writer again and again while the guard looks.
        if closed and box.steps(change)["fence/workloads"].state == "done":
            box.world._change(EAST, service.namespace, "payment-service", wanted=1, total=1)
        return "guard" in box.holds(change)

    box.drive(change, tick, by=10)
    hold = box.holds(change)["guard"]
    assert "skip" not in hold.options.split(",")
    for choice in ("skip", "go_on", "approve", "promote"):
        assert not box.desk.vote(hold.id, choice, LEAD).counted
    assert box.desk.vote(hold.id, "retry", ONCALL).counted
    box.drive(change, tick, by=10)
    assert not [c for c in box.outside.calls if c.verb in ("failover", "switchover")]
    assert not box.run(change).committed
    assert set(box.world.writer.values()) == {EAST}


def test_customers_who_stay_keep_a_dark_region_s_writers_where_they_are(
    database: Database, tmp_path: Path
) -> None:
    """Unreachable is not dead: while the old Region is measured to serve, nothing is promoted."""
    from bot.ports import Sample

    box = house(database, tmp_path, MemoryWorld(dark={EAST}))
    change = box.approved()
    query = box.world.estate.metrics.share or ""
    box.world.figures[query] = (Sample({"region": EAST}, 80.0, 0.0), Sample({"region": WEST}, 20.0, 0.0))
    box.drive(change, lambda: "guard" in box.holds(change), by=10)
    assert "80 %" in box.holds(change)["guard"].question
    assert set(box.world.writer.values()) == {EAST}
    del box.world.figures[query]
    assert box.desk.vote(box.holds(change)["guard"].id, "retry", ONCALL).counted
    assert box.finish(change) == "done"


def two_writers(world: MemoryWorld) -> bool:
    """Whether a customer could have a payment accepted in both Regions."""
    led = set()
    for region, place in world.estate.regions.items():
        answers = world.answers("api.fintech.example", world.estate.dns.name_servers)
        if any(place.ingress.address in (found or ()) for found in answers.values()):
            led.add(region)
    return {r for r in led | world.paying if world.writes(r)} == {EAST, WEST}


@pytest.mark.parametrize(("leave", "wake"), [(0, 600), (100, 30), (200, 400), (45, 46)])
def test_a_region_that_takes_payments_behind_our_back_is_left_before_anything_is_promoted(
    database: Database, tmp_path: Path, leave: int, wake: int
) -> None:
    """Whenever its customers leave and it answers again, no payment is accepted twice, and it ends up fenced."""
    world = MemoryWorld(partitioned={EAST}, paying={EAST})
    box = house(database, tmp_path, world)
    change = box.approved()
    started = world.clock.at

    def watch() -> bool:
        now = world.clock.at - started
        if now >= leave:
            world.paying.clear()
        if now >= wake:
            world.partitioned.clear()
        assert not two_writers(world)
        for hold in box.holds(change).values():
            answer = "skip" if hold.step == "activate/check" else "retry"
            assert box.desk.vote(hold.id, answer, ONCALL).counted
        return False

    assert box.drive(change, watch, by=5) == "done"
    assert set(world.writer.values()) == {WEST}
    assert world.denied[EAST]
    assert world.pods[EAST, "production/payment-service"].wanted == 0
    assert box.steps(change)["fence/standing"].state == "done"


@pytest.mark.parametrize("leave", [0, 200])
def test_a_writer_that_was_left_behind_is_not_opened_beside_the_one_that_serves(
    database: Database, tmp_path: Path, leave: int
) -> None:
    """us-west-2 was detached and promoted alone; as long as it takes payments, us-east-1 accepts none."""
    world = parted()
    world.partitioned, world.paying = {WEST}, {WEST}
    box = house(database, tmp_path, world)
    change = box.approved("/failover us-east-1")
    started = world.clock.at

    def watch() -> bool:
        if world.clock.at - started >= leave:
            world.paying.clear()
        assert not two_writers(world)
        for hold in box.holds(change).values():
            answer = "skip" if hold.step == "activate/check" else "retry"
            assert box.desk.vote(hold.id, answer, ONCALL).counted
        return box.steps(change)["check/payments"].state == "done"

    box.drive(change, watch, by=5)
    assert box.steps(change)["check/payments"].state == "done"
    assert world.writes(EAST)


def test_a_watch_that_was_stopped_is_started_again(database: Database, tmp_path: Path) -> None:
    """Asked again the fence is all that is left, and a Region that wakes up open is closed."""
    world = MemoryWorld(dark={EAST})
    box = house(database, tmp_path, world)
    first = box.approved()
    box.drive(first, lambda: "activate/check" in box.holds(first), by=5)
    assert box.desk.vote(box.holds(first)["activate/check"].id, "skip", ONCALL).counted
    box.drive(first, lambda: box.steps(first)["activate"].state == "done", by=5)
    assert box.desk.stop(first, "abort", ONCALL).counted
    assert box.drive(first) == "aborted"
    had = len(world.calls)
    change = box.approved()
    assert box.drive(change, lambda: box.standing(change), by=5) == "standing"
    assert not world.denied[EAST]
    world.dark.clear()
    assert box.drive(change, by=5) == "done"
    assert world.denied[EAST]
    assert world.pods[EAST, "production/payment-service"].wanted == 0
    verbs = ("failover", "restart", "minimum", "allow", "stop")
    assert [c for c in world.calls[had:] if c.startswith(verbs)] == []
    with pytest.raises(Refused, match="already serves"):
        box.ask()


def test_every_promotion_marks_the_point_of_no_return() -> None:
    """Each one commits, cannot be skipped, has no undo, and no way back includes one."""
    for way in ("dark", "limping", "planned"):
        plan = plan_of(way)
        promotions = [s for s in plan.steps if s.do in PROMOTING]
        assert len(promotions) == 3
        for step in promotions:
            assert (step.commits, step.skippable, step.undo) == (True, False, None)
            with pytest.raises(ValueError, match="no return"):
                plan.back([step.id])
