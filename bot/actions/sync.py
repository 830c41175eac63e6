"""Hold Argo CD: a deny window of our own, so that selfHeal does not undo what a run does.

`spec.syncWindows` of an AppProject is the supported brake (Argo CD's `sync_windows.md`); its items have no
name, so ours is known by its description. Other people's windows stay as they are.

Released too soon, Argo CD puts back what Git still says of the Region's former part: a release after a move
waits for a bounded time, and else leaves the window to the people who change Git.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bot.action import Action, Args, Seen
from bot.actions import inventory
from bot.ports import Ports
from bot.verdict import Verdict, failed, passed, waiting

OURS = "signalbox: a run is under way"
"""What a window is called that a run of Signalbox put there."""
_WINDOW: dict[str, Any] = {
    "kind": "deny",
    "schedule": "* * * * *",
    "duration": "24h",
    "applications": ["*"],
    "manualSync": True,
    "description": OURS,
}


def ours(window: Mapping[str, Any]) -> bool:
    """Whether a run of Signalbox put this window there."""
    return window.get("description") == OURS


def quiet(windows: Sequence[Mapping[str, Any]] | None) -> bool:
    """Whether Argo CD starts nothing by itself there: we hold it, or there is none (`windows` is None)."""
    return windows is None or any(ours(w) for w in windows)


def _observe(ports: Ports, args: Args) -> Seen:
    windows = ports.clusters.sync_windows(args["region"])
    if windows is None:
        return {"absent": True, "held": False, "others": 0, "apart": []}
    held = any(ours(w) for w in windows)
    # A release that asks nothing of Git is the way back: there Git still says what is wanted.
    asked = held and args.get("agreed", False)
    apart = ports.clusters.out_of_sync(args["region"]) if asked else ()
    return {"absent": False, "held": held, "others": sum(not ours(w) for w in windows), "apart": list(apart)}


def _judge_hold(args: Args, seen: Seen) -> Verdict:
    if seen["absent"]:
        return passed(f"There is no Argo CD in {args['region']} to hold")
    if seen["held"]:
        return passed(f"Argo CD leaves {args['region']} alone")
    return failed(f"Argo CD may still sync in {args['region']}")


def _judge_release(args: Args, seen: Seen) -> Verdict:
    if seen["absent"]:
        return passed(f"There is no Argo CD in {args['region']} to release")
    if seen["held"] and seen["apart"]:
        behind = f"{inventory.count(len(seen['apart']), 'application')} out of sync"
        why = f"Git does not yet say what runs there ({behind})"
        return waiting(f"Argo CD stays held in {args['region']}: {why}", out_of_sync=seen["apart"])
    if seen["held"]:
        return failed(f"Argo CD is still held in {args['region']}")
    return passed(f"Argo CD may sync in {args['region']} again")


def _hold(ports: Ports, args: Args) -> None:
    windows = ports.clusters.sync_windows(args["region"])
    if windows is not None and not quiet(windows):
        ports.clusters.set_sync_windows(args["region"], [*windows, _WINDOW])


def _release(ports: Ports, args: Args) -> None:
    windows = ports.clusters.sync_windows(args["region"]) or ()
    kept = [w for w in windows if not ours(w)]
    if len(kept) < len(windows):
        ports.clusters.set_sync_windows(args["region"], kept)


def _describe_hold(args: Args) -> str:
    return f"Keep Argo CD from undoing changes in {args['region']}"


def _describe_release(args: Args) -> str:
    when = " once Git says what runs there" if args.get("agreed", False) else ""
    return f"Let Argo CD sync in {args['region']} again{when}"


HOLD = Action(
    kind="sync.hold@1",
    observe=_observe,
    judge=_judge_hold,
    describe=_describe_hold,
    apply=_hold,
    timeout=60,
    tries=2,
)
RELEASE = Action(
    kind="sync.release@1",
    observe=_observe,
    judge=_judge_release,
    describe=_describe_release,
    apply=_release,
    timeout=60,
    tries=2,
)
