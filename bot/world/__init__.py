"""The outside: the only importers of boto3, kubernetes, httpx and dnspython.

Everything here answers in the words of `bot.ports` and fails in those of `bot.errors`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from bot.clock import Clock
from bot.errors import OutsideError, TrailError
from bot.ports import Ports, Register
from bot.records import Records
from bot.world.capacity import AwsCapacity
from bot.world.databases import AwsDatabases
from bot.world.dns import AwsDns
from bot.world.hooks import Hooks
from bot.world.http import PinnedHttp
from bot.world.kubernetes import KubernetesClusters
from bot.world.kubernetes_access import KubernetesAccess
from bot.world.name_servers import NameServers
from bot.world.network import AwsNetwork
from bot.world.prometheus import Prometheus
from bot.world.rates import Rates
from bot.world.records import AwsRecords
from bot.world.routing import AwsRouting
from bot.world.sessions import AwsSessions

__all__ = ["assumable", "open_records", "open_world"]


def open_world(
    *,
    register: Register,
    clock: Clock,
    state: Path,
    resolver: str | None,
    dns_port: int = 53,
    kubeconfig: str | None,
    clusters: Mapping[str, str],
    prometheus: str | None,
    impersonate: bool = False,
    role_arn: str = "",
) -> Ports:
    """Every port on the real outside; no call is made yet.

    `state` keeps what was learned of clusters; `resolver` (`ip:port`) resolves name servers' names, None is
    the system's; `clusters` maps a Region to its EKS cluster, used for KUBECONFIG contexts too; with
    `impersonate` Kubernetes changes are made as the act's person, with `role_arn` changes of AWS with that role in
    the person's name.
    """
    hooks = Hooks(register)
    aws = AwsSessions(hooks, Rates(clock), role_arn=role_arn, regions=clusters, clock=clock)
    access = KubernetesAccess(
        hooks=hooks, aws=aws, clock=clock, state=state, kubeconfig=kubeconfig, clusters=clusters
    )
    return Ports(
        databases=AwsDatabases(aws, clock),
        network=AwsNetwork(aws),
        capacity=AwsCapacity(aws),
        dns=AwsDns(aws, NameServers(resolver, dns_port)),
        routing=AwsRouting(aws),
        clusters=KubernetesClusters(access, impersonate=impersonate),
        metrics=Prometheus(prometheus),
        http=PinnedHttp(hooks),
        clock=clock,
    )


class _OnlyReads:
    """The register of whoever may change nothing."""

    def intent(self, service: str, operation: str, region: str, params: Mapping[str, Any]) -> str:
        raise TrailError("Whoever reads the logs of others changes nothing.")

    def outcome(self, intent: str, *, ok: bool | None, request_id: str, error: str = "") -> None:
        return


def open_records(*, clock: Clock, clusters: Mapping[str, str]) -> Records:
    """CloudTrail and the clusters' audit logs, with clients that cannot change anything; no call is made yet."""
    return AwsRecords(AwsSessions(Hooks(_OnlyReads()), Rates(clock)), clusters, clock)


def assumable(*, role_arn: str, regions: Iterable[str], clock: Clock) -> dict[str, str]:
    """By Region, why its STS does not give this role in a person's name; empty where it does. Changes nothing."""
    found: dict[str, str] = {}
    for region in regions:
        try:
            AwsSessions(
                Hooks(_OnlyReads()), Rates(clock), role_arn=role_arn, regions=[region], clock=clock
            ).try_role(region)
        except OutsideError as error:
            found[region] = error.what
        else:
            found[region] = ""
    return found
