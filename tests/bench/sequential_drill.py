"""The case's monthly drill as its operators script it: one thing after another, each seen done before the next.

`python -m tests.bench.sequential_drill PLACE.json` prints one line of JSON for every stage. Every wait is one that
such a script has, none is added: the waiters of the AWS CLI (their own intervals, read from botocore), `kubectl rollout
status`, a loop that looks every 15 s where no tool waits, and one TTL.

Where the case's script could not do it at all, the drill is spared: Argo CD is held first, or it would undo what is
applied; the node group is raised, or nothing would fit; the STOP object is put instead of changing records, since the
control plane of Route 53 is in the dark Region. Nothing is fenced and nobody looks whether two writers could run.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from dnslib import DNSRecord

from tests.bench.limits import aws

LOOP_SECONDS = 15.0
_ROLLOUT_SECONDS = 600


@dataclass(frozen=True)
class Place:
    """What the operator's machine has: addresses, credentials, a checkout of the manifests.

    `speed` is simulated seconds per real one: every sleep is that much shorter. `estate` is the estate's file.
    """

    estate: dict[str, Any]
    dark: str
    target: str
    aws: str
    dns_port: int
    servers: list[str]
    kubeconfig: str
    manifests: str
    speed: float

    @property
    def services(self) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = self.estate["services"]
        return found

    def client(self, service: str) -> Any:
        return aws(self.aws, self.target, service)

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds / self.speed)

    def wait(self, client: Any, waiter: str, **asked: Any) -> None:
        """`aws SERVICE wait WAITER`: looks at once, then in the waiter's own interval."""
        found = client.get_waiter(waiter)
        found.wait(**asked, WaiterConfig={"Delay": found.config.delay / self.speed})

    def loop(self, done: Callable[[], bool]) -> None:
        """`until done; do sleep 15; done`."""
        while not done():
            self.sleep(LOOP_SECONDS)

    def kubectl(self, *words: str) -> str:
        command = ["kubectl", "--kubeconfig", self.kubeconfig, *words]
        ended = subprocess.run(command, check=False, capture_output=True, text=True)
        if ended.returncode:
            raise RuntimeError(f"kubectl {' '.join(words)[:200]}: {ended.stderr[-1000:]}")
        return ended.stdout

    def rolled_out(self, name: str) -> None:
        """`kubectl rollout status`: it watches, and ends when the last pod is ready."""
        space = self.services[name]["namespace"]
        self.kubectl("rollout", "status", f"deployment/{name}", "-n", space, f"--timeout={_ROLLOUT_SECONDS}s")

    def addresses(self, name: str) -> set[str]:
        """`dig +short NAME @SERVER` for every name server."""
        packets = [DNSRecord.question(name).send(server, self.dns_port, timeout=2) for server in self.servers]
        return {str(row.rdata) for packet in packets for row in DNSRecord.parse(packet).rr}


def nodes(place: Place) -> str:
    """The target's node groups to the size that the dark Region had."""
    here, there = place.estate["regions"][place.target], place.estate["regions"][place.dark]
    eks, wanted = place.client("eks"), 0
    for group, sizes in there["node_groups"].items():
        wanted += sizes["desired"]
        names = {"clusterName": here["cluster"], "nodegroupName": group}
        eks.update_nodegroup_config(**names, scalingConfig={"desiredSize": sizes["desired"]})
        place.wait(eks, "nodegroup_active", **names)
    ready = '{range .items[*]}{.status.conditions[?(@.type=="Ready")].status}{" "}{end}'
    place.loop(
        lambda: place.kubectl("get", "nodes", "-o", f"jsonpath={ready}").split().count("True") >= wanted
    )
    return "`aws eks wait nodegroup-active` (30 s), then a loop of 15 s until the nodes have joined"


def apply(place: Place) -> str:
    """`kubectl apply -f manifests/production/`, every service seen rolled out."""
    window = {"kind": "deny", "schedule": "* * * * *", "duration": "24h", "applications": ["*"]}
    patch = json.dumps({"spec": {"syncWindows": [window]}})
    place.kubectl("patch", "appproject", "default", "-n", "argocd", "--type", "merge", "-p", patch)
    # The stand-in tells no OpenAPI, by which kubectl would validate.
    place.kubectl("apply", "--validate=false", "-f", place.manifests)
    for name in place.services:
        place.rolled_out(name)
    return "`kubectl rollout status`, deployment by deployment"


