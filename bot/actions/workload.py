"""Services onto the promoted writer, and what may run only once onto the new side."""

from __future__ import annotations

from bot import act
from bot.action import Action, Args, Seen
from bot.actions import inventory
from bot.errors import Rejected
from bot.ports import Ports
from bot.verdict import Verdict, failed, passed, unknown, waiting


def _stamp() -> str:
    """The same at every visit of this step, so that a second restart changes nothing."""
    return act.current().key("restart")


def _observe_restart(ports: Ports, args: Args) -> Seen:
    stamp = _stamp()
    found = inventory.find(ports, args["region"], [*args["critical"], *args["others"]])
    return {
        "workloads": {
            name: {"restarted": w.restarted_at == stamp, "serving": w.serving, "stuck": w.stuck}
            for name, w in found.items()
        }
    }


def _judge_restart(args: Args, seen: Seen) -> Verdict:
    found = seen["workloads"]
    if gone := [k for i in args["critical"] if (k := inventory.key(i)) not in found]:
        return unknown(f"not found in {args['region']}: {inventory.listed(gone)}")
    if old := [name for name, w in found.items() if not w["restarted"]]:
        return failed(f"still on their old connections: {inventory.listed(old)}")
    behind = [k for i in args["critical"] if not found[k := inventory.key(i)]["serving"]]
    if behind:
        stuck = found[behind[0]]["stuck"]
        return waiting(f"restarting: {inventory.listed(behind)}" + (f"; {stuck}" if stuck else ""))
    later = [
        i["name"] for i in args["others"] if (w := found.get(inventory.key(i))) is None or not w["serving"]
    ]
    note = f"; still restarting: {inventory.listed(later)}" if later else ""
    return passed(f"serving on the promoted writer{note}", behind=later)


def _restart(ports: Ports, args: Args) -> None:
    stamp = _stamp()
    workloads = inventory.find(ports, args["region"], [*args["critical"], *args["others"]])
    refusal: Rejected | None = None
    for item in [*args["critical"], *args["others"]]:
        workload = workloads.get(inventory.key(item))
        if workload is None or workload.restarted_at == stamp:
            continue
        try:
            ports.clusters.restart(args["region"], workload.namespace, workload.name, stamp)
        except Rejected as error:
            # One that refuses must not leave the others on their old connections.
            refusal = error
            refusal.then = refusal.then or f"{item['name']} was not restarted."
    if refusal is not None:
        raise refusal


def _describe_restart(args: Args) -> str:
    total = inventory.count(len(args["critical"]) + len(args["others"]), "service")
    return f"Restart {total} in {args['region']} onto {args['database']}'s promoted writer"


def _observe_activate(ports: Ports, args: Args) -> Seen:
    found = inventory.find(ports, args["region"], args["workloads"])
    return {"workloads": {name: {"wanted": w.wanted, "ready": w.ready} for name, w in found.items()}}


def _judge_activate(args: Args, seen: Seen) -> Verdict:
    found = seen["workloads"]
    if gone := [k for i in args["workloads"] if (k := inventory.key(i)) not in found]:
        return unknown(f"not found in {args['region']}: {inventory.listed(gone)}")
    off = [i["name"] for i in args["workloads"] if found[inventory.key(i)]["wanted"] < i["replicas"]]
    if off:
        return failed(f"off in {args['region']}: {inventory.listed(off)}")
    if late := [i["name"] for i in args["workloads"] if found[inventory.key(i)]["ready"] < i["replicas"]]:
        return waiting(f"starting in {args['region']}: {inventory.listed(late)}")
    return passed(f"{inventory.count(len(args['workloads']), 'workload')} on in {args['region']}")


def _activate(ports: Ports, args: Args) -> None:
    found = inventory.find(ports, args["region"], args["workloads"])
    for item in args["workloads"]:
        workload = found.get(inventory.key(item))
        if workload is not None and workload.wanted < item["replicas"]:
            ports.clusters.scale(args["region"], workload.namespace, workload.name, item["replicas"])


def _describe_activate(args: Args) -> str:
    return f"Turn {inventory.count(len(args['workloads']), 'workload')} on in {args['region']}"


RESTART = Action(
    kind="workload.restart@1",
    observe=_observe_restart,
    judge=_judge_restart,
    describe=_describe_restart,
    apply=_restart,
    timeout=420,
    grace=5,
)
ACTIVATE = Action(
    kind="workload.activate@1",
    observe=_observe_activate,
    judge=_judge_activate,
    describe=_describe_activate,
    apply=_activate,
    timeout=240,
    grace=5,
)
