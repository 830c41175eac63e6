from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from left_region import left, parted
from memory_world import EAST, WEST, MemoryWorld

from bot.facts.survey import survey
from bot.ports import ClusterState, GlobalDatabase, Member, Sample
from runbooks.failover import failover
from runbooks.order import order_of, returning
from runbooks.preflight import Preflight, preflight
from runbooks.request import Request


def judged(world: MemoryWorld, to: str = WEST, *, planned: bool = False) -> Preflight:
    """The preflight of a move, from a fresh survey."""
    seen = survey(world.ports(), world.estate)
    return preflight(world.estate, seen, Request(to, planned, "a test"))


@pytest.mark.parametrize("planned", [True, False])
def test_a_world_at_rest_has_no_blocker(*, planned: bool) -> None:
    """Either move can be asked for."""
    found = judged(MemoryWorld(), planned=planned)
    assert found.blockers == ()
    assert not found.already
    assert found.order == ("healthy" if planned else "limping")


def test_an_unknown_region_is_refused_with_the_nearest_one() -> None:
    """A slip of the finger gets the name it meant."""
    found = judged(MemoryWorld(), "us-west-1")
    assert found.blockers == ("us-west-1 is not a Region of this estate. Did you mean us-west-2?",)


def test_the_region_that_serves_already_is_refused() -> None:
    """Nothing would move."""
    found = judged(MemoryWorld(), EAST)
    assert found.already
    assert found.blockers == (f"{EAST} already serves: every writer is there and every name leads there.",)


class Detached(MemoryWorld):
    """Every cluster of us-west-2 was removed from its global database by hand."""

    def global_database(self, region: str, identifier: str) -> GlobalDatabase:
        found = super().global_database(region, identifier)
        return replace(found, members=tuple(m for m in found.members if m.region == EAST))


def _dark(region: str) -> Callable[[MemoryWorld], None]:
    return lambda world: world.dark.add(region)


def _fence_west(world: MemoryWorld) -> None:
    world.denied[WEST] = True


def _stop_west(world: MemoryWorld) -> None:
    world.stops.add(("fintech-stop-us-east-1", f"STOP-{WEST}"))


def _move(to: str) -> Callable[[MemoryWorld], None]:
    def move(world: MemoryWorld) -> None:
        world.moving["payments"] = ("failing-over", world.arn("payments", to))

    return move


def _lag(seconds: float | None) -> Callable[[MemoryWorld], None]:
    return lambda world: world.lag.update(ledger=seconds)


def _undeployed(world: MemoryWorld) -> None:
    del world.pods[WEST, "production/payment-service"]


def _short(world: MemoryWorld) -> None:
    key = (WEST, "general")
    world.groups[key] = replace(world.groups[key], issues=("InstanceLimitExceeded",))


def _metrics_down(world: MemoryWorld) -> None:
    world.share = None


@pytest.mark.parametrize(
    ("trouble", "unplanned", "planned"),
    [
        # Unknown about the target holds either move; about the Region being left only a planned one.
        (_dark(WEST), "cluster cannot be used", "cluster cannot be used"),
        (_dark(EAST), "", "Without --planned: `/failover us-west-2`"),
        # A planned move to a Region that was left is a failback, which takes back what keeps it closed.
        # An unplanned one opens it again by its plan: the other Region may be the one that fails now.
        (_fence_west, "", ""),
        (_stop_west, "", ""),
        # An unplanned move waits for whatever is under way, wherever it goes.
        (_move(WEST), "", "being moved already"),
        (_move(EAST), "", "being moved already"),
        # An unplanned move loses what lags, a planned one waits for it.
        (_lag(301), "lags 5 min 1 s", ""),
        (_lag(None), "how much would be lost", ""),
        (_lag(300), "", ""),
        (_undeployed, "", "payment-service is critical"),
        (_short, "", "InstanceLimitExceeded"),
        (_metrics_down, "", ""),
    ],
)
def test_what_blocks_a_move(trouble: Callable[[MemoryWorld], None], unplanned: str, planned: str) -> None:
    """Each trouble by itself, for both kinds of move; an empty text is no blocker."""
    for is_planned, expected in ((False, unplanned), (True, planned)):
        world = MemoryWorld()
        trouble(world)
        blockers = " ".join(judged(world, planned=is_planned).blockers)
        assert expected in blockers
        assert bool(blockers) is bool(expected)


def test_a_version_that_differs_in_the_minor_blocks() -> None:
    """Aurora promotes only the same major and minor; a patch may differ."""

    class Older(MemoryWorld):
        version = "16.4"

        def cluster(self, region: str, cluster: str) -> ClusterState:
            found = super().cluster(region, cluster)
            return replace(found, engine_version=self.version) if cluster == "fintech-ledger-usw2" else found

    world = Older()
    assert "ledger runs 16.4 in us-west-2" in judged(world).blockers[0]
    world.version = "16.6.1"
    assert judged(world).blockers == ()