def promote(place: Place) -> str:
    """The databases, one after another."""
    rds = place.client("rds")
    for database in place.estate["databases"].values():
        name, cluster = database["global_cluster"], database["clusters"][place.target]
        arn = rds.describe_db_clusters(DBClusterIdentifier=cluster)["DBClusters"][0]["DBClusterArn"]
        rds.failover_global_cluster(
            GlobalClusterIdentifier=name, TargetDbClusterIdentifier=arn, AllowDataLoss=True
        )
        place.wait(rds, "db_cluster_available", DBClusterIdentifier=cluster)
        place.loop(partial(_writes, rds, name, arn))
    return "`aws rds wait db-cluster-available` (30 s), database by database"


def _writes(rds: Any, name: str, arn: str) -> bool:
    found = rds.describe_global_clusters(GlobalClusterIdentifier=name)["GlobalClusters"][0]
    return any(
        member["IsWriter"] and member["DBClusterArn"] == arn for member in found["GlobalClusterMembers"]
    )


def restart(place: Place) -> str:
    """What writes, onto the new writers."""
    writing = [name for name, service in place.services.items() if service.get("writes")]
    for name in writing:
        place.kubectl("rollout", "restart", f"deployment/{name}", "-n", place.services[name]["namespace"])
    for name in writing:
        place.rolled_out(name)
    return "`kubectl rollout status`, deployment by deployment; all restarted first"


def dns(place: Place) -> str:
    """Customers to the target, and the old answers expired."""
    here = place.estate["regions"][place.target]
    place.client("s3").put_object(Bucket=here["stop_bucket"], Key=f"STOP-{place.dark}", Body=b"drill")
    records, wanted = place.estate["dns"]["records"], {here["ingress"]["address"]}
    place.loop(lambda: all(place.addresses(record["name"]) == wanted for record in records))
    place.sleep(max(record["ttl_seconds"] for record in records))
    return "`dig` in a loop of 15 s until every name server answers the target, then one TTL"


def smoke(place: Place) -> str:
    """`./scripts/smoke-tests.sh`."""
    for check in place.estate["checks"]["smoke"]:
        place.loop(partial(_passes, place, check))
    return "none but a loop of 15 s while one fails"


def _passes(place: Place, check: dict[str, Any]) -> bool:
    return _get(place, check["host"], check["path"]) == int(check["status"])


def payments(place: Place) -> str:
    """`./scripts/verify-payments.sh`: one payment made, and read back."""
    check, payment = place.estate["checks"]["payments"], f"drill-{uuid.uuid4()}"
    place.loop(lambda: _post(place, check["host"], check["path"], payment) == check["status"])
    place.loop(lambda: _get(place, check["host"], f"{check['path']}/{payment}") == 200)
    return "none but a loop of 15 s while one fails"


def _url(place: Place, host: str, path: str) -> str:
    port = urlsplit(place.estate["regions"][place.target]["ingress"]["url"]).port
    return f"http://{min(place.addresses(host))}:{port}{path}"


def _get(place: Place, host: str, path: str) -> int:
    return httpx.get(_url(place, host, path), headers={"Host": host}, timeout=10, trust_env=False).status_code


def _post(place: Place, host: str, path: str, payment: str) -> int:
    url, headers = _url(place, host, path), {"Host": host}
    return httpx.post(url, json={"id": payment}, headers=headers, timeout=10, trust_env=False).status_code


STAGES: dict[str, Callable[[Place], str]] = {
    "node group": nodes,
    "kubectl apply": apply,
    "three promotions": promote,
    "restart": restart,
    "DNS change": dns,
    "smoke tests": smoke,
    "payments verified": payments,
}


def run(place: Place) -> Iterator[dict[str, Any]]:
    """Every stage in turn: its name, its simulated seconds, where its waits come from."""
    for stage, work in STAGES.items():
        began = time.monotonic()
        waits = work(place)
        yield {"stage": stage, "seconds": (time.monotonic() - began) * place.speed, "waits": waits}


def main() -> None:
    place = Place(**json.loads(Path(sys.argv[1]).read_text()))
    for told in run(place):
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
