"""What the 42 services do when a request reaches them: serve from ready pods, with what they need."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from bot.sandbox.faults import Faults
from bot.sandbox.net.connection import Connection
from bot.sandbox.net.databases import Databases

CACHE_SECONDS = 0.2


class Pod(Protocol):
    """A ready pod as a load balancer sees it; `started_at` is simulated epoch seconds."""

    @property
    def name(self) -> str: ...
    @property
    def started_at(self) -> float: ...
    @property
    def version(self) -> str: ...
    @property
    def env(self) -> Mapping[str, str]: ...


class Pods(Protocol):
    """Where ready pods are listed: a Region's cluster."""

    def ready_pods(self, namespace: str, app: str) -> Sequence[Pod]: ...


class Unavailable(Exception):
    """Nothing can serve this request now; the text says why."""


class Services:
    """The estate's services in one Region."""

    def __init__(
        self,
        region: str,
        services: Mapping[str, Mapping[str, Any]],
        pods: Pods,
        databases: Databases,
        faults: Faults,
    ) -> None:
        self.region = region
        self._services = services
        self._pods = pods
        self._databases = databases
        self._faults = faults
        self._turn = itertools.count()
        self._seen: dict[str, tuple[float, Sequence[Pod]]] = {}

    def pod(self, service: str) -> Pod:
        """The next ready pod of the service. Raises Unavailable when it, or a service it needs, has none."""
        if missing := next((name for name in self._chain(service) if not self._ready(name)), None):
            raise Unavailable(f"{missing} has no ready pod in {self.region}")
        ready = self._ready(service)
        return ready[next(self._turn) % len(ready)]

    def database(self, pod: Pod) -> Connection:
        """The connection that the pod has held since it started. Raises DatabaseError."""
        return self._databases.connect(pod.env.get("DATABASE_URL", ""), pod.started_at)

    def erring(self, service: str) -> bool:
        """Whether a fault makes this request fail; `rate` is the share of failing requests, 1 unless told."""
        fault = self._faults.find("service-errors", region=self.region, service=service)
        return bool(fault and random.random() < float(fault.params.get("rate", 1)))

    def delay(self, service: str) -> float:
        """Simulated seconds that faults add to this request."""
        slow = self._faults.find("service-slow", region=self.region, service=service)
        latency = self._faults.find("latency", target="ingress")
        return sum(float(fault.params["seconds"]) for fault in (slow, latency) if fault)

    def _ready(self, service: str) -> Sequence[Pod]:
        read_at, pods = self._seen.get(service, (-CACHE_SECONDS, ()))
        if time.monotonic() - read_at >= CACHE_SECONDS:
            pods = self._pods.ready_pods(self._services[service]["namespace"], service)
            self._seen[service] = time.monotonic(), pods
        return pods

    def _chain(self, service: str) -> list[str]:
        chain = [service]
        for name in chain:
            chain += [need for need in self._services[name].get("needs", []) if need not in chain]
        return chain
