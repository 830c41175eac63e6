"""The two clusters of the sandbox's estate: what fits, what Argo CD lets the bot change, what pods read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client, config
from kubernetes_place import until

import bot.sandbox
from bot.sandbox.clock import SimClock
from bot.sandbox.faults import Faults
from bot.sandbox.kubernetes import Cluster
from bot.sandbox.kubernetes.estate import manifests

EAST, WEST = "us-east-1", "us-west-2"


def estate() -> dict[str, Any]:
    [folder] = bot.sandbox.__path__
    text = (Path(folder) / "estate.yaml").read_text()
    return dict(yaml.safe_load(re.sub(r"(?<!\")\$\{[a-z0-9_]+\}", "x", text)))


class Standby:
    """The standby's cluster, seeded."""

    def __init__(self, cluster: Cluster, clock: SimClock, faults: Faults) -> None:
        self.cluster, self.clock, self.faults = cluster, clock, faults
        self.api = config.new_client_from_config_dict(cluster.kubeconfig())
        self.apps = client.AppsV1Api(self.api)
        self.scaling = client.AutoscalingV2Api(self.api)
        self.core = client.CoreV1Api(self.api)
        self.custom = client.CustomObjectsApi(self.api)


@pytest.fixture
def standby(tmp_path: Path) -> Iterator[Standby]:
    clock, faults = SimClock(tmp_path / "clock.json", 60), Faults()
    cluster = Cluster("fintech-prod-secondary", WEST, clock, faults)
    cluster.set_nodes("general", 3, "m5.2xlarge")
    cluster.start()
    cluster.seed(manifests(estate(), WEST, primary=False))
    found = Standby(cluster, clock, faults)
    yield found
    found.api.close()
    cluster.stop()


def held(check: Callable[[], bool], clock: SimClock) -> None:
    """Check that something stays so over a simulated minute."""
    for _ in range(12):
        clock.advance(5)
        assert check()


def test_primary_fits_its_nodes(tmp_path: Path) -> None:
    """Six m5.2xlarge run every replica of the estate at once, with nothing waiting."""
    found = estate()
    cluster = Cluster("fintech-prod-primary", EAST, SimClock(tmp_path / "clock.json"), Faults())
    cluster.set_nodes("general", 6, "m5.2xlarge")
    cluster.seed(manifests(found, EAST, primary=True))
    for name, service in found["services"].items():
        assert len(cluster.ready_pods(service["namespace"], name)) == service["replicas"], name


def test_standby_is_a_pilot_light(standby: Standby) -> None:
    """One pod per service, none of singletons and consumers; every application is Synced and Healthy."""
    for name, service in estate()["services"].items():
        wanted = 0 if service.get("kind") in ("singleton", "consumer") else 1
        assert len(standby.cluster.ready_pods(service["namespace"], name)) == wanted, name
    applications = standby.custom.list_namespaced_custom_object(
        group="argoproj.io", version="v1alpha1", namespace="argocd", plural="applications"
    )["items"]
    states = {(a["status"]["sync"]["status"], a["status"]["health"]["status"]) for a in applications}
    assert (len(applications), states) == (42, {("Synced", "Healthy")})


def test_the_peak_needs_more_nodes(standby: Standby) -> None:
    """The primary's replicas do not fit the standby's three nodes, and do once there are six."""
    deny(standby)
    services = estate()["services"]
    for name, service in services.items():
        where = {"name": name, "namespace": service["namespace"]}
        if "autoscale" in service and service.get("kind") is None:
            body = {"spec": {"minReplicas": service["replicas"]}}
            standby.scaling.patch_namespaced_horizontal_pod_autoscaler(**where, body=body)
        else:
            body = {"spec": {"replicas": service["replicas"]}}
            standby.apps.patch_namespaced_deployment_scale(**where, body=body)

    def pending() -> int:
        query = "status.phase=Pending"
        return len(standby.core.list_pod_for_all_namespaces(field_selector=query).items)

    def ready() -> int:
        views = (standby.cluster.ready_pods(s["namespace"], n) for n, s in services.items())
        return sum(len(v) for v in views)

    until(lambda: (ready(), pending()) == (45, 84 - 45))
    standby.cluster.set_nodes("general", 6, "m5.2xlarge")
    until(lambda: ready() == 84)


