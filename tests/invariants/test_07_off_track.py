"""The box stands off the track: it needs nothing in the Region that it leaves, and no Slack."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from house import EAST, WEST, House, house
from memory_world import MemoryWorld
from steps_of import plan_of

from bot.store.database import Database

LOOKS = {"guard", "traffic/stop", "activate/check"}
"""They look at the old Region for a bounded time and go on, or ask people, without its answer."""


@pytest.fixture
def dark(database: Database, tmp_path: Path) -> House:
    return house(database, tmp_path, MemoryWorld(dark={EAST}))


def test_a_dark_region_is_left_without_its_help(dark: House) -> None:
    """Every question to us-east-1 goes unanswered, Slack does not exist: production moves all the same."""
    change = dark.approved()
    assert dark.settle(change) == "standing"
    assert set(dark.world.writer.values()) == {WEST}
    plan = {s.id: s for s in plan_of("dark").steps}
    asked = {c.step for c in [*dark.outside.reads, *dark.outside.calls] if c.region == EAST and c.step}
    assert {s for s in asked if plan[s].on_fail != "go_on"} <= LOOKS
    assert {c.region for c in dark.outside.calls} <= {WEST, ""}
    assert {d.step for d in dark.decisions(change, "hold")} <= {"activate/check"}
    # Route 53's control plane is in us-east-1: no step reads or changes records.
    used = {(c.port, c.verb) for c in [*dark.outside.reads, *dark.outside.calls] if c.step}
    assert not used & {("dns", "records"), ("dns", "set_weights"), ("dns", "change_done")}
    assert {("dns", "stop"), ("dns", "answers")} <= used
    # What is left for it is to be closed once it answers.
    had = len(dark.outside.calls)
    assert dark.finish(change) == "done"
    assert {c.step for c in dark.outside.calls[had:] if c.region == EAST} == {"fence/standing"}


@pytest.mark.parametrize("way", ["dark", "limping"])
def test_unplanned_plans_name_no_control_plane_of_dns(way: str) -> None:
    """Also where the old Region still answers: it may not for long."""
    assert not [s.id for s in plan_of(way).steps if s.do == "traffic.weights@1"]
    stop = plan_of(way).step("traffic/stop")
    assert stop.args["stop"]["bucket_region"] == WEST
    assert stop.undo is not None
    assert stop.undo.args["stop"]["bucket_region"] == WEST


def test_steps_of_a_dark_plan_that_may_hold_name_the_target_only() -> None:
    """What may stop the run asks in us-west-2; the guard and the STOP object look at the other side and go on."""
    for step in plan_of("dark").steps:
        if step.on_fail == "hold" and step.id not in LOOKS and "region" in step.args:
            assert step.args["region"] == WEST, step.id


def test_the_core_is_built_without_slack() -> None:
    """Nothing that drives, decides or records imports a Slack client."""
    code = (
        "import sys, bot.compose, bot.terminal.cli, bot.terminal.live\n"
        "found = [m for m in sys.modules if m.startswith(('slack_', 'bot.slack'))]\n"
        "sys.exit(', '.join(found) or 0)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-500:]
