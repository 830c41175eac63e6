from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from plans import dags

from bot.engine.moves import ENDED, Progress, State, moves
from bot.plan import Plan

STATES = st.sampled_from(list(State))


@given(plan=dags(), data=st.data(), now=st.floats(0, 100))
def test_only_steps_whose_needs_have_ended_are_started(plan: Plan, data: st.DataObject, now: float) -> None:
    """A pending step is visited only when everything that it needs has ended."""
    rows = {s.id: Progress(data.draw(STATES), data.draw(st.floats(0, 100))) for s in plan.steps}
    for step_id in moves(plan, rows, now).visit:
        if rows[step_id].state == State.PENDING:
            assert all(rows[need].state in ENDED for need in plan.step(step_id).needs)


@given(plan=dags(), data=st.data(), now=st.floats(0, 100))
def test_ended_and_held_steps_are_left_alone(plan: Plan, data: st.DataObject, now: float) -> None:
    """What has ended or waits for people is never visited, and nothing is visited before its time."""
    rows = {s.id: Progress(data.draw(STATES), data.draw(st.floats(0, 100))) for s in plan.steps}
    for step_id in moves(plan, rows, now).visit:
        assert rows[step_id].state in (State.PENDING, State.ACTIVE)
        assert rows[step_id].wake_at <= now


@given(plan=dags(), data=st.data())
def test_a_run_whose_steps_succeed_comes_to_its_end(plan: Plan, data: st.DataObject) -> None:
    """Visiting what may be visited, in any order, ends every run in at most as many rounds as steps."""
    rows: dict[str, Progress] = {}
    for _ in range(len(plan.steps)):
        found = moves(plan, rows, 0.0)
        if found.ended:
            break
        assert found.visit
        for step_id in data.draw(st.permutations(found.visit)):
            rows[step_id] = Progress(data.draw(st.sampled_from(sorted(ENDED))))
    assert moves(plan, rows, 0.0).ended


@given(plan=dags(), data=st.data(), now=st.floats(0, 100))
def test_while_stopping_nothing_is_visited(plan: Plan, data: st.DataObject, now: float) -> None:
    """A stop that was asked for lets nothing start and nothing end by itself."""
    rows = {s.id: Progress(data.draw(STATES)) for s in plan.steps}
    found = moves(plan, rows, now, stopping=True)
    assert (found.visit, found.ended) == ((), False)


@given(plan=dags(), data=st.data(), now=st.floats(0, 100))
def test_a_run_never_sleeps_past_a_wake_time(plan: Plan, data: st.DataObject, now: float) -> None:
    """The next look is at the earliest time at which a startable step wants to be seen."""
    rows = {s.id: Progress(State.ACTIVE, data.draw(st.floats(0, 100))) for s in plan.steps}
    found = moves(plan, rows, now)
    later = [r.wake_at for r in rows.values() if r.wake_at > now]
    assert found.wake_at == min(later, default=None)
