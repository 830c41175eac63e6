"""Room for everyone in a Region: node groups and HPA minimums up to the peak, and back to rest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot import act
from bot.action import Action, Args, Seen
from bot.actions import inventory
from bot.ports import Ports
from bot.verdict import Verdict, failed, passed, waiting


def _observe_nodes(ports: Ports, args: Args) -> Seen:
    group = ports.capacity.node_group(args["region"], args["cluster"], args["group"])
    return {
        "minimum": group.minimum,
        "desired": group.desired,
        "status": group.status,
        "issues": list(group.issues),
        "ready": ports.clusters.nodes_ready(args["region"]),
    }


def _judge_nodes(args: Args, seen: Seen) -> Verdict:
    where = f"{args['group']} in {args['region']}"
    short = seen["minimum"] < args["minimum"] or seen["desired"] < args["desired"]
    if not short and seen["status"] == "ACTIVE" and seen["ready"] >= args["ready"]:
        return passed(
            f"{inventory.count(seen['ready'], 'node')} ready in {args['region']}", ready=seen["ready"]
        )
    if seen["status"] == "UPDATING":
        return waiting(f"{where} is being changed")
    if short:
        return failed(f"{where} is kept at {seen['desired']} nodes, {args['desired']} are wanted")
    if seen["issues"]:
        return failed(f"{where} cannot get nodes: {', '.join(seen['issues'])}; {seen['ready']} are ready")
    return waiting(f"{seen['ready']} of {args['ready']} nodes are ready in {args['region']}")


def _raise_nodes(ports: Ports, args: Args) -> None:
    region, cluster, name = args["region"], args["cluster"], args["group"]
    group = ports.capacity.node_group(region, cluster, name)
    ports.capacity.resize(
        region,
        cluster,
        name,
        minimum=max(group.minimum, args["minimum"]),
        desired=max(group.desired, args["desired"]),
        token=act.current().key("resize"),
    )


def _describe_nodes(args: Args) -> str:
    return f"Bring node group {args['group']} in {args['region']} to {args['desired']} nodes"


def _observe_replicas(ports: Ports, args: Args) -> Seen:
    found = inventory.find(ports, args["region"], args["workloads"])
    short = {
        name: {
            "minimum": w.minimum,
            "maximum": w.maximum,
            "wanted": w.wanted,
            "ready": w.ready,
            "stuck": w.stuck,
        }
        for name, w in found.items()
    }
    behind = [inventory.key(i) for i in args["workloads"] if _lacking(i, short.get(inventory.key(i)))]
    pending = (
        list(ports.clusters.pending(args["region"], sorted({n.split("/")[0] for n in behind})))
        if behind
        else []
    )
    nodes = ports.clusters.nodes_ready(args["region"]) if behind else args["nodes"]
    return {"workloads": short, "pending": pending[:5], "nodes": nodes}


def _target(item: Mapping[str, Any], seen: Mapping[str, Any]) -> int:
    """Pods wanted, within what the HPA allows."""
    wanted = int(item["replicas"])
    return wanted if seen["maximum"] is None else min(wanted, int(seen["maximum"]))


def _raised(item: Mapping[str, Any], seen: Mapping[str, Any]) -> bool:
    target = _target(item, seen)
    if seen["minimum"] is None:
        return int(seen["wanted"]) >= target
    # At zero replicas an HPA is off, whatever its minimum.
    return int(seen["minimum"]) >= target and int(seen["wanted"]) > 0


def _lacking(item: Mapping[str, Any], seen: Mapping[str, Any] | None) -> bool:
    return seen is None or not _raised(item, seen) or int(seen["ready"]) < _target(item, seen)


def _judge_replicas(args: Args, seen: Seen) -> Verdict:
    found = seen["workloads"]
    low = [
        inventory.key(i)
        for i in args["workloads"]
        if (w := found.get(inventory.key(i))) is not None and not _raised(i, w)
    ]
    if low and seen["nodes"] < args["nodes"]:
        # Pods without room would also keep a rolling restart from making any: raised later is better.
        room = f"{seen['nodes']} of {args['nodes']} nodes are ready"
        return waiting(f"{room} in {args['region']}; services are raised when there is room")
    if low:
        return failed(f"below their peak in {args['region']}: {inventory.listed(low)}")
    lacking = [i for i in args["workloads"] if _lacking(i, found.get(inventory.key(i)))]
    others = [i["name"] for i in lacking if not i["critical"]]
    if critical := [inventory.key(i) for i in lacking if i["critical"]]:
        why = f"; {seen['pending'][0]}" if seen["pending"] else ""
        return waiting(f"not yet at their peak in {args['region']}: {inventory.listed(critical)}{why}")
    later = f"; still coming: {inventory.listed(others)}" if others else ""
    return passed(f"every critical service in {args['region']} is at its peak{later}", behind=others)


def _raise_replicas(ports: Ports, args: Args) -> None:
    region = args["region"]
    found = inventory.find(ports, region, args["workloads"])
    for item in args["workloads"]:
        workload = found.get(inventory.key(item))
        if workload is None:
            continue
        target = _target(item, {"maximum": workload.maximum})
        if workload.minimum is not None and workload.minimum < target:
            ports.clusters.set_minimum(region, workload.namespace, workload.name, target)
        if workload.wanted == 0 or (workload.minimum is None and workload.wanted < target):
            ports.clusters.scale(region, workload.namespace, workload.name, target)


def _describe_replicas(args: Args) -> str:
    return f"Bring {inventory.count(len(args['workloads']), 'service')} in {args['region']} to their peak"


def _observe_restore(ports: Ports, args: Args) -> Seen:
    found = inventory.find(ports, args["region"], args["workloads"])
    return {
        "workloads": {name: {"minimum": w.minimum, "wanted": w.wanted} for name, w in found.items()},
        "groups": {
            g["group"]: ports.capacity.node_group(args["region"], g["cluster"], g["group"]).minimum
            for g in args["groups"]
        },
    }


def _differs(item: Mapping[str, Any], minimum: int | None, wanted: int) -> bool:
    if "minimum" in item:
        return minimum is not None and minimum != item["minimum"]
    return minimum is None and wanted != int(item["replicas"])


def _judge_restore(args: Args, seen: Seen) -> Verdict:
    found = seen["workloads"]
    off = [
        i["name"]
        for i in args["workloads"]
        if (w := found.get(inventory.key(i))) is not None and _differs(i, w["minimum"], w["wanted"])
    ]
    off += [g["group"] for g in args["groups"] if seen["groups"].get(g["group"]) != g["minimum"]]
    if off:
        return failed(f"not yet at rest in {args['region']}: {inventory.listed(off)}")
    return passed(f"minimums in {args['region']} are at rest; autoscalers decide from here")


def _restore(ports: Ports, args: Args) -> None:
    region = args["region"]
    found = inventory.find(ports, region, args["workloads"])
    for item in args["workloads"]:
        workload = found.get(inventory.key(item))
        if workload is None or not _differs(item, workload.minimum, workload.wanted):
            continue
        if "minimum" in item:
            ports.clusters.set_minimum(region, workload.namespace, workload.name, item["minimum"])
        else:
            ports.clusters.scale(region, workload.namespace, workload.name, item["replicas"])
    for group in args["groups"]:
        now = ports.capacity.node_group(region, group["cluster"], group["group"])
        if now.minimum != group["minimum"]:
            ports.capacity.resize(
                region,
                group["cluster"],
                group["group"],
                minimum=group["minimum"],
                desired=now.desired,
                token=act.current().key("restore"),
            )


def _describe_restore(args: Args) -> str:
    return f"Let autoscalers in {args['region']} go down again: minimums back to rest"


NODES = Action(
    kind="capacity.nodes@1",
    observe=_observe_nodes,
    judge=_judge_nodes,
    describe=_describe_nodes,
    apply=_raise_nodes,
    timeout=420,
    tries=2,
)
REPLICAS = Action(
    kind="capacity.replicas@1",
    observe=_observe_replicas,
    judge=_judge_replicas,
    describe=_describe_replicas,
    apply=_raise_replicas,
    timeout=420,
    grace=5,
)
RESTORE = Action(
    kind="capacity.restore@1",
    observe=_observe_restore,
    judge=_judge_restore,
    describe=_describe_restore,
    apply=_restore,
    timeout=180,
    grace=10,
)
