"""The old Region closed for writes, and the guard that lets nothing be promoted before."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bot.plan import Call, OnFail, Step
from runbooks import ready
from runbooks.preflight import leads_to
from runbooks.steps import HEALTH_SECONDS, LIMIT_PERCENT, Steps, by_place

CONFIRM, STANDING = "fence/confirm", "fence/standing"


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
        # What was off or absent before stays so when the step is undone.
        if seen is None or (found is not None and found.wanted > 0):
            least = service.autoscale.min if service.autoscale else 0
            before.append({**place, "replicas": max(1, service.replicas, least)})
    return make.step(
        "fence/workloads",
        "fence.workloads@1",
        {"region": make.old, "workloads": workloads, **_way_on(make, on_fail)},
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
        {**args, **_way_on(make, on_fail)},
        "fence",
        needs,
        blocks=[f"region/{make.old}"],
        undo=Call(do="fence.open@1", args=args),
        on_fail=on_fail,
    )


def closed(make: Steps) -> list[Step]:
    """The target's database subnets cut off before customers come, where its writers may not be the only ones.

    Opened again behind the guard. Where every name leads to the target alone it serves already: that would cut
    off those who are served, and let in nobody less.
    """
    seen = make.survey.regions[make.to].fenced
    if not make.apart or seen or leads_to(make.estate, make.survey, make.to):
        return []
    args = {"region": make.to, "subnets": list(make.estate.regions[make.to].database_subnets)}
    # Not known is not open: what was cut off before must not be opened by a rollback.
    undo = Call(do="fence.open@1", args=args) if seen is False else None
    return [
        make.step(
            "target/closed",
            "fence.network@1",
            args,
            "prepare",
            blocks=[f"region/{make.to}"],
            undo=undo,
            skippable=False,
        )
    ]


def opened(make: Steps, needs: Iterable[str] = (), *, closed: bool = False) -> list[Step]:
    """The target's database subnets, where a failover has cut them off, before anything looks for a database.

    What lies behind them may be a writer that was never told of another one: where `needs` are the guard, it is
    opened only when nobody else writes any more. `closed` = this plan has cut them off.
    """
    if not closed and not make.survey.regions[make.to].fenced:
        return []
    args = {"region": make.to, "subnets": list(make.estate.regions[make.to].database_subnets)}
    undo = Call(do="fence.network@1", args=args)
    # Argo CD first: what it starts by itself would find a database.
    needs = [f"sync/hold/{make.to}", *needs]
    blocks = [f"region/{make.to}"]
    return [make.step("fence/open", "fence.open@1", args, "prepare", needs, blocks=blocks, undo=undo)]


def confirm(make: Steps, needs: Iterable[str], *, on_fail: OnFail) -> Step:
    """A write from inside the old Region, seen refused."""
    args = {
        "region": make.old,
        "databases": [make.secret(name) for name in make.moving],
        "image": make.estate.probe_image,
        **_way_on(make, on_fail),
    }
    return make.step(CONFIRM, "fence.confirm@1", args, "fence", needs, on_fail=on_fail)


def guard(make: Steps, how: str, needs: Iterable[str]) -> Step:
    """One writer: never skippable."""
    args = {
        **_fence(make, how),
        **(_way_on(make, "hold") if how == "fenced" else {}),
        "names": make.names,
        "name_servers": list(make.estate.dns.name_servers),
        "addresses": make.addresses(),
        "share_query": make.estate.metrics.share,
        "last_write_query": make.estate.metrics.last_write,
        "limit_percent": LIMIT_PERCENT,
        "ttl_seconds": max(record.ttl_seconds for record in make.estate.dns.records),
    }
    # Customers are sent away by health checks first, and then every answer that was kept has to expire.
    wait = HEALTH_SECONDS + args["ttl_seconds"] if how == "emptied" else None
    return make.step("guard", "fence.guard@1", args, "fence", needs, skippable=False, expect=wait)


def sure(make: Steps, start: Iterable[str], needs: Iterable[str]) -> Step:
    """The fence seen closed before jobs that may run only once start elsewhere; a person may start them anyway.

    Of a phase that no recovery time counts: customers are served without it.
    """
    args = {**_fence(make, "fenced"), "start": list(start)}
    return make.step("activate/check", "fence.sure@1", args, "restore", needs, standing=True)


def standing(make: Steps, needs: Iterable[str]) -> Step:
    """Watch over the old Region until it is seen fenced, whatever was moved, for as long as it takes.

    Every database is tried there and not only those that move: a writer that was cut off while others were
    promoted knows nothing of it.
    """
    subnets = list(make.estate.regions[make.old].database_subnets)
    stopped = workloads(make, (), on_fail="go_on")
    args = {
        "region": make.old,
        "workloads": stopped.args["workloads"],
        "subnets": subnets,
        "databases": [make.secret(name) for name in make.estate.databases],
        "image": make.estate.probe_image,
        "confirm_steps": [CONFIRM, STANDING],
    }
    lift = {
        "region": make.old,
        "subnets": subnets,
        "workloads": stopped.undo.args["workloads"] if stopped.undo else [],
        "release": ready.hold_sync(make, make.old).undo is not None,
    }
    return make.step(
        STANDING,
        "fence.standing@1",
        args,
        "standing",
        needs,
        blocks=[f"region/{make.old}", f"sync/{make.old}"],
        undo=Call(do="fence.lift@1", args=lift),
        on_fail="go_on",
        standing=True,
    )


def _fence(make: Steps, how: str) -> dict[str, Any]:
    return {
        "how": how,
        "from": make.old,
        "to": make.to,
        "workloads": workloads(make, (), on_fail="hold").args["workloads"],
        "subnets": list(make.estate.regions[make.old].database_subnets),
        "databases": [
            {**make.secret(name), "global_cluster": make.estate.databases[name].global_cluster}
            for name in make.moving
        ],
        "confirm_steps": [CONFIRM] if how == "switchover" else [CONFIRM, STANDING],
    }


def _way_on(make: Steps, on_fail: OnFail) -> dict[str, str]:
    if on_fail != "hold" or make.request.planned:
        return {}
    return {"way_on": "if it cannot be fenced, roll back and ask again with --traffic-first"}