def test_a_headless_secondary_blocks() -> None:
    """A cluster without an instance would answer nobody after its promotion."""

    class Headless(MemoryWorld):
        def cluster(self, region: str, cluster: str) -> ClusterState:
            return replace(
                super().cluster(region, cluster), instances=() if region == WEST else ("available",)
            )

    assert any("no instance" in blocker for blocker in judged(Headless()).blockers)


def test_a_database_without_a_cluster_in_the_target_blocks() -> None:
    """There is nothing to promote; a planned move needs it in the global database too."""
    world = Detached()
    assert "payments has no cluster in us-west-2." in judged(world, planned=True).blockers
    world.status["fintech-payments-usw2"] = "creating"
    assert judged(world).blockers == ("payments has no cluster in us-west-2.",)


def test_a_database_that_was_detached_by_hand_counts_as_promoted() -> None:
    """It stands alone in the target: an unplanned move goes on with it, and says so."""
    found = judged(Detached())
    assert found.blockers == ()
    assert any("payments was detached" in w for w in found.warnings)


def test_the_order_follows_from_who_answers() -> None:
    """A Region that cannot be fenced is left by its customers first, and so is an empty one."""
    dark = judged(MemoryWorld(dark={EAST}))
    assert dark.order == "dark"
    assert "cannot be fenced for sure (without an answer: its AWS API, its cluster" in dark.order_why
    assert "is quiet as far as is measured" in dark.order_why
    empty = MemoryWorld()
    empty.stops.add(("fintech-stop-us-west-2", f"STOP-{EAST}"))
    assert judged(empty).order == "dark"


def measure(world: MemoryWorld, permille: int | None, quiet: float | None) -> None:
    """The share of us-east-1, and for how many seconds it was quiet; None = not measured."""
    metrics, now = world.estate.metrics, world.clock.now()
    share = () if permille is None else ((EAST, permille), (WEST, 1000 - permille))
    world.figures[metrics.share or ""] = tuple(Sample({"region": r}, v, now) for r, v in share)
    quiet_for = () if quiet is None else (Sample({"region": EAST}, now - quiet, now),)
    world.figures[metrics.last_write or ""] = quiet_for


@pytest.mark.parametrize(
    ("permille", "quiet", "order"),
    [
        (430, 2.0, "partitioned"),
        (0, 20.0, "partitioned"),
        (0, 20.1, "dark"),
        # Requests that lead to no payment say nothing about payments.
        (430, 21.0, "dark"),
        (11, None, "partitioned"),
        (10, None, "dark"),
        # Not known is maybe.
        (None, None, "partitioned"),
        (None, 600.0, "dark"),
    ],
)
def test_a_silent_region_that_may_still_take_payments_is_partitioned(
    permille: int | None, quiet: float | None, order: str
) -> None:
    """Unreachable is not dead: what its customers are seen to do tells the one from the other."""
    world = MemoryWorld(dark={EAST})
    measure(world, permille, quiet)
    found = judged(world)
    assert found.order == order
    assert found.blockers == ()
    assert any("must be reconciled by hand" in loss for loss in found.losses) is (order == "partitioned")


def test_a_partition_is_told_before_anyone_approves() -> None:
    """What still goes there, what that costs, and what comes first."""
    world = MemoryWorld(partitioned={EAST})
    measure(world, 430, 2.0)
    why = judged(world).order_why
    assert "may still take payments (43 % of requests still go there" in why
    assert "the last payment was accepted 2 s ago" in why
    assert "What is paid there from now on is lost or must be reconciled by hand." in why
    assert "Customers are sent away first" in why
    measure(world, None, None)
    assert "neither its share of requests nor its last payment is measured" in judged(world).order_why


@pytest.mark.parametrize("half", ["workloads", "fenced"])
def test_half_a_region_counts_as_none(half: str) -> None:
    """AWS without the cluster, or a cluster without its network: no fence that could be made sure of."""
    world = MemoryWorld()
    seen = survey(world.ports(), world.estate)
    gaps: dict[str, dict[str, object]] = {
        "workloads": {"cluster": False, "workloads": None},
        "fenced": {"fenced": None},
    }
    regions = {**seen.regions, EAST: replace(seen.regions[EAST], **gaps[half])}  # type: ignore[arg-type]
    order, why = order_of(world.estate, replace(seen, regions=regions), Request(WEST))
    assert order == "partitioned"
    assert "cannot be fenced for sure" in why


def test_a_move_of_someone_else_s_is_told_and_waited_for() -> None:
    """Wherever it goes it will be at rest one day; a planned move does not begin beside it."""
    world = MemoryWorld()
    _move(EAST)(world)
    assert any("payments is being moved by someone else" in w for w in judged(world).warnings)


