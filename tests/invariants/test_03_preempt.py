"""One train per block, and the one that goes before all others: an unplanned failover."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from house import EAST, LEAD, LEAD2, ONCALL, ONCALL2, OPS, House, house

from bot.engine.lease import halted
from bot.errors import Blocked, LeaseLost
from bot.plan import Plan
from bot.reply import Caller
from bot.store.database import Database
from bot.store.tables import Run, StepRow

PLANNED = "/failover us-west-2 --planned"
NOW = "/failover us-west-2 --reason dark"


@pytest.fixture
def box(database: Database, tmp_path: Path) -> House:
    return house(database, tmp_path)


def under_way(box: House) -> str:
    """A planned move that has made some calls and sent no promotion."""
    change = box.approved(PLANNED)
    box.drive(change, lambda: len(box.outside.calls) > 5)
    assert not box.run(change).committed
    return change


def test_the_plan_names_the_run_that_it_stops(box: House) -> None:
    """Who approves the failover reads what ends with it; the digest covers it."""
    first = under_way(box)
    second = box.ask(NOW)
    seen = box.see(second)
    assert any(first in line and "rollback is disarmed" in line for line in seen.preempts)
    with box.database.read() as session:
        from bot.store.tables import Change

        plan = Plan.model_validate_json(session.get_one(Change, second).plan)
    assert plan.preempts == (f"run-{first}",)
    assert plan.digest != plan.model_copy(update={"preempts": ()}).digest
    assert box.run(first).state == "running"


def test_it_takes_the_blocks_and_disarms_the_rollback(box: House) -> None:
    """From the approval on the old run does nothing, asks nothing and undoes nothing."""
    first = under_way(box)
    second = box.ask(NOW)
    assert box.vote(second).counted
    run = box.run(first)
    assert (run.state, run.ended_at is not None) == ("preempted", True)
    assert set(box.blocks().values()) == {f"run-{second}"}
    assert not box.holds(first)
    assert second in box.see(first).note
    before = [c for c in box.outside.calls if f"run-{first}" in str(c)]
    assert not box.desk.stop(first, "rollback", ONCALL).counted
    box.finish(second)
    assert [c for c in box.outside.calls if f"run-{first}" in str(c)] == before
    assert set(box.world.writer.values()) == {"us-west-2"}
    assert box.verified().exit_code == 0


def test_a_run_that_rolls_back_is_stopped_too(box: House) -> None:
    """The way back of a planned move must not fight the failover that has just begun."""
    first = under_way(box)
    assert box.desk.stop(first, "rollback", ONCALL2).counted
    box.tick()
    assert box.run(first).state == "rolling_back"
    second = box.ask(NOW)
    assert box.vote(second).counted
    assert box.run(first).state == "preempted"


def test_a_proposal_that_waits_is_withdrawn(box: House) -> None:
    """A planned move that nobody has approved yet cannot be approved after the failover has begun."""
    first = box.ask(PLANNED)
    second = box.ask(NOW)
    assert box.vote(second).counted
    assert box.see(first).state == "void"
    assert not box.vote(first, person=LEAD2).counted
    assert box.run(first) is None


def test_a_planned_move_stops_nothing(box: House) -> None:
    """Only what cannot wait goes first."""
    first = box.approved(NOW)
    for words in (PLANNED, "/failover us-east-1 --planned", NOW):
        with pytest.raises(Blocked, match=first):
            box.desk.command(words, Caller(ONCALL2, "x", OPS))


def test_a_second_fault_turns_a_failover_round(box: House) -> None:
    """The target fails in mid-run: a failover to where production came from stops the one under way."""
    first = box.approved(NOW)
    box.drive(first, lambda: box.run(first).committed)
    back = box.ask("/failover us-east-1 --traffic-first --reason 'us-west-2 dark'")
    assert any(first in line for line in box.see(back).preempts)
    assert box.run(first).state == "running"
    assert box.vote(back).counted
    assert box.run(first).state == "preempted"


def test_calls_in_flight_are_waited_for(box: House) -> None:
    """A call of the old run may still be under way: the new one begins when it has ended, not before."""
    first = under_way(box)
    with box.database.write() as session:
        row = next(r for r in box.steps(first).values() if r.state == "active")
        fresh = session.get_one(StepRow, (row.run, row.step))
        fresh.call_until = box.database.now(session) + 0.8
        session.add(fresh)
    second = box.ask(NOW)
    box.world.clock.monotonic = time.monotonic  # type: ignore[method-assign]
    box.planner.kept.clear()
    began = time.monotonic()
    assert box.vote(second).counted
    assert 0.5 < time.monotonic() - began < 8
    assert box.run(first).state == "preempted"


def test_no_intent_of_a_stopped_run_is_written(box: House) -> None:
    """Between the stop and the end of the old run its replica cannot start a call."""
    from bot.changes import preempt
    from bot.store.tables import Change

    first = under_way(box)
    with box.database.read() as session:
        by = session.get_one(Change, first)
    preempt.halt(box.trail, box.world.clock, [f"run-{first}"], by)
    with pytest.raises(LeaseLost), box.trail.record() as record:
        box.lease.check(record.session, f"run-{first}", acting=True)
    box.tick()
    assert box.run(first).state == "running", "it is halted, and not ended: the approval has not counted yet"
    preempt.release(box.trail, [f"run-{first}"], by)
    assert box.run(first).stop == ""


def test_an_approval_that_does_not_count_lets_the_halted_run_go_on(box: House) -> None:
    """Denied while the other run was being halted: that run goes on as if nobody had asked."""
    first = under_way(box)
    second = box.ask(NOW)
    question = box.question(second).id
    observe = box.watch.observe

    def denied_meanwhile(*args: Any) -> Any:
        assert box.run(first).stop
        assert box.desk.vote(question, "deny", LEAD2).counted
        return observe(*args)

    box.watch.observe = denied_meanwhile  # type: ignore[method-assign]
    assert not box.desk.vote(question, "approve", LEAD).counted
    assert box.see(second).state == "denied"
    assert (box.run(first).state, box.run(first).stop) == ("running", "")
    assert box.drive(first) == "done"


def test_what_the_other_run_did_until_it_was_halted_is_planned_from(box: House) -> None:
    """It promoted between the look and the click: the plan that did not know of it is void."""
    first = box.approved(NOW)
    box.drive(first, lambda: box.steps(first)["fence/workloads"].state == "active")
    back = box.ask("/failover us-east-1 --traffic-first")
    assert set(box.world.writer.values()) == {EAST}
    box.drive(first, lambda: set(box.world.writer.values()) == {"us-west-2"}, by=0.2)
    assert box.run(first).state == "running"
    answer = box.vote(back)
    assert not answer.counted
    assert "promote/payments is new" in answer.text
    assert (box.run(first).state, box.run(first).stop) == ("running", "")


def test_a_halt_that_nobody_ends_lapses(box: House) -> None:
    """Whoever halted a run may die: after a minute it goes on by itself."""
    from bot.changes import preempt
    from bot.store.tables import Change

    first = under_way(box)
    with box.database.read() as session:
        by = session.get_one(Change, first)
    preempt.halt(box.trail, box.world.clock, [f"run-{first}"], by)
    box.tick()
    assert box.run(first).stop
    with box.database.write() as session:
        run = session.get_one(Run, f"run-{first}")
        run.stop = halted(box.database.now(session) - 1, "")
        session.add(run)
    assert box.drive(first) == "done"


def test_a_new_run_in_the_way_voids_the_approval(box: House) -> None:
    """What was approved named no run to be stopped: a run that has begun since is asked about first."""
    second = box.ask(NOW)
    with box.database.write() as session:
        from bot.store.tables import Block, Change, Run

        session.add(
            Change(
                id="shift1", kind="shift", title="Shift payment-service", command="/traffic shift",
                requester=ONCALL, face="test", request='{"service": "payment-service"}', state="running",
                created_at=1.0,
            )
        )  # fmt: skip
        session.add(
            Run(
                id="run-shift1", change="shift1", state="running", plan="{}", person=ONCALL, owner="nobody",
                started_at=1.0,
            )
        )  # fmt: skip
        session.add(Block(resource=f"region/{EAST}", run="run-shift1", since=1.0))
    box.planner.kept.clear()
    answer = box.vote(second, person=LEAD)
    assert not answer.counted
    assert "runs it stops" in answer.text
    assert box.vote(second, person=LEAD).counted
    with box.database.read() as session:
        assert session.get_one(Run, "run-shift1").state == "preempted"
        assert session.get_one(Change, "shift1").state == "preempted"
