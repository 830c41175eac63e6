"""Unknown is not good: what is not seen holds or waits, and never passes."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from house import EAST, LEAD, ONCALL, WEST, House, Outside, house
from memory_world import MemoryWorld
from steps_of import ALL, Lone, plan_of, world_before

from bot.engine.judge import Next
from bot.errors import Unreachable
from bot.facts.survey import survey
from bot.ports import Sample
from bot.store.database import Database
from bot.verdict import Kind
from runbooks.preflight import preflight
from runbooks.request import Request


@pytest.mark.parametrize(("way", "step"), ALL)
def test_a_blind_look_neither_passes_nor_acts(way: str, step: str) -> None:
    """With every read unanswered each step of each plan is unknown or waits, and gives up when its time is over."""
    made = plan_of(way).step(step)
    here = Lone(Outside(world_before(way, step), blind=lambda _port, _verb: True), made)
    verdict = here.verdict()
    if made.do == "check.lost@1":
        # It counts for the report only; what is passed there is "unknown until reconciled".
        assert verdict.evidence == {"payments_lost": None}
        return
    assert verdict.kind in (Kind.UNKNOWN, Kind.INCONCLUSIVE)
    assert here.visit() == here.in_vain
    assert here.outside.calls == []


BLINDNESS = {
    "no answer": None,
    "no series": (),
    "not a number": (Sample({"region": EAST}, math.nan, 0.0), Sample({"region": WEST}, math.nan, 0.0)),
    "infinite": (Sample({"region": EAST}, math.inf, 0.0),),
    "the other Region only": (Sample({"region": WEST}, 100.0, 0.0),),
    "no labels": (Sample({}, 0.0, 0.0),),
}


@pytest.mark.parametrize("blindness", sorted(BLINDNESS))
def test_a_share_that_is_not_measured_is_not_a_share_of_nothing(blindness: str) -> None:
    """Customers count as gone only when the old Region's own series reads low."""
    world = world_before("planned", "traffic/drained")
    samples = BLINDNESS[blindness]
    if samples is None:
        world.share = None
    else:
        world.figures[world.estate.metrics.share or ""] = samples
    here = Lone(Outside(world), plan_of("planned").step("traffic/drained"))
    assert here.verdict().kind == Kind.UNKNOWN
    assert here.visit() == Next.GIVE_UP


@pytest.fixture
def box(database: Database, tmp_path: Path) -> House:
    return house(database, tmp_path)


def test_a_planned_run_without_metrics_holds_and_goes_on_when_they_are_back(box: House) -> None:
    """Nothing advances and nothing rolls back by itself; a retry after the metrics are back ends the run."""
    change = box.approved("/failover us-west-2 --planned")
    box.world.share = None
    box.drive(change, lambda: bool(box.holds(change)), by=5)
    assert list(box.holds(change)) == ["traffic/drained"]
    assert "not measured" in box.holds(change)["traffic/drained"].question
    for _ in range(20):
        box.world.clock.at += 600
        box.tick()
    assert box.run(change).state == "running"
    assert box.steps(change)["restore"].state == "pending"
    box.world.share = {EAST: 100.0, WEST: 0.0}
    assert box.desk.vote(box.holds(change)["traffic/drained"].id, "retry", LEAD).counted
    assert box.drive(change) == "done"


def test_a_target_that_falls_silent_during_the_run_holds_it(box: House) -> None:
    """The Region that takes over stops answering: the run asks, and promotes nothing blindly."""
    change = box.approved()
    box.drive(change, lambda: box.steps(change)["fence/network"].state == "active")
    box.world.dark.add(WEST)
    box.drive(change, lambda: bool(box.holds(change)), by=10)
    assert not [c for c in box.outside.calls if c.verb == "failover"]
    assert not box.run(change).committed
    box.world.dark.clear()
    for hold in box.holds(change).values():
        assert box.desk.vote(hold.id, "retry", ONCALL).counted
    assert box.drive(change) == "done"


class Partly(MemoryWorld):
    """A world in which one question gets no answer in one Region."""

    silent_verb, silent_region = "", ""

    def _hush(self, verb: str, region: str) -> None:
        if (verb, region) == (self.silent_verb, self.silent_region):
            raise Unreachable(f"{verb} in {region} does not answer.")

    def global_database(self, region: str, identifier: str):
        self._hush("database", region)
        return super().global_database(region, identifier)

    def cluster(self, region: str, cluster: str):
        self._hush("cluster", region)
        return super().cluster(region, cluster)

    def lag_seconds(self, region: str, cluster: str) -> float | None:
        self._hush("lag", region)
        return super().lag_seconds(region, cluster)

    def workloads(self, region: str, namespaces):
        self._hush("workloads", region)
        return super().workloads(region, namespaces)

    def node_group(self, region: str, cluster: str, name: str):
        self._hush("group", region)
        return super().node_group(region, cluster, name)


def partly(verb: str, region: str) -> Partly:
    """The case's estate with one silent question."""
    world = Partly()
    world.silent_verb, world.silent_region = verb, region
    return world


@pytest.mark.parametrize("verb", ["database", "cluster", "lag", "workloads"])
def test_unknown_about_the_target_blocks(verb: str) -> None:
    """Each question about the target that is not answered stops an unplanned move of a Region that answers."""
    world = partly(verb, WEST)
    found = preflight(world.estate, survey(world.ports(), world.estate), Request(WEST))
    assert found.blockers


@pytest.mark.parametrize("verb", ["database", "cluster", "workloads", "group"])
def test_unknown_about_the_target_blocks_a_planned_move(verb: str) -> None:
    """A planned move has the time to find out first."""
    world = partly(verb, WEST)
    found = preflight(world.estate, survey(world.ports(), world.estate), Request(WEST, planned=True))
    assert found.blockers


@pytest.mark.parametrize("verb", ["database", "cluster", "lag", "workloads", "group"])
def test_unknown_about_the_region_being_left_does_not_block(verb: str) -> None:
    """An unplanned move needs nothing from where production is."""
    world = partly(verb, EAST)
    found = preflight(world.estate, survey(world.ports(), world.estate), Request(WEST))
    assert found.blockers == ()
    assert (
        preflight(
            world.estate, survey(MemoryWorld(dark={EAST}).ports(), world.estate), Request(WEST)
        ).blockers
        == ()
    )
