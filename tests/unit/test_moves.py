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


@given(plan=dags(), data=st.data())
def test_what_stands_holds_nothing_back_but_what_needs_it(plan: Plan, data: st.DataObject) -> None:
    """A plan settles when only standing steps, and what waits for them, are left; it ends when nothing is."""
    steps = [s.model_copy(update={"standing": data.draw(st.booleans())}) for s in plan.steps]
    plan = plan.model_copy(update={"steps": tuple(steps)})
    rows: dict[str, Progress] = {}
    for _ in range(len(steps)):
        for step_id in moves(plan, rows, 0.0).visit:
            if not plan.step(step_id).standing:
                rows[step_id] = Progress(State.DONE)
    found = moves(plan, rows, 0.0)
    left = [s for s in steps if s.id not in rows]
    assert found.settled
    assert found.ended == (not left)
    assert all(s.standing or any(n not in rows for n in s.needs) for s in left)


@given(plan=dags(), data=st.data())
def test_a_plan_is_not_settled_while_a_step_could_go_on(plan: Plan, data: st.DataObject) -> None:
    """A step that does not stand, and waits for none that does, keeps the plan from settling."""
    rows = {s.id: Progress(data.draw(STATES)) for s in plan.steps}
    assert moves(plan, rows, 0.0).settled == all(r.state in ENDED for r in rows.values())


@given(plan=dags(), data=st.data(), now=st.floats(0, 100))
def test_a_run_never_sleeps_past_a_wake_time(plan: Plan, data: st.DataObject, now: float) -> None:
    """The next look is at the earliest time at which a startable step wants to be seen."""
    rows = {s.id: Progress(State.ACTIVE, data.draw(st.floats(0, 100))) for s in plan.steps}
    found = moves(plan, rows, now)
    later = [r.wake_at for r in rows.values() if r.wake_at > now]
    assert found.wake_at == min(later, default=None)
