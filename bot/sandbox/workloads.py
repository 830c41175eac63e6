"""The estate's services as Kubernetes objects, as they run in a Region before anything happens."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from typing import Any

VERSION = "v2.3.1"
CPU = "400m"  # six m5.2xlarge hold all replicas with room for Jobs, three hold the standby's
STANDBY_SHARE = 0.5


def manifests(estate: Mapping[str, Any], region: str, *, primary: bool) -> list[dict[str, Any]]:
    """Namespaces, Secrets, Deployments and HPAs of one Region.

    The standby runs half of the replicas, and none of what may run only once (singletons, queue consumers).
    """
    services: Mapping[str, Mapping[str, Any]] = estate["services"]
    objects: list[dict[str, Any]] = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        for name in sorted({service["namespace"] for service in services.values()})
    ]
    for name, database in estate["databases"].items():
        users = {service["namespace"] for service in services.values() if service.get("database") == name}
        for namespace in sorted(users | {database["secret"]["namespace"]}):
            objects.append(_secret(namespace, name, database, region))
    for name, service in services.items():
        replicas = service["replicas"] if primary else _standby(service)
        objects.append(_deployment(name, service, estate, region, replicas))
        if scale := service.get("autoscale"):
            low = scale["min"] if primary else max(1, math.ceil(scale["min"] * STANDBY_SHARE))
            objects.append(_autoscaler(name, service["namespace"], low, scale["max"]))
    return objects


def database_url(database: Mapping[str, Any], name: str, region: str) -> str:
    """Where services of a Region find a database: the endpoint of that Region's own cluster."""
    host = f"{database['clusters'][region]}.cluster-signalbox.{region}.rds.amazonaws.com"
    return f"postgresql://{name}:sandbox@{host}:5432/{name}"


def _standby(service: Mapping[str, Any]) -> int:
    if service.get("kind") in {"singleton", "consumer"}:
        return 0
    return max(1, math.ceil(int(service["replicas"]) * STANDBY_SHARE))


def _secret(namespace: str, name: str, database: Mapping[str, Any], region: str) -> dict[str, Any]:
    url = base64.b64encode(database_url(database, name, region).encode()).decode()
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": database["secret"]["name"], "namespace": namespace},
        "type": "Opaque",
        "data": {database["secret"]["key"]: url},
    }


def _deployment(
    name: str, service: Mapping[str, Any], estate: Mapping[str, Any], region: str, replicas: int
) -> dict[str, Any]:
    container: dict[str, Any] = {
        "name": name,
        "image": f"{estate['account']}.dkr.ecr.{region}.amazonaws.com/{name}:{VERSION}",
        "ports": [{"containerPort": 8080}],
        "resources": {"requests": {"cpu": CPU, "memory": "512Mi"}},
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": 8080}},
    }
    if "database" in service:
        secret = estate["databases"][service["database"]]["secret"]
        source = {"secretKeyRef": {"name": secret["name"], "key": secret["key"]}}
        container["env"] = [{"name": "DATABASE_URL", "valueFrom": source}]
    labels = {"app": name, "version": VERSION}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": name,
            "namespace": service["namespace"],
            "labels": {**labels, "wave": service["wave"]},
        },
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


def _autoscaler(name: str, namespace: str, low: int, high: int) -> dict[str, Any]:
    target = {"type": "Utilization", "averageUtilization": 70}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicas": low,
            "maxReplicas": high,
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
        },
    }
