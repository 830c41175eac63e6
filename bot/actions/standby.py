"""A Region that was left, running again as a standby: every service on, and no more than it needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot import act
from bot.action import Action, Args, Seen
from bot.actions import inventory
from bot.errors import Rejected
from bot.ports import Ports, Workload
from bot.verdict import Verdict, failed, passed, waiting


def _observe(ports: Ports, args: Args) -> Seen:
    found = inventory.find(ports, args["region"], args["workloads"])
    return {
        "workloads": {
            name: {"minimum": w.minimum, "wanted": w.wanted, "ready": w.ready} for name, w in found.items()
        },
        "groups": {
            g["group"]: ports.capacity.node_group(args["region"], g["cluster"], g["group"]).minimum
            for g in args["groups"]
        },
    }


def _off(item: Mapping[str, Any], wanted: int) -> bool:
    return bool(item["start"]) and wanted < item["replicas"]


def _high(item: Mapping[str, Any], minimum: int | None) -> bool:
    return minimum is not None and minimum != item["replicas"]


def _judge(args: Args, seen: Seen) -> Verdict:
    region, found = args["region"], seen["workloads"]
    there = [(i, w) for i in args["workloads"] if (w := found.get(inventory.key(i))) is not None]
    if off := [i["name"] for i, w in there if _off(i, w["wanted"])]:
        return failed(f"off in {region}: {inventory.listed(off)}")
    high = [i["name"] for i, w in there if _high(i, w["minimum"])]
    high += [g["group"] for g in args["groups"] if seen["groups"].get(g["group"]) != g["minimum"]]
    if high:
        return failed(f"not yet of a standby's size in {region}: {inventory.listed(high)}")
    if late := [i["name"] for i, w in there if i["start"] and w["ready"] < i["replicas"]]:
        return waiting(f"starting in {region}: {inventory.listed(late)}")
    return passed(f"{region} stands by: {inventory.count(len(there), 'service')} on")


def _warm(ports: Ports, args: Args) -> None:
    region = args["region"]
    found = inventory.find(ports, region, args["workloads"])
    refusal: Rejected | None = None
    for item in args["workloads"]:
        workload = found.get(inventory.key(item))
        if workload is None:
            continue
        try:
            _one(ports, region, item, workload)
        except Rejected as error:
            # One that refuses must not leave the others cold.
            refusal = error
            refusal.then = refusal.then or f"{item['name']} in {region} is not as a standby keeps it."
    for group in args["groups"]:
        now = ports.capacity.node_group(region, group["cluster"], group["group"])
        if now.minimum != group["minimum"]:
            current = act.current()
            token = current.key(f"standby-{group['group']}-{group['minimum']}-{current.attempt}")
            ports.capacity.resize(
                region,
                group["cluster"],
                group["group"],
                minimum=group["minimum"],
                desired=now.desired,
                token=token,
            )
    if refusal is not None:
        raise refusal


def _one(ports: Ports, region: str, item: Mapping[str, Any], workload: Workload) -> None:
    # The minimum first: an autoscaler that finds its service on with the old minimum would raise it at once.
    if _high(item, workload.minimum):
        ports.clusters.set_minimum(region, workload.namespace, workload.name, item["replicas"])
    if _off(item, workload.wanted):
        ports.clusters.scale(region, workload.namespace, workload.name, item["replicas"])


def _describe(args: Args) -> str:
    started = inventory.count(sum(i["start"] for i in args["workloads"]), "service")
    return f"Let {args['region']} stand by: {started} on again beside a reader, minimums at rest"


WARM = Action(
    kind="capacity.standby@1",
    observe=_observe,
    judge=_judge,
    describe=_describe,
    apply=_warm,
    timeout=420,
    grace=10,
)