def test_a_writer_elsewhere_is_promoted_away_and_that_is_told() -> None:
    """Planned from as found."""

    class Third(MemoryWorld):
        def global_database(self, region: str, identifier: str) -> GlobalDatabase:
            found = super().global_database(region, identifier)
            members = tuple(replace(m, writer=False) for m in found.members)
            third = Member("arn:aws:rds:eu-west-1:1:cluster:x", "eu-west-1", "x", writer=True)
            return replace(found, members=(*members, third))

    found = judged(Third())
    assert found.blockers == ()
    assert any("payments is written in eu-west-1" in w and "promoted from there" in w for w in found.warnings)
    assert any("payments is written in eu-west-1" in b for b in judged(Third(), planned=True).blockers)


def test_a_target_without_room_says_that_the_fence_waits_for_it() -> None:
    """Only where it does: customers who leave first wait for no node."""
    world = MemoryWorld()
    _short(world)
    told = "is not fenced before its nodes are there"
    assert any("InstanceLimitExceeded" in w and told in w for w in judged(world).warnings)
    world.dark.add(EAST)
    assert any("InstanceLimitExceeded" in w and told not in w for w in judged(world).warnings)


def test_growing_lag_of_a_silent_writer_warns_and_does_not_block() -> None:
    """The reading grows a second a second once the writer is silent: it is not what would be lost."""
    world = MemoryWorld(dark={EAST})
    world.lag["ledger"] = 900.0
    found = judged(world)
    assert found.blockers == ()
    assert any("ledger lags 15 min" in warning for warning in found.warnings)


def test_losses_are_told_per_database_that_still_moves() -> None:
    """What people approve names each writer, its lag, and leaves out those that are there."""
    world = MemoryWorld()
    world.writer["reporting"] = WEST
    found = judged(world)
    assert found.losses == (
        "payments: may lose 0.3 s of writes (lag now).",
        "ledger: may lose 0.3 s of writes (lag now).",
    )
    assert "reporting is already written in us-west-2." in found.warnings


def test_a_cluster_that_was_left_behind_is_no_writer_that_moved() -> None:
    """Its own word is not enough: what the other Region wrote since is told as lost, whatever the lag says."""
    world = parted()
    found = judged(world, EAST)
    assert found.blockers == ()
    assert not found.already
    assert found.losses == tuple(
        f"{name}: unknown: {WEST} is not seen to follow {EAST}, and what {WEST} wrote since it was detached is "
        f"not in {EAST}."
        for name in world.estate.databases
    )
    for name in world.estate.databases:
        told = f"{name} is written in {EAST}, but {WEST} is not seen to follow it"
        assert any(w.startswith(told) for w in found.warnings)
    assert any("already" in w for w in judged(left(), WEST).blockers)


def test_a_dark_writer_that_the_target_sees_following_has_moved() -> None:
    """It is the same global database: the target's view is enough, and nothing is lost a second time."""
    world = led_west()
    assert judged(world).losses == ()


def led_west() -> MemoryWorld:
    """Every writer is in us-west-2 and every name leads there; what runs once is still off."""
    world = MemoryWorld(dark={EAST})
    world.writer = dict.fromkeys(world.writer, WEST)
    world.stops.add(("fintech-stop-us-west-2", f"STOP-{EAST}"))
    return world


def _activate(world: MemoryWorld) -> None:
    for name, service in world.estate.services.items():
        if service.kind != "service":
            world.scale(WEST, service.namespace, name, 1)


def test_what_an_aborted_run_left_undone_can_be_finished() -> None:
    """Written and sent to is not served: sick services and jobs that are off are what is left."""
    world = led_west()
    found = judged(world)
    assert not found.already
    assert found.blockers == ()
    assert any("what is left is done: off: " in w for w in found.warnings)
    _activate(world)
    assert judged(world).watch
    world._change(WEST, "production", "payment-service", ready=0)
    found = judged(world)
    assert found.blockers == ()
    assert any("not serving: payment-service" in w for w in found.warnings)


def test_a_region_that_was_left_and_is_not_seen_fenced_is_watched() -> None:
    """Nothing else is planned: not what serves, not customers; and nothing that a rollback would open."""
    world = led_west()
    _activate(world)
    seen = survey(world.ports(), world.estate)
    plan = failover(world.estate, seen, Request(WEST), peaks={}, durations={})
    assert [(step.id, step.undo) for step in plan.steps] == [
        (f"sync/hold/{EAST}", None),
        ("fence/standing", None),
    ]
    assert plan.title == f"Keep watch on {EAST} until it is fenced"
    assert judged(world).losses == ()
    assert any("is not seen fenced: it is watched" in w for w in judged(world).warnings)
    world.dark.clear()
    again = failover(
        world.estate, survey(world.ports(), world.estate), Request(WEST), peaks={}, durations={}, like=plan
    )
    assert again.digest == plan.digest
    world.denied[EAST] = True
    assert judged(world).watch
    for name, service in world.estate.services.items():
        if service.writes or service.kind != "service":
            world.scale(EAST, service.namespace, name, 0)
    assert judged(world).already
    world.denied[EAST] = False
    assert judged(world).watch


