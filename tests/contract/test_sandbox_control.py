"""The sandbox as a process of its own, without bots: driven the way tests outside the project drive it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import dns.message
import dns.query
import httpx
import psutil
import pytest
import yaml
from kubernetes import client, config

EAST, WEST = "us-east-1", "us-west-2"
START = "import sys; from bot.sandbox.main import main; sys.exit(main(sys.argv[1:]))"
SPEED = 20


class Sandbox:
    def __init__(self, state: Path, *, bots: int = 0) -> None:
        self.state = state
        command = [sys.executable, "-c", START, "--port", "0", "--bots", str(bots), "--state", str(state)]
        began = time.monotonic()
        self.process = subprocess.Popen(
            [*command, "--speed", str(SPEED)], stdout=subprocess.PIPE, text=True, env=dict(os.environ)
        )
        assert self.process.stdout
        self.ready = self.process.stdout.readline().strip()
        self.took = time.monotonic() - began
        self.facts: dict[str, Any] = json.loads((state / "sandbox.json").read_text())
        self.http = httpx.Client(base_url=self.facts["console"], timeout=30, trust_env=False)

    def get(self, path: str, **asked: str) -> dict[str, Any]:
        return self.http.get(f"/control/{path}", params=asked).json()

    def post(self, path: str, **body: Any) -> dict[str, Any]:
        return self.http.post(f"/control/{path}", json=body).json()

    def aws(self, service: str, region: str) -> Any:
        return boto3.client(
            service,
            region_name=region,
            endpoint_url=self.facts["aws"],
            aws_access_key_id="x",
            aws_secret_access_key="x",
        )

    def eventually(self, what: Callable[[], bool], seconds: float = 30) -> None:
        until = time.monotonic() + seconds
        while not what():
            assert time.monotonic() < until, "did not come true in time"
            time.sleep(0.1)

    def end(self) -> int:
        self.http.close()
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(20)
        assert self.process.stdout
        self.process.stdout.close()
        return code


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    sandbox = Sandbox(tmp_path_factory.mktemp("sandbox"))
    yield sandbox
    assert sandbox.end() == 0
    for address in (sandbox.facts["console"], sandbox.facts["aws"], *sandbox.facts["ingress"].values()):
        host, port = address.removeprefix("http://").split(":")
        with pytest.raises(ConnectionRefusedError), socket.create_connection((host, int(port)), 1):
            pass


def test_says_where_everything_is(sandbox: Sandbox) -> None:
    """It is ready within 15 s, says so, and `sandbox.json` names every part."""
    assert sandbox.ready == f"ready {sandbox.facts['console']}"
    assert sandbox.took < 15
    assert sandbox.facts.keys() >= {
        "console", "slack_api", "aws", "dns", "clusters", "ingress", "metrics",
        "database_url", "trail_bucket", "estate", "bots",
    }  # fmt: skip
    assert sandbox.facts["clusters"].keys() == sandbox.facts["ingress"].keys() == {EAST, WEST}
    estate = Path(sandbox.facts["estate"]).read_text()
    assert "zone_id: ${" not in estate
    assert httpx.get(sandbox.facts["metrics"], trust_env=False).status_code == 200


def test_mistakes_are_answered(sandbox: Sandbox) -> None:
    """Unknown faults, bots and channels, missing fields and a backward clock get a reason, not a trace."""
    for path, body, problem in (
        ("faults", {"kind": "flood"}, "unknown fault 'flood'"),
        ("faults", {"kind": "region-dark"}, "needs region"),
        ("bots/0", {"do": "kill"}, "there is no bot 0"),
        ("clock", {"advance": -5}, "only moves forward"),
        ("command", {"user": "oncall"}, "channel"),
    ):
        answer = sandbox.http.post(f"/control/{path}", json=body)
        assert answer.status_code in {400, 404}
        assert problem in answer.json()["error"]
    assert sandbox.http.delete("/control/faults/fault-999").status_code == 404
    assert sandbox.http.get("/control/messages", params={"channel": "nowhere"}).status_code == 404


def test_slack_and_clock(sandbox: Sandbox) -> None:
    """Messages can be said and read back; without a bot a command fails as in Slack; the calendar moves."""
    said = sandbox.post("say", user="oncall", channel="random", text="good evening")
    assert said["ok"]
    texts = [message["text"] for message in sandbox.get("messages", channel="random")["messages"]]
    assert "good evening" in texts
    assert not sandbox.post("command", user="oncall", channel="ops", text="/failover us-west-2")["ok"]
    assert sandbox.get("views", user="oncall")["views"] == []
    assert sandbox.get("home", user="oncall", open="0")["view"] is None
    before = sandbox.get("clock")["now"]
    assert sandbox.post("clock", advance=60)["now"] >= before + 60


def test_database_down_locks_sqlite(sandbox: Sandbox) -> None:
    """While the fault is on nobody can write to the bots' database; its removal frees it."""
    import sqlite3

    path = sandbox.facts["database_url"].removeprefix("sqlite:///")
    fault = sandbox.post("faults", kind="database-down")["id"]
    connection = sqlite3.connect(path, timeout=0)
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        connection.execute("CREATE TABLE t (x)")
    assert [one["kind"] for one in sandbox.get("faults")["faults"]] == ["database-down"]
    sandbox.http.delete(f"/control/faults/{fault}")
    connection.execute("CREATE TABLE t (x)")
    connection.close()


