"""One cluster: a thread with its own loop, the API server in it, and the controllers behind it."""

from __future__ import annotations

import asyncio
import base64
import secrets
import threading
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any, TypeVar

from aiohttp import web

from bot.sandbox.faults import Faults
from bot.sandbox.kubernetes import audit_log, kinds
from bot.sandbox.kubernetes.containers import PodView
from bot.sandbox.kubernetes.controllers.argocd import ARGO, Argo, application_of
from bot.sandbox.kubernetes.controllers.deployments import Deployments
from bot.sandbox.kubernetes.controllers.disruption import Disruptions
from bot.sandbox.kubernetes.controllers.endpoints import Endpoints
from bot.sandbox.kubernetes.controllers.hpa import Autoscalers
from bot.sandbox.kubernetes.controllers.jobs import Jobs, RunContainer
from bot.sandbox.kubernetes.controllers.namespaces import Namespaces, Orphans
from bot.sandbox.kubernetes.controllers.nodes import Nodes
from bot.sandbox.kubernetes.controllers.plane import Plane, Timings
from bot.sandbox.kubernetes.controllers.pods import Pods
from bot.sandbox.kubernetes.controllers.replicasets import ReplicaSets
from bot.sandbox.kubernetes.controllers.worker import Clock, Worker
from bot.sandbox.kubernetes.meta import Obj
from bot.sandbox.kubernetes.objects import Objects, Writer
from bot.sandbox.kubernetes.server import HANG, AuditEntry, Server
from bot.sandbox.kubernetes.store import Store

T = TypeVar("T")
_START_SECONDS = 10.0
_SEED = Writer("seed")
# A namespace, and what others refer to, before what refers to it.
_FIRST = ("Namespace", "Node", "Secret", "ConfigMap", "ServiceAccount", "AppProject", "Application")


