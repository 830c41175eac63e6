"""The entry of each Region: HTTP by host and path to services, 503 when they cannot serve."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from bot.sandbox.clock import SimClock
from bot.sandbox.faults import Faults
from bot.sandbox.net.connection import DatabaseError
from bot.sandbox.net.databases import Databases
from bot.sandbox.net.figures import Figures
from bot.sandbox.net.leads import SENT_AT, Leads
from bot.sandbox.net.services import Pod, Services, Unavailable

DARK_SECONDS = 10.0  # real: whoever calls a dark Region has given up by then


class Ingress:
    """One Region's entry. Answers carry `x-served-by` (Region) and `x-version` (of the pod that served)."""

    def __init__(
        self,
        services: Services,
        estate: Mapping[str, Any],
        clock: SimClock,
        faults: Faults,
        figures: Figures,
        databases: Databases,
        leads: Leads | None = None,
    ) -> None:
        self._leads = leads or Leads({}, 0.0)
        self.last_write: float | None = None
        self.region = services.region
        self._services = services
        self._clock = clock
        self._faults = faults
        self._figures = figures
        self._databases = databases
        checks = estate["checks"]
        self._payments = checks["payments"]
        self._routes = {(check["host"], check["path"]): check["service"] for check in checks["smoke"]}
        payment_database = estate["services"][self._payments["service"]]["database"]
        self._payments_id = estate["databases"][payment_database]["global_cluster"]
        self._with_database = {name for name, service in estate["services"].items() if "database" in service}
        self._runner: web.AppRunner | None = None
        # A Region that nobody visits is known to receive nothing, which is not the same as unknown.
        for service in {self._payments["service"], *self._routes.values()}:
            figures.add("ingress_requests_total", 0, region=self.region, service=service, code="200")

    async def start(self, address: str, port: int) -> int:
        """Listen and return the port (a free one for 0)."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        # A customer who gave up frees the handler that hangs for a dark Region.
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        await self._runner.setup()
        site = web.TCPSite(self._runner, address, port)
        await site.start()
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner:
            await self._runner.cleanup()
            self._runner = None

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        # Customers alone say when they sent it: the bot's own looks at a Region may go where they like.
        if sent_at := request.headers.get(SENT_AT):
            self._leads.arrived(self.region, float(sent_at))
        if self._faults.dark(self.region):
            await asyncio.sleep(DARK_SECONDS)
            if request.transport:
                request.transport.abort()
            return web.Response(status=504)
        host = request.host.split(":")[0]
        service = self._service(host, request.path)
        if service is None:
            return self._finish("none", web.json_response({"error": "no such route"}, status=404))
        if delay := self._services.delay(service):
            await self._clock.sleep(delay)
        try:
            if self._services.erring(service):
                return self._finish(service, web.json_response({"error": "internal error"}, status=500))
            pod = self._services.pod(service)
            response = await self._serve(request, service, pod)
        except (Unavailable, DatabaseError) as error:
            return self._finish(service, web.json_response({"error": str(error)}, status=503))
        response.headers["x-version"] = pod.version
        return self._finish(service, response)

    def _service(self, host: str, path: str) -> str | None:
        if host == self._payments["host"] and (path + "/").startswith(self._payments["path"] + "/"):
            return str(self._payments["service"])
        return self._routes.get((host, path))

    async def _serve(self, request: web.Request, service: str, pod: Pod) -> web.Response:
        if service != self._payments["service"]:
            if service in self._with_database:
                self._services.database(pod)
            return web.json_response({"status": "ok", "service": service, "pod": pod.name})
        connection = self._services.database(pod)
        if request.method == "POST":
            body = await request.json() if request.can_read_body else {}
            payment = str(body.get("id") or uuid.uuid4())
            connection.pay(payment)
            self._databases.acknowledge(self._payments_id, payment, connection.copy.region)
            self.last_write = self._figures.now()
            return web.json_response({"id": payment, "status": "accepted"}, status=201)
        payment = request.path.removeprefix(self._payments["path"]).strip("/")
        committed = connection.payment(payment)
        if committed is None:
            return web.json_response({"error": "no such payment"}, status=404)
        return web.json_response({"id": payment, "at": committed})

    def _finish(self, service: str, response: web.Response) -> web.Response:
        response.headers["x-served-by"] = self.region
        self._figures.add(
            "ingress_requests_total", region=self.region, service=service, code=str(response.status)
        )
        return response
