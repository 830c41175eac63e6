"""Writers, services and singletons onto the new side, and what proves it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bot.actions.database import DETACH_LABEL
from bot.plan import Call, Step
from runbooks.steps import Steps, by_place


def promote(
    make: Steps, do: str, needs: Sequence[str], *, max_loss_ms: int | None = None, alone: bool = False
) -> list[Step]:
    """Every database whose writer must move, side by side. The point of no return.

    With `max_loss_ms` nothing is promoted while its target lags more. With `alone` a person may have a database
    that stays where it is detached instead.
    """
    steps = []
    for name in make.moving:
        database = make.estate.databases[name]
        view = make.survey.databases[name].view(make.to)
        member = view.member(make.to) if view else None
        args = {
            "database": name,
            "global_cluster": database.global_cluster,
            "from": make.old,
            "to": make.to,
            "target_arn": member.arn if member else "",
            "target_cluster": database.clusters[make.to],
            **({} if max_loss_ms is None else {"max_loss_ms": max_loss_ms}),
        }
        steps.append(
            make.step(
                f"promote/{name}",
                do,
                args,
                "promote",
                needs,
                blocks=[f"database/{name}"],
                commits=True,
                skippable=False,
                instead=Call(do="database.detach@1", args=args, label=DETACH_LABEL) if alone else None,
            )
        )
    return steps


def services(make: Steps, needs: Sequence[str]) -> list[Step]:
    """Services that write, restarted onto their promoted database and seen serving."""
    steps = []
    for name in make.estate.databases:
        users = [
            (service_name, s)
            for service_name, s in by_place(make.estate)
            if s.database == name and s.writes and s.kind == "service"
        ]
        if not users:
            continue
        args = {
            "region": make.to,
            "database": name,
            "critical": [{"namespace": s.namespace, "name": n} for n, s in users if s.critical],
            "others": [{"namespace": s.namespace, "name": n} for n, s in users if not s.critical],
        }
        steps.append(
            make.step(
                f"services/{name}",
                "workload.restart@1",
                args,
                "services",
                [*_promoted(make, name), *needs],
                blocks=[f"database/{name}", f"capacity/{make.to}"],
            )
        )
    return steps


def _promoted(make: Steps, name: str) -> list[str]:
    return [f"promote/{name}"] if name in make.moving else []


def once(make: Steps) -> list[str]:
    """Singletons and consumers that can be started in the target."""
    seen = make.survey.regions[make.to].workloads
    return [
        name
        for name, s in by_place(make.estate)
        if s.kind != "service" and (seen is None or f"{s.namespace}/{name}" in seen)
    ]


def activate(make: Steps, needs: Iterable[str], *, phase: str = "services") -> list[Step]:
    """Singletons and consumers, on in the target."""
    services = make.estate.services
    workloads = [
        {"namespace": services[n].namespace, "name": n, "replicas": max(1, services[n].replicas)}
        for n in once(make)
    ]
    if not workloads:
        return []
    args = {"region": make.to, "workloads": workloads}
    blocks = [f"capacity/{make.to}"]
    return [make.step("activate", "workload.activate@1", args, phase, needs, blocks=blocks)]


def writes(make: Steps, needs: Sequence[str]) -> list[Step]:
    """A real write through each database, from the target."""
    return [
        make.step(
            f"write/{name}",
            "probe.write@1",
            {"region": make.to, **make.secret(name), "image": make.estate.probe_image},
            "services",
            [*_promoted(make, name), *needs],
        )
        for name in make.estate.databases
    ]


def heartbeats(make: Steps) -> list[Step]:
    """How far each promoted database got; never holds."""
    return [
        make.step(
            f"heartbeat/{name}",
            "probe.heartbeat@1",
            {
                "region": make.to,
                "from": make.old,
                **make.secret(name),
                "image": make.estate.probe_image,
                "table": table,
                # Not every estate measures it; without it only the surviving heartbeat is known.
                "last_write_query": make.estate.metrics.last_write,
            },
            "verify",
            _promoted(make, name),
            on_fail="go_on",
        )
        for name in make.moving
        if (table := make.estate.databases[name].heartbeat)
    ]
