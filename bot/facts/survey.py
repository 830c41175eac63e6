"""One look at all that a failover's plan depends on; what cannot be seen is unknown, with the reason."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, field
from typing import Any

from bot.errors import Busy, OutsideError
from bot.estate import Estate
from bot.patience import together
from bot.ports import ClusterState, GlobalDatabase, NodeGroup, Ports, WeightedRecord, Workload
from bot.routers import answers as route
from bot.routers.last_write import LastWrites, written
from bot.routers.lost import Lost, counted
from bot.routers.share import Share, measured

DEADLINE_SECONDS = 10.0
"""Wall seconds for the whole look."""
SILENT_SECONDS = 4.0
"""Wall seconds after which a Region that has answered nothing at all is not waited for any longer."""


def stop_key(region: str) -> str:
    """The STOP object that makes this Region's health checks fail; it lies in another Region's bucket."""
    return f"STOP-{region}"


@dataclass(frozen=True)
class RegionSeen:
    """A Region. None = unknown.

    `stopped` = its STOP object is there; `held` = an Argo CD deny window is, and `windows` what these are called;
    `fenced` = its database subnets are cut off by network ACL. `permille` of all requests arrive here; customers
    last had a write accepted at `last_write_ms` (epoch), `quiet_ms` before it was asked. Of `asked` questions to
    the Region itself `heard` were answered.
    """

    aws: bool
    cluster: bool
    groups: dict[str, NodeGroup] | None = None
    nodes_ready: int | None = None
    workloads: dict[str, Workload] | None = None
    held: bool | None = None
    windows: tuple[str, ...] | None = None
    stopped: bool | None = None
    fenced: bool | None = None
    permille: int | None = None
    last_write_ms: int | None = None
    quiet_ms: int | None = None
    asked: int = 0
    heard: int = 0

    @property
    def reachable(self) -> bool:
        """What a fence needs answers: its AWS API, its network and its cluster, and more often than not."""
        return not self.silent

    @property
    def silent(self) -> tuple[str, ...]:
        """What a fence needs and does not answer, in words; empty for a Region that can be fenced."""
        parts = (
            ("its AWS API", self.aws),
            ("its cluster", self.cluster),
            ("the state of its network", self.fenced is not None),
        )
        if found := [label for label, answers in parts if not answers]:
            return tuple(found)
        missed = self.asked - self.heard
        return (f"{missed} of {self.asked} questions",) if 2 * missed >= self.asked > 0 else ()


@dataclass(frozen=True)
class DatabaseSeen:
    """A global database as each Region tells it, its clusters and the lag of each secondary (ms)."""

    views: dict[str, GlobalDatabase]
    clusters: dict[str, ClusterState]
    lag_ms: dict[str, int]

    def view(self, preferred: str) -> GlobalDatabase | None:
        """What the preferred Region says, else what any other does."""
        return self.views.get(preferred) or next(iter(self.views.values()), None)


@dataclass(frozen=True)
class Survey:
    """What was seen at `at_ms` (epoch). `unknown` maps what could not be seen to why.

    `payments_lost` are all that were ever counted: what a move loses is what comes on top.
    """

    at_ms: int
    regions: dict[str, RegionSeen]
    databases: dict[str, DatabaseSeen]
    answers: dict[str, dict[str, list[str] | None] | None]
    weights: dict[str, dict[str, int] | None]
    payments_lost: int | None = None
    unknown: dict[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The survey as plain JSON: evidence beside a plan."""
        found: dict[str, Any] = _plain(asdict(self))
        return found


def survey(ports: Ports, estate: Estate) -> Survey:
    """Read everything at once, within about ten seconds of wall time whatever is dark, twenty where AWS throttles."""
    asked = _questions(ports, estate)

    def enough(heard: Collection[str], spent: float) -> bool:
        alive = {_group(name, estate) for name in heard}
        return spent >= SILENT_SECONDS and not any(
            _group(name, estate) in alive for name in asked.keys() - set(heard)
        )

    found = together(asked, DEADLINE_SECONDS, enough=enough)
    # Many of us call AWS on such a night: who was told to come back later does, once, before a plan is refused.
    if busy := {name: asked[name] for name, value in found.items() if isinstance(value, Busy)}:
        found |= together(busy, DEADLINE_SECONDS)
    unknown = {name: value.what for name, value in found.items() if isinstance(value, OutsideError)}
    known = {name: value for name, value in found.items() if not isinstance(value, OutsideError)}
    share: Share = known.get("share", Share({}, unknown.get("share", "")))
    if share.why:
        unknown["share"] = share.why
    writes: LastWrites = known.get("writes", LastWrites({}, {}, unknown.get("writes", "")))
    if writes.why:
        unknown["writes"] = writes.why
    return Survey(
        at_ms=int(ports.clock.now() * 1000),
        regions={name: _region(name, estate, known, share, writes) for name in estate.regions},
        databases={name: _database(name, estate, known) for name in estate.databases},
        answers={r.name: known.get(f"answers {r.name}") for r in estate.dns.records},
        weights={r.name: _weights(known.get(f"records {r.name}")) for r in estate.dns.records},
        payments_lost=known.get("lost", Lost(None)).count,
        unknown=dict(sorted(unknown.items())),
    )


