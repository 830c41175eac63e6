"""The estate: what is managed, as frozen values. Read from `estate.yaml` by `bot.estate_file`."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from bot.canon import canonical

RegionName = Annotated[str, StringConstraints(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$")]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$", max_length=253)]
Role = Literal["on-call", "lead", "auditor"]
Wave = Literal["read-only", "internal", "customer-facing"]
Table = Annotated[str, StringConstraints(pattern=r"^[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?$")]
PublicKey = Annotated[str, StringConstraints(pattern=r"^ssh-ed25519 [A-Za-z0-9+/]{68}( .*)?$")]
SlackUser = Annotated[str, StringConstraints(pattern=r"^[UW][A-Z0-9]{8,}$")]


class Part(BaseModel):
    """Base of all parts: frozen, and an unknown field is an error rather than silently dropped."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Objectives(Part):
    """Recovery time and recovery point objectives, seconds."""

    rto_seconds: Annotated[int, Field(gt=0)]
    rpo_seconds: Annotated[int, Field(ge=0)]


class NodeGroupSize(Part):
    """An EKS managed node group as it is kept at rest."""

    instance_type: str
    min: Annotated[int, Field(ge=0)]
    desired: Annotated[int, Field(ge=0)]
    max: Annotated[int, Field(ge=1)]

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.min <= self.desired <= self.max:
            raise ValueError("sizes must satisfy min ≤ desired ≤ max")
        return self


class Ingress(Part):
    """Where a Region's traffic enters: the address that DNS answers and a URL for tests."""

    address: str
    url: str


class Region(Part):
    """One AWS Region. `stop_bucket` holds the STOP objects of the *other* Regions' records."""

    cluster: Name
    node_groups: dict[Name, NodeGroupSize]
    ingress: Ingress
    database_subnets: tuple[str, ...]
    stop_bucket: Name


class SecretRef(Part):
    """Where a service's database URL lies; the bot never reads it, its probes mount it."""

    namespace: Name
    name: Name
    key: str


class Database(Part):
    """An Aurora PostgreSQL global database. `heartbeat` is a table with a row a second (columns `at`, `region`)."""

    global_cluster: Name
    engine_version: str
    size_gb: Annotated[int, Field(gt=0)]
    clusters: dict[RegionName, Name]
    secret: SecretRef
    heartbeat: Table | None = None


class Record(Part):
    """A public name. A health check is named by the Region whose record carries it."""

    name: Name
    ttl_seconds: Annotated[int, Field(ge=1, le=300)]
    health_checks: dict[RegionName, str]


class Routing(Part):
    """ARC routing controls: the cluster's endpoints (URL by their AWS Region) and each Region's control (ARN).

    Written down here because they must be known when `describe_cluster` in us-west-2 cannot be asked.
    """

    endpoints: Annotated[dict[str, str], Field(min_length=1)]
    controls: dict[RegionName, str]


class Dns(Part):
    """A Route 53 public hosted zone. With `routing` customers are moved by ARC, not by STOP objects."""

    zone: Name
    zone_id: str
    name_servers: tuple[Name, ...]
    records: tuple[Record, ...]
    routing: Routing | None = None


class External(Part):
    """A company that services call."""

    what: str


class Smoke(Part):
    """A GET through the target's own entry: `host` is the public name, `status` what a healthy answer has."""

    name: str
    host: Name
    path: str
    service: Name
    status: int = 200


class Payments(Part):
    """A payment of the smallest amount, made and read back under the public name."""

    host: Name
    path: str
    service: Name
    status: int = 201


class Checks(Part):
    """What proves that customers are served."""

    smoke: tuple[Smoke, ...]
    payments: Payments


class Metrics(Part):
    """Prometheus and the queries asked of it; an absent query means that the figure is unknown."""

    prometheus: str | None = None
    share: str | None = None
    last_write: str | None = None
    payments_lost: str | None = None


class Slack(Part):
    """The workspace and the channels that Signalbox speaks in, by name."""

    team: str
    channels: dict[str, str]


class Approval(Part):
    """How many different people of a role must approve; the requester is never one of them."""

    role: Role
    quorum: Annotated[int, Field(ge=1, le=10)]


class Rule(Part):
    """Who may ask for a kind of change, who approves it, how long the question stands (seconds), where."""

    ask: tuple[Role, ...]
    approve: Approval
    expires_seconds: Annotated[int, Field(ge=30, le=7 * 86400)]
    channels: tuple[str, ...]


