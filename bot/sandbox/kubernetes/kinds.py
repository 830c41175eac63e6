"""The kinds this API server knows, and how each behaves on the wire."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """One kind: its names, and which of the server's rules it follows.

    `generation`: the server counts spec changes. `status`: it has a status subresource.
    `custom`: it follows the rules of custom resources (no strategic patch, kind on list items).
    """

    group: str
    version: str
    name: str
    plural: str
    namespaced: bool = True
    generation: bool = False
    status: bool = False
    custom: bool = False
    scale: bool = False
    also: tuple[str, ...] = ()
    short: tuple[str, ...] = ()

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def resource(self) -> str:
        """plural.group, as messages write it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def qualified(self) -> str:
        """Kind.group, as messages of validation write it."""
        return f"{self.name}.{self.group}" if self.group else self.name

    @property
    def versions(self) -> tuple[str, ...]:
        return (self.version, *self.also)

    @property
    def group_versions(self) -> tuple[str, ...]:
        return tuple(f"{self.group}/{v}" if self.group else v for v in self.versions)


NAMESPACE = Kind("", "v1", "Namespace", "namespaces", namespaced=False, status=True, short=("ns",))
POD = Kind("", "v1", "Pod", "pods", generation=True, status=True, short=("po",))
SERVICE = Kind("", "v1", "Service", "services", status=True, short=("svc",))
ENDPOINTS = Kind("", "v1", "Endpoints", "endpoints", short=("ep",))
SECRET = Kind("", "v1", "Secret", "secrets")
CONFIG_MAP = Kind("", "v1", "ConfigMap", "configmaps", short=("cm",))
SERVICE_ACCOUNT = Kind("", "v1", "ServiceAccount", "serviceaccounts", short=("sa",))
NODE = Kind("", "v1", "Node", "nodes", namespaced=False, status=True, short=("no",))
EVENT = Kind("", "v1", "Event", "events", short=("ev",))
DEPLOYMENT = Kind(
    "apps", "v1", "Deployment", "deployments", generation=True, status=True, scale=True, short=("deploy",)
)
REPLICA_SET = Kind(
    "apps", "v1", "ReplicaSet", "replicasets", generation=True, status=True, scale=True, short=("rs",)
)
HPA = Kind(
    "autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", status=True, short=("hpa",)
)
JOB = Kind("batch", "v1", "Job", "jobs", generation=True, status=True)
CRON_JOB = Kind("batch", "v1", "CronJob", "cronjobs", generation=True, status=True, short=("cj",))
PDB = Kind(
    "policy",
    "v1",
    "PodDisruptionBudget",
    "poddisruptionbudgets",
    generation=True,
    status=True,
    short=("pdb",),
)
NETWORK_POLICY = Kind(
    "networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies", generation=True, short=("netpol",)
)
LEASE = Kind("coordination.k8s.io", "v1", "Lease", "leases")
ENDPOINT_SLICE = Kind("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices", generation=True)
VIRTUAL_SERVICE = Kind(
    "networking.istio.io",
    "v1",
    "VirtualService",
    "virtualservices",
    generation=True,
    status=True,
    custom=True,
    also=("v1beta1",),
    short=("vs",),
)
DESTINATION_RULE = Kind(
    "networking.istio.io",
    "v1",
    "DestinationRule",
    "destinationrules",
    generation=True,
    status=True,
    custom=True,
    also=("v1beta1",),
    short=("dr",),
)
# Argo CD ships its CRD without the status subresource: status and operation are plain fields.
APPLICATION = Kind(
    "argoproj.io", "v1alpha1", "Application", "applications", generation=True, custom=True, short=("app",)
)
APP_PROJECT = Kind(
    "argoproj.io", "v1alpha1", "AppProject", "appprojects", generation=True, custom=True, short=("appproj",)
)

ALL = (
    NAMESPACE,
    POD,
    SERVICE,
    ENDPOINTS,
    SECRET,
    CONFIG_MAP,
    SERVICE_ACCOUNT,
    NODE,
    EVENT,
    DEPLOYMENT,
    REPLICA_SET,
    HPA,
    JOB,
    CRON_JOB,
    PDB,
    NETWORK_POLICY,
    LEASE,
    ENDPOINT_SLICE,
    VIRTUAL_SERVICE,
    DESTINATION_RULE,
    APPLICATION,
    APP_PROJECT,
)
BY_PATH = {(gv, k.plural): k for k in ALL for gv in k.group_versions}
BY_NAME = {(gv, k.name): k for k in ALL for gv in k.group_versions}


def group_versions() -> list[str]:
    """Every group/version served, the preferred version of a group first."""
    return [*dict.fromkeys(gv for k in ALL for gv in k.group_versions), "authorization.k8s.io/v1"]
