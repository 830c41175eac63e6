"""Authoritative DNS over the Route 53 state: the data plane that goes on when the control plane is gone.

Weighted and failover rules are AWS's: records with a healthy check and weight above 0 first, then healthy
ones with weight 0; nothing healthy means that all count as healthy; all weights 0 means equal shares.
https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/health-checks-how-route-53-chooses-records.html
"""

from __future__ import annotations

import asyncio
import copy
import random
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, cast

from dnslib import AAAA, CNAME, MX, NS, QTYPE, RCODE, RR, SOA, TXT, A, DNSHeader, DNSRecord

from bot.sandbox.faults import Faults

ADDRESSES = ("127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4")
SERVERS = {f"ns-{n}.signalbox-dns.example": address for n, address in enumerate(ADDRESSES, 1)}
CACHE_SECONDS = 0.1

Record = Mapping[str, Any]
_DATA: dict[str, Callable[[str], Any]] = {
    "A": A,
    "AAAA": AAAA,
    "CNAME": CNAME,
    "NS": NS,
    "TXT": lambda value: TXT(value.strip('"')),
    "MX": lambda value: MX(value.split()[1], int(value.split()[0])),
    "SOA": lambda value: SOA(value.split()[0], value.split()[1], tuple(int(n) for n in value.split()[2:])),
}


class Zone:
    """A hosted zone, answered from record sets in boto's shape and the health of their checks."""

    def __init__(
        self, name: str, records: Callable[[], Sequence[Record]], healthy: Callable[[str], bool]
    ) -> None:
        self.name = name.rstrip(".")
        self._records = records
        self._healthy = healthy
        self._sets: dict[tuple[str, str], list[Record]] = {}
        self._read_at = -CACHE_SECONDS

    def answer(self, question: DNSRecord) -> DNSRecord:
        """The reply to one question: authoritative within the zone, refused outside."""
        reply = DNSRecord(
            DNSHeader(id=question.header.id, qr=1, aa=1, ra=0, rd=question.header.rd), q=question.q
        )
        name, kind = str(question.q.qname).rstrip(".").lower(), QTYPE[question.q.qtype]
        if name in SERVERS:
            if kind == "A":
                reply.add_answer(RR(name, QTYPE.A, ttl=3600, rdata=A(SERVERS[name])))
        elif name != self.name and not name.endswith(f".{self.name}"):
            reply.header.aa, reply.header.rcode = 0, RCODE.REFUSED
        else:
            self._refresh()
            rows = self._resolve(name, kind)
            for row in rows:
                reply.add_answer(row)
            if not rows:
                reply.add_auth(*self._rows(self.name, "SOA"))
                if not self._exists(name):
                    reply.header.rcode = RCODE.NXDOMAIN
        return reply

    def frozen(self) -> Zone:
        """The zone as it is answered now and from now on: records and health stand still."""
        records = copy.deepcopy(list(self._records()))
        named = {record["HealthCheckId"] for record in records if "HealthCheckId" in record}
        health = {check: self._healthy(check) for check in named}
        return Zone(self.name, lambda: records, lambda check: health.get(check, True))

    def may_answer(self, name: str) -> set[str]:
        """Every address that a question for this name may be answered with, now."""
        self._refresh()
        records = self._candidates(self._sets.get((name.rstrip(".").lower(), "A"), []))
        return {value["Value"] for record in records for value in record.get("ResourceRecords", [])}

    def _refresh(self) -> None:
        if time.monotonic() - self._read_at < CACHE_SECONDS:
            return
        sets: dict[tuple[str, str], list[Record]] = {}
        for record in self._records():
            sets.setdefault((record["Name"].rstrip(".").lower(), record["Type"]), []).append(record)
        servers = [{"Value": f"{server}."} for server in SERVERS]
        first = next(iter(SERVERS))
        soa = f"{first}. hostmaster.{self.name}. 1 7200 900 1209600 60"
        sets[self.name, "NS"] = [{"TTL": 172800, "ResourceRecords": servers}]
        sets[self.name, "SOA"] = [{"TTL": 900, "ResourceRecords": [{"Value": soa}]}]
        self._sets, self._read_at = sets, time.monotonic()

    def _exists(self, name: str) -> bool:
        return any(known == name or known.endswith(f".{name}") for known, _ in self._sets)

    def _resolve(self, name: str, kind: str, depth: int = 0) -> list[RR]:
        rows = self._rows(name, kind, depth)
        if not rows and kind != "CNAME":
            rows = self._rows(name, "CNAME", depth)
            for row in list(rows):
                target = str(row.rdata).rstrip(".").lower()
                if depth < 8 and target.endswith(self.name):
                    rows += self._resolve(target, kind, depth + 1)
        return rows

    def _rows(self, name: str, kind: str, depth: int = 0) -> list[RR]:
        record = self._chosen(self._sets.get((name, kind), []))
        if record is None or (kind not in _DATA):
            return []
        if alias := record.get("AliasTarget"):
            target = alias["DNSName"].rstrip(".").lower()
            rows = self._rows(target, kind, depth + 1) if depth < 8 else []
            return [RR(name, getattr(QTYPE, kind), ttl=row.ttl, rdata=row.rdata) for row in rows]
        return [
            RR(name, getattr(QTYPE, kind), ttl=int(record["TTL"]), rdata=_DATA[kind](value["Value"]))
            for value in record.get("ResourceRecords", [])
        ]

    def _chosen(self, records: Sequence[Record]) -> Record | None:
        candidates = self._candidates(records)
        if not candidates:
            return None
        weights = [int(record.get("Weight", 0)) for record in candidates]
        return random.choices(candidates, weights if any(weights) else None)[0]

    def _candidates(self, records: Sequence[Record]) -> list[Record]:
        """The records that may be answered: all with a weight, unless none has one."""
        well = [record for record in records if self._is_well(record)]
        if any("Failover" in record for record in records):
            order = {record["Failover"]: record for record in records}
            both = [r for r in (order.get("PRIMARY"), order.get("SECONDARY")) if r is not None]
            return [r for r in both if r in well][:1] or both[:1]
        candidates = well or list(records)
        return [r for r in candidates if int(r.get("Weight", 0))] or candidates

    def _is_well(self, record: Record) -> bool:
        if check := record.get("HealthCheckId"):
            return self._healthy(check)
        alias = record.get("AliasTarget", {})
        if alias.get("EvaluateTargetHealth"):
            target = self._sets.get((alias["DNSName"].rstrip(".").lower(), record["Type"]), [])
            return not target or any(self._is_well(each) for each in target)
        return True


