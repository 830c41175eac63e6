from __future__ import annotations

from pathlib import Path

from bot.plan import Plan, Step
from tests.bench.figures import Detail, Figure
from tests.bench.limits import Limits
from tests.bench.record import record
from tests.bench.way import Took, ancestors, counted, longest, served_from


def plan(*steps: Step) -> Plan:
    return Plan(runbook="bench@1", title="A plan", estate_digest="e" * 64, request={}, steps=steps)


def step(name: str, *needs: str, do: str = "mark@1", standing: bool = False) -> Step:
    return Step(id=name, do=do, needs=needs, standing=standing)


def seconds(**took: float) -> dict[str, Took]:
    return {name: Took(100.0, 100.0 + value) for name, value in took.items()}


def second(t: int, ok: int, failed: int) -> dict[str, int]:
    return {"t": t, "sent": ok + failed, "ok": ok, "failed": failed}


def test_the_longest_way_goes_by_what_the_steps_took() -> None:
    made = plan(step("a"), step("b"), step("c", "a", "b"), step("d", "a"))

    way = longest(made, seconds(a=5, b=7, c=2, d=6))

    assert [each.id for each in way.steps] == ["a", "d"]
    assert way.seconds == 11


def test_a_way_can_be_asked_for_up_to_a_step() -> None:
    made = plan(step("a"), step("b", "a"), step("c", "b"))

    assert longest(made, seconds(a=1, b=2, c=4), ["b"]).seconds == 3


def test_what_stands_and_what_waits_for_it_are_left_out() -> None:
    made = plan(step("a"), step("fence", standing=True), step("after", "a", "fence"), step("b", "a"))

    assert [each.id for each in counted(made)] == ["a", "b"]
    assert longest(made, seconds(a=1, fence=500, b=2)).seconds == 3


def test_everything_before_a_step_is_found() -> None:
    made = plan(step("a"), step("b", "a"), step("c", "b"), step("d"))

    assert ancestors(made, made.step("c")) == {"a", "b"}


def test_customers_are_served_again_when_nearly_all_payments_succeed_for_half_a_minute() -> None:
    dark = [second(t, 0, 20) for t in range(10)]
    flicker = [second(10, 20, 0), *(second(t, 5, 15) for t in range(11, 20))]
    again = [second(t, 20, 0 if t % 10 else 1) for t in range(20, 80)]

    assert served_from([*dark, *flicker, *again], since=0) == 20
    assert served_from([*dark, *flicker], since=0) is None


def test_a_wait_for_the_health_check_is_counted_once() -> None:
    limits = Limits(checker=30, ttl=60)
    behind = plan(step("answers", do="traffic.answers@1"), step("guard", "answers", do="fence.guard@1"))
    alone = plan(step("guard", do="fence.guard@1"))

    assert limits.of(behind, behind.step("guard")) == {"TTL": 60}
    assert limits.of(alone, alone.step("guard")) == {"health check": 30, "TTL": 60}
    assert limits.of(behind, behind.step("answers")) == {"health check": 30}


def test_the_page_holds_the_tables_that_figures_are_made_of(tmp_path: Path) -> None:
    detail = Detail("What it waits for", ("Wait", "Took"), (("`guard`", "61 s"),))

    page = record([Figure("Run time", "90 s", detail=detail)], {"Date": "today"}, tmp_path / "page.md")

    assert "## What it waits for\n\n| Wait | Took |\n| --- | ---: |\n| `guard` | 61 s |\n" in page.read_text()
