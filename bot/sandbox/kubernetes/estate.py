"""The objects of one cluster, made from the sandbox's estate."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bot.sandbox.kubernetes.controllers.argocd import TRACKING
from bot.sandbox.kubernetes.meta import Obj

ARGO_NAMESPACE = "argocd"
REPOSITORY = "https://git.fintech.example/platform/manifests.git"
# Kinds whose replicas Git does not decide in the standby: they run in one Region only.
_ONE_REGION = ("singleton", "consumer")


def manifests(
    estate: dict[str, Any], region: str, *, primary: bool, version: str = "v2.3.1"
) -> list[dict[str, Any]]:
    """Everything that runs in this Region's cluster.

    The primary runs the estate's replicas. A standby is a pilot light: one replica per service, autoscalers
    with a minimum of one, singletons and consumers at zero.
    """
    services: dict[str, Obj] = estate["services"]
    spaces = dict.fromkeys([*(s["namespace"] for s in services.values()), ARGO_NAMESPACE])
    found: list[Obj] = [_object("v1", "Namespace", name) for name in spaces]
    found += _secrets(estate, region)
    found.append(_project())
    for name, service in services.items():
        tracked = [
            _deployment(estate, name, service, region, primary, version),
            _service(name, service),
            *_bounds(name, service, primary),
        ]
        for manifest in tracked:
            _track(name, manifest)
        found += [_application(name, service), *tracked]
    return found


def database_url(estate: dict[str, Any], database: str, region: str) -> str:
    """What a Secret holds for one database: the address of this Region's cluster of it."""
    cluster = estate["databases"][database]["clusters"][region]
    return f"postgresql://app:secret@{cluster}.cluster-x.{region}.rds.amazonaws.com:5432/{database}"


def _object(api_version: str, kind: str, name: str, namespace: str = "", **body: Any) -> Obj:
    meta: Obj = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": api_version, "kind": kind, "metadata": meta, **body}


def _track(app: str, manifest: Obj) -> None:
    group, slash, _ = manifest["apiVersion"].partition("/")
    meta = manifest["metadata"]
    where = f"{group if slash else ''}/{manifest['kind']}:{meta['namespace']}/{meta['name']}"
    meta.setdefault("annotations", {})[TRACKING] = f"{app}:{where}"
    meta.setdefault("labels", {})["app"] = app


def _secrets(estate: dict[str, Any], region: str) -> Iterator[Obj]:
    """Database Secrets, in the namespace the estate names and in every one whose services need them."""
    wanted: dict[tuple[str, str], str] = {}
    for database, entry in estate["databases"].items():
        wanted[entry["secret"]["namespace"], entry["secret"]["name"]] = database
    for service in estate["services"].values():
        if database := service.get("database"):
            wanted[service["namespace"], estate["databases"][database]["secret"]["name"]] = database
    for (namespace, name), database in wanted.items():
        key = estate["databases"][database]["secret"]["key"]
        data = {key: database_url(estate, database, region)}
        yield _object("v1", "Secret", name, namespace, type="Opaque", stringData=data)


def _deployment(
    estate: dict[str, Any], name: str, service: Obj, region: str, primary: bool, version: str
) -> Obj:
    role = service.get("kind", "service")
    replicas = service.get("replicas", 1) if primary else int(role not in _ONE_REGION)
    env: list[Obj] = [{"name": "REGION", "value": region}]
    if database := service.get("database"):
        secret = estate["databases"][database]["secret"]
        reference = {"secretKeyRef": {"name": secret["name"], "key": secret["key"]}}
        env.append({"name": "DATABASE_URL", "valueFrom": reference})
    container: Obj = {
        "name": name,
        "image": f"{estate['account']}.dkr.ecr.{region}.amazonaws.com/{name}:{version}",
        "ports": [{"containerPort": 8080, "name": "http"}],
        "env": env,
        "resources": {
            "requests": {"cpu": "500m", "memory": "512Mi"},
            "limits": {"cpu": "1000m", "memory": "1Gi"},
        },
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 5},
    }
    marks = {"app": name, "version": version, "signalbox/kind": role, "signalbox/wave": service["wave"]}
    spec = {
        "replicas": replicas,
        "selector": {"matchLabels": {"app": name}},
        "template": {"metadata": {"labels": marks}, "spec": {"containers": [container]}},
    }
    found = _object("apps/v1", "Deployment", name, service["namespace"], spec=spec)
    found["metadata"]["labels"] = {key: marks[key] for key in ("app", "signalbox/kind", "signalbox/wave")}
    return found


def _service(name: str, service: Obj) -> Obj:
    spec = {"selector": {"app": name}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]}
    return _object("v1", "Service", name, service["namespace"], spec=spec)


def _bounds(name: str, service: Obj, primary: bool) -> Iterator[Obj]:
    """What keeps a service within limits: autoscaler, disruption budget, network policy."""
    namespace = service["namespace"]
    if scaling := service.get("autoscale"):
        target = {"type": "Utilization", "averageUtilization": 70}
        spec: Obj = {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicas": scaling["min"] if primary else 1,
            "maxReplicas": scaling["max"],
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
        }
        yield _object("autoscaling/v2", "HorizontalPodAutoscaler", name, namespace, spec=spec)
    if service.get("critical"):
        spec = {"maxUnavailable": 1, "selector": {"matchLabels": {"app": name}}}
        yield _object("policy/v1", "PodDisruptionBudget", name, namespace, spec=spec)
    if name == "payment-service":
        spec = {
            "podSelector": {"matchLabels": {"app": name}},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "api-gateway"}}}]}],
            "egress": [
                {"to": [{"podSelector": {"matchLabels": {"app": "postgres"}}}]},
                {"to": [{"namespaceSelector": {}, "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}}]},
                {"to": [{"ipBlock": {"cidr": "54.187.0.0/16"}}]},
            ],
        }
        yield _object("networking.k8s.io/v1", "NetworkPolicy", name, namespace, spec=spec)


def _project() -> Obj:
    anywhere = {"namespace": "*", "server": "*"}
    spec = {"sourceRepos": ["*"], "destinations": [anywhere], "syncWindows": []}
    return _object("argoproj.io/v1alpha1", "AppProject", "default", ARGO_NAMESPACE, spec=spec)


def _application(name: str, service: Obj) -> Obj:
    spec: Obj = {
        "project": "default",
        "source": {"repoURL": REPOSITORY, "targetRevision": "main", "path": f"services/{name}"},
        "destination": {"server": "https://kubernetes.default.svc", "namespace": service["namespace"]},
        "syncPolicy": {"automated": {"prune": True, "selfHeal": True}},
    }
    if service.get("autoscale") or service.get("kind") in _ONE_REGION:
        spec["syncPolicy"]["syncOptions"] = ["RespectIgnoreDifferences=true"]
        rule = {"group": "apps", "kind": "Deployment", "jsonPointers": ["/spec/replicas"]}
        spec["ignoreDifferences"] = [rule]
    found = _object("argoproj.io/v1alpha1", "Application", name, ARGO_NAMESPACE, spec=spec)
    found["metadata"]["labels"] = {"app": name}
    return found
