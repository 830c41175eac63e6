"""boto3 clients: one factory, every client pinned to a Region, no call without a bound on its time."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable
from typing import Any

import boto3
import botocore.session
from botocore.config import Config

from bot.world.hooks import Hooks, changes_aws
from bot.world.patience import Reads
from bot.world.rates import Rates
from bot.world.refusals import RAISED, passing, throttled, translated

CONNECT_SECONDS = 2
READ_SECONDS = 6
ENDPOINT_READ_SECONDS = 4

# The SDK's own retries are off: a change is sent once, so that one intent is one request; reads are retried
# here, where the bound is in sight.
_CONFIG = Config(
    connect_timeout=CONNECT_SECONDS,
    read_timeout=READ_SECONDS,
    retries={"total_max_attempts": 1, "mode": "standard"},
    max_pool_connections=24,
    user_agent_extra="signalbox",
    s3={"us_east_1_regional_endpoint": "regional"},
)
_ENDPOINT_CONFIG = _CONFIG.merge(Config(read_timeout=ENDPOINT_READ_SECONDS))


class AwsSessions:
    """Calls to AWS by service, Region and operation. `AWS_ENDPOINT_URL` is honored by boto3 itself."""

    def __init__(self, hooks: Hooks, rates: Rates) -> None:
        core = botocore.session.get_session()
        # The global STS endpoint is in us-east-1, which may be the Region that is gone.
        core.set_config_variable("sts_regional_endpoints", "regional")
        self._session = boto3.session.Session(botocore_session=core)
        hooks.attach(self._session)
        self._rates = rates
        self._clients: dict[tuple[str, str, str | None], Any] = {}
        self._lock = threading.Lock()

    def call(
        self, service: str, region: str, operation: str, *, endpoint: str | None = None, **params: Any
    ) -> dict[str, Any]:
        """Call an operation by boto3's name for it (`describe_db_clusters`) and return its answer.

        `endpoint` is one of several URLs where the service has some of its own: it is asked once, and the
        caller goes on to the next.

        Changes are sent once; reads again within eight seconds when the answer was a throttle, a broken
        server or a refused connection. Both keep the service's rate: too many reads at once are Unreachable.
        Raises Unreachable, Rejected, Conflict or, for a change, Throttled, and whatever the register raises.
        """
        client = self._client(service, region, endpoint)
        method = getattr(client, operation)
        change = changes_aws(client.meta.method_to_api_mapping[operation], params)
        answer: dict[str, Any] = {}
        try:
            if change:
                self._rates.change(service, region)
                answer = self._sent(service, region, method, params)
            elif endpoint is not None:
                answer = self._sent(service, region, method, params)
            else:
                attempts = Reads(passing, throttled)
                for attempt in attempts:
                    with attempt:
                        self._rates.read(service, region, attempts.turn_seconds)
                        answer = self._sent(service, region, method, params)
        except RAISED as error:
            raise translated(
                error, service=service, operation=operation, region=region, change=change
            ) from error
        return answer

    def _sent(
        self, service: str, region: str, method: Callable[..., dict[str, Any]], params: dict[str, Any]
    ) -> dict[str, Any]:
        try:
            return method(**params)
        except RAISED as error:
            if throttled(error):
                self._rates.throttled(service, region)
            raise

    def cluster_token(self, region: str, cluster: str) -> str:
        """A bearer token for an EKS cluster, good for about 15 minutes; signed here, no call is made.

        It is a presigned STS GetCallerIdentity with the cluster's name as a signed header, in the form that
        `aws eks get-token` writes. Raises Rejected when there are no credentials to sign with.
        """
        try:
            url = self._client("sts", region).generate_presigned_url(
                "get_caller_identity", Params={"x-k8s-aws-id": cluster}, ExpiresIn=60, HttpMethod="GET"
            )
        except RAISED as error:
            raise translated(error, service="sts", operation="sign", region=region, change=False) from error
        return "k8s-aws-v1." + base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")

    def _client(self, service: str, region: str, endpoint: str | None = None) -> Any:
        with self._lock:
            client = self._clients.get((service, region, endpoint))
            if client is None:
                try:
                    client = self._session.client(
                        service,
                        region_name=region,
                        endpoint_url=endpoint,
                        config=_CONFIG if endpoint is None else _ENDPOINT_CONFIG,
                    )
                except RAISED as error:
                    raise translated(
                        error, service=service, operation="client", region=region, change=False
                    ) from error
                if service == "sts":
                    client.meta.events.register("provide-client-params.sts.GetCallerIdentity", _keep_cluster)
                    client.meta.events.register("before-sign.sts.GetCallerIdentity", _sign_cluster)
                self._clients[service, region, endpoint] = client
            return client


def _keep_cluster(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
    if "x-k8s-aws-id" in params:
        context["x-k8s-aws-id"] = params.pop("x-k8s-aws-id")


def _sign_cluster(request: Any, **_: Any) -> None:
    if "x-k8s-aws-id" in request.context:
        request.headers["x-k8s-aws-id"] = request.context["x-k8s-aws-id"]
