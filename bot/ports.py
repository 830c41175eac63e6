"""What actions, runbooks and checks may ask of the outside: narrow protocols, Region first.

Reads raise `Unreachable` when nobody answers and `Rejected` when the answer is no. Verbs that change
something need an `Act` in context, record their intent before the call leaves, and never retry by themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from bot.clock import Clock


@dataclass(frozen=True)
class Member:
    """One Aurora cluster of a global database. `sync` is `connected`, `pending-resync` or empty."""

    arn: str
    region: str
    cluster: str
    writer: bool
    sync: str = ""


@dataclass(frozen=True)
class GlobalDatabase:
    """A global database as the asked Region sees it. `moving` is the FailoverState's status, empty when at rest."""

    identifier: str
    status: str
    engine_version: str
    members: tuple[Member, ...]
    moving: str = ""
    moving_to: str = ""
    data_loss_allowed: bool = False

    @property
    def writer(self) -> Member | None:
        """The member that takes writes; None when there is none or more than one."""
        writers = [m for m in self.members if m.writer]
        return writers[0] if len(writers) == 1 else None

    def member(self, region: str) -> Member | None:
        """The member in this Region."""
        return next((m for m in self.members if m.region == region), None)


@dataclass(frozen=True)
class ClusterState:
    """An Aurora cluster: `status` as RDS says (`available`…), instances by status, engine version."""

    cluster: str
    status: str
    engine_version: str
    instances: tuple[str, ...] = ()


class Databases(Protocol):
    """Aurora global databases (boto3 `rds`), asked in a named Region."""

    def global_database(self, region: str, identifier: str) -> GlobalDatabase: ...
    def cluster(self, region: str, cluster: str) -> ClusterState: ...
    def lag_seconds(self, region: str, cluster: str) -> float | None:
        """Newest AuroraGlobalDBRPOLag of this secondary in seconds; None when there is no datapoint."""
        ...

    def switchover(self, region: str, identifier: str, target_arn: str) -> None:
        """`switchover_global_cluster`; `region` is the current writer's."""
        ...

    def failover(self, region: str, identifier: str, target_arn: str) -> None:
        """`failover_global_cluster` with AllowDataLoss; `region` is the target's."""
        ...

    def detach(self, region: str, identifier: str, cluster_arn: str) -> None:
        """`remove_from_global_cluster`: the cluster becomes a writer of its own; `region` is the cluster's."""
        ...


class Network(Protocol):
    """Network ACLs around database subnets (boto3 `ec2`)."""

    def denied(self, region: str, subnets: Sequence[str]) -> bool: ...
    def deny(self, region: str, subnets: Sequence[str]) -> None: ...
    def allow(self, region: str, subnets: Sequence[str]) -> None: ...


@dataclass(frozen=True)
class NodeGroup:
    """An EKS node group. `issues` are health issue codes, `updating` tells that a change is in progress."""

    name: str
    minimum: int
    desired: int
    maximum: int
    status: str
    issues: tuple[str, ...] = ()

    @property
    def updating(self) -> bool:
        return self.status == "UPDATING"


class Capacity(Protocol):
    """EKS node groups (boto3 `eks`)."""

    def node_group(self, region: str, cluster: str, name: str) -> NodeGroup: ...
    def resize(self, region: str, cluster: str, name: str, *, minimum: int, desired: int, token: str) -> None:
        """Set the group's minimum and desired size; `desired` is never below what it is now."""
        ...


@dataclass(frozen=True)
class WeightedRecord:
    """One record of a weighted set. `set_id` is the Region's name."""

    name: str
    type: str
    set_id: str
    weight: int
    ttl: int
    values: tuple[str, ...]
    health_check: str = ""


class Dns(Protocol):
    """Route 53's control plane (weights), S3 STOP objects (health), and authoritative answers."""

    def answers(self, name: str, name_servers: Sequence[str]) -> dict[str, tuple[str, ...] | None]:
        """Addresses that each name server answers now, ten queries each merged; None = no answer."""
        ...

    def records(self, zone_id: str, name: str) -> tuple[WeightedRecord, ...]: ...
    def set_weights(self, zone_id: str, records: Sequence[WeightedRecord], weights: Mapping[str, int]) -> str:
        """One atomic batch; returns the change's id. The records are the before-image that is compared."""
        ...

    def change_done(self, change_id: str) -> bool: ...
    def stopped(self, region: str, bucket: str, key: str) -> bool:
        """Whether the STOP object is there; `region` is the bucket's."""
        ...

    def stop(self, region: str, bucket: str, key: str, why: str) -> None: ...
    def unstop(self, region: str, bucket: str, key: str) -> None: ...