def test_hands_go_past_the_bot(sandbox: Sandbox) -> None:
    """STOP objects, weights, replicas and promotions by hand are the clouds' own, refusals as well."""
    zone = {"HostedZoneId": yaml.safe_load(Path(sandbox.facts["estate"]).read_text())["dns"]["zone_id"]}
    api = client.AppsV1Api(config.new_client_from_config(sandbox.facts["clusters"][WEST]["kubeconfig"]))

    def weights() -> dict[str, int]:
        records = sandbox.aws("route53", EAST).list_resource_record_sets(**zone)["ResourceRecordSets"]
        return {r["SetIdentifier"]: r["Weight"] for r in records if r["Name"] == "app.fintech.example."}

    assert sandbox.post("hand", do="stop", region=EAST)["ok"]
    sandbox.aws("s3", WEST).head_object(Bucket=f"fintech-stop-{WEST}", Key=f"STOP-{EAST}")
    assert sandbox.post("hand", do="unstop", region=EAST)["ok"]
    halves = {EAST: 50, WEST: 50}
    assert sandbox.post("hand", do="weights", record="app.fintech.example", weights=halves)["ok"]
    sandbox.eventually(lambda: weights() == halves)
    assert sandbox.post("hand", do="scale", region=WEST, service="help-center", replicas=3)["ok"]
    place = {"name": "help-center", "namespace": "insights"}
    assert api.read_namespaced_deployment_scale(**place).spec.replicas == 3
    refused = sandbox.post("hand", do="promote", database="reporting", to=EAST)
    assert not refused["ok"]
    assert "already the primary" in refused["error"]
    assert sandbox.post("hand", do="switchover", database="reporting", to=WEST)["ok"]
    sandbox.eventually(lambda: sandbox.get("databases")["databases"]["fintech-reporting"]["writer"] == WEST)
    assert "known: detach, promote" in sandbox.post("hand", do="wave")["error"]


def test_failover_by_hand(sandbox: Sandbox) -> None:
    """Everything a bot would do after a Region went dark, done by hand, brings the customers back.

    STOP object, promotion of the payments database, restart of the payment service: the parts of the world
    depend on one another as the real ones do.
    """
    sandbox.eventually(lambda: sandbox.get("customers")["ok"] > 20)
    fault = sandbox.post("faults", kind="region-dark", region=EAST)["id"]
    sandbox.eventually(lambda: sandbox.get("customers")["failed"] > 10)

    estate = Path(sandbox.facts["estate"]).read_text()
    stop = next(line.split(": ")[1] for line in estate.splitlines() if "fintech-stop-us-west-2" in line)
    sandbox.aws("s3", WEST).put_object(Bucket=stop, Key=f"STOP-{EAST}", Body=b"stop")
    rds = sandbox.aws("rds", WEST)
    arn = f"arn:aws:rds:{WEST}:123456789012:cluster:fintech-payments-usw2"
    rds.failover_global_cluster(
        GlobalClusterIdentifier="fintech-payments", TargetDbClusterIdentifier=arn, AllowDataLoss=True
    )
    databases = lambda: sandbox.get("databases")["databases"]["fintech-payments"]  # noqa: E731
    sandbox.eventually(lambda: databases()["writer"] == WEST)
    assert databases()["promotions"] == 1

    host, port = sandbox.facts["dns"].split(":")
    question = dns.message.make_query("api.fintech.example", "A")
    address = lambda: str(dns.query.udp(question, host, 5, int(port)).answer[0][0])  # noqa: E731
    sandbox.eventually(lambda: address() == "127.0.2.1")
    pay = lambda: httpx.post(  # noqa: E731
        f"{sandbox.facts['ingress'][WEST]}/payments",
        headers={"Host": "api.fintech.example"},
        json={},
        trust_env=False,
    )
    assert pay().status_code == 503

    api = client.AppsV1Api(config.new_client_from_config(sandbox.facts["clusters"][WEST]["kubeconfig"]))
    restart = {"spec": {"template": {"metadata": {"annotations": {"restarted": "now"}}}}}
    api.patch_namespaced_deployment("payment-service", "production", restart, _request_timeout=10)
    sandbox.eventually(lambda: pay().status_code == 201)
    served = lambda: sandbox.get("customers")["served_by_region"].get(WEST, 0)  # noqa: E731
    sandbox.eventually(lambda: served() > 20)

    told = sandbox.get("customers")
    assert told["acknowledged_by_two_writers"] == 0
    assert told["sent"] >= told["ok"] + told["failed"]
    assert told["payments_lost"] <= 60  # what a lag of 0.3 simulated s can hold at this rate, and some room
    query = {"query": "max(payments_lost_total)"}
    answer = sandbox.http.get("/prometheus/api/v1/query", params=query).json()
    assert float(answer["data"]["result"][0]["value"][1]) == told["payments_lost"]
    sandbox.http.delete(f"/control/faults/{fault}")