class Cluster:
    """A Kubernetes cluster of one Region.

    Methods may be called from any thread. `run_container` is awaited on this cluster's own loop.
    Users in `nobody`, when impersonated, are forbidden everything. `hang` is how many real seconds an
    unreachable Region keeps silent before it resets the connection.
    """

    def __init__(
        self,
        name: str,
        region: str,
        clock: Clock,
        faults: Faults,
        *,
        run_container: RunContainer | None = None,
        timings: Timings | None = None,
        nobody: Collection[str] = ("nobody",),
        hang: float = HANG,
    ) -> None:
        self.name = name
        self.region = region
        self.token = secrets.token_urlsafe(24)
        self.server_url = ""
        self.ca_data = base64.b64encode(b"plain http: there is no certificate").decode()
        self._worker = Worker(clock, lambda: faults.dark(region))
        self._store = Store()
        objects = Objects(self._store, clock.now)
        logs: dict[str, str] = {}
        self.person_token = secrets.token_urlsafe(24)
        self._server = Server(
            region,
            faults,
            self.token,
            objects,
            logs,
            frozenset(nobody),
            hang,
            person_token=self.person_token,
        )
        self._plane = Plane(
            region=region,
            objects=objects,
            worker=self._worker,
            timings=timings or Timings(),
            dark=faults.dark,
            short_of_capacity=lambda: faults.find("capacity-short", region=region) is not None,
            never_ready=lambda app: (
                faults.find("service-never-ready", region=region, service=app) is not None
            ),
        )
        self._jobs = Jobs(self._plane, run_container, logs)
        self._pods = Pods(self._plane, self._jobs.launch)
        self._nodes = Nodes(self._plane)
        self._argo = Argo(self._plane)
        for controller in (
            Deployments,
            ReplicaSets,
            Autoscalers,
            Disruptions,
            Endpoints,
            Namespaces,
            Orphans,
        ):
            controller(self._plane)
        for namespace in ("default", "kube-system", "kube-public"):
            objects.create(kinds.NAMESPACE, "", {"metadata": {"name": namespace}})
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._stop: asyncio.Event | None = None

    def start(self) -> None:
        """Serve on a free loopback port. Raises RuntimeError when the server does not come up."""
        ready = threading.Event()
        self._thread = threading.Thread(target=self._main, args=(ready,), name=f"kubernetes-{self.region}")
        self._thread.daemon = True
        self._thread.start()
        if not ready.wait(_START_SECONDS) or not self.server_url:
            raise RuntimeError(f"cluster {self.name} did not start")

    def stop(self) -> None:
        """End the server, open watches and running containers."""
        if self._loop is None or self._stop is None or self._thread is None:
            return
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(_START_SECONDS)
        self._loop = self._thread = None

    def seed(self, manifests: Sequence[Obj]) -> None:
        """Apply manifests as they are and let the controllers converge at once, without simulated waiting.

        An object with Argo CD's tracking annotation also becomes what Git says of it. Raises ApiError for
        a manifest that the API would refuse, KeyError for an unknown kind.
        """
        order = {kind: number for number, kind in enumerate(_FIRST)}
        self._call(lambda: self._seed(sorted(manifests, key=lambda m: order.get(m["kind"], len(order)))))

    def commit(self, manifests: Sequence[Obj]) -> None:
        """Change what Git says: Argo CD finds it at its next look, or when asked to refresh."""

        def work() -> None:
            for manifest in manifests:
                self._argo.commit(manifest)

        self._call(work)

    def set_nodes(self, group: str, count: int, instance_type: str) -> None:
        """Resize a node group: its first nodes are there at once, later ones join in time."""
        self._call(lambda: self._nodes.resize(group, count, instance_type))

    def lose_node(self, name: str) -> None:
        """Let a node's kubelet fall silent. Raises ApiError 404."""
        self._call(lambda: self._nodes.lose(name))

    def compact(self) -> None:
        """Forget the log of changes: watches and pages from before answer 410."""
        self._call(self._store.compact)

    def ready_pods(self, namespace: str, app: str) -> list[PodView]:
        """Ready pods with this `app` label; in a dark Region, those that were ready last."""
        return list(self._pods.views.get((namespace, app), ()))

    def audit(self) -> list[AuditEntry]:
        """The latest requests, oldest first."""
        return list(self._server.audit)

    def audit_log(self) -> list[tuple[float, Obj]]:
        """The latest changes as the API server's audit log has them, each with its time (epoch seconds)."""
        return [(entry.at, audit_log.event(entry)) for entry in list(self._server.changes)]

    def kubeconfig(self) -> dict[str, Any]:
        """A kubeconfig for this cluster alone; every name in it is the cluster's, so that several merge."""
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": self.name, "cluster": {"server": self.server_url}}],
            "users": [{"name": self.name, "user": {"token": self.token}}],
            "contexts": [{"name": self.name, "context": {"cluster": self.name, "user": self.name}}],
            "current-context": self.name,
        }

    def _seed(self, manifests: Sequence[Obj]) -> None:
        objects, store = self._plane.objects, self._store
        for manifest in manifests:
            kind = kinds.BY_NAME[manifest["apiVersion"], manifest["kind"]]
            namespace = manifest["metadata"].get("namespace", "") if kind.namespaced else ""
            tracked = application_of(manifest)
            writer = ARGO if tracked else _SEED
            if tracked:
                self._argo.commit(manifest)
            if store.get(kind, namespace, manifest["metadata"]["name"]):
                edit = partial(_overwrite, manifest=manifest)
                objects.change(kind, namespace, manifest["metadata"]["name"], edit, writer)
            else:
                objects.create(kind, namespace, manifest, writer)
        self._worker.settle()

    def _call(self, work: Callable[[], T]) -> T:
        """Do something on the loop's thread, where all objects live; directly before `start`."""
        if self._loop is None:
            return work()

        async def there() -> T:
            return work()

        return asyncio.run_coroutine_threadsafe(there(), self._loop).result(_START_SECONDS * 6)

    def _main(self, ready: threading.Event) -> None:
        with asyncio.Runner() as runner:
            runner.run(self._serve(ready))

    async def _serve(self, ready: threading.Event) -> None:
        self._stop = asyncio.Event()
        app_runner = web.AppRunner(
            self._server.app(), access_log=None, shutdown_timeout=0.1, handler_cancellation=True
        )
        await app_runner.setup()
        site = web.TCPSite(app_runner, "127.0.0.1", 0)
        await site.start()
        port = app_runner.addresses[0][1]
        self.server_url = f"http://127.0.0.1:{port}"
        controllers = asyncio.create_task(self._worker.run())
        self._loop = asyncio.get_running_loop()
        ready.set()
        await self._stop.wait()
        self._server.stopping.set()
        tasks = [controllers, *self._jobs.running]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await app_runner.cleanup()


def _overwrite(live: Obj, manifest: Obj) -> None:
    meta = {k: v for k, v in manifest["metadata"].items() if k != "resourceVersion"}
    live.update({k: v for k, v in manifest.items() if k != "metadata"})
    live["metadata"] |= meta
