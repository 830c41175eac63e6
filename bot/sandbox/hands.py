"""Somebody's hands: what a person does in the AWS console or with kubectl, past Signalbox.

The calls go to the stand-ins' real HTTP interfaces, so that faults, logs and audits see them as any other.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any
from urllib.parse import urlencode
from xml.sax.saxutils import escape

import aiohttp

ACCESS_KEY = "AKIABYHAND"
AGENT = "kubectl/v1.31.0 (linux/amd64) by-hand"
TIMEOUT_SECONDS = 20.0  # real
ADDRESS_TYPE = "A"
Asked = Mapping[str, Any]


class Refused(ValueError):
    """What AWS or Kubernetes answered to somebody's hands, in its own words."""


class Hands:
    """Does by hand what `what` says: see `docs/sandbox.md`, "By hand".

    `facts` is what `sandbox.json` holds, `estate` the estate with everything filled in.
    """

    def __init__(self, facts: Mapping[str, Any], estate: Mapping[str, Any]) -> None:
        self._facts = facts
        self._estate = estate
        self.doings: dict[str, Callable[[Asked], Coroutine[Any, Any, str]]] = {
            "promote": self._promote,
            "switchover": self._switchover,
            "detach": self._detach,
            "scale": self._scale,
            "stop": self._stop,
            "unstop": self._unstop,
            "weights": self._weights,
        }

    async def do(self, what: Asked) -> str:
        """Do it once and return it in a line. Raises ValueError with the refusal, KeyError for a lack."""
        if what["do"] not in self.doings:
            raise ValueError(f"nothing is called {what['do']!r}; known: {', '.join(sorted(self.doings))}")
        return await self.doings[what["do"]](what)

    async def _promote(self, what: Asked) -> str:
        """`failover_global_cluster` in the target Region, data loss allowed."""
        return await self._move(what, "FailoverGlobalCluster", what["to"], AllowDataLoss="true")

    async def _switchover(self, what: Asked) -> str:
        """`switchover_global_cluster` in the Region of the present writer, which is not `to`."""
        clusters = self._estate["databases"][what["database"]]["clusters"]
        source = next(region for region in clusters if region != what["to"])
        return await self._move(what, "SwitchoverGlobalCluster", source)

    async def _move(self, what: Asked, operation: str, region: str, **more: str) -> str:
        database = self._estate["databases"][what["database"]]
        arn = self._arn(database, what["to"])
        named = {"GlobalClusterIdentifier": database["global_cluster"], "TargetDbClusterIdentifier": arn}
        await self._rds(region, operation, named | more)
        return f"{operation} of {database['global_cluster']} to {what['to']}"

    async def _detach(self, what: Asked) -> str:
        """`remove_from_global_cluster` of the Region's cluster."""
        database = self._estate["databases"][what["database"]]
        arn = self._arn(database, what["region"])
        named = {"GlobalClusterIdentifier": database["global_cluster"], "DbClusterIdentifier": arn}
        await self._rds(what["region"], "RemoveFromGlobalCluster", named)
        return f"RemoveFromGlobalCluster of {arn}"

    async def _scale(self, what: Asked) -> str:
        """`kubectl scale deployment`."""
        service, region = self._estate["services"][what["service"]], what["region"]
        access = self._facts["clusters"][region]
        path = f"/apis/apps/v1/namespaces/{service['namespace']}/deployments/{what['service']}/scale"
        headers = {
            "Authorization": f"Bearer {access.get('person_token') or access['token']}",
            "Content-Type": "application/merge-patch+json",
            "User-Agent": AGENT,
        }
        body = f'{{"spec": {{"replicas": {int(what["replicas"])}}}}}'
        await self._send("PATCH", access["server"] + path, headers, body)
        return f"{what['service']} in {region} scaled to {what['replicas']}"

    async def _stop(self, what: Asked) -> str:
        """Put the STOP object that takes `region` off every name, into the other Region's bucket."""
        return await self._latch(what, "PUT")

    async def _unstop(self, what: Asked) -> str:
        """Remove the STOP object again."""
        return await self._latch(what, "DELETE")

    async def _latch(self, what: Asked, method: str) -> str:
        region = what["region"]
        other = next(each for each in self._estate["regions"] if each != region)
        bucket = self._estate["regions"][other]["stop_bucket"]
        url = f"{self._facts['aws']}/{bucket}/STOP-{region}"
        await self._send(method, url, _signed("s3", other), "stopped by hand" if method == "PUT" else "")
        return f"{method} {url.removeprefix(self._facts['aws'])}"

    async def _weights(self, what: Asked) -> str:
        """UPSERT the weight of each Region's record of a name, as the Route 53 console does."""
        record = next(r for r in self._estate["dns"]["records"] if r["name"] == what["record"])
        changes = "".join(self._change(record, region, int(w)) for region, w in what["weights"].items())
        body = (
            '<ChangeResourceRecordSetsRequest xmlns="https://route53.amazonaws.com/doc/2013-04-01/">'
            f"<ChangeBatch><Changes>{changes}</Changes></ChangeBatch></ChangeResourceRecordSetsRequest>"
        )
        url = f"{self._facts['aws']}/2013-04-01/hostedzone/{self._estate['dns']['zone_id']}/rrset"
        headers = _signed("route53", "us-east-1") | {"Content-Type": "text/xml"}
        await self._send("POST", url, headers, body)
        return f"weights of {record['name']}: {dict(what['weights'])}"

    def _change(self, record: Asked, region: str, weight: int) -> str:
        address = self._estate["regions"][region]["ingress"]["address"]
        fields = {
            "Name": record["name"],
            "Type": ADDRESS_TYPE,
            "SetIdentifier": region,
            "Weight": weight,
            "TTL": record["ttl_seconds"],
        }
        told = "".join(f"<{name}>{escape(str(value))}</{name}>" for name, value in fields.items())
        told += (
            f"<ResourceRecords><ResourceRecord><Value>{address}</Value></ResourceRecord></ResourceRecords>"
        )
        told += f"<HealthCheckId>{record['health_checks'][region]}</HealthCheckId>"
        return f"<Change><Action>UPSERT</Action><ResourceRecordSet>{told}</ResourceRecordSet></Change>"

    def _arn(self, database: Asked, region: str) -> str:
        return f"arn:aws:rds:{region}:{self._estate['account']}:cluster:{database['clusters'][region]}"

    async def _rds(self, region: str, operation: str, named: Mapping[str, str]) -> None:
        headers = _signed("rds", region) | {"Content-Type": "application/x-www-form-urlencoded"}
        form = urlencode({"Action": operation, "Version": "2014-10-31", **named})
        await self._send("POST", f"{self._facts['aws']}/", headers, form)

    @staticmethod
    async def _send(method: str, url: str, headers: Mapping[str, str], body: str) -> None:
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.request(method, url, headers=headers, data=body.encode()) as response,
            ):
                answer = await response.text()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Refused(f"{method} {url}: no answer ({error or type(error).__name__})") from error
        if response.status >= 400:
            raise Refused(f"{method} {url}: {response.status} {answer}")


def _signed(service: str, region: str) -> dict[str, str]:
    """A signature's scope; the stand-in reads who calls what from it and checks no signature."""
    scope = f"{ACCESS_KEY}/20260101/{region}/{service}/aws4_request"
    signed = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=by-hand"
    return {"Authorization": signed, "x-amz-date": "20260101T000000Z"}
