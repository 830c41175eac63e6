from __future__ import annotations

import contextvars
import threading

import pytest
from memory_world import EAST, WEST, MemoryWorld

from bot.canon import canonical
from bot.errors import Rejected, Unreachable
from bot.facts.survey import survey
from bot.patience import together, within


def test_a_world_at_rest_is_seen_whole() -> None:
    """Both Regions, every database, every name; nothing unknown."""
    world = MemoryWorld()
    seen = survey(world.ports(), world.estate)
    assert seen.unknown == {}
    assert all(region.reachable for region in seen.regions.values())
    assert seen.regions[EAST].permille == 1000
    assert all(database.lag_ms == {WEST: 300} for database in seen.databases.values())
    assert seen.weights["api.fintech.example"] == {EAST: 100, WEST: 0}


def test_a_dark_region_is_unknown_with_the_reason() -> None:
    """What only it could tell is missing, and each gap says why; the rest is there."""
    world = MemoryWorld(dark={EAST})
    seen = survey(world.ports(), world.estate)
    assert not seen.regions[EAST].aws
    assert not seen.regions[EAST].cluster
    assert seen.regions[WEST].reachable
    assert seen.regions[EAST].stopped is False
    assert seen.regions[WEST].stopped is None
    assert "does not answer" in seen.unknown[f"stopped {WEST}"]
    view = seen.databases["payments"].view(EAST)
    assert view is not None
    assert view.writer is not None
    assert seen.weights["api.fintech.example"] is None


def test_metrics_that_do_not_answer_leave_the_share_unknown() -> None:
    """No figure is not a figure of zero."""
    world = MemoryWorld()
    world.share = None
    seen = survey(world.ports(), world.estate)
    assert seen.regions[EAST].permille is None
    assert "share" in seen.unknown


def test_a_survey_fits_the_trail() -> None:
    """It is plain JSON of the canonical profile."""
    world = MemoryWorld(dark={EAST})
    canonical(survey(world.ports(), world.estate).as_json())


def test_a_late_answer_is_unreachable_and_the_others_are_there() -> None:
    """One that hangs costs the deadline and nothing else."""
    never = threading.Event()
    found = together({"late": never.wait, "prompt": lambda: 7}, 0.05)
    never.set()
    assert found["prompt"] == 7
    assert isinstance(found["late"], Unreachable)


def test_the_wait_may_end_as_soon_as_enough_is_known() -> None:
    """Who asks can tell that nothing more will come."""
    never = threading.Event()
    found = together({"late": never.wait, "prompt": lambda: 7}, 60, enough=lambda names, _: "prompt" in names)
    never.set()
    assert isinstance(found["late"], Unreachable)


def test_errors_of_the_outside_are_answers_and_mistakes_are_raised() -> None:
    """A refusal is told beside the others; a defect is not hidden in it."""

    def refuse() -> None:
        raise Rejected("No.")

    def err() -> None:
        raise KeyError("x")

    assert isinstance(together({"a": refuse}, 1)["a"], Rejected)
    with pytest.raises(Rejected):
        within(1, refuse)
    with pytest.raises(KeyError):
        together({"a": err}, 1)


def test_threads_act_under_the_caller_s_context() -> None:
    """Who asks is known in every thread."""
    who: contextvars.ContextVar[str] = contextvars.ContextVar("who")
    who.set("on-call")
    assert together({"a": who.get}, 1) == {"a": "on-call"}