class DnsServer:
    """The zone's four name servers: one port, four loopback addresses, UDP and TCP.

    Faults name a server by its name or its address.
    """

    def __init__(self, zone: Zone, faults: Faults | None = None) -> None:
        self._zone = zone
        self._faults = faults or Faults()
        self._stale: dict[str, Zone] = {}
        self._closers: list[asyncio.DatagramTransport | asyncio.Server] = []
        self.port = 0

    async def start(self) -> int:
        """Bind everything to one free port and return it. Raises OSError after 20 vain attempts."""
        for attempt in range(20):
            try:
                return await self._bind()
            except OSError:
                await self.stop()
                if attempt == 19:
                    raise
        raise AssertionError

    async def _bind(self) -> int:
        loop = asyncio.get_running_loop()
        port = 0
        for address in ADDRESSES:
            server = await asyncio.start_server(partial(self._tcp, address), address, port)
            self._closers.append(server)
            port = server.sockets[0].getsockname()[1]
            transport, _ = await loop.create_datagram_endpoint(
                partial(_Udp, partial(self.reply, address=address)), local_addr=(address, port)
            )
            self._closers.append(transport)
        self.port = port
        return port

    async def stop(self) -> None:
        """Close every socket."""
        for closer in self._closers:
            closer.close()
        self._closers.clear()
        await asyncio.sleep(0)  # transports close on the loop's next turn

    def look(self) -> None:
        """Notice which servers stand still from now on; to be called often, since questions may be rare."""
        for name, address in SERVERS.items():
            if not self._befallen("name-server-stale", name, address):
                self._stale.pop(address, None)
            elif address not in self._stale:
                self._stale[address] = self._zone.frozen()

    def may_answer(self, name: str) -> set[str]:
        """Every address that any server may answer for this name, now."""
        self.look()
        zones = [
            self._stale.get(address, self._zone)
            for server, address in SERVERS.items()
            if not self._befallen("name-server-down", server, address)
        ]
        return {address for zone in zones for address in zone.may_answer(name)}

    def _befallen(self, kind: str, name: str, address: str) -> bool:
        return bool(self._faults.find(kind, server=name) or self._faults.find(kind, server=address))

    def reply(self, packet: bytes, address: str = ADDRESSES[0]) -> bytes | None:
        """Bytes of the answer of the server at `address`, None for what is no question."""
        self.look()
        name = next(server for server, at in SERVERS.items() if at == address)
        if self._befallen("name-server-down", name, address):
            return None
        try:
            question = DNSRecord.parse(packet)
            if question.header.qr or not question.questions:
                return None
            return bytes(self._stale.get(address, self._zone).answer(question).pack())
        except Exception:
            return None

    async def _tcp(self, address: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                length = int.from_bytes(await reader.readexactly(2), "big")
                answer = self.reply(await reader.readexactly(length), address)
                if answer is None:
                    break
                writer.write(len(answer).to_bytes(2, "big") + answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, reply: Callable[[bytes], bytes | None]) -> None:
        self._reply = reply

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        if answer := self._reply(data):
            self._transport.sendto(answer, addr)
