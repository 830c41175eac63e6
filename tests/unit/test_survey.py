from __future__ import annotations

import contextvars
import math
import threading
from typing import Any

import pytest
from memory_world import EAST, WEST, MemoryWorld

from bot.canon import canonical
from bot.errors import Busy, Rejected, Unreachable
from bot.estate import Routing
from bot.facts.survey import survey
from bot.patience import together, within
from bot.ports import ClusterState, GlobalDatabase, Sample, Workload


def test_a_world_at_rest_is_seen_whole() -> None:
    """Both Regions, every database, every name; nothing unknown."""
    world = MemoryWorld()
    seen = survey(world.ports(), world.estate)
    assert seen.unknown == {}
    assert all(region.reachable for region in seen.regions.values())
    assert seen.regions[EAST].permille == 1000
    assert seen.regions[EAST].last_write_ms == int(world.clock.now() * 1000)
    assert seen.regions[EAST].quiet_ms == 0
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
    assert (seen.regions[EAST].last_write_ms, seen.regions[EAST].quiet_ms) == (None, None)
    assert {"share", "writes"} <= seen.unknown.keys()


def test_how_long_a_region_was_quiet_is_counted_by_the_clock_that_measured_it() -> None:
    """Ours may be set otherwise; and a Region without a series is unknown, not quiet."""
    world = MemoryWorld(dark={EAST})
    query = world.estate.metrics.last_write or ""
    world.figures[query] = (
        Sample({"region": EAST}, 970.0, 1000.0),
        Sample({"region": EAST}, 940.0, 1000.0),
        Sample({"region": "nowhere"}, math.nan, 1000.0),
    )
    seen = survey(world.ports(), world.estate)
    assert (seen.regions[EAST].last_write_ms, seen.regions[EAST].quiet_ms) == (970_000, 30_000)
    assert seen.regions[WEST].quiet_ms is None


class Deaf(MemoryWorld):
    """Of us-east-1 only some questions are answered."""

    deaf: frozenset[str] = frozenset()

    def _hear(self, region: str, what: str) -> None:
        if region == EAST and what in self.deaf:
            raise Unreachable(f"{region} does not answer.")

    def workloads(self, region: str, namespaces: Any) -> tuple[Workload, ...]:
        self._hear(region, "workloads")
        return super().workloads(region, namespaces)

    def nodes_ready(self, region: str) -> int:
        self._hear(region, "nodes")
        return super().nodes_ready(region)

    def global_database(self, region: str, identifier: str) -> GlobalDatabase:
        self._hear(region, "databases")
        return super().global_database(region, identifier)

    def cluster(self, region: str, cluster: str) -> ClusterState:
        self._hear(region, "databases")
        return super().cluster(region, cluster)


@pytest.mark.parametrize(
    ("deaf", "silent"),
    [
        (frozenset(), ()),
        (frozenset({"nodes"}), ()),
        (frozenset({"workloads"}), ("its cluster",)),
        (frozenset({"databases", "nodes"}), ("7 of 11 questions",)),
    ],
)
def test_a_region_that_answers_in_part_is_one_that_cannot_be_fenced(
    deaf: frozenset[str], silent: tuple[str, ...]
) -> None:
    """What a fence needs must answer, and so must more than half of everything."""
    world = Deaf()
    world.deaf = deaf
    region = survey(world.ports(), world.estate).regions[EAST]
    assert region.silent == silent
    assert region.reachable is (not silent)


@pytest.mark.parametrize("on", [True, False])
def test_with_routing_controls_these_tell_who_is_stopped(*, on: bool) -> None:
    """A control that is off keeps customers out, whatever objects lie about."""
    world = MemoryWorld()
    routing = Routing(endpoints={EAST: "https://a"}, controls={EAST: "arn:east", WEST: "arn:west"})
    dns = world.estate.dns.model_copy(update={"routing": routing})
    world.estate = world.estate.model_copy(update={"dns": dns})
    world.controls = {"arn:east": on, "arn:west": True}
    seen = survey(world.ports(), world.estate)
    assert seen.regions[EAST].stopped is (not on)
    assert seen.regions[WEST].stopped is False


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


class Throttling(MemoryWorld):
    """A world in which AWS tells each question about a database once to come back later."""

    def cluster(self, region: str, cluster: str) -> ClusterState:
        self.told = getattr(self, "told", set[str]())
        if cluster not in self.told:
            self.told.add(cluster)
            raise Busy("rds describe_db_clusters: Throttling.")
        return super().cluster(region, cluster)


def test_what_was_throttled_is_asked_once_more_before_it_counts_as_unknown() -> None:
    """A busy AWS is no reason to refuse a plan."""
    world = Throttling()
    seen = survey(world.ports(), world.estate)
    assert seen.unknown == {}
    assert all(set(database.clusters) == {EAST, WEST} for database in seen.databases.values())
