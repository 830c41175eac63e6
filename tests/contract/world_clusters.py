"""What the tests of clusters share: two stand-ins that are up, and the world opened onto them."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from world_outside import EAST, WEST, Recorded, open_ports

from bot.clock import SystemClock
from bot.ports import Clusters, JobSpec, Workload
from bot.sandbox.clock import SimClock
from bot.sandbox.faults import Faults
from bot.sandbox.kubernetes import Cluster, ContainerResult, ContainerRun
from bot.world.hooks import Hooks
from bot.world.kubernetes_access import KubernetesAccess
from bot.world.kubernetes_session import KubernetesSession
from bot.world.rates import Rates
from bot.world.sessions import AwsSessions

SPACE = "production"
PROBE = JobSpec(
    namespace=SPACE,
    name="probe-1",
    image="postgres:16",
    secret="payment-db-credentials",
    secret_key="url",
    sql=("select 1", "select pg_is_in_recovery()"),
)


@dataclass
class Clustered:
    """Two clusters and the port onto them."""

    clusters: dict[str, Cluster]
    faults: Faults
    register: Recorded
    port: Clusters
    session: KubernetesSession
    runs: list[ContainerRun]

    def one(self, name: str) -> Workload:
        return next(w for w in self.port.workloads(EAST, [SPACE]) if w.name == name)

    def changes(self, region: str = EAST) -> list[str]:
        return [e.verb for e in self.clusters[region].audit() if e.verb != "GET"]


def deployment(name: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": SPACE},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "main", "image": f"registry/{name}:1.0"}]},
            },
        }
        | spec,
    }


def hpa(name: str, deployment_name: str) -> dict[str, Any]:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": deployment_name}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name, "namespace": SPACE},
        "spec": {"scaleTargetRef": target, "minReplicas": 2, "maxReplicas": 8},
    }


SECRET = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": PROBE.secret, "namespace": SPACE},
    "data": {"url": base64.b64encode(b"postgresql://app:hunter2@db/payments").decode()},
}
NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE}}
PROJECT = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "AppProject",
    "metadata": {"name": "default", "namespace": "argocd"},
    "spec": {"syncWindows": [{"kind": "allow", "schedule": "* * * * *", "duration": "1h"}]},
}


@contextmanager
def clusters_outside(tmp_path: Path) -> Iterator[Clustered]:
    clock, faults, register = SimClock(tmp_path / "clock.json", rate=20), Faults(), Recorded()
    runs: list[ContainerRun] = []

    async def run(given: ContainerRun) -> ContainerResult:
        runs.append(given)
        if "boom" in " ".join(given.args):
            return ContainerResult(3, "ERROR:  cannot execute INSERT in a read-only transaction\n")
        return ContainerResult(0, "1\nf\n")

    clusters = {
        region: Cluster(f"{region}-prod", region, clock, faults, run_container=run) for region in (EAST, WEST)
    }
    try:
        configs = []
        for region, cluster in clusters.items():
            cluster.start()
            cluster.set_nodes("general", 3, "m5.2xlarge")
            configs.append(tmp_path / f"{region}.yaml")
            configs[-1].write_text(yaml.safe_dump(cluster.kubeconfig()))
        services = [deployment("web"), deployment("worker", replicas=1), hpa("web-scaler", "web")]
        clusters[EAST].seed([NAMESPACE, SECRET, *services])
        given = {
            "kubeconfig": ":".join(map(str, configs)),
            "clusters": {region: cluster.name for region, cluster in clusters.items()},
        }
        port = open_ports(register, tmp_path / "clock.json", tmp_path, **given).clusters
        hooks = Hooks(register)
        access = KubernetesAccess(
            hooks=hooks, aws=AwsSessions(hooks, Rates(SystemClock())), clock=_Never(), state=tmp_path, **given
        )
        session = KubernetesSession(EAST, access.client(EAST))
        yield Clustered(clusters, faults, register, port, session, runs)
    finally:
        for cluster in clusters.values():
            cluster.stop()


class _Never:
    """A clock that a kubeconfig needs not."""

    def now(self) -> float:
        raise AssertionError

    monotonic = now

    def wait(self, event: Any, seconds: float) -> bool:
        raise AssertionError