class BreakGlass(Part):
    """Who may start an unplanned failover alone when nobody approved it for `after_seconds`, and who reviews it."""

    after_seconds: Annotated[int, Field(ge=0, le=3600)] = 180
    by: tuple[Role, ...] = ("on-call",)
    review: Approval = Approval(role="lead", quorum=2)


class Standby(Part):
    """What the Region that stands by keeps: replicas of every service that is not off there."""

    replicas: Annotated[int, Field(ge=1)] = 1


class Autoscale(Part):
    """An HPA's bounds at rest in the Region that serves."""

    min: Annotated[int, Field(ge=1)]
    max: Annotated[int, Field(ge=1)]


class Service(Part):
    """One of the company's services. Traffic waits for `critical` ones only."""

    wave: Wave
    namespace: Name
    replicas: Annotated[int, Field(ge=0)]
    autoscale: Autoscale | None = None
    database: str | None = None
    writes: bool = False
    critical: bool = False
    kind: Literal["service", "singleton", "consumer"] = "service"
    needs: tuple[str, ...] = ()
    external: tuple[str, ...] = ()
    cross_region_writes: bool = False


class Estate(Part):
    """Everything that Signalbox manages."""

    estate: Name
    account: Annotated[str, StringConstraints(pattern=r"^\d{12}$")]
    objectives: Objectives
    regions: dict[RegionName, Region]
    databases: dict[str, Database]
    dns: Dns
    external: dict[str, External] = {}
    checks: Checks
    probe_image: str = "postgres:16"
    metrics: Metrics = Metrics()
    slack: Slack
    people: dict[SlackUser, Role]
    keys: dict[SlackUser, tuple[PublicKey, ...]] = {}
    policy: dict[str, Rule]
    break_glass: BreakGlass | None = BreakGlass()
    standby: Standby = Standby()
    services: dict[Name, Service]

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        wrong = [
            *_unknown(
                "databases.{}.clusters", self.regions, {k: d.clusters for k, d in self.databases.items()}
            ),
            *_unknown("services.{}.needs", self.services, {k: s.needs for k, s in self.services.items()}),
            *_unknown(
                "services.{}.external", self.external, {k: s.external for k, s in self.services.items()}
            ),
            *_unknown(
                "services.{}.database",
                self.databases,
                {k: (s.database,) for k, s in self.services.items() if s.database},
            ),
            *_unknown(
                "policy.{}.channels", self.slack.channels, {k: r.channels for k, r in self.policy.items()}
            ),
            *_unknown("checks.smoke.{}", self.services, {s.name: (s.service,) for s in self.checks.smoke}),
            *_unknown("checks.{}", self.services, {"payments": (self.checks.payments.service,)}),
            *_unknown("dns.records.{}", self.regions, {r.name: r.health_checks for r in self.dns.records}),
            *_unknown("keys", self.people, {"keys": self.keys}),
        ]
        if self.dns.routing is not None and self.dns.routing.controls.keys() != self.regions.keys():
            wrong.append("dns.routing.controls: one control for each Region is needed")
        wrong += [
            f"services.{name}: writes need a database"
            for name, s in self.services.items()
            if s.writes and not s.database
        ]
        if len(self.regions) != 2:
            wrong.append("regions: exactly two are managed by one estate")
        if "failover" not in self.policy:
            wrong.append("policy: `failover` is missing")
        if wrong:
            raise ValueError("\n".join(wrong))
        return self

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the estate's meaning; comments and order of the file do not count."""
        return hashlib.sha256(canonical(self.model_dump(mode="json"))).hexdigest()

    @property
    def namespaces(self) -> tuple[str, ...]:
        """Every namespace that a service lives in."""
        return tuple(sorted({s.namespace for s in self.services.values()}))

    def other(self, region: str) -> str:
        """The Region that is left when traffic goes to `region` (the first other one)."""
        return next(name for name in self.regions if name != region)

    def role(self, person: str) -> Role | None:
        """The person's role; None for people who have none."""
        return self.people.get(person)


def _unknown(path: str, known: Collection[str], used: Mapping[str, Iterable[str]]) -> list[str]:
    found = []
    for key, values in used.items():
        for value in values:
            if value not in known:
                near = get_close_matches(value, known, 1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                found.append(f"{path.format(key)}: {value!r} is not known{hint}")
    return found
