"""Every step that plans and their ways back name, each with the world as it is when its turn comes."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import cache
from typing import Any

from house import EAST, WEST, Outside
from left_region import left
from memory_world import MemoryWorld
from visits import look, settle

from bot.actions import guard
from bot.actions.kinds import KINDS
from bot.engine.judge import Attempts, Next, after, after_standing
from bot.estate import Routing
from bot.facts.survey import survey
from bot.plan import Plan, Step
from bot.verdict import Kind
from runbooks.failover import failover
from runbooks.request import Request

WAYS = {"dark": (True, False), "limping": (False, False), "planned": (False, True), "failback": (False, True)}


def planned_from(world: MemoryWorld, *, planned: bool = False, to: str = WEST) -> Plan:
    """The plan that a fresh look gives."""
    seen = survey(world.ports(), world.estate)
    lost = ["c0ffee: payments 0.4 s"] if to == EAST else []
    request = Request(to, planned, "a test")
    return failover(world.estate, seen, request, peaks={}, durations={}, unreconciled=lost)


@cache
def plan_of(way: str) -> Plan:
    """The plan of a way of failing over, from the case's estate at rest, or as a failover left it."""
    return planned_from(_begun(way), planned=WAYS[way][1], to=EAST if way == "failback" else WEST)


def _begun(way: str) -> MemoryWorld:
    if way == "failback":
        return left()
    return MemoryWorld(dark={EAST} if WAYS[way][0] else set())


def plan_with_controls() -> Plan:
    """The plan of a dark Region where customers are moved by ARC's routing controls."""
    world = MemoryWorld(dark={EAST})
    controls = {region: f"arn:of:{region}" for region in (EAST, WEST)}
    routing = Routing(endpoints={WEST: "https://endpoint"}, controls=controls)
    dns = world.estate.dns.model_copy(update={"routing": routing})
    world.estate = world.estate.model_copy(update={"dns": dns})
    return planned_from(world)


@cache
def _worlds(way: str) -> dict[str, MemoryWorld]:
    """The world before each step, from one play."""
    guard._since.clear()
    world = _begun(way)
    found = {}
    for step in plan_of(way).steps:
        found[step.id] = _copied(world)
        settle(world.ports(), step.do, step.args, step=step.id)
    return found


def _copied(world: MemoryWorld) -> MemoryWorld:
    return copy.deepcopy(world, {id(world.estate): world.estate})


def world_before(way: str, step: str) -> MemoryWorld:
    """The world when this step's turn comes."""
    guard._since.clear()
    return _copied(_worlds(way)[step])


def _acting() -> list[tuple[str, str]]:
    return [(w, s.id) for w in WAYS for s in plan_of(w).steps if KINDS[s.do].apply is not None]


ACTING = _acting()
"""(way, step) of every step that changes something."""

ALL = [(w, s.id) for w in WAYS for s in plan_of(w).steps]


@dataclass
class Lone:
    """One step visited as the engine does it, without rows."""

    outside: Outside
    step: Step
    applied: int = 0

    def verdict(self) -> Any:
        """One look."""
        return look(self.outside.ports(), self.step.do, self.step.args, step=self.step.id)

    @property
    def in_vain(self) -> Next:
        """How it ends when it never gets done: a standing step asks at most, and goes on."""
        if not self.step.standing:
            return Next.GIVE_UP
        return Next.ASK if self.step.on_fail == "hold" else Next.WAIT

    def visit(self, seconds: float = 1200) -> Next:
        """Look, and do what follows, until it is done, given up or asked about."""
        from visits import apply

        from bot.errors import OutsideError

        clock, action = self.outside.world.clock, KINDS[self.step.do]
        started, at = clock.now(), None
        while clock.now() - started < seconds:
            had = Attempts(started, self.applied, at)
            if self.step.standing:
                then = after_standing(self.verdict(), action, had, clock.now())
            else:
                then, _ = after(self.verdict(), action, had, clock.now())
            if then in (Next.DONE, Next.GIVE_UP) or (then == Next.ASK and self.step.on_fail == "hold"):
                return then
            if then == Next.ACT:
                self.applied, at = self.applied + 1, clock.now()
                try:
                    apply(self.outside.ports(), self.step.do, self.step.args, step=self.step.id)
                except OutsideError:
                    pass  # the next look tells
            clock.at += action.poll
        return Next.WAIT


def lone(way: str, step: str) -> Lone:
    """The step of this way, its turn come."""
    return Lone(Outside(world_before(way, step)), plan_of(way).step(step))


def back_of(way: str) -> tuple[MemoryWorld, Plan]:
    """The world just before the guard, and the plan back from there."""
    world, plan = world_before(way, "guard"), plan_of(way)
    done = [s.id for s in plan.steps]
    return world, plan.back(done[: done.index("guard")])


def state(world: MemoryWorld) -> dict[str, Any]:
    """Everything about the world that counts."""
    names = ("writer", "denied", "groups", "stops", "weights", "windows", "jobs", "payments", "pods")
    found = copy.deepcopy({name: getattr(world, name) for name in names})
    # What a Job said holds the time of day.
    found["jobs"] = {key: job.state for key, job in found["jobs"].items()}
    return found


__all__ = [
    "ACTING",
    "ALL",
    "Kind",
    "Lone",
    "back_of",
    "lone",
    "plan_of",
    "plan_with_controls",
    "planned_from",
    "state",
    "world_before",
]
