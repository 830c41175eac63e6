"""boto3 clients: one factory, every client pinned to a Region, no call without a bound on its time."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from typing import Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from bot import act
from bot.clock import Clock, SystemClock
from bot.world.hooks import Hooks, changes_aws
from bot.world.patience import Reads
from bot.world.people import People
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
# What stands before a change must be short: the next Region's STS is as good.
_STS_CONFIG = _CONFIG.merge(Config(connect_timeout=1, read_timeout=2))
# What AWS says to credentials that have ended.
_ENDED = frozenset({"ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "RequestExpired"})
_worn: ContextVar[Credentials | None] = ContextVar("worn", default=None)


class AwsSessions:
    """Calls to AWS by service, Region and operation. `AWS_ENDPOINT_URL` is honored by boto3 itself.

    With `role_arn` every change is made with that role's credentials, whose SourceIdentity is the act's person;
    reads keep the process's own. `regions` are those whose STS may be asked for them.
    """

    def __init__(
        self,
        hooks: Hooks,
        rates: Rates,
        *,
        role_arn: str = "",
        regions: Iterable[str] = (),
        clock: Clock | None = None,
    ) -> None:
        core = botocore.session.get_session()
        # The global STS endpoint is in us-east-1, which may be the Region that is gone.
        core.set_config_variable("sts_regional_endpoints", "regional")
        self._session = boto3.session.Session(botocore_session=core)
        hooks.attach(self._session)
        self._rates = rates
        self._clients: dict[tuple[str, str, str | None], Any] = {}
        self._lock = threading.Lock()
        self._people: People | None = None
        if role_arn:
            self._people = People(self._assume, role_arn, self._home_first(regions), clock or SystemClock())
            self._session.events.register("before-sign", _sign_as_worn)

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
                answer = self._changed(service, region, method, params)
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

    def try_role(self, region: str) -> None:
        """Assume the role of changes once, in nobody's name in particular. Raises what a change would."""
        if self._people is not None:
            self._people.credentials(act.Act(person="signalbox-doctor", run="doctor", step="role"), region)

    def _changed(
        self, service: str, region: str, method: Callable[..., dict[str, Any]], params: dict[str, Any]
    ) -> dict[str, Any]:
        """Send a change, in the act's person's name where there is a role for it."""
        if self._people is None:
            return self._sent(service, region, method, params)
        # Before the intent: what cannot be sent is not said to be about to be.
        credentials = self._people.credentials(act.current(), region)
        token = _worn.set(credentials)
        try:
            return self._sent(service, region, method, params)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in _ENDED:
                self._people.forget(credentials)
            raise
        finally:
            _worn.reset(token)

    def _assume(self, region: str, params: Mapping[str, Any]) -> dict[str, Any]:
        client = self._client("sts", region, config=_STS_CONFIG)
        try:
            answer: dict[str, Any] = client.assume_role(**params)
        except RAISED as error:
            # As a change: a throttle is a Throttled then, and nothing is asked a second time.
            raise translated(
                error, service="sts", operation="assume_role", region=region, change=True
            ) from error
        return answer

    def _home_first(self, regions: Iterable[str]) -> list[str]:
        home = self._session.region_name
        return sorted(regions, key=lambda region: region != home)

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

    def _client(
        self, service: str, region: str, endpoint: str | None = None, config: Config = _CONFIG
    ) -> Any:
        key = (service, region, "assume" if config is _STS_CONFIG else endpoint)
        with self._lock:
            client = self._clients.get(key)
            if client is None:
                try:
                    client = self._session.client(
                        service,
                        region_name=region,
                        endpoint_url=endpoint,
                        config=config if endpoint is None else _ENDPOINT_CONFIG,
                    )
                except RAISED as error:
                    raise translated(
                        error, service=service, operation="client", region=region, change=False
                    ) from error
                if service == "sts":
                    client.meta.events.register("provide-client-params.sts.GetCallerIdentity", _keep_cluster)
                    client.meta.events.register("before-sign.sts.GetCallerIdentity", _sign_cluster)
                self._clients[key] = client
            return client


def _sign_as_worn(request: Any, **_: Any) -> None:
    """Sign with what this call wears: one client for everybody, since making one takes as long as some calls."""
    credentials = _worn.get()
    if credentials is not None:
        signing = request.context.get("signing", {})
        request.context["signing"] = {**signing, "request_credentials": credentials}


def _keep_cluster(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
    if "x-k8s-aws-id" in params:
        context["x-k8s-aws-id"] = params.pop("x-k8s-aws-id")


def _sign_cluster(request: Any, **_: Any) -> None:
    if "x-k8s-aws-id" in request.context:
        request.headers["x-k8s-aws-id"] = request.context["x-k8s-aws-id"]