def test_without_state_nothing_stays(tmp_path: Path) -> None:
    """Without --state everything lives in a temporary directory that is gone at the end."""
    command = [sys.executable, "-c", START, "--port", "0", "--bots", "0"]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout
        assert process.stdout.readline().startswith("ready http://127.0.0.1:")
        assert [path.name for path in tmp_path.glob("signalbox-*/sandbox.json")] == ["sandbox.json"]
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    assert not list(tmp_path.glob("signalbox-*"))


def test_port_in_use(tmp_path: Path) -> None:
    """A port that is taken is said in a line, with exit code 2."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-c", START, "--port", port, "--bots", "0", "--state", str(tmp_path)]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert ended.returncode == 2
    assert "already in use" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost:8300"}, 200),
        # A name that was rebound to 127.0.0.1 after a page had been loaded from it.
        ({"Host": "rebound.example:8300"}, 403),
        ({"Host": "127.0.0.1.rebound.example"}, 403),
        ({"Origin": "http://127.0.0.1:8300"}, 200),
        ({"Origin": "https://elsewhere.example"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
def test_pages_of_strangers_are_refused(sandbox: Sandbox, headers: dict[str, str], status: int) -> None:
    """Every part of the console is for this machine alone, reads included."""
    for path in ("/control/customers", "/metrics", "/"):
        assert sandbox.http.get(path, headers=headers).status_code == status
    assert sandbox.http.post("/control/clock", json={"advance": 0}, headers=headers).status_code == status


def test_a_browser_s_form_is_no_control_request(sandbox: Sandbox) -> None:
    """A form needs no consent to be sent elsewhere; JSON does. Programs may leave the type out."""
    form = {"Origin": sandbox.facts["console"], "Content-Type": "text/plain"}
    body = b'{"advance": 0}'
    assert sandbox.http.post("/control/clock", content=body, headers=form).status_code == 415
    assert sandbox.http.post("/control/clock", content=body).status_code == 200
    broken = sandbox.http.post("/control/clock", content=b"advance=0")
    assert broken.status_code == 400


def test_the_last_write_of_a_region_long_dark_is_still_known(sandbox: Sandbox) -> None:
    """The gauge is stale after five minutes; the estate's own query still finds it."""

    def regions(query: str) -> set[str]:
        asked = sandbox.http.get("/prometheus/api/v1/query", params={"query": query})
        return {one["metric"]["region"] for one in asked.json()["data"]["result"]}

    gauge, query = "ingress_last_write_timestamp_seconds", _estate(sandbox)["metrics"]["last_write"]
    sandbox.eventually(lambda: EAST in regions(gauge))
    dark = sandbox.post("faults", kind="region-dark", region=EAST)["id"]
    time.sleep(10 / SPEED)
    sandbox.post("clock", advance=310)
    sandbox.eventually(lambda: EAST not in regions(gauge))
    assert EAST in regions(query)
    assert sandbox.http.delete(f"/control/faults/{dark}").json() == {"ok": True}
    sandbox.eventually(lambda: EAST in regions(gauge))


def _estate(sandbox: Sandbox) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(Path(sandbox.facts["estate"]).read_text())
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's end")
def test_bots_die_with_a_killed_sandbox(tmp_path: Path) -> None:
    """SIGKILL leaves the sandbox no time to end anything, and yet no bot goes on alone."""
    sandbox = Sandbox(tmp_path, bots=1)
    bot = psutil.Process(sandbox.facts["bots"][0]["pid"])
    assert bot.is_running()
    sandbox.process.kill()
    sandbox.end()
    sandbox.eventually(lambda: not bot.is_running() or bot.status() == psutil.STATUS_ZOMBIE, 10)


def test_kubeconfigs_merge(sandbox: Sandbox) -> None:
    """Joined in KUBECONFIG, each Region's context keeps its own user and token."""
    paths = [cluster["kubeconfig"] for cluster in sandbox.facts["clusters"].values()]
    contexts, _ = config.list_kube_config_contexts(config_file=":".join(paths))
    assert len({context["context"]["user"] for context in contexts}) == len(paths)
