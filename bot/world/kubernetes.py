"""Kubernetes clusters, one a Region: how services run there, and the few things that are moved."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from bot.errors import Rejected, Unreachable
from bot.ports import JobResult, JobSpec, Workload
from bot.world import argocd, kubernetes_jobs
from bot.world.kubernetes_access import KubernetesAccess
from bot.world.kubernetes_session import KubernetesSession
from bot.world.kubernetes_workloads import RESTARTED_AT, node_ready, targets, unschedulable, workload


class KubernetesClusters:
    """`bot.ports.Clusters` on Kubernetes. With `impersonate`, changes are made as the act's person."""

    def __init__(self, access: KubernetesAccess, *, impersonate: bool = False) -> None:
        self._access = access
        self._impersonate = impersonate
        self._sessions: dict[str, KubernetesSession] = {}
        self._lock = threading.Lock()

    def reachable(self, region: str) -> bool:
        """Whether the API server answers at all. Raises Rejected when it answers no."""
        try:
            self._session(region).get("/version")
        except Unreachable:
            return False
        return True

    def workloads(self, region: str, namespaces: Sequence[str]) -> tuple[Workload, ...]:
        """Every Deployment of these namespaces, in three lists a namespace."""
        session = self._session(region)
        found: list[Workload] = []
        for namespace in namespaces:
            deployments = session.items(f"/apis/apps/v1/namespaces/{namespace}/deployments")
            hpas = session.items(_hpas(namespace))
            pods = session.items(f"/api/v1/namespaces/{namespace}/pods")
            found += [workload(one, hpas, pods) for one in deployments]
        return tuple(found)

    def nodes_ready(self, region: str) -> int:
        """Nodes that are Ready and not cordoned."""
        return sum(node_ready(node) for node in self._session(region).items("/api/v1/nodes"))

    def pending(self, region: str, namespaces: Sequence[str]) -> tuple[str, ...]:
        session = self._session(region)
        found: list[str] = []
        for namespace in namespaces:
            pods = session.items(f"/api/v1/namespaces/{namespace}/pods", fieldSelector="status.phase=Pending")
            for pod in pods:
                if reason := unschedulable(pod):
                    found.append(f"{namespace}/{pod['metadata']['name']}: {reason}")
        return tuple(found)

    def scale(self, region: str, namespace: str, name: str, replicas: int) -> None:
        """Set the Deployment's replicas; nothing is sent when it has them."""
        session = self._session(region)
        path = f"{_deployment(namespace, name)}/scale"
        # A scale of 0 has no field at all; testing for null then means "still absent".
        now = session.get(path).get("spec", {}).get("replicas")
        if (now or 0) != replicas:
            session.patch(path, _swap("/spec/replicas", now, replicas))

    def set_minimum(self, region: str, namespace: str, name: str, minimum: int) -> None:
        """Set minReplicas of the HPA that scales this Deployment, whatever the HPA is called."""
        session = self._session(region)
        hpa = next((h for h in session.items(_hpas(namespace)) if targets(h, name)), None)
        if hpa is None:
            raise Rejected(f"No HPA scales {namespace}/{name} in {region}.", not_done="Nothing was changed.")
        now = hpa["spec"].get("minReplicas")
        if now != minimum:
            path = f"{_hpas(namespace)}/{hpa['metadata']['name']}"
            session.patch(path, _swap("/spec/minReplicas", now, minimum))

    def restart(self, region: str, namespace: str, name: str, stamp: str) -> None:
        session = self._session(region)
        path = _deployment(namespace, name)
        annotations = session.get(path)["spec"]["template"]["metadata"].get("annotations")
        if annotations is None:
            session.patch(path, _swap("/spec/template/metadata/annotations", None, {RESTARTED_AT: stamp}))
        elif (now := annotations.get(RESTARTED_AT)) != stamp:
            field = RESTARTED_AT.replace("/", "~1")
            session.patch(path, _swap(f"/spec/template/metadata/annotations/{field}", now, stamp))

    def job(self, region: str, namespace: str, name: str) -> JobResult:
        return kubernetes_jobs.result(self._session(region), namespace, name)

    def run_job(self, region: str, spec: JobSpec) -> None:
        kubernetes_jobs.run(self._session(region), spec)

    def remove_job(self, region: str, namespace: str, name: str) -> None:
        kubernetes_jobs.remove(self._session(region), namespace, name)

    def sync_windows(self, region: str) -> tuple[dict[str, Any], ...] | None:
        return argocd.windows(self._session(region))

    def set_sync_windows(self, region: str, windows: Sequence[Mapping[str, Any]]) -> None:
        argocd.set_windows(self._session(region), windows)

    def out_of_sync(self, region: str) -> tuple[str, ...]:
        return argocd.out_of_sync(self._session(region))

    def _session(self, region: str) -> KubernetesSession:
        with self._lock:
            session = self._sessions.get(region)
        if session is None:
            client = self._access.client(region)
            session = KubernetesSession(region, client, impersonate=self._impersonate)
            with self._lock:
                session = self._sessions.setdefault(region, session)
        return session


def _deployment(namespace: str, name: str) -> str:
    return f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}"


def _hpas(namespace: str) -> str:
    return f"/apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers"


def _swap(path: str, now: Any, then: Any) -> list[dict[str, Any]]:
    """Compare and set one field; `add` also replaces, and works where the field is absent."""
    return [{"op": "test", "path": path, "value": now}, {"op": "add", "path": path, "value": then}]
