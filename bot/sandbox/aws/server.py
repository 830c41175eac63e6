"""The AWS stand-in as the sandbox holds it: start it, seed it, ask it what the data plane knows."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Mapping
from typing import Any

from moto.moto_api._internal import moto_api_backend
from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import make_server

from bot.sandbox.aws import application, seed
from bot.sandbox.aws.cloud import ACCOUNT, Clock, Cloud, ClusterPort, Databases, Timings
from bot.sandbox.aws.cloudtrail import EventHistory
from bot.sandbox.aws.ec2 import NetworkEc2, denied
from bot.sandbox.aws.eks import TimedEks
from bot.sandbox.aws.health import HealthChecks
from bot.sandbox.aws.kms import StrictKms
from bot.sandbox.aws.logs import AuditLogs
from bot.sandbox.aws.metrics import LagSamples, LiveCloudWatch
from bot.sandbox.aws.middleware import Gate
from bot.sandbox.aws.nodegroups import NodeGroups
from bot.sandbox.aws.rds import GlobalRds
from bot.sandbox.aws.rds_global import GlobalDatabases
from bot.sandbox.aws.route53 import LiveRoute53
from bot.sandbox.aws.routing import RoutingControls
from bot.sandbox.aws.s3 import LockingS3, has_object
from bot.sandbox.aws.sts import NamedSts
from bot.sandbox.aws.zones import Zones
from bot.sandbox.faults import Faults

_log = logging.getLogger(__name__)
_HANDLERS = (GlobalRds, LiveRoute53, TimedEks, LockingS3, NetworkEc2, LiveCloudWatch, NamedSts, StrictKms)
_TICK = 0.1
"""Real seconds between two looks at what is due."""


class _Handler(MotoRequestHandler):  # type: ignore[misc]  # werkzeug is skipped by the type checker
    """Remembers its connections, so that stopping does not wait for clients."""

    open: set[socket.socket]

    def setup(self) -> None:
        super().setup()
        self.server.connections.add(self.connection)

    def finish(self) -> None:
        self.server.connections.discard(self.connection)
        super().finish()

    def log_request(self, *_: Any) -> None:
        """Say nothing: the gate keeps the log."""


class AwsStandIn:
    """One AWS account on 127.0.0.1. moto keeps its state in the process, so only one may run at a time.

    The methods from `records` on take no lock and answer while every control plane is dark.
    """

    def __init__(
        self,
        clock: Clock,
        faults: Faults,
        databases: Databases,
        clusters: Mapping[str, ClusterPort],
        timings: Timings | None = None,
    ) -> None:
        self.cloud = cloud = Cloud(clock, faults, databases, clusters, timings or Timings())
        cloud.globals = GlobalDatabases(cloud)
        cloud.health = HealthChecks(cloud)
        cloud.zones = Zones(cloud)
        cloud.nodegroups = NodeGroups(cloud)
        cloud.routing = RoutingControls(cloud)
        cloud.lags = LagSamples(cloud)
        cloud.events = EventHistory(cloud)
        cloud.audit_logs = AuditLogs(cloud)
        self._gate = Gate(application.build(cloud, _HANDLERS), cloud)
        self._server: Any = None
        self._threads: list[threading.Thread] = []
        self._stopping = threading.Event()

    def start(self) -> str:
        """Serve on a free port of 127.0.0.1 and return the endpoint's URL."""
        # moto's own switch: thousands of machine images that nobody asks for cost a third of the start.
        os.environ.setdefault("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
        moto_api_backend.reset()
        self._server = make_server("127.0.0.1", 0, self._gate, threaded=True, request_handler=_Handler)
        self._server.connections = set()
        for target in (self._serve, self._tick_on):
            thread = threading.Thread(target=target, name=f"aws{target.__name__}", daemon=True)
            thread.start()
            self._threads.append(thread)
        return self._url

    def stop(self) -> None:
        """End every request, also those that hang, and the threads."""
        self._stopping.set()
        self._gate.close()
        if self._server is None:
            return
        self._server.shutdown()
        for connection in list(self._server.connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        for thread in self._threads:
            thread.join(5)
        self._server.server_close()
        self._server = None

    @property
    def _url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def seed(self, estate: dict[str, Any], *, arc: bool = False) -> dict[str, Any]:
        """Create everything that the estate names; return the ids that only now exist.

        With `arc` health checks follow routing controls, which are returned as `routing`, not STOP objects.
        """
        with self.cloud.lock:
            return seed.plant(self.cloud, estate, arc=self._url if arc else None)

    def tick(self) -> None:
        """Do what is due by simulated time. Happens by itself; tests call it for a fixed order of things."""
        with self.cloud.lock:
            self.cloud.globals.tick()
            self.cloud.nodegroups.tick()
            self.cloud.lags.tick()

    def _serve(self) -> None:
        self._server.serve_forever(poll_interval=0.05)

    def _tick_on(self) -> None:
        while not self._stopping.wait(_TICK):
            try:
                self.tick()
            except Exception:
                _log.exception("the AWS stand-in could not do what was due")

    def connected(self) -> int:
        """How many clients hold a connection now."""
        return len(self._server.connections)

    def log(self) -> list[dict[str, Any]]:
        """Every call: `at` (simulated), `service`, `region`, `operation`, `access_key`, `outcome`."""
        return list(self._gate.log)

    def events(self) -> list[dict[str, Any]]:
        """Every call as CloudTrail writes it into a trail's files, data events too."""
        return self.cloud.events.exported()

    def records(self, zone_id: str) -> list[dict[str, Any]]:
        """Record sets that the name servers of a zone serve now, in boto3's shape."""
        return self.cloud.zones.records(zone_id)

    def checkers(self) -> list[dict[str, Any]]:
        """Every health check: `id` and `config` in boto3's shape."""
        return [{"id": c["Id"], "config": c["HealthCheckConfig"]} for c in self.cloud.health.all()]

    def set_health(self, check_id: str, healthy: bool) -> None:
        """Store what the checkers conclude about a check, `Inverted` already applied."""
        self.cloud.health.conclude(check_id, healthy=healthy)

    def healthy(self, check_id: str) -> bool:
        """What DNS takes this health check for: follows `Disabled`, children and alarms."""
        return self.cloud.health.healthy(check_id)

    def object_exists(self, bucket: str, key: str) -> bool:
        """Whether a current version of the object is there."""
        return has_object(bucket, key)

    def routed(self) -> dict[str, bool]:
        """Whether each Region's routing control is on; empty without ARC."""
        return self.cloud.routing.states()

    def database_subnets_denied(self, region: str) -> bool:
        """Whether network ACLs keep the VPC's traffic out of, or in, every database subnet of the Region."""
        return denied(region, self.cloud.database_subnets.get(region, []))

    @property
    def account(self) -> str:
        """The account's number."""
        return ACCOUNT
