"""A small world in memory behind `bot.ports`: what a plan does to it can be looked at afterwards.

It is a whole implementation, not a recording: databases move, Jobs run, name servers follow STOP objects and
weights. Everything happens at once. `dark` Regions answer nobody; `partitioned` ones do not answer us, and go on
serving the customers who are led there, whose last accepted write is known.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from plans import estate_text

from bot.errors import Rejected, Unreachable
from bot.estate import Estate
from bot.estate_file import parse_estate
from bot.ports import (
    ClusterState,
    GlobalDatabase,
    HttpAnswer,
    JobResult,
    JobSpec,
    Member,
    NodeGroup,
    Ports,
    Sample,
    WeightedRecord,
    Workload,
)

EAST, WEST = "us-east-1", "us-west-2"


def case_estate() -> Estate:
    """The sandbox's estate; its two Regions' entries are told apart by their addresses."""
    return parse_estate(estate_text().encode())


class Time:
    """A clock that moves only by hand."""

    def __init__(self) -> None:
        self.at = 1_800_000_000.0

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at

    def wait(self, event: threading.Event, seconds: float) -> bool:
        self.at += seconds
        return event.is_set()


@dataclass
class MemoryWorld:
    """The case's estate at rest: us-east-1 serves, us-west-2 stands by."""

    estate: Estate = field(default_factory=case_estate)
    clock: Time = field(default_factory=Time)
    dark: set[str] = field(default_factory=set)
    calls: list[str] = field(default_factory=list)
    partitioned: set[str] = field(default_factory=set)
    paying: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        names = [record.name for record in self.estate.dns.records]
        self.writer = dict.fromkeys(self.estate.databases, EAST)
        self.moving: dict[str, tuple[str, str]] = {}
        self.status: dict[str, str] = {}
        self.detached: set[str] = set()
        self.left_writer: dict[str, str] = {}
        self.controls: dict[str, bool] = {}
        self.lag: dict[str, float | None] = dict.fromkeys(self.estate.databases, 0.3)
        self.denied = dict.fromkeys(self.estate.regions, False)
        self.groups = {
            (region, name): NodeGroup(name, size.min, size.desired, size.max, "ACTIVE")
            for region, place in self.estate.regions.items()
            for name, size in place.node_groups.items()
        }
        self.stops: set[tuple[str, str]] = set()
        self.weights = {name: {EAST: 100, WEST: 0} for name in names}
        self.silent: set[str] = set()
        self.share: dict[str, float] | None = {EAST: 100.0, WEST: 0.0}
        self.figures: dict[str, tuple[Sample, ...]] = {}
        self.windows: dict[str, list[dict[str, Any]]] = {EAST: [], WEST: []}
        self.drifted: dict[str, set[str]] = {EAST: set(), WEST: set()}
        self.jobs: dict[tuple[str, str, str], JobResult] = {}
        self.tokens: list[str] = []
        self.payments: set[str] = set()
        self.written = {EAST: self.clock.now() - (600.0 if EAST in self.dark else 0.0)}
        self.pods = {
            (region, f"{s.namespace}/{name}"): self._workload(name, region)
            for region in self.estate.regions
            for name, s in self.estate.services.items()
        }

    def _workload(self, name: str, region: str) -> Workload:
        service = self.estate.services[name]
        wanted = service.replicas if region == EAST else (1 if service.kind == "service" else 0)
        low = service.autoscale and (service.autoscale.min if region == EAST else 1)
        high = service.autoscale and service.autoscale.max
        return Workload(
            service.namespace, name, wanted, wanted, wanted, wanted, True, minimum=low, maximum=high
        )

    def ports(self) -> Ports:
        """The world as the bot sees it."""
        return Ports(
            databases=self, network=Network(self), capacity=self, dns=self, routing=self, clusters=self,
            metrics=self, http=self, clock=self.clock,
        )  # fmt: skip

    def _reach(self, region: str) -> None:
        if region in self.dark | self.partitioned:
            raise Unreachable(f"{region} does not answer.")

    def _did(self, what: str) -> None:
        self.calls.append(what)

    # Databases

    def _name(self, identifier: str) -> str:
        return next(n for n, d in self.estate.databases.items() if d.global_cluster == identifier)

    def arn(self, name: str, region: str) -> str:
        """The ARN of a database's cluster."""
        return f"arn:aws:rds:{region}:123456789012:cluster:{self.estate.databases[name].clusters[region]}"

    def global_database(self, region: str, identifier: str) -> GlobalDatabase:
        self._reach(region)
        name = self._name(identifier)
        moving, to = self.moving.get(name, ("", ""))
        writer = self.left_writer.get(name, self.writer[name])
        members = tuple(
            Member(self.arn(name, r), r, c, writer=writer == r, sync="connected")
            for r, c in self.estate.databases[name].clusters.items()
            if not (name in self.detached and r == self.writer[name])
        )
        return GlobalDatabase(identifier, "available", "16.6", members, moving, to)

    def cluster(self, region: str, cluster: str) -> ClusterState:
        self._reach(region)
        return ClusterState(cluster, self.status.get(cluster, "available"), "16.6", ("available",))

    def lag_seconds(self, region: str, cluster: str) -> float | None:
        self._reach(region)
        name = next(n for n, d in self.estate.databases.items() if cluster in d.clusters.values())
        return None if self.takes_writes(name, region) else self.lag[name]

    def takes_writes(self, name: str, region: str) -> bool:
        """Whether the Region's cluster is a writer: one that a detached cluster left behind is one as well."""
        return region in (self.writer[name], self.left_writer.get(name))

    def switchover(self, region: str, identifier: str, target_arn: str) -> None:
        self._reach(region)
        self._promote(identifier, target_arn, "switchover")

    def failover(self, region: str, identifier: str, target_arn: str) -> None:
        self._reach(region)
        self._promote(identifier, target_arn, "failover")

    def detach(self, region: str, identifier: str, cluster_arn: str) -> None:
        self._reach(region)
        name = self._name(identifier)
        if self.writer[name] != region:
            self.left_writer[name] = self.writer[name]
        self.writer[name] = region
        self.detached.add(name)
        self._did(f"detach {name}")

    def _promote(self, identifier: str, target_arn: str, how: str) -> None:
        name = self._name(identifier)
        self.writer[name] = target_arn.split(":")[3]
        self._did(f"{how} {name}")

    # ARC routing controls

    def states(self, endpoints: Mapping[str, str], controls: Sequence[str]) -> dict[str, bool]:
        if not endpoints:
            raise Unreachable("No endpoint of routing controls answers.")
        return {control: self.controls.get(control, True) for control in controls}

    def flip(self, endpoints: Mapping[str, str], states: Mapping[str, bool]) -> None:
        if not endpoints:
            raise Unreachable("No endpoint of routing controls answers.")
        self.controls |= states
        self._did("flip " + " ".join(f"{c.rsplit('/', 1)[-1]}={on}" for c, on in sorted(states.items())))

    # Capacity

    def node_group(self, region: str, cluster: str, name: str) -> NodeGroup:
        self._reach(region)
        return self.groups[region, name]

    def resize(self, region: str, cluster: str, name: str, *, minimum: int, desired: int, token: str) -> None:
        self._reach(region)
        group = self.groups[region, name]
        if desired < group.desired:
            raise Rejected("Nodes are never taken away.")
        self.groups[region, name] = replace(group, minimum=minimum, desired=desired)
        self.tokens.append(token)
        self._did(f"resize {region} {desired}")

    # DNS

    def answers(self, name: str, name_servers: Sequence[str]) -> dict[str, tuple[str, ...] | None]:
        healthy = {r: w for r, w in self.weights[name].items() if not self.is_stopped(r)} or self.weights[
            name
        ]
        chosen = [r for r, w in healthy.items() if w] or list(healthy)
        addresses = tuple(self.estate.regions[r].ingress.address for r in chosen)
        return {server: None if server in self.silent else addresses for server in name_servers}

    def is_stopped(self, region: str) -> bool:
        """Whether health checkers find the Region's STOP object, or its routing control off."""
        if (routing := self.estate.dns.routing) is not None:
            return not self.controls.get(routing.controls[region], True)
        return any(key == f"STOP-{region}" for _, key in self.stops)

    def records(self, zone_id: str, name: str) -> tuple[WeightedRecord, ...]:
        self._reach(EAST)
        return tuple(
            WeightedRecord(name, "A", region, weight, 60, (self.estate.regions[region].ingress.address,))
            for region, weight in self.weights[name].items()
        )

    def set_weights(self, zone_id: str, records: Sequence[WeightedRecord], weights: Mapping[str, int]) -> str:
        self._reach(EAST)
        self.weights[records[0].name] = dict(weights)
        self._did(f"weights {records[0].name}")
        return "C1"

    def change_done(self, change_id: str) -> bool:
        return True

    def stop_place(self, region: str, bucket: str, key: str) -> tuple[str, str]:
        """Where an object lies. A bucket answers in its own Region only."""
        self._reach(region)
        return bucket, key

    def stopped(self, region: str, bucket: str, key: str) -> bool:
        return self.stop_place(region, bucket, key) in self.stops

    def stop(self, region: str, bucket: str, key: str, why: str) -> None:
        self.stops.add(self.stop_place(region, bucket, key))
        self._did(f"stop {key}")

    def unstop(self, region: str, bucket: str, key: str) -> None:
        self.stops.discard(self.stop_place(region, bucket, key))
        self._did(f"unstop {key}")

    # Clusters

    def reachable(self, region: str) -> bool:
        return region not in self.dark | self.partitioned

    def workloads(self, region: str, namespaces: Sequence[str]) -> tuple[Workload, ...]:
        self._reach(region)
        return tuple(w for (r, _), w in self.pods.items() if r == region and w.namespace in namespaces)

    def nodes_ready(self, region: str) -> int:
        self._reach(region)
        return sum(group.desired for (r, _), group in self.groups.items() if r == region)

    def pending(self, region: str, namespaces: Sequence[str]) -> tuple[str, ...]:
        self._reach(region)
        return ()

    def _change(self, region: str, namespace: str, name: str, **fields: Any) -> None:
        self._reach(region)
        key = (region, f"{namespace}/{name}")
        self.pods[key] = replace(self.pods[key], **fields)

    def scale(self, region: str, namespace: str, name: str, replicas: int) -> None:
        self._change(
            region, namespace, name, wanted=replicas, ready=replicas, updated=replicas, total=replicas
        )
        self._did(f"scale {region} {name} {replicas}")

    def set_minimum(self, region: str, namespace: str, name: str, minimum: int) -> None:
        self._change(region, namespace, name, minimum=minimum)
        # At zero replicas an HPA is off, whatever its minimum.
        if minimum > self.pods[region, f"{namespace}/{name}"].wanted > 0:
            self._change(
                region, namespace, name, wanted=minimum, ready=minimum, updated=minimum, total=minimum
            )
        self._did(f"minimum {region} {name} {minimum}")

    def restart(self, region: str, namespace: str, name: str, stamp: str) -> None:
        self._change(region, namespace, name, restarted_at=stamp)
        self._did(f"restart {region} {name}")

    def job(self, region: str, namespace: str, name: str) -> JobResult:
        self._reach(region)
        return self.jobs.get((region, namespace, name), JobResult("absent"))

    def run_job(self, region: str, spec: JobSpec) -> None:
        self._reach(region)
        self.jobs.setdefault((region, spec.namespace, spec.name), self._psql(region, spec))
        self._did(f"job {region} {spec.name}")

    def _psql(self, region: str, spec: JobSpec) -> JobResult:
        database = next(n for n, d in self.estate.databases.items() if d.secret.name == spec.secret)
        if self.denied[region]:
            return JobResult("failed", "psql: error: connection to server failed: timeout expired")
        if spec.sql[0].startswith("SELECT"):
            return JobResult("succeeded", f"{self.clock.now() - 1:.3f}")
        if not self.takes_writes(database, region):
            return JobResult("failed", "ERROR:  cannot execute INSERT in a read-only transaction")
        return JobResult("succeeded", "1")

    def remove_job(self, region: str, namespace: str, name: str) -> None:
        self._reach(region)
        self.jobs.pop((region, namespace, name), None)

    def sync_windows(self, region: str) -> tuple[dict[str, Any], ...] | None:
        self._reach(region)
        return tuple(self.windows[region]) if region in self.windows else None

    def set_sync_windows(self, region: str, windows: Sequence[Mapping[str, Any]]) -> None:
        self._reach(region)
        if region not in self.windows:
            raise Rejected(f"There is no Argo CD in {region}.", not_done="No window was set.")
        self.windows[region] = [dict(w) for w in windows]

    def out_of_sync(self, region: str) -> tuple[str, ...]:
        self._reach(region)
        return tuple(sorted(self.drifted[region]))

    # Metrics and HTTP

    def query(self, promql: str) -> tuple[Sample, ...]:
        if promql in self.figures:
            return self.figures[promql]
        if promql not in (self.estate.metrics.share, self.estate.metrics.last_write):
            return ()
        if self.share is None:
            raise Unreachable("Prometheus does not answer.")
        if promql == self.estate.metrics.last_write:
            return self._last_writes()
        answers = self.answers(self.estate.dns.records[0].name, ["any"])["any"] or ()
        share = {
            r: (100.0 if place.ingress.address in answers and self.share[r] >= 0 else 0.0)
            for r, place in self.estate.regions.items()
        }
        return tuple(Sample({"region": region}, value, self.clock.now()) for region, value in share.items())

    def _last_writes(self) -> tuple[Sample, ...]:
        """When each Region last accepted a write: now, where customers are led or stay (`paying`) and can pay."""
        now = self.clock.now()
        answers = self.answers(self.estate.dns.records[0].name, ["any"])["any"] or ()
        for region, place in self.estate.regions.items():
            led = place.ingress.address in answers or region in self.paying
            if led and self.writes(region):
                self.written[region] = now
        return tuple(Sample({"region": region}, at, now) for region, at in self.written.items())

    def writes(self, region: str) -> bool:
        """Whether a customer who comes to this Region can pay there."""
        writers = [w for (r, k), w in self.pods.items() if r == region and k.endswith("/payment-service")]
        on = any(w.wanted > 0 for w in writers) and not self.denied[region] and region not in self.dark
        # Who promotes without a fence leaves an old writer behind that cannot know.
        return on and (self.takes_writes("payments", region) or region in self.partitioned)

    def get(self, url: str, *, host: str) -> HttpAnswer:
        region = next(r for r, p in self.estate.regions.items() if p.ingress.address in url)
        self._reach(region)
        paid = url.rsplit("/", 1)[-1]
        status = 200 if "/payments/" not in url or paid in self.payments else 404
        return HttpAnswer(status, "", {"x-served-by": region})

    def post(self, url: str, body: Mapping[str, Any], *, host: str, key: str) -> HttpAnswer:
        self.payments.add(str(body["id"]))
        self._did(f"pay {key}")
        return HttpAnswer(201, "", {})


@dataclass
class Network:
    """Network ACLs: a class of its own, since `denied` is a verb here and a state there."""

    world: MemoryWorld

    def denied(self, region: str, subnets: Sequence[str]) -> bool:
        self.world._reach(region)
        return self.world.denied[region]

    def deny(self, region: str, subnets: Sequence[str]) -> None:
        self._set(region, True)

    def allow(self, region: str, subnets: Sequence[str]) -> None:
        self._set(region, False)

    def _set(self, region: str, denied: bool) -> None:
        self.world._reach(region)
        self.world.denied[region] = denied
        self.world._did(f"{'deny' if denied else 'allow'} {region}")