def deny(standby: Standby) -> None:
    window = {"kind": "deny", "schedule": "* * * * *", "duration": "2h", "applications": ["*"]}
    standby.custom.patch_namespaced_custom_object(
        group="argoproj.io",
        version="v1alpha1",
        namespace="argocd",
        plural="appprojects",
        name="default",
        body={"spec": {"syncWindows": [window]}},
    )


def minimum(standby: Standby) -> int:
    where = {"name": "ledger", "namespace": "production"}
    return int(standby.scaling.read_namespaced_horizontal_pod_autoscaler(**where).spec.min_replicas)


def test_argo_undoes_a_raised_minimum_without_a_window(standby: Standby) -> None:
    """minReplicas is Git's: raised out of band it is put back, with a deny window it stays."""
    where = {"name": "ledger", "namespace": "production"}
    body = {"spec": {"minReplicas": 4}}
    standby.scaling.patch_namespaced_horizontal_pod_autoscaler(**where, body=body)
    until(lambda: minimum(standby) == 1)
    deny(standby)
    standby.scaling.patch_namespaced_horizontal_pod_autoscaler(**where, body=body)
    held(lambda: minimum(standby) == 4, standby.clock)


def test_argo_leaves_replicas_of_singletons_alone(standby: Standby) -> None:
    """The bot may start a singleton: its replicas are an ignored difference."""
    where = {"name": "batch-settlement", "namespace": "internal"}
    standby.apps.patch_namespaced_deployment_scale(**where, body={"spec": {"replicas": 1}})
    until(lambda: standby.cluster.ready_pods("internal", "batch-settlement"))
    held(lambda: standby.apps.read_namespaced_deployment(**where).spec.replicas == 1, standby.clock)


def test_restart_starts_a_pod_with_the_new_secret(standby: Standby) -> None:
    """A pod keeps the environment it was started with until a rollout restart replaces it."""
    cluster = standby.cluster
    [old] = cluster.ready_pods("production", "payment-service")
    assert old.env["DATABASE_URL"] == (
        "postgresql://app:secret@fintech-payments-usw2.cluster-x.us-west-2.rds.amazonaws.com:5432/payments"
    )
    assert old.version == "v2.3.1"
    secret = {"name": "payment-db-credentials", "namespace": "production"}
    standby.core.patch_namespaced_secret(**secret, body={"stringData": {"url": "postgresql://promoted"}})
    assert cluster.ready_pods("production", "payment-service") == [old]
    notes = {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z"}}}
    where = {"name": "payment-service", "namespace": "production"}
    standby.apps.patch_namespaced_deployment(**where, body={"spec": {"template": notes}})

    def replaced() -> bool:
        pods = cluster.ready_pods("production", "payment-service")
        return len(pods) == 1 and pods != [old]

    until(replaced)
    [new] = cluster.ready_pods("production", "payment-service")
    assert new.env["DATABASE_URL"] == "postgresql://promoted"
    assert new.started_at > old.started_at


def test_images_come_from_the_own_regions_registry(standby: Standby) -> None:
    """An image of a dark Region's registry cannot be pulled; the old pod goes on serving."""
    standby.faults.add("region-dark", region=EAST)
    deny(standby)
    where = {"name": "help-center", "namespace": "insights"}
    image = f"123456789012.dkr.ecr.{EAST}.amazonaws.com/help-center:v2.3.2"
    body = {"spec": {"template": {"spec": {"containers": [{"name": "help-center", "image": image}]}}}}
    standby.apps.patch_namespaced_deployment(**where, body=body)

    def waiting() -> set[str]:
        pods = standby.core.list_namespaced_pod(namespace="insights", label_selector="app=help-center").items
        states = [s.state.waiting for p in pods for s in p.status.container_statuses or []]
        return {state.reason for state in states if state}

    until(lambda: waiting() == {"ImagePullBackOff"})
    assert len(standby.cluster.ready_pods("insights", "help-center")) == 1