class Routing(Protocol):
    """ARC routing controls on their data plane; `endpoints` = the cluster's, URL by Region; some may be away."""

    def states(self, endpoints: Mapping[str, str], controls: Sequence[str]) -> dict[str, bool]:
        """On or off by control ARN. Raises Unreachable when no endpoint answers."""
        ...

    def flip(self, endpoints: Mapping[str, str], states: Mapping[str, bool]) -> None:
        """Set all of them at once or none. Raises Conflict when a safety rule refuses."""
        ...


@dataclass(frozen=True)
class Workload:
    """A Deployment with its HPA. Counts are pods; `generation_seen` = observedGeneration caught up."""

    namespace: str
    name: str
    wanted: int
    ready: int
    updated: int
    total: int
    generation_seen: bool
    restarted_at: str = ""
    minimum: int | None = None
    maximum: int | None = None
    images: tuple[str, ...] = ()
    stuck: str = ""

    @property
    def serving(self) -> bool:
        """Rolled out: every wanted pod is of the newest template and ready, and none is left over."""
        return (
            self.generation_seen
            and self.wanted > 0
            and self.ready >= self.wanted
            and self.updated >= self.wanted
            and self.total == self.wanted
        )


@dataclass(frozen=True)
class JobResult:
    """How a probe's Job ended: `state` is `running`, `succeeded`, `failed` or `absent`; `message` its last words."""

    state: str
    message: str = ""


@dataclass(frozen=True)
class JobSpec:
    """A Job that runs `psql` in the service's namespace with the service's own Secret as DATABASE_URL."""

    namespace: str
    name: str
    image: str
    secret: str
    secret_key: str
    sql: tuple[str, ...]
    labels: Mapping[str, str] = field(default_factory=dict)
    deadline_seconds: int = 60


class Clusters(Protocol):
    """Kubernetes, one cluster a Region."""

    def reachable(self, region: str) -> bool: ...
    def workloads(self, region: str, namespaces: Sequence[str]) -> tuple[Workload, ...]: ...
    def nodes_ready(self, region: str) -> int: ...
    def pending(self, region: str, namespaces: Sequence[str]) -> tuple[str, ...]:
        """Pods that could not be scheduled, with the scheduler's reason."""
        ...

    def scale(self, region: str, namespace: str, name: str, replicas: int) -> None: ...
    def set_minimum(self, region: str, namespace: str, name: str, minimum: int) -> None:
        """The HPA's minReplicas."""
        ...

    def restart(self, region: str, namespace: str, name: str, stamp: str) -> None:
        """Rollout restart: the template's annotation becomes `stamp`, so a repeat changes nothing."""
        ...

    def job(self, region: str, namespace: str, name: str) -> JobResult: ...
    def run_job(self, region: str, spec: JobSpec) -> None: ...
    def remove_job(self, region: str, namespace: str, name: str) -> None: ...
    def sync_windows(self, region: str) -> tuple[dict[str, Any], ...] | None:
        """Deny windows of the Argo CD AppProject `default`; None when there is no Argo CD."""
        ...

    def set_sync_windows(self, region: str, windows: Sequence[Mapping[str, Any]]) -> None: ...
    def out_of_sync(self, region: str) -> tuple[str, ...]:
        """Argo CD Applications that a sync would change, or about which Argo CD itself is not sure."""
        ...


@dataclass(frozen=True)
class Sample:
    """One series of an instant query; `at` in epoch seconds."""

    labels: Mapping[str, str]
    value: float
    at: float


class Metrics(Protocol):
    """Prometheus's query API."""

    def query(self, promql: str) -> tuple[Sample, ...]: ...


@dataclass(frozen=True)
class HttpAnswer:
    """An HTTP answer: status, the first 4 KiB of the body, headers in lower case."""

    status: int
    body: str
    headers: Mapping[str, str]


class Http(Protocol):
    """Requests of smoke tests and payments checks. A URL's host may be pinned to an address."""

    def get(self, url: str, *, host: str) -> HttpAnswer: ...
    def post(self, url: str, body: Mapping[str, Any], *, host: str, key: str) -> HttpAnswer:
        """`key` is sent as Idempotency-Key. Needs an `Act`: it writes."""
        ...


@dataclass(frozen=True)
class Ports:
    """Everything outside, in one hand."""

    databases: Databases
    network: Network
    capacity: Capacity
    dns: Dns
    routing: Routing
    clusters: Clusters
    metrics: Metrics
    http: Http
    clock: Clock


class Register(Protocol):
    """Where the outside's clients write down what they are about to do, and what came of it."""

    def intent(self, service: str, operation: str, region: str, params: Mapping[str, Any]) -> str:
        """Commit the intent under the current `Act`; returns its id. Raises TrailError or LeaseLost: do not call."""
        ...

    def outcome(self, intent: str, *, ok: bool | None, request_id: str, error: str = "") -> None:
        """What came of it; `ok=None` is unknown (no answer)."""
        ...
