"""Looks at actions as the engine does, without its rows."""

from __future__ import annotations

from threading import Event

from bot.act import Act, acting
from bot.action import Args
from bot.actions.kinds import KINDS
from bot.canon import canonical
from bot.errors import OutsideError
from bot.plan import Plan
from bot.ports import Ports
from bot.verdict import Kind, Verdict, unknown


def look(ports: Ports, do: str, args: Args, *, step: str = "step", run: str = "run-1") -> Verdict:
    """One observation, judged; what it shows must fit the trail."""
    with acting(Act("U0000ONCALL", run, step)):
        try:
            seen = KINDS[do].observe(ports, args)
        except OutsideError as error:
            return unknown(str(error))
        canonical(seen)
        verdict = KINDS[do].judge(args, seen)
        canonical(verdict.evidence)
        return verdict


def apply(
    ports: Ports, do: str, args: Args, *, step: str = "step", run: str = "run-1", retry: int = 0
) -> None:
    """The action's deed, once."""
    deed = KINDS[do].apply
    assert deed is not None
    with acting(Act("U0000ONCALL", run, step, attempt=retry)):
        deed(ports, args)


def settle(ports: Ports, do: str, args: Args, *, step: str = "step", run: str = "run-1") -> Verdict:
    """Look, and act as long as it is seen not done and tries are left."""
    verdict = look(ports, do, args, step=step, run=run)
    for _ in range(KINDS[do].tries):
        if verdict.kind != Kind.FAIL or KINDS[do].apply is None:
            break
        apply(ports, do, args, step=step, run=run)
        verdict = look(ports, do, args, step=step, run=run)
    return verdict


def wait(ports: Ports, do: str, args: Args, *, step: str = "step", run: str = "run-1") -> Verdict:
    """The same for as long as it is under way and its time is not over: the clock in memory is set on."""
    verdict = settle(ports, do, args, step=step, run=run)
    ends = ports.clock.now() + KINDS[do].timeout
    while verdict.kind == Kind.INCONCLUSIVE and ports.clock.now() < ends:
        ports.clock.wait(Event(), KINDS[do].poll)
        verdict = settle(ports, do, args, step=step, run=run)
    return verdict


def play(ports: Ports, plan: Plan, *, until: str | None = None) -> dict[str, Verdict]:
    """Every step in the plan's order up to one that holds, or to `until` included."""
    found: dict[str, Verdict] = {}
    for step in plan.steps:
        found[step.id] = wait(ports, step.do, step.args, step=step.id)
        held = found[step.id].kind != Kind.PASS and step.on_fail == "hold"
        if held or step.id == until:
            break
    return found
