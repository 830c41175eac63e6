"""Our client of ARC's data plane on the stand-in: endpoints that are away, rules that refuse, throttles."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from world_outside import ACT, EAST, WEST, Outside, becomes, outside

from bot.act import acting
from bot.errors import Conflict, Rejected, Throttled, TrailError, Unreachable
from bot.sandbox.aws.routing import ENDPOINT_REGIONS
from bot.world.routing import AwsRouting

ASKED = "GetRoutingControlState"
FLIPPED = "UpdateRoutingControlStates"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Outside]:
    with outside(tmp_path, arc=True) as found:
        yield found


def states(world: Outside) -> dict[str, bool]:
    """On or off by Region, as our client reads it."""
    routing = world.ids["routing"]
    found = world.ports.routing.states(routing["endpoints"], list(routing["controls"].values()))
    return {region: found[control] for region, control in routing["controls"].items()}


def flip(world: Outside, wanted: dict[str, bool]) -> None:
    routing = world.ids["routing"]
    with acting(ACT):
        world.ports.routing.flip(
            routing["endpoints"], {routing["controls"][region]: on for region, on in wanted.items()}
        )


def darken(world: Outside, regions: tuple[str, ...] | list[str]) -> None:
    for region in regions:
        world.faults.add("region-dark", region=region)


def test_both_controls_turn_in_one_call(world: Outside) -> None:
    """One call, one intent, and the trail says what was turned."""
    assert states(world) == {EAST: True, WEST: True}
    flip(world, {EAST: False, WEST: True})

    assert states(world) == {EAST: False, WEST: True}
    (intent,) = world.register.intents
    assert intent["operation"] == FLIPPED
    entries = intent["params"]["UpdateRoutingControlStateEntries"]
    assert sorted(entry["RoutingControlState"] for entry in entries) == ["Off", "On"]
    assert [o["ok"] for o in world.register.outcomes] == [True]
    assert world.register.outcomes[0]["request_id"]


def test_calls_start_anywhere(world: Outside) -> None:
    """No endpoint is everybody's first."""
    for _ in range(20):
        states(world)

    used = Counter(call["region"] for call in world.asked(ASKED))
    assert len(used) >= 3
    assert set(used) <= set(ENDPOINT_REGIONS)


@pytest.mark.parametrize("away", [1, 2, 4])
def test_a_read_needs_one_endpoint(world: Outside, away: int) -> None:
    """With four of five away the fifth is found within a dark Region's bound, none being asked twice."""
    darken(world, ENDPOINT_REGIONS[:away])
    began = time.monotonic()
    assert states(world) == {EAST: True, WEST: True}

    assert time.monotonic() - began < 6
    asked = Counter(call["region"] for call in world.asked(ASKED) if call["outcome"] == "unreachable")
    assert all(count == 1 for count in asked.values())


def test_a_read_without_any_endpoint_is_unreachable_in_time(world: Outside) -> None:
    """All five away: unknown, within the bound of a survey."""
    darken(world, ENDPOINT_REGIONS)
    began = time.monotonic()
    with pytest.raises(Unreachable, match="None of 5 endpoints"):
        states(world)

    assert time.monotonic() - began < 8


def test_a_flip_goes_on_to_the_next_endpoint(world: Outside) -> None:
    """With four away a flip comes through in a few tries, each attempt having its own intent."""
    darken(world, ENDPOINT_REGIONS[:4])
    for _ in range(5):
        began = time.monotonic()
        with suppress(Unreachable):
            flip(world, {EAST: False, WEST: True})
            break
        assert time.monotonic() - began < 9

    assert states(world) == {EAST: False, WEST: True}
    # What gave no answer is asked last, so nobody is asked twice before everybody was asked once.
    calls = [call["region"] for call in world.asked(FLIPPED)]
    assert len(calls) == len(set(calls)) == len(world.register.intents)
    assert [o["ok"] for o in world.register.outcomes] == [None] * (len(calls) - 1) + [True]


def test_a_flip_that_reaches_nobody_is_unknown_in_time(world: Outside) -> None:
    """A flip is over within the time of any change, and nobody pretends to know."""
    darken(world, ENDPOINT_REGIONS)
    began = time.monotonic()
    with pytest.raises(Unreachable, match="not known"):
        flip(world, {EAST: False, WEST: True})

    assert time.monotonic() - began < 9
    assert {o["ok"] for o in world.register.outcomes} == {None}


def test_the_safety_rule_is_told(world: Outside) -> None:
    """A refusal by a rule is a conflict that names it, and nothing is tried elsewhere."""
    with pytest.raises(Conflict, match="safety rule") as caught:
        flip(world, {EAST: False, WEST: False})

    assert "No control was turned." in str(caught.value)
    assert len(world.asked(FLIPPED)) == 1
    assert states(world) == {EAST: True, WEST: True}


def test_a_throttled_endpoint_is_left_for_the_next(world: Outside) -> None:
    """A throttle is the endpoint's own: another one may take the flip."""
    world.faults.add("aws-throttle", service="route53-recovery-cluster", operation=FLIPPED, count=2)
    flip(world, {EAST: False, WEST: True})

    assert len({call["region"] for call in world.asked(FLIPPED)}) == 3
    assert [o["ok"] for o in world.register.outcomes] == [False, False, True]
    assert states(world)[EAST] is False


def test_throttled_everywhere_changes_nothing(world: Outside) -> None:
    """All five busy: refused for now, and known not to have been done."""
    world.faults.add("aws-throttle", service="route53-recovery-cluster", operation=FLIPPED)
    with pytest.raises(Throttled):
        flip(world, {EAST: False, WEST: True})

    assert len(world.asked(FLIPPED)) == 5
    assert states(world) == {EAST: True, WEST: True}


def test_a_lost_reply_is_made_good_by_the_next_endpoint(world: Outside) -> None:
    """The same states given twice are the same states."""
    world.faults.add("aws-reply-lost", service="route53-recovery-cluster", count=1)
    flip(world, {EAST: False, WEST: True})

    assert [o["ok"] for o in world.register.outcomes] == [None, True]
    assert states(world) == {EAST: False, WEST: True}


def test_no_flip_without_an_intent(world: Outside) -> None:
    """What cannot be recorded does not leave, at no endpoint."""
    world.register.refuses = TrailError("the disk is full")
    with pytest.raises(TrailError):
        flip(world, {EAST: False, WEST: True})

    assert not world.asked(FLIPPED)


def test_an_unknown_control_is_rejected(world: Outside) -> None:
    """An answer that says no is the answer: the other endpoints would say the same."""
    # Nothing but the answer may decide: a busy machine must not look like a slow endpoint.
    patient = AwsRouting(world.ports.routing._aws, next_seconds=30)
    with pytest.raises(Rejected, match="No routing control"):
        patient.states(world.ids["routing"]["endpoints"], ["arn:none"])

    assert len(world.asked(ASKED)) == 1


def test_customers_move_while_the_old_region_and_one_more_endpoint_are_dark(world: Outside) -> None:
    """The names' health checks follow, without Route 53's control plane."""
    darken(world, [EAST, "eu-west-1"])
    check = world.ids["health_checks"]["api.fintech.example"]
    for _ in range(5):
        with suppress(Unreachable):
            flip(world, {EAST: False, WEST: True})
            break

    assert becomes(lambda: not world.aws.healthy(check[EAST]), 2)
    assert world.aws.healthy(check[WEST])
