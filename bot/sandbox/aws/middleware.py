"""The gate before moto: unreachable Regions, throttles, slow answers and answers that get lost."""

from __future__ import annotations

import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from bot.sandbox.aws import cloudtrail, logs, routing, wire
from bot.sandbox.aws.cloud import ACCOUNT, GLOBAL_SERVICES_REGION, Cloud
from bot.sandbox.faults import Fault, befalls

StartResponse = Callable[..., Any]
Application = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]


class Gate:
    """WSGI middleware that every request passes; one code path for dark and partitioned Regions."""

    def __init__(self, application: Application, cloud: Cloud) -> None:
        self._application = application
        self._cloud = cloud
        self._closing = threading.Event()
        self.log: deque[dict[str, Any]] = deque(maxlen=5000)

    def close(self) -> None:
        """Let every request that hangs go at once."""
        self._closing.set()

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        call = wire.read(environ)
        home = self._home(call, environ)
        swallowed = self._cloud.faults.swallows(home)
        if swallowed or self._cloud.faults.unreachable(home):
            self._hang(home, swallowed=swallowed)
            return self._drop(call, environ, start_response, "unreachable")
        if slow := self._cloud.faults.find("latency", target="aws"):
            self._closing.wait(float(slow.params["seconds"]))
        if self._spend("aws-throttle", call):
            throttled = wire.throttled(call)
            self._cloud.events.note(call, throttled)
            return self._reply(call, throttled, start_response)
        lost = self._spend("aws-reply-lost", call)
        reply = cloudtrail.with_request_id(call, self._serve(call, environ))
        self._cloud.events.note(call, reply)
        if lost:
            return self._drop(call, environ, start_response, "reply lost")
        return self._reply(call, reply, start_response)

    def _home(self, call: wire.Call, environ: dict[str, Any]) -> str:
        """Tell which Region has to be up: a bucket's own, whatever the client signed with."""
        if call.service in ("route53", "iam"):
            return GLOBAL_SERVICES_REGION
        if call.service == routing.SERVICE:
            return routing.endpoint(environ) or call.region
        if call.bucket:
            from moto.s3.models import s3_backends

            if bucket := s3_backends[ACCOUNT]["aws"].buckets.get(call.bucket):
                return str(bucket.region_name)
        return call.region

    def _hang(self, region: str, *, swallowed: bool) -> None:
        until = time.monotonic() + self._cloud.timings.hang
        while time.monotonic() < until and (swallowed or self._cloud.faults.unreachable(region)):
            if self._closing.wait(0.1):
                return

    def _serve(self, call: wire.Call, environ: dict[str, Any]) -> wire.Reply:
        if call.service == routing.SERVICE:
            with self._cloud.lock:
                return self._cloud.routing.serve(call, environ)
        if call.service == cloudtrail.SERVICE:
            return self._cloud.events.serve(call, environ)
        if call.service == logs.SERVICE:
            return self._cloud.audit_logs.serve(call, environ)
        status, headers = 500, {}

        def started(line: str, pairs: list[tuple[str, str]], *_: Any) -> None:
            nonlocal status, headers
            status, headers = int(line.split(maxsplit=1)[0]), dict(pairs)

        with self._cloud.lock:
            body = b"".join(self._application(environ, started))
        return status, headers, body

    def _spend(self, kind: str, call: wire.Call) -> Fault | None:
        """Find a fault that means this call, and use it up once.

        A lost reply without an operation means calls that change something: losing a read tests nothing.
        """
        for fault in self._cloud.faults.all():
            operation = fault.params.get("operation")
            if fault.kind != kind or fault.params.get("service", call.service) != call.service:
                continue
            if operation is None and kind == "aws-reply-lost" and not call.mutates:
                continue
            meant = operation is None or str(operation).replace("_", "").lower() == call.operation.lower()
            if meant and befalls(fault):
                return self._cloud.faults.find(kind, **fault.params)
        return None

    def _reply(self, call: wire.Call, reply: wire.Reply, start_response: StartResponse) -> Iterable[bytes]:
        status, headers, body = reply
        self._note(call, str(status))
        start_response(f"{status} {HTTPStatus(status).phrase}", list(headers.items()))
        return [body]

    def _drop(
        self, call: wire.Call, environ: dict[str, Any], start_response: StartResponse, outcome: str
    ) -> Iterable[bytes]:
        """Break the connection: whatever is written after this reaches nobody."""
        self._note(call, outcome)
        environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
        start_response("500 dropped", [])
        return [b"dropped"]

    def _note(self, call: wire.Call, outcome: str) -> None:
        self.log.append(
            {
                "at": self._cloud.clock.now(),
                "service": call.service,
                "region": call.region,
                "operation": call.operation,
                "access_key": call.access_key,
                "outcome": outcome,
            }
        )
