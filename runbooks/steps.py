"""The steps that failover and switchover are made of, from the estate, the survey and the peaks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from bot.actions.kinds import KINDS
from bot.errors import Refused
from bot.estate import Estate, Service
from bot.facts.survey import Survey, stop_key
from bot.plan import Call, OnFail, Step
from runbooks.preflight import Preflight, moved
from runbooks.request import Request

LIMIT_PERCENT = 1
"""What the old side may still receive when its customers count as gone."""

SECONDS = {
    "sync.hold@1": 2,
    "sync.release@1": 2,
    "fence.workloads@1": 30,
    "fence.network@1": 5,
    "fence.confirm@1": 20,
    "fence.guard@1": 5,
    "capacity.nodes@1": 120,
    "capacity.replicas@1": 90,
    "capacity.restore@1": 10,
    "database.failover@1": 60,
    "database.switchover@1": 60,
    "workload.restart@1": 60,
    "workload.activate@1": 30,
    "probe.write@1": 15,
    "probe.heartbeat@1": 15,
    "traffic.stop@1": 3,
    "traffic.weights@1": 30,
    "traffic.answers@1": 60,
    "traffic.drained@1": 90,
    "check.smoke@1": 5,
    "check.payments@1": 5,
    "check.lost@1": 2,
}
"""How long each verb takes where no run has measured it yet."""


@dataclass(frozen=True)
class Steps:
    """Makes steps for one move. Arguments hold nothing that drifts: the same world gives the same digest."""

    estate: Estate
    survey: Survey
    request: Request
    peaks: Mapping[str, int]
    durations: Mapping[str, float]

    @classmethod
    def of(
        cls,
        estate: Estate,
        survey: Survey,
        request: Request,
        peaks: Mapping[str, int],
        durations: Mapping[str, float],
    ) -> Self:
        """The maker for this request. Raises Refused for a Region that the estate does not have."""
        if request.to not in estate.regions:
            raise Refused(f"{request.to} is not a Region of this estate.")
        return cls(estate, survey, request, peaks, durations)

    @property
    def to(self) -> str:
        """The Region that takes over."""
        return self.request.to

    @property
    def old(self) -> str:
        """The Region that is left."""
        return self.estate.other(self.request.to)

    @property
    def names(self) -> list[str]:
        """The public names."""
        return [record.name for record in self.estate.dns.records]

    @property
    def there(self) -> tuple[str, ...]:
        """Databases that are already written in the target."""
        return moved(self.estate, self.survey, self.to)

    @property
    def moving(self) -> list[str]:
        """Databases that are not yet written in the target."""
        there = self.there
        return [name for name in self.estate.databases if name not in there]

    def facts(self, found: Preflight) -> dict[str, Any]:
        """What was seen and judged, shown beside the plan."""
        return {
            "order": found.order,
            "order_why": found.order_why,
            "losses": list(found.losses),
            "warnings": list(found.warnings),
            "blockers": list(found.blockers),
            "at_ms": self.survey.at_ms,
            "share_permille": {name: seen.permille for name, seen in self.survey.regions.items()},
            "lag_ms": {name: seen.lag_ms.get(self.to) for name, seen in self.survey.databases.items()},
            "unknown": self.survey.unknown,
        }

    def make(
        self,
        step_id: str,
        do: str,
        args: dict[str, Any],
        phase: str,
        needs: Iterable[str] = (),
        *,
        blocks: Iterable[str] = (),
        undo: Call | None = None,
        on_fail: OnFail = "hold",
        commits: bool = False,
        skippable: bool = True,
    ) -> Step:
        """One step, told in the verb's own words and with the time it usually takes."""
        expected = self.durations.get(step_id, self.durations.get(do, SECONDS.get(do, 10)))
        return Step(
            id=step_id,
            do=do,
            args=args,
            title=KINDS[do].describe(args),
            phase=phase,
            undo=undo,
            needs=tuple(needs),
            blocks=tuple(blocks),
            on_fail=on_fail,
            commits=commits,
            skippable=skippable,
            expect_seconds=round(expected),
        )

    def hold_sync(self, region: str) -> Step:
        """Argo CD held; where there is none, the run goes on."""
        args = {"region": region}
        return self.make(
            f"sync/hold/{region}",
            "sync.hold@1",
            args,
            "prepare",
            blocks=[f"sync/{region}"],
            undo=Call(do="sync.release@1", args=args),
            on_fail="go_on",
        )

    def release_sync(self, region: str, needs: Iterable[str]) -> Step:
        """Argo CD free again."""
        return self.make(
            f"sync/release/{region}",
            "sync.release@1",
            {"region": region},
            "restore",
            needs,
            blocks=[f"sync/{region}"],
            on_fail="go_on",
        )

    def nodes(self, needs: Sequence[str], *, on_fail: OnFail) -> list[Step]:
        """Node groups of the target up to the size that the estate gives the Region that serves."""
        here = self.estate.regions[self.to]
        wanted = {name: self._nodes_wanted(name) for name in here.node_groups}
        steps = []
        for name, count in wanted.items():
            seen = (self.survey.regions[self.to].groups or {}).get(name)
            undo = None
            if seen is not None:
                back = {"cluster": here.cluster, "group": name, "minimum": seen.minimum}
                rest = {"region": self.to, "workloads": [], "groups": [back]}
                undo = Call(do="capacity.restore@1", args=rest)
            args = {
                "region": self.to,
                "cluster": here.cluster,
                "group": name,
                "minimum": count,
                "desired": count,
                "ready": sum(wanted.values()),
            }
            blocks = [f"capacity/{self.to}"]
            step_id = f"capacity/nodes/{name}"
            steps.append(
                self.make(
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

    def _nodes_wanted(self, group: str) -> int:
        sizes = [r.node_groups[group].desired for r in self.estate.regions.values() if group in r.node_groups]
        return min(self.estate.regions[self.to].node_groups[group].max, max(sizes))

    def replicas(self, needs: Iterable[str]) -> Step:
        """HPA minimums of the target's services up to the sampled peak; what runs once stays off."""
        workloads, before = [], []
        seen = self.survey.regions[self.to].workloads or {}
        for name, service in _by_place(self.estate):
            if service.kind != "service":
                continue
            place = {"namespace": service.namespace, "name": name}
            workloads.append({**place, "replicas": self._peak(name, service), "critical": service.critical})
            if (found := seen.get(f"{service.namespace}/{name}")) is not None:
                rest = {"replicas": found.wanted} if found.minimum is None else {"minimum": found.minimum}
                before.append({**place, **rest})
        undo = Call(do="capacity.restore@1", args={"region": self.to, "workloads": before, "groups": []})
        args = {"region": self.to, "workloads": workloads}
        return self.make(
            "capacity/replicas",
            "capacity.replicas@1",
            args,
            "capacity",
            needs,
            blocks=[f"capacity/{self.to}"],
            undo=undo,
        )

    def _peak(self, name: str, service: Service) -> int:
        least = max(service.replicas, self.peaks.get(name, 0))
        if service.autoscale is None:
            return least
        return min(service.autoscale.max, max(least, service.autoscale.min))

    def restore(self, needs: Iterable[str]) -> Step:
        """Minimums of the serving Region back to the estate's rest; autoscalers go down by themselves."""
        here = self.estate.regions[self.to]
        args = {
            "region": self.to,
            "workloads": [
                {"namespace": s.namespace, "name": name, "minimum": s.autoscale.min}
                for name, s in _by_place(self.estate)
                if s.autoscale is not None and s.kind == "service"
            ],
            "groups": [
                {"cluster": here.cluster, "group": name, "minimum": group.min}
                for name, group in here.node_groups.items()
            ],
        }
        blocks = [f"capacity/{self.to}"]
        return self.make("restore", "capacity.restore@1", args, "restore", needs, blocks=blocks)

    def fence_workloads(self, needs: Iterable[str], *, on_fail: OnFail, skippable: bool = True) -> Step:
        """Everything that may write in the old Region, stopped."""
        seen = self.survey.regions[self.old].workloads
        workloads, before = [], []
        for name, service in _by_place(self.estate):
            if not service.writes and service.kind == "service":
                continue
            place = {"namespace": service.namespace, "name": name}
            workloads.append(place)
            found = None if seen is None else seen.get(f"{service.namespace}/{name}")
            # What was off before stays off when the step is undone.
            if found is None or found.wanted > 0:
                least = service.autoscale.min if service.autoscale else 0
                before.append({**place, "replicas": max(1, service.replicas, least)})
        return self.make(
            "fence/workloads",
            "fence.workloads@1",
            {"region": self.old, "workloads": workloads},
            "fence",
            needs,
            blocks=[f"region/{self.old}"],
            undo=Call(do="workload.activate@1", args={"region": self.old, "workloads": before}),
            on_fail=on_fail,
            skippable=skippable,
        )

    def fence_network(self, needs: Iterable[str], *, on_fail: OnFail) -> Step:
        """The old Region's database subnets, cut off."""
        args = {"region": self.old, "subnets": list(self.estate.regions[self.old].database_subnets)}
        return self.make(
            "fence/network",
            "fence.network@1",
            args,
            "fence",
            needs,
            blocks=[f"region/{self.old}"],
            undo=Call(do="fence.open@1", args=args),
            on_fail=on_fail,
        )

    def fence_confirm(self, needs: Iterable[str], *, on_fail: OnFail) -> Step:
        """A write from inside the old Region, seen refused."""
        args = {
            "region": self.old,
            "databases": [self._secret(name) for name in self.moving],
            "image": self.estate.probe_image,
        }
        return self.make("fence/confirm", "fence.confirm@1", args, "fence", needs, on_fail=on_fail)

    def guard(self, how: str, needs: Iterable[str]) -> Step:
        """One writer: never skippable."""
        fence = self.fence_workloads((), on_fail="hold")
        args = {
            "how": how,
            "from": self.old,
            "to": self.to,
            "workloads": fence.args["workloads"],
            "subnets": list(self.estate.regions[self.old].database_subnets),
            "databases": [
                {**self._secret(name), "global_cluster": self.estate.databases[name].global_cluster}
                for name in self.moving
            ],
            "confirm_step": "fence/confirm",
            "names": self.names,
            "name_servers": list(self.estate.dns.name_servers),
            "addresses": self._addresses(),
            "share_query": self.estate.metrics.share,
            "limit_percent": LIMIT_PERCENT,
            "ttl_seconds": max(record.ttl_seconds for record in self.estate.dns.records),
        }
        return self.make("guard", "fence.guard@1", args, "fence", needs, skippable=False)

    def promote(self, do: str, needs: Sequence[str]) -> list[Step]:
        """Every database whose writer must move, side by side. The point of no return."""
        steps = []
        for name in self.moving:
            database = self.estate.databases[name]
            view = self.survey.databases[name].view(self.to)
            member = view.member(self.to) if view else None
            args = {
                "database": name,
                "global_cluster": database.global_cluster,
                "from": self.old,
                "to": self.to,
                "target_arn": member.arn if member else "",
                "target_cluster": database.clusters[self.to],
            }
            steps.append(
                self.make(
                    f"promote/{name}",
                    do,
                    args,
                    "promote",
                    needs,
                    blocks=[f"database/{name}"],
                    commits=True,
                    skippable=False,
                )
            )
        return steps

    def services(self, needs: Sequence[str]) -> list[Step]:
        """Services that write, restarted onto their promoted database and seen serving."""
        steps = []
        for name in self.estate.databases:
            users = [
                (service_name, s)
                for service_name, s in _by_place(self.estate)
                if s.database == name and s.writes and s.kind == "service"
            ]
            if not users:
                continue
            args = {
                "region": self.to,
                "database": name,
                "critical": [{"namespace": s.namespace, "name": n} for n, s in users if s.critical],
                "others": [{"namespace": s.namespace, "name": n} for n, s in users if not s.critical],
            }
            steps.append(
                self.make(
                    f"services/{name}",
                    "workload.restart@1",
                    args,
                    "services",
                    [*self._promoted(name), *needs],
                    blocks=[f"database/{name}", f"capacity/{self.to}"],
                )
            )
        return steps

    def _promoted(self, name: str) -> list[str]:
        return [f"promote/{name}"] if name in self.moving else []

    def activate(self, needs: Iterable[str]) -> list[Step]:
        """Singletons and consumers, on in the target."""
        workloads = [
            {"namespace": s.namespace, "name": name, "replicas": max(1, s.replicas)}
            for name, s in _by_place(self.estate)
            if s.kind != "service"
        ]
        if not workloads:
            return []
        args = {"region": self.to, "workloads": workloads}
        blocks = [f"capacity/{self.to}"]
        return [self.make("activate", "workload.activate@1", args, "services", needs, blocks=blocks)]

    def writes(self, needs: Sequence[str]) -> list[Step]:
        """A real write through each database, from the target."""
        return [
            self.make(
                f"write/{name}",
                "probe.write@1",
                {"region": self.to, **self._secret(name), "image": self.estate.probe_image},
                "services",
                [*self._promoted(name), *needs],
            )
            for name in self.estate.databases
        ]

    def heartbeats(self) -> list[Step]:
        """How far each promoted database got; never holds."""
        return [
            self.make(
                f"heartbeat/{name}",
                "probe.heartbeat@1",
                {
                    "region": self.to,
                    "from": self.old,
                    **self._secret(name),
                    "image": self.estate.probe_image,
                    "table": table,
                    # Not every estate measures it; without it only the surviving heartbeat is known.
                    "last_write_query": self.estate.metrics.last_write,
                },
                "verify",
                self._promoted(name),
                on_fail="go_on",
            )
            for name in self.moving
            if (table := self.estate.databases[name].heartbeat)
        ]

    def stop_traffic(self, needs: Iterable[str]) -> Step:
        """The old Region's STOP object, put where the old Region is not needed for it."""
        stop = self._stop_place(self.to, self.old)
        args = {
            "region": self.old,
            "to": self.to,
            "names": self.names,
            "stop": stop,
            "never": self._stop_place(self.old, self.to),
        }
        undo = Call(do="traffic.unstop@1", args={"region": self.old, "stop": stop})
        return self.make(
            "traffic/stop", "traffic.stop@1", args, "traffic", needs, blocks=self._traffic(), undo=undo
        )

    def _stop_place(self, keeper: str, stopped: str) -> dict[str, str]:
        bucket = self.estate.regions[keeper].stop_bucket
        return {"bucket_region": keeper, "bucket": bucket, "key": stop_key(stopped)}

    def weights(self, needs: Sequence[str]) -> list[Step]:
        """Every name's weight, all at once."""
        steps = []
        for record in self.estate.dns.records:
            before = self.survey.weights[record.name] or {}
            total = sum(before.values()) or 100
            after = {region: total if region == self.to else 0 for region in sorted(before)}
            args = {
                "zone_id": self.estate.dns.zone_id,
                "name": record.name,
                "weights": after,
                "before": dict(sorted(before.items())),
            }
            undo = Call(do="traffic.weights@1", args={**args, "weights": args["before"], "before": after})
            steps.append(
                self.make(
                    f"traffic/weights/{record.name}",
                    "traffic.weights@1",
                    args,
                    "traffic",
                    needs,
                    blocks=[f"traffic/{record.name}"],
                    undo=undo,
                )
            )
        return steps

    def answers(self, needs: Iterable[str], *, every: bool) -> Step:
        """What the authoritative name servers answer."""
        args = {
            "to": self.to,
            "names": self.names,
            "name_servers": list(self.estate.dns.name_servers),
            "addresses": self._addresses(),
            "all": every,
        }
        return self.make(
            "traffic/answers", "traffic.answers@1", args, "traffic", needs, blocks=self._traffic()
        )

    def drained(self, needs: Iterable[str], *, on_fail: OnFail) -> Step:
        """What the old side still receives."""
        args = {
            "region": self.old,
            "share_query": self.estate.metrics.share,
            "limit_percent": LIMIT_PERCENT,
        }
        return self.make("traffic/drained", "traffic.drained@1", args, "verify", needs, on_fail=on_fail)

    def checks(self, smoke: Iterable[str], payments: Iterable[str]) -> list[Step]:
        """Smoke tests, then a payment, then what was lost."""
        here, paid = self.estate.regions[self.to].ingress, self.estate.checks.payments
        smoke_args = {
            "region": self.to,
            "url": here.url,
            "checks": [
                {"name": c.name, "host": c.host, "path": c.path, "status": c.status}
                for c in self.estate.checks.smoke
            ],
        }
        payment_args = {
            "region": self.to,
            "url": here.url,
            "host": paid.host,
            "path": paid.path,
            "status": paid.status,
            "name_servers": list(self.estate.dns.name_servers),
        }
        lost_args = {"query": self.estate.metrics.payments_lost}
        return [
            self.make("check/smoke", "check.smoke@1", smoke_args, "verify", smoke),
            self.make(
                "check/payments", "check.payments@1", payment_args, "verify", ["check/smoke", *payments]
            ),
            self.make("check/lost", "check.lost@1", lost_args, "verify", ["check/payments"], on_fail="go_on"),
        ]

    def _addresses(self) -> list[str]:
        return [self.estate.regions[self.to].ingress.address]

    def _traffic(self) -> list[str]:
        return [f"traffic/{name}" for name in self.names]

    def _secret(self, name: str) -> dict[str, str]:
        secret = self.estate.databases[name].secret
        return {"database": name, "namespace": secret.namespace, "secret": secret.name, "key": secret.key}


def ids(steps: Iterable[Step]) -> list[str]:
    """The steps' ids."""
    return [step.id for step in steps]


def _by_place(estate: Estate) -> list[tuple[str, Service]]:
    return sorted(estate.services.items(), key=lambda item: (item[1].namespace, item[0]))
