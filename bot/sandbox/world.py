"""The whole world on one machine: builds every part, wires them, and ends what it started."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shlex
import socket
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

import yaml
from aiohttp import web

from bot.sandbox import bots
from bot.sandbox.bots import Bot
from bot.sandbox.clock import SimClock
from bot.sandbox.faults import Faults
from bot.sandbox.hands import Hands
from bot.sandbox.keys import write_keys, write_private
from bot.sandbox.monitoring import watch
from bot.sandbox.net import metrics
from bot.sandbox.net.customers import Customers
from bot.sandbox.net.databases import Databases
from bot.sandbox.net.dns import SERVERS, DnsServer, Zone
from bot.sandbox.net.figures import Figures
from bot.sandbox.net.health import HealthCheckers
from bot.sandbox.net.ingress import Ingress
from bot.sandbox.net.leads import Leads
from bot.sandbox.net.psql import run_psql
from bot.sandbox.net.services import Services
from bot.sandbox.outage import Outage

if TYPE_CHECKING:
    from bot.sandbox.aws import AwsStandIn
    from bot.sandbox.kubernetes import Cluster, ContainerResult, ContainerRun
    from bot.sandbox.slack import SlackStandIn

TEMPLATE = Path(__file__).with_name("estate.yaml")
HOME_REGION = "us-east-1"
TICK_SECONDS = 0.1  # real
BOT_READY_SECONDS = 60.0  # real
# Only the stand-ins check these; the shapes are Slack's and AWS's.
BOT_TOKEN = "xoxb-sandbox"  # noqa: S105 - opens nothing
APP_TOKEN = "xapp-sandbox"  # noqa: S105
SIGNING_SECRET = "sandbox-signing-secret"  # noqa: S105


@dataclass(frozen=True)
class Options:
    """How the sandbox was asked to run: `database` is the bots' own, `speed` simulated per real seconds.

    `routing` is what takes customers off a Region: `stop` objects or `arc` routing controls.
    """

    state: Path
    port: int = 8300
    bots: int = 1
    database: str | None = None
    speed: float = 1.0
    http: bool = False
    routing: str = "stop"


class World:
    """Everything that runs, from `start` to `stop`, on one loop; moto and the clusters have own threads."""

    aws: AwsStandIn
    slack: SlackStandIn

    def __init__(self, options: Options) -> None:
        self.options = options
        options.state.mkdir(parents=True, exist_ok=True)
        self.state = options.state.resolve()
        self.clock = SimClock(self.state / "clock.json", options.speed)
        self.faults = Faults()
        self.figures = Figures(self.clock.now)
        self.databases = Databases(self.clock, self.faults)
        self.estate: dict[str, Any] = yaml.safe_load(TEMPLATE.read_text())
        self.regions: list[str] = list(self.estate["regions"])
        self.leads = self._leads()
        self.database_url = options.database or f"sqlite:///{self.state / 'signalbox.db'}"
        self.outage = Outage(self.database_url)
        self.clusters: dict[str, Cluster] = {}
        self.ingresses: dict[str, Ingress] = {}
        self.bots: list[Bot] = []
        self.console = ""
        self._ending = contextlib.AsyncExitStack()
        self._described: dict[str, Any] = {}

    def _leads(self) -> Leads:
        host = self.estate["checks"]["payments"]["host"]
        ttl = next(r["ttl_seconds"] for r in self.estate["dns"]["records"] if r["name"] == host)
        return Leads({d["ingress"]["address"]: region for region, d in self.estate["regions"].items()}, ttl)

    async def start(self, app: web.Application) -> None:
        """Start every part, the bots included, and return when all of it is ready.

        `app` is the console's application; the parts add their routes to it.
        """
        async with contextlib.AsyncExitStack() as ending:
            # First of all, because a port that is taken is the likeliest reason not to start.
            listener = socket.create_server(("127.0.0.1", self.options.port))
            ending.callback(listener.close)
            ending.callback(self.outage.end)
            for name, database in self.estate["databases"].items():
                self.databases.add(database["global_cluster"], name, database["clusters"], writer=HOME_REGION)
            await self._start_clouds(ending)
            self._http_port, *health_ports = bots.free_ports(1 + self.options.bots)
            await self._start_console(app, listener, ending)
            arc = self.options.routing == "arc"
            found = await asyncio.to_thread(self.aws.seed, self.estate, arc=arc)
            self.databases.deny_with(self.aws.database_subnets_denied)
            dns_port = await self._start_dns(found["zone_id"], ending)
            ingress_port = await self._start_ingresses(ending)
            self._write_estate(found, ingress_port)
            self._start_bots(health_ports, dns_port, found, ending)
            self._describe(found, dns_port, ingress_port)
            await self._start_customers(dns_port, ingress_port, ending)
            self.write_state()
            await asyncio.gather(*(bot.ready(BOT_READY_SECONDS) for bot in self.bots))
            self.write_state()
            self._ending = ending.pop_all()

    def strike(self, kind: str, **params: Any) -> str:
        """Switch a fault on and return its id. Raises ValueError as `Faults.add` does.

        Databases may be told by the estate's names; AWS knows their global clusters only.
        """
        if kind == "aws-stuck" and params.get("database") in self.estate["databases"]:
            params["database"] = self.estate["databases"][params["database"]]["global_cluster"]
        self.databases.advance()
        return self.faults.add(kind, **params)

    def stopped(self) -> dict[str, bool]:
        """Whether a STOP object, or a routing control, takes each Region's records off their names."""
        if routed := self.aws.routed():
            return {region: not on for region, on in routed.items()}
        return {
            region: self.aws.object_exists(self.estate["regions"][keeper]["stop_bucket"], f"STOP-{region}")
            for region, keeper in zip(self.regions, reversed(self.regions), strict=True)
        }

    def hands(self) -> Hands:
        """Somebody who does things past the bot."""
        return Hands(self._described, yaml.safe_load(self.estate_path.read_text()))

    async def stop(self) -> None:
        """End everything that was started, last first."""
        await self._ending.aclose()

    async def _start_clouds(self, ending: contextlib.AsyncExitStack) -> None:
        """Both clusters and AWS, side by side: importing moto takes as long as all the rest."""
        imported = asyncio.create_task(asyncio.to_thread(_import_aws))
        await asyncio.to_thread(self._start_clusters, ending)
        aws_class = await imported
        from bot.sandbox.aws.cloud import Timings

        timings = Timings(hang=self._silence())
        self.aws = aws_class(self.clock, self.faults, self.databases, self.clusters, timings)
        self._aws_url = await asyncio.to_thread(self.aws.start)
        ending.callback(self.aws.stop)

    def _silence(self) -> float:
        """Real seconds until a client gives up on a silent Region: its time-out of connecting."""
        return max(0.25, self.clock.real(2.0))

    def _start_clusters(self, ending: contextlib.AsyncExitStack) -> None:
        from bot.sandbox.kubernetes import Cluster, ContainerResult
        from bot.sandbox.kubernetes.estate import manifests

        async def run(container: ContainerRun) -> ContainerResult:
            return ContainerResult(*run_psql(self.databases, container))

        for region, described in self.estate["regions"].items():
            cluster = Cluster(
                described["cluster"],
                region,
                self.clock,
                self.faults,
                run_container=run,
                hang=self._silence(),
            )
            cluster.start()
            ending.callback(cluster.stop)
            for group, nodes in described["node_groups"].items():
                cluster.set_nodes(group, nodes["desired"], nodes["instance_type"])
            cluster.seed(manifests(self.estate, region, primary=region == HOME_REGION))
            self.clusters[region] = cluster

    async def _start_console(
        self, app: web.Application, listener: socket.socket, ending: contextlib.AsyncExitStack
    ) -> None:
        from bot.sandbox.slack import SlackStandIn

        self.slack = SlackStandIn(
            self.faults,
            socket_app_token=APP_TOKEN,
            bot_token=BOT_TOKEN,
            signing_secret=SIGNING_SECRET,
            request_url=f"http://127.0.0.1:{self._http_port}" if self.options.http else None,
            speed=self.options.speed,
        )
        app.add_routes([*self.slack.routes(), *self.slack.page_routes()])
        app.add_routes(metrics.routes(self.figures, self.faults))
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await runner.setup()
        ending.push_async_callback(runner.cleanup)
        ending.push_async_callback(self.slack.close)
        await web.SockSite(runner, listener).start()
        self.console = f"http://127.0.0.1:{runner.addresses[0][1]}"
        self.slack.bind(self.console)

    async def _start_dns(self, zone_id: str, ending: contextlib.AsyncExitStack) -> int:
        zone = Zone(self.estate["dns"]["zone"], lambda: self.aws.records(zone_id), self.aws.healthy)
        server = DnsServer(zone, self.faults)
        port = await server.start()
        ending.push_async_callback(server.stop)
        checkers = HealthCheckers(self.aws, self.faults)
        ticking = asyncio.create_task(self._tick(checkers, server), name="tick")
        ending.callback(ticking.cancel)
        return port

    async def _tick(self, checkers: HealthCheckers, servers: DnsServer) -> None:
        host = self.estate["checks"]["payments"]["host"]
        while True:
            self.databases.advance()
            checkers.look(self.clock.now())
            self.leads.look(self.clock.now(), servers.may_answer(host))
            self.figures.scrape()
            await asyncio.sleep(TICK_SECONDS)

    async def _start_ingresses(self, ending: contextlib.AsyncExitStack) -> int:
        port = 0
        for region, described in self.estate["regions"].items():
            services = Services(
                region, self.estate["services"], self.clusters[region], self.databases, self.faults
            )
            entry = Ingress(
                services, self.estate, self.clock, self.faults, self.figures, self.databases, self.leads
            )
            port = await entry.start(described["ingress"]["address"], port)
            ending.push_async_callback(entry.stop)
            self.ingresses[region] = entry
        return port

    async def _start_customers(
        self, dns_port: int, ingress_port: int, ending: contextlib.AsyncExitStack
    ) -> None:
        payments = self.estate["checks"]["payments"]
        self.customers = Customers(
            self.clock, payments, dns_port=dns_port, ingress_port=ingress_port, leads=self.leads
        )
        watch(self.figures, self.databases, self.ingresses, self.faults)
        await self.customers.start()
        ending.push_async_callback(self.customers.stop)

    def _write_estate(self, found: dict[str, Any], ingress_port: int) -> None:
        values: dict[str, Any] = {
            "zone_id": found["zone_id"],
            "name_servers": json.dumps(list(SERVERS)),
            "ingress_port": ingress_port,
            "prometheus_url": f"{self.console}/prometheus",
        }
        for region in self.regions:
            place = region.replace("-", "_")
            values[f"subnets_{place}"] = json.dumps(found["subnets"][region])
            for record, checks in found["health_checks"].items():
                values[f"check_{record.split('.')[0]}_{place}"] = checks[region]
        self.estate_path = self.state / "estate.yaml"
        template = Template(TEMPLATE.read_text())
        if missing := set(template.get_identifiers()) - values.keys():
            raise RuntimeError(f"the estate's template names what nothing fills in: {sorted(missing)}")
        text = template.safe_substitute(values)  # its comment speaks of ${...}
        if routing := found["routing"]:
            text = text.replace("\ndns:\n", f"\ndns:\n  routing: {json.dumps(routing)}\n", 1)
        keys = write_keys(self.state / "keys", self.estate["people"])
        pinned = yaml.safe_dump({"keys": {person: [key] for person, key in keys.items()}}, width=200)
        self.estate_path.write_text(f"{text}\n{pinned}")

    def _start_bots(
        self,
        health_ports: list[int],
        dns_port: int,
        found: dict[str, Any],
        ending: contextlib.AsyncExitStack,
    ) -> None:
        environment = {
            "SLACK_BOT_TOKEN": BOT_TOKEN,
            "SLACK_API_URL": f"{self.console}/api/",
            "AWS_ENDPOINT_URL": self._aws_url,
            "AWS_ACCESS_KEY_ID": "sandbox",
            "AWS_SECRET_ACCESS_KEY": "sandbox",
            "AWS_DEFAULT_REGION": "us-west-2",
            "AWS_EC2_METADATA_DISABLED": "true",
            "SIGNALBOX_ESTATE": str(self.estate_path),
            "SIGNALBOX_DATABASE_URL": self.database_url,
            "SIGNALBOX_CLOCK": str(self.state / "clock.json"),
            "SIGNALBOX_RESOLVER": f"127.0.0.1:{dns_port}",
            "SIGNALBOX_DNS_PORT": str(dns_port),
            "SIGNALBOX_ROLE_ARN": found["role_arn"],
            "SIGNALBOX_ARCHIVE": f"s3://{found['trail_bucket']}/",
            "SIGNALBOX_ARCHIVE_REGION": found["trail_region"],
            "SIGNALBOX_SIGNING_KEY": str(self.state / "signing.key"),
        }
        if self.options.http:
            environment["SLACK_SIGNING_SECRET"] = SIGNING_SECRET
            environment["SIGNALBOX_HTTP_PORT"] = str(self._http_port)
        else:
            environment["SLACK_APP_TOKEN"] = APP_TOKEN
        # For a terminal beside the bots: `set -a; . DIR/bot.env`.
        own = environment | {"SIGNALBOX_STATE": str(self.state / "terminal")}
        lines = (f"{name}={shlex.quote(value)}\n" for name, value in own.items())
        write_private(self.state / "bot.env", "".join(lines).encode())
        ending.push_async_callback(lambda: bots.end(self.bots))
        for index, port in enumerate(health_ports):
            bot = Bot(index, self.state, port, environment)
            self.bots.append(bot)
            bot.start()

    def _describe(self, found: dict[str, Any], dns_port: int, ingress_port: int) -> None:
        clusters = {}
        for region, cluster in self.clusters.items():
            path = self.state / f"kubeconfig-{region}.yaml"
            path.write_text(yaml.safe_dump(cluster.kubeconfig()))
            access = {"server": cluster.server_url, "token": cluster.token}
            access["person_token"] = cluster.person_token
            clusters[region] = access | {"kubeconfig": str(path)}
        self._described = {
            "console": self.console,
            "slack_api": f"{self.console}/api/",
            "aws": self._aws_url,
            "dns": f"127.0.0.1:{dns_port}",
            "clusters": clusters,
            "ingress": {
                region: f"http://{described['ingress']['address']}:{ingress_port}"
                for region, described in self.estate["regions"].items()
            },
            "metrics": f"{self.console}/metrics",
            "database_url": self.database_url,
            "trail_bucket": found.get("trail_bucket", ""),
            "estate": str(self.estate_path),
            "keys": str(self.state / "keys"),
            "environment": str(self.state / "bot.env"),
        }

    def described(self) -> dict[str, Any]:
        """What `sandbox.json` holds: where every part listens, and the bots' process ids."""
        return {**self._described, "bots": [{"index": bot.index, "pid": bot.pid} for bot in self.bots]}

    def write_state(self) -> None:
        """Write `sandbox.json`, whole or not at all."""
        draft = self.state / "sandbox.json.draft"
        draft.write_text(json.dumps(self.described(), indent=1))
        draft.replace(self.state / "sandbox.json")


def _import_aws() -> type[AwsStandIn]:
    from bot.sandbox.aws import AwsStandIn

    return AwsStandIn