def test_a_silent_region_that_was_not_stopped_is_stopped_and_watched() -> None:
    """Weights alone keep customers away from it: they are sent away for good first."""
    world = led_west()
    _activate(world)
    world.stops.clear()
    world.weights = {name: {EAST: 0, WEST: 100} for name in world.weights}
    seen = survey(world.ports(), world.estate)
    plan = failover(world.estate, seen, Request(WEST), peaks={}, durations={})
    assert [step.id for step in plan.steps][:2] == ["traffic/stop", "traffic/answers"]
    world.dark.clear()
    assert judged(world).already
    assert judged(world, planned=True).already


@pytest.mark.parametrize(
    ("region", "name", "told"),
    [
        (EAST, "internal/batch-settlement", "Not deployed in us-east-1"),
        (EAST, "production/payment-service", "Not deployed in us-east-1"),
        (WEST, "internal/batch-settlement", "Not deployed in us-west-2"),
    ],
)
def test_what_the_estate_names_and_no_cluster_has_is_told(region: str, name: str, told: str) -> None:
    """A planned move is refused until they agree; an unplanned one is warned."""
    world = MemoryWorld()
    del world.pods[region, name]
    assert any(told in blocker for blocker in judged(world, planned=True).blockers)
    found = judged(world)
    assert found.blockers == ()
    assert any(told in warning for warning in found.warnings)


def test_a_stop_object_of_the_target_is_named_or_feared() -> None:
    """Seen, the plan removes it and says so; unseen the warning says what it would do."""
    world = MemoryWorld()
    _stop_west(world)
    assert any("its STOP is removed before the other one's is set" in w for w in judged(world).warnings)
    warnings = judged(MemoryWorld(dark={EAST})).warnings
    assert any("DNS would answer both; nothing is promoted then" in w for w in warnings)


@pytest.mark.parametrize(
    ("left", "told"), [(_fence_west, "subnets are cut off"), (_stop_west, "stopped for DNS")]
)
def test_a_planned_move_to_a_region_that_was_left_is_a_failback(
    left: Callable[[MemoryWorld], None], told: str
) -> None:
    """It is told in words, and it is no failback while nothing of the failover is left."""
    world = MemoryWorld()
    assert not returning(survey(world.ports(), world.estate), WEST)
    assert not any("failback" in warning for warning in judged(world, planned=True).warnings)
    left(world)
    assert returning(survey(world.ports(), world.estate), WEST)
    found = judged(world, planned=True)
    assert any(w.startswith("This is a failback: ") and told in w for w in found.warnings)
    assert not any("failback" in warning for warning in judged(world).warnings)


@pytest.mark.parametrize("dark", [set(), {EAST}])
def test_a_region_that_was_left_is_opened_by_the_failover_that_needs_it(dark: set[str]) -> None:
    """People read that it was left and what is opened; the plan opens it before anything looks for a database."""
    world = MemoryWorld(dark=dark)
    _fence_west(world)
    assert any(
        "was left by an earlier failover: its database subnets are opened" in w
        for w in judged(world).warnings
    )
    seen = survey(world.ports(), world.estate)
    plan = failover(world.estate, seen, Request(WEST), peaks={}, durations={})
    assert "guard" in plan.step("fence/open").needs
    assert {"services/payments", "write/payments"} <= {s.id for s in plan.steps if "fence/open" in s.needs}


def test_of_two_stopped_regions_the_target_is_let_in_first() -> None:
    """Never both: its own STOP is gone before the old Region's is set."""
    world = MemoryWorld()
    _stop_west(world)
    seen = survey(world.ports(), world.estate)
    for first in (False, True):
        request = Request(WEST, traffic_first=first)
        plan = failover(world.estate, seen, request, peaks={}, durations={})
        assert "traffic/unstop" in plan.step("traffic/stop").needs


def test_lag_of_a_writer_that_is_left_first_and_still_answers_is_told_as_loss() -> None:
    """Asked for with --traffic-first the reading is no silence: that much is lost."""
    world = MemoryWorld()
    world.lag["ledger"] = 900.0
    seen = survey(world.ports(), world.estate)
    found = preflight(world.estate, seen, Request(WEST, traffic_first=True))
    assert found.order == "dark"
    assert found.blockers == ()
    assert any("ledger lags 15 min" in w and "that much is lost" in w for w in found.warnings)
    assert "ledger: may lose 900.0 s of writes (lag now)." in found.losses
