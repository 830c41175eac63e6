"""The old Region closed for writes, and the guard that lets nothing be promoted before."""

from __future__ import annotations

from collections.abc import Iterable

from bot.plan import Call, OnFail, Step
from runbooks.steps import LIMIT_PERCENT, Steps, by_place


def workloads(make: Steps, needs: Iterable[str], *, on_fail: OnFail, skippable: bool = True) -> Step:
    """Everything that may write in the old Region, stopped."""
    seen = make.survey.regions[make.old].workloads
    workloads, before = [], []
    for name, service in by_place(make.estate):
        if not service.writes and service.kind == "service":
            continue
        place = {"namespace": service.namespace, "name": name}
        workloads.append(place)
        found = None if seen is None else seen.get(f"{service.namespace}/{name}")
        # What was off before stays off when the step is undone.
        if found is None or found.wanted > 0:
            least = service.autoscale.min if service.autoscale else 0
            before.append({**place, "replicas": max(1, service.replicas, least)})
    return make.step(
        "fence/workloads",
        "fence.workloads@1",
        {"region": make.old, "workloads": workloads},
        "fence",
        needs,
        blocks=[f"region/{make.old}"],
        undo=Call(do="workload.activate@1", args={"region": make.old, "workloads": before}),
        on_fail=on_fail,
        skippable=skippable,
    )


def network(make: Steps, needs: Iterable[str], *, on_fail: OnFail) -> Step:
    """The old Region's database subnets, cut off."""
    args = {"region": make.old, "subnets": list(make.estate.regions[make.old].database_subnets)}
    return make.step(
        "fence/network",
        "fence.network@1",
        args,
        "fence",
        needs,
        blocks=[f"region/{make.old}"],
        undo=Call(do="fence.open@1", args=args),
        on_fail=on_fail,
    )


def confirm(make: Steps, needs: Iterable[str], *, on_fail: OnFail) -> Step:
    """A write from inside the old Region, seen refused."""
    args = {
        "region": make.old,
        "databases": [make.secret(name) for name in make.moving],
        "image": make.estate.probe_image,
    }
    return make.step("fence/confirm", "fence.confirm@1", args, "fence", needs, on_fail=on_fail)


def guard(make: Steps, how: str, needs: Iterable[str]) -> Step:
    """One writer: never skippable."""
    fence = workloads(make, (), on_fail="hold")
    args = {
        "how": how,
        "from": make.old,
        "to": make.to,
        "workloads": fence.args["workloads"],
        "subnets": list(make.estate.regions[make.old].database_subnets),
        "databases": [
            {**make.secret(name), "global_cluster": make.estate.databases[name].global_cluster}
            for name in make.moving
        ],
        "confirm_step": "fence/confirm",
        "names": make.names,
        "name_servers": list(make.estate.dns.name_servers),
        "addresses": make.addresses(),
        "share_query": make.estate.metrics.share,
        "limit_percent": LIMIT_PERCENT,
        "ttl_seconds": max(record.ttl_seconds for record in make.estate.dns.records),
    }
    return make.step("guard", "fence.guard@1", args, "fence", needs, skippable=False)
