from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plans import dags, plan_of

from bot.plan import Call, Plan, Step, difference


def test_facts_and_notes_are_not_in_the_digest() -> None:
    """The world moves while people read: what was observed does not change what they approve."""
    step = Step(id="a", do="x@1")
    assert plan_of(step, facts={"lag": 1}).digest == plan_of(step, facts={"lag": 2}, notes=("n",)).digest


@pytest.mark.parametrize(
    "changed",
    [
        plan_of(Step(id="a", do="x@2")),
        plan_of(Step(id="a", do="x@1", args={"n": 1})),
        plan_of(Step(id="a", do="x@1", undo=Call(do="y@1"))),
        plan_of(Step(id="a", do="x@1", before={"replicas": 4})),
        plan_of(Step(id="a", do="x@1"), bounds={"data_loss_seconds": 5}),
        plan_of(Step(id="a", do="x@1"), Step(id="b", do="x@1")),
        plan_of(Step(id="a", do="x@1")).model_copy(update={"estate_digest": "f" * 64}),
        plan_of(Step(id="a", do="x@1")).model_copy(update={"runbook": "test@2"}),
    ],
)
def test_everything_that_is_done_is_in_the_digest(changed: Plan) -> None:
    """Versions, targets, undo, before-images, bounds, steps and the estate are what people approve."""
    approved = plan_of(Step(id="a", do="x@1"))
    assert changed.digest != approved.digest
    assert difference(approved, changed)


@given(plan=dags(), data=st.data())
def test_the_way_back_undoes_what_was_done_traffic_first(plan: Plan, data: st.DataObject) -> None:
    """Every done step that can be undone is undone once, traffic before everything else."""
    done = data.draw(st.sets(st.sampled_from([s.id for s in plan.steps])))
    if any(plan.step(s).commits for s in done):
        with pytest.raises(ValueError, match="point of no return"):
            plan.back(done)
        return
    undone = plan.back(done).steps
    assert {s.id.removeprefix("undo:") for s in undone} == {s for s in done if plan.step(s).undo is not None}
    kinds = [plan.step(s.id.removeprefix("undo:")).do.startswith("traffic.") for s in undone]
    assert kinds == sorted(kinds, reverse=True)


def test_a_plan_that_is_no_dag_is_refused() -> None:
    """A step cannot need what comes after it."""
    with pytest.raises(ValueError, match="do not come before"):
        plan_of(Step(id="a", do="x@1", needs=("b",)), Step(id="b", do="x@1"))


def test_the_critical_path_is_the_longest_way() -> None:
    """Parallel steps count once."""
    plan = plan_of(
        Step(id="a", do="x@1", expect_seconds=10),
        Step(id="b", do="x@1", expect_seconds=50),
        Step(id="c", do="x@1", needs=("a", "b"), expect_seconds=5),
    )
    assert plan.critical_path_seconds() == 55
