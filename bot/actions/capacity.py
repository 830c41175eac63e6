"""Room for everyone in a Region: node groups and HPA minimums up to the peak, and back to rest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot import act
from bot.action import Action, Args, Seen
from bot.actions import inventory
from bot.ports import Ports
from bot.verdict import Verdict, failed, passed, waiting

# EKS's health issue codes (API reference, `Issue`) that operators meet when a Region is short.
_ISSUES = {
    "AsgInstanceLaunchFailures": "EC2 has no capacity",
    "InsufficientFreeAddresses": "its subnets have no free addresses",
    "NodeCreationFailure": "instances start and do not join",
    "InstanceLimitExceeded": "the account may not start more instances",
}


def _observe_nodes(ports: Ports, args: Args) -> Seen:
    group = ports.capacity.node_group(args["region"], args["cluster"], args["group"])
    seen: Seen = {
        "minimum": group.minimum,
        "desired": group.desired,
        "status": group.status,
        "issues": list(group.issues),
        "ready": ports.clusters.nodes_ready(args["region"]),
    }
    return seen | (_pods(ports, args) if seen["ready"] < args["ready"] else {"missing": {}, "spare": {}})


def _pods(ports: Ports, args: Args) -> dict[str, dict[str, int]]:
    """By name: pods that critical services still lack, and pods of services that customers can do without."""
    region = args["region"]
    found = inventory.find(ports, region, [*args["needed"], *args["spare"]])
    missing = {
        i["name"]: i["replicas"] - (w.ready if (w := found.get(inventory.key(i))) else 0)
        for i in args["needed"]
    }
    spare = {i["name"]: w.total for i in args["spare"] if (w := found.get(inventory.key(i)))}
    return {
        "missing": {name: pods for name, pods in missing.items() if pods > 0},
        "spare": {name: pods for name, pods in spare.items() if pods > 0},
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
        # The group goes on trying by itself: capacity may come back within the step's time.
        told = ", ".join(f"{_ISSUES[code]}: {code}" if code in _ISSUES else code for code in seen["issues"])
        ready = f"{seen['ready']} of {args['ready']} nodes are ready"
        return waiting(f"{where} cannot get nodes: {told}; {ready}{_room(seen)}")
    return waiting(f"{seen['ready']} of {args['ready']} nodes are ready in {args['region']}{_room(seen)}")


def _room(seen: Mapping[str, Any]) -> str:
    """What the missing nodes keep from running, and what could make room without them."""
    missing, spare = seen["missing"], seen["spare"]
    if not missing:
        return "; every critical service has its pods"
    lacking = inventory.count(sum(missing.values()), "pod")
    told = f"; critical services lack {lacking} ({_counted(missing)})"
    if not spare:
        return told
    return f"{told}; freeing {_counted(spare)} gives {inventory.count(sum(spare.values()), 'pod')}"


def _counted(pods: Mapping[str, int], most: int = 3) -> str:
    """`a ×4, b ×2 and 3 more`, the largest first."""
    order = sorted(pods, key=lambda name: (-pods[name], name))
    rest = f" and {len(order) - most} more" if len(order) > most else ""
    return ", ".join(f"{name} ×{pods[name]}" for name in order[:most]) + rest


def _raise_nodes(ports: Ports, args: Args) -> None:
    region, cluster, name = args["region"], args["cluster"], args["group"]
    group = ports.capacity.node_group(region, cluster, name)
    _resize(
        ports,
        region,
        cluster,
        name,
        max(group.minimum, args["minimum"]),
        max(group.desired, args["desired"]),
    )


def _resize(ports: Ports, region: str, cluster: str, name: str, minimum: int, desired: int) -> None:
    """Ask for these sizes, in a retry under a new token: EKS answers a known one with the update it stands for,
    failed or not.
    """
    current = act.current()
    token = current.key(f"resize-{name}-{minimum}-{desired}-{current.attempt}")
    ports.capacity.resize(region, cluster, name, minimum=minimum, desired=desired, token=token)


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


def _starving(item: Mapping[str, Any], seen: Mapping[str, Any]) -> bool:
    """Off, and nobody but us will turn it on: waiting for room would be waiting for ever."""
    return int(seen["wanted"]) == 0 and _target(item, seen) > 0


def _judge_replicas(args: Args, seen: Seen) -> Verdict:
    found = seen["workloads"]
    off = [k for i in args["workloads"] if (k := inventory.key(i)) in found and _starving(i, found[k])]
    if off:
        return failed(f"off in {args['region']}: {inventory.listed(off)}")
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
        stuck = [w["stuck"] for k in critical if (w := found.get(k)) is not None and w["stuck"]]
        why = f"; {[*stuck, *seen['pending']][0]}" if stuck or seen["pending"] else ""
        return waiting(f"not yet at their peak in {args['region']}: {inventory.listed(critical)}{why}")
    later = f"; still coming: {inventory.listed(others)}" if others else ""
    return passed(f"every critical service in {args['region']} is at its peak{later}", behind=others)


def _raise_replicas(ports: Ports, args: Args) -> None:
    region = args["region"]
    found = inventory.find(ports, region, args["workloads"])
    room = ports.clusters.nodes_ready(region) >= args["nodes"]
    for item in sorted(args["workloads"], key=lambda i: not i["critical"]):
        workload = found.get(inventory.key(item))
        if workload is None:
            continue
        target = _target(item, {"maximum": workload.maximum})
        if not room:
            if workload.wanted == 0 and target > 0:
                least = max(1, min(workload.minimum or 1, target))
                ports.clusters.scale(region, workload.namespace, workload.name, least)
            continue
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
        if item.get("off") and wanted != 0:
            return True
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
            if item.get("off"):
                ports.clusters.scale(region, workload.namespace, workload.name, 0)
        else:
            ports.clusters.scale(region, workload.namespace, workload.name, item["replicas"])
    for group in args["groups"]:
        now = ports.capacity.node_group(region, group["cluster"], group["group"])
        if now.minimum != group["minimum"]:
            _resize(ports, region, group["cluster"], group["group"], group["minimum"], now.desired)


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
    timeout=840,  # nodes first, then pods
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
