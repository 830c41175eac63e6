"""The target made ready, and back to rest: Argo CD held, nodes and services up to the peak."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from bot.actions import sync
from bot.estate import Service
from bot.plan import Call, OnFail, Step
from bot.ports import Workload
from runbooks.steps import Steps, by_place

_NODES = "capacity/nodes/"


def hold_sync(make: Steps, region: str) -> Step:
    """Argo CD held; where it cannot be, the run goes on.

    What an earlier run left held stays held after a rollback: Git does not yet say what runs there.
    """
    args = {"region": region}
    held = sync.OURS in (make.survey.regions[region].windows or ())
    return make.step(
        f"sync/hold/{region}",
        "sync.hold@1",
        args,
        "prepare",
        blocks=[f"sync/{region}"],
        undo=None if held else Call(do="sync.release@1", args=args),
        on_fail="go_on",
    )


def release_sync(make: Steps, region: str, needs: Iterable[str]) -> Step:
    """Argo CD free again when Git agrees; else it stays held, and the report says so."""
    return make.step(
        f"sync/release/{region}",
        "sync.release@1",
        {"region": region, "agreed": True},
        "restore",
        needs,
        blocks=[f"sync/{region}"],
        on_fail="go_on",
    )


def nodes(make: Steps, needs: Sequence[str], *, on_fail: OnFail) -> list[Step]:
    """Node groups of the target up to the size that the estate gives the Region that serves."""
    here = make.estate.regions[make.to]
    wanted = {name: _nodes_wanted(make, name) for name in here.node_groups}
    steps = []
    for name, count in wanted.items():
        # The estate's rest and not the size seen now: one throttled read must not change what was approved.
        back = {"cluster": here.cluster, "group": name, "minimum": here.node_groups[name].min}
        rest = {"region": make.to, "workloads": [], "groups": [back]}
        undo = Call(do="capacity.restore@1", args=rest)
        args = {
            "region": make.to,
            "cluster": here.cluster,
            "group": name,
            "minimum": count,
            "desired": count,
            "ready": sum(wanted.values()),
            **_pods(make),
        }
        blocks = [f"capacity/{make.to}"]
        step_id = f"{_NODES}{name}"
        steps.append(
            make.step(
                step_id,
                "capacity.nodes@1",
                args,
                "capacity",
                needs,
                blocks=blocks,
                undo=undo,
                on_fail=on_fail,
            )
        )
    return steps


def _pods(make: Steps) -> dict[str, Any]:
    """Whom the nodes are for, and who could make room for them: what people need to know when nodes do not come."""
    needed, spare = [], []
    for name, service in by_place(make.estate):
        place = {"namespace": service.namespace, "name": name}
        if service.critical:
            needed.append({**place, "replicas": _peak(make, name, service)})
        elif service.kind == "service":
            spare.append(place)
    return {"needed": needed, "spare": spare}


def _nodes_wanted(make: Steps, group: str) -> int:
    sizes = [r.node_groups[group].desired for r in make.estate.regions.values() if group in r.node_groups]
    return min(make.estate.regions[make.to].node_groups[group].max, max(sizes))


def replicas(make: Steps, needs: Iterable[str]) -> Step:
    """HPA minimums of the target's services up to the sampled peak; what runs once stays off.

    It waits for room by itself and not for the steps in `needs` that make it: what is off is started at once.
    """
    workloads, before = [], []
    seen = make.survey.regions[make.to].workloads or {}
    for name, service in by_place(make.estate):
        if service.kind != "service":
            continue
        place = {"namespace": service.namespace, "name": name}
        workloads.append({**place, "replicas": _peak(make, name, service), "critical": service.critical})
        if (found := seen.get(f"{service.namespace}/{name}")) is not None:
            before.append({**place, **_before(found)})
    undo = Call(do="capacity.restore@1", args={"region": make.to, "workloads": before, "groups": []})
    nodes = sum(_nodes_wanted(make, name) for name in make.estate.regions[make.to].node_groups)
    args = {"region": make.to, "workloads": workloads, "nodes": nodes}
    return make.step(
        "capacity/replicas",
        "capacity.replicas@1",
        args,
        "capacity",
        [step for step in needs if not step.startswith(_NODES)],
        blocks=[f"capacity/{make.to}"],
        undo=undo,
    )


def _before(found: Workload) -> dict[str, int | bool]:
    """What a rollback brings back; a service that was off is turned off again, whatever its HPA's minimum."""
    if found.minimum is None:
        return {"replicas": found.wanted}
    rest: dict[str, int | bool] = {"minimum": found.minimum}
    return {**rest, "off": True} if found.wanted == 0 else rest


def _peak(make: Steps, name: str, service: Service) -> int:
    least = max(service.replicas, make.peaks.get(name, 0))
    if service.autoscale is None:
        return least
    return min(service.autoscale.max, max(least, service.autoscale.min))


def stand_by(make: Steps, needs: Iterable[str]) -> Step:
    """The Region that was left as a standby: its services on, minimums and node groups at rest.

    What writes was stopped by the fence and starts again; what only reads is left to its autoscaler.
    """
    there, workloads = make.survey.regions[make.old].workloads, []
    for name, service in by_place(make.estate):
        deployed = there is None or f"{service.namespace}/{name}" in there
        idle = service.replicas == 0 and service.autoscale is None
        if service.kind != "service" or idle or not deployed:
            continue
        if not service.writes and service.autoscale is None:
            continue
        most = service.autoscale.max if service.autoscale else make.estate.standby.replicas
        workloads.append(
            {
                "namespace": service.namespace,
                "name": name,
                "replicas": min(make.estate.standby.replicas, most),
                "start": service.writes,
            }
        )
    here = make.estate.regions[make.old]
    groups = [
        {"cluster": here.cluster, "group": name, "minimum": group.min}
        for name, group in here.node_groups.items()
    ]
    args = {"region": make.old, "workloads": workloads, "groups": groups}
    blocks = [f"region/{make.old}", f"capacity/{make.old}"]
    return make.step("standby/warm", "capacity.standby@1", args, "restore", needs, blocks=blocks)


def restore(make: Steps, needs: Iterable[str]) -> Step:
    """Minimums of the serving Region back to the estate's rest; autoscalers go down by themselves."""
    here = make.estate.regions[make.to]
    args = {
        "region": make.to,
        "workloads": [
            {"namespace": s.namespace, "name": name, "minimum": s.autoscale.min}
            for name, s in by_place(make.estate)
            if s.autoscale is not None and s.kind == "service"
        ],
        "groups": [
            {"cluster": here.cluster, "group": name, "minimum": group.min}
            for name, group in here.node_groups.items()
        ],
    }
    blocks = [f"capacity/{make.to}"]
    return make.step("restore", "capacity.restore@1", args, "restore", needs, blocks=blocks)
