"""How each Region's cluster is reached: a context of KUBECONFIG, or EKS with what was learned before.

A cluster's API can be needed when its Region's EKS API is dark, so endpoint and CA are kept in a file of the
state directory, and tokens are signed here without a call.
"""

from __future__ import annotations

import base64
import json
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kubernetes import config as kube_config
from kubernetes.client import ApiClient, Configuration

from bot.clock import Clock
from bot.errors import Rejected, Unreachable
from bot.world.hooks import Hooks
from bot.world.sessions import AwsSessions

_TOKEN_SECONDS = 14 * 60
_STALE_SECONDS = 24 * 3600.0


class KubernetesAccess:
    """Makes one watched ApiClient a Region."""

    def __init__(
        self,
        *,
        hooks: Hooks,
        aws: AwsSessions,
        clock: Clock,
        state: Path,
        kubeconfig: str | None,
        clusters: Mapping[str, str],
    ) -> None:
        self._hooks = hooks
        self._aws = aws
        self._clock = clock
        self._file = state / "clusters.json"
        self._kubeconfig = kubeconfig
        self._clusters = clusters
        self._made: dict[str, Any] = {}
        self._tokens: dict[str, tuple[float, str]] = {}
        self._lock = threading.Lock()

    def client(self, region: str) -> Any:
        """The Region's ApiClient. Raises Unreachable when its cluster was never seen and cannot be now."""
        with self._lock:
            client = self._made.get(region)
        if client is None:
            # Made outside the lock: a dark Region must not keep the other one waiting.
            configuration = self._from_kubeconfig(region) if self._kubeconfig else self._from_eks(region)
            # urllib3 would send a DELETE again by itself; one intent is one request.
            configuration.retries = False
            client = self._hooks.wrap(ApiClient(configuration), region)
            with self._lock:
                client = self._made.setdefault(region, client)
        return client

    def _from_kubeconfig(self, region: str) -> Any:
        """The context named like the Region, like its cluster, or by the cluster's ARN."""
        name = self._name(region)
        try:
            contexts, _ = kube_config.list_kube_config_contexts(config_file=self._kubeconfig)
            names = [context["name"] for context in contexts]
            found = next(
                (n for n in names if n in (region, name) or n.endswith(f":{region}:cluster/{name}")), None
            )
            if found is None:
                raise Rejected(
                    f"KUBECONFIG has no context for {region}: looked for {region} and {name} "
                    f"among {', '.join(names) or 'none'}."
                )
            configuration = Configuration()
            kube_config.load_kube_config(
                config_file=self._kubeconfig,
                context=found,
                client_configuration=configuration,
                persist_config=False,
            )
        except (kube_config.ConfigException, OSError) as error:
            raise Rejected(f"KUBECONFIG cannot be used for {region}: {error}") from error
        return configuration

    def _from_eks(self, region: str) -> Any:
        name = self._name(region)
        known = self._known().get(region, {})
        if known.get("cluster") != name or self._clock.now() - float(known["at"]) > _STALE_SECONDS:
            try:
                known = self._describe(region, name)
            except Unreachable:
                if known.get("cluster") != name:
                    raise
        configuration = Configuration(
            host=known["endpoint"], ca_cert_data=base64.b64decode(known["ca"]).decode() or None
        )

        def sign(target: Any) -> None:
            target.api_key["BearerToken"] = f"Bearer {self._token(region, name)}"

        sign(configuration)
        configuration.refresh_api_key_hook = sign
        return configuration

    def _describe(self, region: str, name: str) -> dict[str, Any]:
        cluster = self._aws.call("eks", region, "describe_cluster", name=name)["cluster"]
        learned = {
            "cluster": name,
            "endpoint": cluster["endpoint"],
            "ca": cluster.get("certificateAuthority", {}).get("data", ""),
            "at": int(self._clock.now()),
        }
        with self._lock:
            draft = self._file.with_suffix(f".{os.getpid()}.draft")
            draft.parent.mkdir(parents=True, exist_ok=True)
            draft.write_text(json.dumps(self._known() | {region: learned}, indent=1))
            draft.replace(self._file)
        return learned

    def _known(self) -> dict[str, Any]:
        try:
            known: dict[str, Any] = json.loads(self._file.read_text())
        except (OSError, ValueError):
            return {}
        return known

    def _token(self, region: str, name: str) -> str:
        now = self._clock.monotonic()
        with self._lock:
            made, token = self._tokens.get(region, (0.0, ""))
            if not token or now - made > _TOKEN_SECONDS:
                token = self._aws.cluster_token(region, name)
                self._tokens[region] = (now, token)
            return token

    def _name(self, region: str) -> str:
        try:
            return self._clusters[region]
        except KeyError:
            raise Rejected(f"The estate has no cluster in {region}.") from None
