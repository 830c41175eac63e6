from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import aiohttp
import pytest
import yaml

from bot.sandbox.clock import SimClock
from bot.sandbox.faults import Faults
from bot.sandbox.kubernetes.estate import database_url
from bot.sandbox.net.customers import Customer, Customers
from bot.sandbox.net.databases import Databases
from bot.sandbox.net.dns import DnsServer, Zone
from bot.sandbox.net.figures import Figures
from bot.sandbox.net.ingress import Ingress
from bot.sandbox.net.services import Services

EAST, WEST = "us-east-1", "us-west-2"
ESTATE = yaml.safe_load((Path(__file__).parents[2] / "bot/sandbox/estate.yaml").read_text())
GLOBAL = "fintech-payments"


@dataclass
class Pod:
    name: str
    started_at: float
    version: str = "v2.3.1"
    env: dict[str, str] = field(default_factory=dict)


class Cluster:
    """Ready pods of one Region, as its cluster lists them."""

    def __init__(self, region: str, started_at: float) -> None:
        self.region = region
        self.started_at = started_at
        self.missing: set[str] = set()

    def ready_pods(self, namespace: str, app: str) -> list[Pod]:
        service = ESTATE["services"][app]
        if app in self.missing or service["namespace"] != namespace:
            return []
        env = {}
        if "database" in service:
            name = service["database"]
            env["DATABASE_URL"] = database_url(ESTATE, name, self.region)
        return [Pod(f"{app}-{n}", self.started_at, env=env) for n in range(2)]


class Street:
    """Everything between a customer and the databases."""

    def __init__(self, state: Path) -> None:
        self.clock = SimClock(state / "clock.json", 10)
        self.faults = Faults()
        self.figures = Figures(self.clock.now)
        self.databases = Databases(self.clock, self.faults)
        for name, database in ESTATE["databases"].items():
            self.databases.add(database["global_cluster"], name, database["clusters"], writer=EAST)
        self.clusters = {region: Cluster(region, self.clock.now()) for region in (EAST, WEST)}
        self.serving = EAST

    def records(self) -> list[dict[str, Any]]:
        address = ESTATE["regions"][self.serving]["ingress"]["address"]
        values = [{"Value": address}]
        return [{"Name": "api.fintech.example.", "Type": "A", "TTL": 60, "ResourceRecords": values}]

    async def __aenter__(self) -> Self:
        self.dns = DnsServer(Zone("fintech.example", self.records, lambda _check: True))
        dns_port = await self.dns.start()
        self.ingresses = []
        self.port = 0
        for region in (EAST, WEST):
            services = Services(
                region, ESTATE["services"], self.clusters[region], self.databases, self.faults
            )
            ingress = Ingress(services, ESTATE, self.clock, self.faults, self.figures, self.databases)
            self.port = await ingress.start(ESTATE["regions"][region]["ingress"]["address"], self.port)
            self.ingresses.append(ingress)
        self.customers = Customers(
            self.clock, ESTATE["checks"]["payments"], dns_port=dns_port, ingress_port=self.port, rate=0
        )
        await self.customers.start()
        self.session = aiohttp.ClientSession()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.session.close()
        await self.customers.stop()
        for ingress in self.ingresses:
            await ingress.stop()
        await self.dns.stop()

    async def ask(
        self, region: str, path: str, host: str = "api.fintech.example", method: str = "GET", **more: Any
    ) -> tuple[int, dict[str, Any], dict[str, str]]:
        url = f"http://{ESTATE['regions'][region]['ingress']['address']}:{self.port}{path}"
        async with self.session.request(method, url, headers={"Host": host}, **more) as response:
            return response.status, await response.json(), dict(response.headers)

    def told(self) -> dict[str, Any]:
        return self.customers.ledger.told(self.databases)


Story = Callable[[Street], Awaitable[None]]


@pytest.fixture
def tell(tmp_path: Path) -> Callable[[Story], None]:
    def run(story: Story) -> None:
        async def within() -> None:
            async with Street(tmp_path) as street:
                await story(street)

        asyncio.run(within())

    return run


