"""ARC routing controls, where the estate has them: both Regions' in one call, which a safety rule may refuse."""

from __future__ import annotations

from bot.action import Action, Args, Seen
from bot.ports import Ports
from bot.verdict import Verdict, failed, passed, unknown


def _observe(ports: Ports, args: Args) -> Seen:
    controls: dict[str, str] = args["controls"]
    states = ports.routing.states(args["endpoints"], list(controls.values()))
    return {"on": {region: states[control] for region, control in controls.items()}}


def _judge(args: Args, seen: Seen) -> Verdict:
    found, wanted = seen["on"], args["wanted"]
    if all(found[region] == on for region, on in wanted.items()):
        return passed(f"routing controls: {_told(found)}", on=found)
    if not any((found | wanted).values()):
        return unknown(
            f"routing controls: {_told(found)}; with both off, Route 53 would answer both Regions", on=found
        )
    return failed(f"routing controls: {_told(found)}", on=found)


def _flip(ports: Ports, args: Args) -> None:
    states = {args["controls"][region]: on for region, on in args["wanted"].items()}
    ports.routing.flip(args["endpoints"], states)


def _describe(args: Args) -> str:
    names, wanted = ", ".join(args["names"]), args["wanted"]
    off = [region for region, on in wanted.items() if not on]
    if off:
        return f"Send customers of {names} away from {', '.join(off)} (routing controls: {_told(wanted)}, at once)"
    return f"Let customers of {names} into {', '.join(wanted)} again (routing controls: {_told(wanted)})"


def _told(states: dict[str, bool]) -> str:
    return " · ".join(f"{region} {'on' if on else 'off'}" for region, on in sorted(states.items()))


# Two of five endpoints may be away, and an attempt may meet both: more tries than usual.
CONTROL = Action(
    kind="traffic.control@1",
    observe=_observe,
    judge=_judge,
    describe=_describe,
    apply=_flip,
    timeout=120,
    tries=5,
    grace=5,
)