def _group(question: str, estate: Estate) -> str:
    """Who answers this question: a Region, or for questions without one their kind."""
    words = question.split()
    return next((word for word in words if word in estate.regions), words[0])


def _questions(ports: Ports, estate: Estate) -> dict[str, Callable[[], Any]]:
    asked: dict[str, Callable[[], Any]] = {
        "share": lambda: measured(ports.metrics, estate.metrics.share),
        "writes": lambda: written(ports.metrics, estate.metrics.last_write),
        "lost": lambda: counted(ports.metrics, estate.metrics.payments_lost),
    }
    for region, place in estate.regions.items():
        asked |= _of_region(ports, estate, region)
        for group in place.node_groups:
            asked[f"group {region} {group}"] = lambda r=region, c=place.cluster, g=group: (  # type: ignore[misc]
                ports.capacity.node_group(r, c, g)
            )
    for name, database in estate.databases.items():
        for region, cluster in database.clusters.items():
            asked[f"database {name} {region}"] = lambda r=region, g=database.global_cluster: (  # type: ignore[misc]
                ports.databases.global_database(r, g)
            )
            asked[f"cluster {name} {region}"] = lambda r=region, c=cluster: ports.databases.cluster(r, c)  # type: ignore[misc]
            asked[f"lag {name} {region}"] = lambda r=region, c=cluster: ports.databases.lag_seconds(r, c)  # type: ignore[misc]
    for record in estate.dns.records:
        asked[f"answers {record.name}"] = lambda n=record.name: (  # type: ignore[misc]
            route.read(ports.dns, [n], estate.dns.name_servers)[n]
        )
        asked[f"records {record.name}"] = lambda n=record.name: ports.dns.records(estate.dns.zone_id, n)  # type: ignore[misc]
    return asked


def _of_region(ports: Ports, estate: Estate, region: str) -> dict[str, Callable[[], Any]]:
    return {
        f"workloads {region}": lambda: ports.clusters.workloads(region, estate.namespaces),
        f"nodes {region}": lambda: ports.clusters.nodes_ready(region),
        f"windows {region}": lambda: ports.clusters.sync_windows(region),
        f"fenced {region}": lambda: ports.network.denied(region, estate.regions[region].database_subnets),
        f"stopped {region}": lambda: _stopped(ports, estate, region),
    }


def _stopped(ports: Ports, estate: Estate, region: str) -> bool:
    """Whether customers are kept out: by the routing control where the estate has them, else by the STOP object."""
    if (routing := estate.dns.routing) is not None:
        control = routing.controls[region]
        return not ports.routing.states(routing.endpoints, [control])[control]
    keeper = estate.other(region)
    return ports.dns.stopped(keeper, estate.regions[keeper].stop_bucket, stop_key(region))


def _region(name: str, estate: Estate, known: dict[str, Any], share: Share, writes: LastWrites) -> RegionSeen:
    groups = {
        g: known[key] for g in estate.regions[name].node_groups if (key := f"group {name} {g}") in known
    }
    workloads = known.get(f"workloads {name}")
    # None is an answer here: there is no Argo CD, and so no window.
    windows = (known[key] or ()) if (key := f"windows {name}") in known else None
    own = {f"{what} {d} {name}" for d in estate.databases for what in ("database", "cluster")}
    asked = {
        *own,
        *(f"group {name} {g}" for g in estate.regions[name].node_groups),
        *(f"{what} {name}" for what in ("workloads", "nodes", "windows", "fenced")),
    }
    return RegionSeen(
        aws=bool(groups) or bool(own & known.keys()),
        cluster=workloads is not None,
        groups=groups or None,
        nodes_ready=known.get(f"nodes {name}"),
        workloads=None if workloads is None else {f"{w.namespace}/{w.name}": w for w in workloads},
        held=None if windows is None else bool(windows),
        windows=None if windows is None else tuple(str(w.get("description", "")) for w in windows),
        stopped=known.get(f"stopped {name}"),
        fenced=known.get(f"fenced {name}"),
        permille=share.permille.get(name),
        last_write_ms=writes.at_ms.get(name),
        quiet_ms=writes.quiet_ms.get(name),
        asked=len(asked),
        heard=len(asked & known.keys()),
    )


def _database(name: str, estate: Estate, known: dict[str, Any]) -> DatabaseSeen:
    regions = estate.databases[name].clusters
    lags = {r: known.get(f"lag {name} {r}") for r in regions}
    return DatabaseSeen(
        views={r: known[key] for r in regions if (key := f"database {name} {r}") in known},
        clusters={r: known[key] for r in regions if (key := f"cluster {name} {r}") in known},
        lag_ms={r: round(lag * 1000) for r, lag in lags.items() if lag is not None},
    )


def _weights(records: tuple[WeightedRecord, ...] | None) -> dict[str, int] | None:
    return None if records is None else {r.set_id: r.weight for r in records}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