def test_routes(tell: Callable[[Story], None]) -> None:
    """Host and path lead to the services that the estate's checks name, and answers say who served."""

    async def story(street: Street) -> None:
        for check in ESTATE["checks"]["smoke"]:
            status, _, headers = await street.ask(EAST, check["path"], check["host"])
            assert (status, headers["x-served-by"], headers["x-version"]) == (200, EAST, "v2.3.1")
        assert (await street.ask(EAST, "/healthz", "other.example"))[0] == 404
        status, body, _ = await street.ask(EAST, "/payments", method="POST", json={"id": "p1"})
        assert (status, body["id"]) == (201, "p1")
        assert (await street.ask(EAST, "/payments/p1"))[0] == 200
        assert (await street.ask(EAST, "/payments/p2"))[0] == 404
        assert street.databases.payments_acknowledged() == 1

    tell(story)


def test_standby_refuses_payments(tell: Callable[[Story], None]) -> None:
    """Before its database is promoted and its pods restarted, the standby answers 503 to payments."""

    async def story(street: Street) -> None:
        status, body, _ = await street.ask(WEST, "/payments", method="POST", json={})
        assert (status, body["error"]) == (503, "cannot execute INSERT in a read-only transaction")
        assert (await street.ask(WEST, "/accounts/smoke"))[0] == 200
        street.databases.promote(GLOBAL, WEST, data_loss=True)
        assert (await street.ask(WEST, "/payments", method="POST", json={}))[0] == 503
        street.clusters[WEST].started_at = street.clock.now() + 1
        await asyncio.sleep(0.25)
        assert (await street.ask(WEST, "/payments", method="POST", json={}))[0] == 201

    tell(story)


def test_services_that_are_needed(tell: Callable[[Story], None]) -> None:
    """A service whose need has no ready pod answers 503 and names it."""

    async def story(street: Street) -> None:
        street.clusters[EAST].missing.add("ledger")
        status, body, _ = await street.ask(EAST, "/payments", method="POST", json={})
        assert (status, body["error"]) == (503, "ledger has no ready pod in us-east-1")
        assert (
            street.figures.values("ingress_requests_total")[
                (("code", "503"), ("region", EAST), ("service", "payment-service"))
            ]
            == 1
        )

    tell(story)


def test_service_faults(tell: Callable[[Story], None]) -> None:
    """service-errors answers 500 in its Region; service-slow delays by simulated seconds."""

    async def story(street: Street) -> None:
        fault = street.faults.add("service-errors", service="api-gateway", region=EAST)
        assert (await street.ask(EAST, "/healthz"))[0] == 500
        assert (await street.ask(WEST, "/healthz"))[0] == 200
        street.faults.remove(fault)
        street.faults.add("service-slow", service="api-gateway", seconds=2)
        began = street.clock.now()
        assert (await street.ask(EAST, "/healthz"))[0] == 200
        assert street.clock.now() - began >= 2

    tell(story)


def test_customers_follow_dns_when_their_cache_ends(tell: Callable[[Story], None]) -> None:
    """A customer keeps an address for its TTL, through a dark Region's timeouts, and asks again after it."""

    async def story(street: Street) -> None:
        customer = Customer()
        await street.customers.pay(customer)
        assert street.told()["served_by_region"] == {EAST: 1}

        street.databases.advance()
        street.faults.add("region-dark", region=EAST)
        street.databases.promote(GLOBAL, WEST, data_loss=True)
        street.clusters[WEST].started_at = street.clock.now() + 1
        street.serving = WEST
        await street.customers.pay(customer)
        assert street.told()["failures"] == {"timeout": 1}

        street.clock.advance(61)
        await street.customers.pay(customer)
        told = street.told()
        assert told["served_by_region"] == {EAST: 1, WEST: 1}
        assert (told["sent"], told["ok"], told["failed"]) == (3, 2, 1)
        assert told["payments_acknowledged"] == 2
        assert told["acknowledged_by_two_writers"] == 0
        assert sum(row["sent"] for row in told["timeline"]) == 3
        assert told["by_version"] == {"v2.3.1": 2}

    tell(story)


def test_stream(tmp_path: Path) -> None:
    """The stream pays by itself, about 60 times a real second at this speed."""

    async def story() -> None:
        async with Street(tmp_path) as street:
            stream = Customers(
                street.clock, ESTATE["checks"]["payments"], dns_port=street.dns.port, ingress_port=street.port
            )
            await stream.start()
            async with asyncio.timeout(20):
                while stream.ledger.ok < 30:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
            await stream.stop()
            assert stream.ledger.failed == 0
            assert stream.ledger.by_region.keys() == {EAST}

    asyncio.run(story())
