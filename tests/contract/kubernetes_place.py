"""Where the Kubernetes contract is checked: the stand-in, and any cluster SIGNALBOX_TEST_KUBECONFIG names."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import pytest
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException

from bot.sandbox.clock import SimClock
from bot.sandbox.faults import Faults
from bot.sandbox.kubernetes import Cluster, ContainerResult, ContainerRun

STAND_IN = "stand-in"
PLACES = [STAND_IN, *(["real"] if os.environ.get("SIGNALBOX_TEST_KUBECONFIG") else [])]
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
REGION = "us-east-1"
RATE = 60.0
T = TypeVar("T")


@dataclass
class Answer:
    code: int
    headers: dict[str, str]
    text: str

    @property
    def body(self) -> dict[str, Any]:
        return dict(json.loads(self.text))


@dataclass
class Place:
    """A cluster under test, with a namespace of its own."""

    api: client.ApiClient
    namespace: str
    cluster: Cluster | None = None
    faults: Faults = field(default_factory=Faults)
    clock: SimClock | None = None
    ran: list[ContainerRun] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.core = client.CoreV1Api(self.api)
        self.apps = client.AppsV1Api(self.api)
        self.batch = client.BatchV1Api(self.api)
        self.scaling = client.AutoscalingV2Api(self.api)
        self.policy = client.PolicyV1Api(self.api)
        self.networking = client.NetworkingV1Api(self.api)
        self.leases = client.CoordinationV1Api(self.api)
        self.custom = client.CustomObjectsApi(self.api)

    @property
    def stand_in(self) -> Cluster:
        """The stand-in itself; skips the test elsewhere."""
        if self.cluster is None:
            pytest.skip("only the stand-in can be told to")
        return self.cluster

    def raw(
        self, method: str, path: str, body: Any = None, media: str = "application/json", **headers: str
    ) -> Answer:
        """One request without the client's models. `{ns}` in the path is the namespace."""
        setting = self.api.configuration
        token = setting.get_api_key_with_prefix("BearerToken", alias="authorization")
        sent = {"Content-Type": media} if body is not None else {}
        sent |= {"authorization": token} if token else {}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        answer = self.api.rest_client.pool_manager.request(
            method,
            setting.host + path.format(ns=self.namespace),
            body=body if isinstance(body, str) or body is None else json.dumps(body),
            headers={k: v for k, v in sent.items() if v},
            timeout=20,
            retries=False,
        )
        return Answer(answer.status, dict(answer.headers), answer.data.decode())

    def config_map(self, name: str, **labels: str) -> client.V1ConfigMap:
        body = {"metadata": {"name": name, "labels": labels}, "data": {"k": "v"}}
        return self.core.create_namespaced_config_map(namespace=self.namespace, body=body)

    def deploy(self, name: str, replicas: int = 1, **spec: Any) -> client.V1Deployment:
        body = deployment(name, replicas, **spec)
        return self.apps.create_namespaced_deployment(namespace=self.namespace, body=body)

    def settled(self, name: str, replicas: int) -> client.V1Deployment:
        """The Deployment once its rollout is over and so many pods are available."""

        def done() -> client.V1Deployment | None:
            found = self.apps.read_namespaced_deployment(name=name, namespace=self.namespace)
            status = found.status
            seen = status.observed_generation == found.metadata.generation
            numbers = [status.replicas or 0, status.updated_replicas or 0, status.available_replicas or 0]
            return found if seen and numbers == [replicas] * 3 else None

        return until(done)


@contextmanager
def place(which: str, directory: Path, hang: float = 30.0) -> Iterator[Place]:
    """A place to check the contract in; `hang` is how long an unreachable Region keeps silent."""
    name = f"contract-{uuid4().hex[:8]}"
    if which != STAND_IN:
        api = config.new_client_from_config(os.environ["SIGNALBOX_TEST_KUBECONFIG"])
        found = Place(api, name)
        found.core.create_namespace(body={"metadata": {"name": name}})
        try:
            yield found
        finally:
            found.core.delete_namespace(name=name)
            api.close()
        return
    ran: list[ContainerRun] = []

    async def run(container: ContainerRun) -> ContainerResult:
        ran.append(container)
        good = "fail" not in container.args
        return ContainerResult(0 if good else 3, "wrote row 1" if good else "cannot write")

    faults, clock = Faults(), SimClock(directory / "clock.json", RATE)
    cluster = Cluster("contract", REGION, clock, faults, run_container=run, hang=hang)
    cluster.set_nodes("general", 3, "m5.2xlarge")
    cluster.start()
    api = config.new_client_from_config_dict(cluster.kubeconfig())
    found = Place(api, name, cluster, faults, clock, ran)
    try:
        found.core.create_namespace(body={"metadata": {"name": name}})
        yield found
    finally:
        api.close()
        cluster.stop()


def until(look: Callable[[], T | None], seconds: float = 60.0) -> T:
    """What `look` finds, as soon as it finds something true."""
    ends = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < ends, "it never happened"
        time.sleep(0.02)
    return found


def refused(call: Callable[..., Any], **arguments: Any) -> tuple[int, dict[str, Any]]:
    """Code and Status of a call that must fail."""
    with pytest.raises(ApiException) as failure:
        call(**arguments)
    body = failure.value.body
    return failure.value.status, json.loads(body) if body else {}


def deployment(name: str, replicas: int = 1, **spec: Any) -> dict[str, Any]:
    marks = {"app": name}
    container = {
        "name": "main",
        "image": "registry.k8s.io/pause:3.10",
        "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
        "resources": {"requests": {"cpu": "100m"}},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": marks},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": marks},
            "template": {"metadata": {"labels": marks}, "spec": {"containers": [container]}},
            **spec,
        },
    }


def route(name: str, first: int = 100) -> dict[str, Any]:
    weights = ((first, "ec2"), (100 - first, "eks"))
    destinations = [{"destination": {"host": name, "subset": s}, "weight": w} for w, s in weights]
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": name},
        "spec": {"hosts": [name], "http": [{"name": "primary", "route": destinations}]},
    }


VIRTUAL_SERVICES = {"group": "networking.istio.io", "version": "v1", "plural": "virtualservices"}
APPLICATIONS = {"group": "argoproj.io", "version": "v1alpha1", "plural": "applications"}
