"""Routing controls in memory: both at once, never both off, and what a plan makes of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from memory_world import EAST, WEST, MemoryWorld, case_estate
from visits import look, settle

from bot.actions.kinds import KINDS
from bot.errors import Conflict
from bot.estate import Estate, Routing
from bot.facts.survey import survey
from bot.plan import Plan
from bot.verdict import Kind
from runbooks.failover import failover
from runbooks.request import Request

CONTROLS = {EAST: "arn:x/east", WEST: "arn:x/west"}
LEAVE = {
    "names": ["api.fintech.example"],
    "endpoints": {"eu-west-1": "https://a.example"},
    "controls": CONTROLS,
    "wanted": {EAST: False, WEST: True},
}


def with_controls() -> Estate:
    """The case's estate, with routing controls."""
    estate = case_estate()
    routing = Routing(endpoints={"eu-west-1": "https://a.example"}, controls=CONTROLS)
    return estate.model_copy(update={"dns": estate.dns.model_copy(update={"routing": routing})})


def planned(world: MemoryWorld) -> Plan:
    """An unplanned failover to us-west-2."""
    seen = survey(world.ports(), world.estate)
    return failover(world.estate, seen, Request(WEST, planned=False, reason="a test"), peaks={}, durations={})


@pytest.mark.parametrize("west", [True, False])
def test_both_controls_are_set_in_one_call(*, west: bool) -> None:
    """Whatever the target's control was, it is on in the same call that turns the other off."""
    world = MemoryWorld(dark={EAST}, estate=with_controls())
    world.controls = {CONTROLS[EAST]: True, CONTROLS[WEST]: west}

    assert settle(world.ports(), "traffic.control@1", LEAVE).kind == Kind.PASS
    assert world.calls == ["flip east=False west=True"]


def test_a_second_look_flips_nothing() -> None:
    """What is as it should be is left."""
    world = MemoryWorld(estate=with_controls())
    settle(world.ports(), "traffic.control@1", LEAVE)
    settle(world.ports(), "traffic.control@1", LEAVE)

    assert len(world.calls) == 1


def test_controls_that_cannot_be_seen_are_unknown() -> None:
    """No endpoint, no verdict: neither done nor to be done."""
    world = MemoryWorld(estate=with_controls())

    assert look(world.ports(), "traffic.control@1", {**LEAVE, "endpoints": {}}).kind == Kind.UNKNOWN
    assert settle(world.ports(), "traffic.control@1", {**LEAVE, "endpoints": {}}).kind == Kind.UNKNOWN
    assert not world.calls


def test_the_last_control_is_never_turned_off() -> None:
    """With both off Route 53 answers both."""
    world = MemoryWorld(estate=with_controls())
    world.controls = {CONTROLS[EAST]: False, CONTROLS[WEST]: True}
    verdict = settle(world.ports(), "traffic.control@1", {**LEAVE, "wanted": {WEST: False}})

    assert verdict.kind == Kind.UNKNOWN
    assert "both" in verdict.why
    assert not world.calls


def test_a_safety_rules_no_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal reaches whoever acts, in words."""
    world = MemoryWorld(estate=with_controls())

    def refuse(endpoints: Any, states: Any) -> None:
        raise Conflict("A safety rule of the routing controls refuses.", not_done="No control was turned.")

    monkeypatch.setattr(world, "flip", refuse)
    with pytest.raises(Conflict, match="No control was turned"):
        settle(world.ports(), "traffic.control@1", LEAVE)


def test_a_failover_moves_customers_by_controls() -> None:
    """The step keeps its place and name; its undo turns the old Region's control on again."""
    world = MemoryWorld(dark={EAST}, estate=with_controls())
    step = planned(world).step("traffic/stop")
    assert (step.do, step.args["wanted"]) == ("traffic.control@1", {EAST: False, WEST: True})
    assert not any(s.do in ("traffic.stop@1", "traffic.unstop@1") for s in planned(world).steps)
    assert settle(world.ports(), step.do, step.args).kind == Kind.PASS
    assert world.is_stopped(EAST)

    assert step.undo is not None
    assert settle(world.ports(), step.undo.do, step.undo.args).kind == Kind.PASS
    assert world.controls == {CONTROLS[EAST]: True, CONTROLS[WEST]: True}


@pytest.mark.parametrize(
    ("east", "west", "after"),
    [
        (True, True, (True, True)),
        (True, False, (True, False)),
        (False, True, (False, True)),
        # Both off is answered as both on, and is never set.
        (False, False, (True, True)),
    ],
)
def test_a_rollback_leaves_both_controls_as_they_were(
    *, east: bool, west: bool, after: tuple[bool, bool]
) -> None:
    """A target that was off is off again: otherwise weights would send everybody to the Region that was left."""
    world = MemoryWorld(dark={EAST}, estate=with_controls())
    world.controls = {CONTROLS[EAST]: east, CONTROLS[WEST]: west}
    step = planned(world).step("traffic/stop")
    assert settle(world.ports(), step.do, step.args).kind == Kind.PASS
    assert world.controls == {CONTROLS[EAST]: False, CONTROLS[WEST]: True}

    assert step.undo is not None
    assert settle(world.ports(), step.undo.do, step.undo.args).kind == Kind.PASS
    assert tuple(world.controls[CONTROLS[region]] for region in (EAST, WEST)) == after


def test_controls_that_could_not_be_read_are_gone_back_from_by_what_is_known() -> None:
    """The target's is left as it is, the old Region's is on."""
    world = MemoryWorld(dark={EAST}, estate=with_controls())
    seen = survey(replace(world.ports(), routing=_Gone()), world.estate)
    plan = failover(world.estate, seen, Request(WEST, planned=False), peaks={}, durations={})
    undo = plan.step("traffic/stop").undo
    assert undo is not None
    assert undo.args["wanted"] == {EAST: True}


def test_the_line_that_is_approved_names_the_controls() -> None:
    """Who approves reads which control goes which way."""
    describe = KINDS["traffic.control@1"].describe

    assert describe(LEAVE) == (
        "Send customers of api.fintech.example away from us-east-1 "
        "(routing controls: us-east-1 off · us-west-2 on, at once)"
    )
    assert describe({**LEAVE, "wanted": {EAST: True}}) == (
        "Let customers of api.fintech.example into us-east-1 again (routing controls: us-east-1 on)"
    )


def test_a_survey_reads_controls_instead_of_stop_objects() -> None:
    """Off is stopped; a dark Region hides nothing; without an endpoint it is unknown."""
    world = MemoryWorld(dark={EAST}, estate=with_controls())
    world.controls = {CONTROLS[EAST]: False}
    world.stops.add(("fintech-stop-us-east-1", f"STOP-{WEST}"))
    seen = survey(world.ports(), world.estate)
    assert (seen.regions[EAST].stopped, seen.regions[WEST].stopped) == (True, False)

    ports = world.ports()
    gone = replace(ports, routing=_Gone())
    seen = survey(gone, world.estate)
    assert (seen.regions[EAST].stopped, seen.regions[WEST].stopped) == (None, None)


class _Gone:
    """Endpoints that are all away."""

    def states(self, endpoints: Any, controls: Any) -> dict[str, bool]:
        return MemoryWorld().states({}, controls)

    def flip(self, endpoints: Any, states: Any) -> None:
        MemoryWorld().flip({}, states)
