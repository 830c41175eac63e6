from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import dns.message
import dns.query
import dns.rcode
import pytest

from bot.sandbox.faults import Faults
from bot.sandbox.net import dns as sandbox_dns
from bot.sandbox.net.dns import DnsServer, Zone
from bot.sandbox.net.health import HealthCheckers
from bot.sandbox.net.resolver import Resolver

NAME = "api.fintech.example"


def record(identifier: str, address: str, **more: Any) -> dict[str, Any]:
    values = {"Name": f"{NAME}.", "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": address}]}
    return {**values, "SetIdentifier": identifier, **more}


class Cloud:
    """A zone and its health checks, as Route 53 would hold them."""

    def __init__(self, *records: dict[str, Any]) -> None:
        self.sets = list(records)
        self.sick: set[str] = set()
        self.checks: list[dict[str, Any]] = []
        self.objects: set[tuple[str, str]] = set()
        self.told: list[tuple[str, bool]] = []

    def zone(self) -> Zone:
        return Zone("fintech.example", lambda: self.sets, lambda check: check not in self.sick)

    def checkers(self) -> list[dict[str, Any]]:
        return self.checks

    def set_health(self, check_id: str, healthy: bool) -> None:
        self.told.append((check_id, healthy))

    def object_exists(self, bucket: str, key: str) -> bool:
        return (bucket, key) in self.objects


@pytest.fixture(autouse=True)
def no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox_dns, "CACHE_SECONDS", 0.0)


def ask(zone: Zone, name: str = NAME, kind: str = "A") -> dns.message.Message:
    server = DnsServer(zone)
    reply = server.reply(dns.message.make_query(name, kind).to_wire())
    assert reply is not None
    return dns.message.from_wire(reply)


def addresses(cloud: Cloud, times: int = 60) -> Counter[str]:
    zone = cloud.zone()
    return Counter(str(ask(zone).answer[0][0]) for _ in range(times))


EAST = record("us-east-1", "127.0.1.1", Weight=100, HealthCheckId="east")
WEST = record("us-west-2", "127.0.2.1", Weight=0, HealthCheckId="west")


@pytest.mark.parametrize(
    ("weights", "sick", "expected"),
    [
        ((100, 0), "", {"127.0.1.1"}),
        ((0, 100), "", {"127.0.2.1"}),
        ((50, 50), "", {"127.0.1.1", "127.0.2.1"}),
        ((0, 0), "", {"127.0.1.1", "127.0.2.1"}),  # all zero means equal shares
        ((100, 0), "east", {"127.0.2.1"}),  # weight 0 serves when nothing else is healthy
        ((100, 0), "east west", {"127.0.1.1"}),  # nothing healthy: all count as healthy
        ((0, 0), "west", {"127.0.1.1"}),
    ],
)
def test_weighted(weights: tuple[int, int], sick: str, expected: set[str]) -> None:
    """Weights and health choose as Route 53 does."""
    cloud = Cloud({**EAST, "Weight": weights[0]}, {**WEST, "Weight": weights[1]})
    cloud.sick = set(sick.split())

    assert set(addresses(cloud)) == expected


@pytest.mark.parametrize(
    ("sick", "expected"), [("", "1.1.1.1"), ("p", "2.2.2.2"), ("s", "1.1.1.1"), ("p s", "1.1.1.1")]
)
def test_failover_policy(sick: str, expected: str) -> None:
    """PRIMARY unless only SECONDARY is healthy."""
    cloud = Cloud(
        record("p", "1.1.1.1", Failover="PRIMARY", HealthCheckId="p"),
        record("s", "2.2.2.2", Failover="SECONDARY", HealthCheckId="s"),
    )
    cloud.sick = set(sick.split())

    assert set(addresses(cloud, 5)) == {expected}


def test_answers() -> None:
    """Alias and CNAME are followed; the zone's own records, absent types and absent names are told apart."""
    alias = {"Name": "www.fintech.example.", "Type": "A", "AliasTarget": {"DNSName": f"{NAME}."}}
    cname = {"Name": "c.fintech.example.", "Type": "CNAME", "TTL": 5, "ResourceRecords": [{"Value": NAME}]}
    zone = Cloud(EAST, alias, cname).zone()

    assert str(ask(zone, "www.fintech.example").answer[0][0]) == "127.0.1.1"
    assert [str(rrset[0]).rstrip(".") for rrset in ask(zone, "c.fintech.example").answer] == [
        NAME,
        "127.0.1.1",
    ]
    assert len(ask(zone, "fintech.example", "NS").answer[0]) == 4
    assert ask(zone, "fintech.example", "SOA").answer
    absent_type, absent_name = ask(zone, NAME, "AAAA"), ask(zone, "no.fintech.example")
    assert (absent_type.rcode(), absent_name.rcode()) == (dns.rcode.NOERROR, dns.rcode.NXDOMAIN)
    assert absent_type.authority
    assert not absent_type.answer
    assert ask(zone, "example.org").rcode() == dns.rcode.REFUSED
    assert str(ask(zone, "ns-3.signalbox-dns.example").answer[0][0]) == "127.0.0.3"


def test_four_servers_over_udp_and_tcp() -> None:
    """Every name server answers with authority on the same port, over UDP and TCP."""

    async def run() -> None:
        server = DnsServer(Cloud(EAST).zone())
        port = await server.start()
        question = dns.message.make_query(NAME, "A")
        for address in sandbox_dns.ADDRESSES:
            for way in (dns.query.udp, dns.query.tcp):
                reply = await asyncio.to_thread(way, question, address, timeout=5, port=port)
                assert str(reply.answer[0][0]) == "127.0.1.1"
                assert reply.flags & dns.flags.AA
        await server.stop()

    asyncio.run(run())


def check(**more: Any) -> dict[str, Any]:
    config = {
        "Type": "HTTPS",
        "FullyQualifiedDomainName": "stop.s3.us-west-2.amazonaws.com",
        "ResourcePath": "/STOP",
        "RequestInterval": 10,
        "FailureThreshold": 3,
        "Inverted": True,
    }
    return {"id": "c", "config": {**config, **more}}


def looks(cloud: Cloud, faults: Faults, checkers: HealthCheckers, start: int, seconds: int) -> list[bool]:
    cloud.told.clear()
    for second in range(start, start + seconds):
        checkers.look(float(second))
    return [healthy for _, healthy in cloud.told]


def test_stop_object_turns_health_after_threshold() -> None:
    """An inverted check fails once the STOP object was seen three times, 10 s apart; back likewise."""
    cloud, faults = Cloud(), Faults()
    cloud.checks = [check()]
    checkers = HealthCheckers(cloud, faults)

    assert looks(cloud, faults, checkers, 0, 20) == [True, True]
    cloud.objects.add(("stop", "STOP"))
    assert looks(cloud, faults, checkers, 20, 30) == [True, True, False]
    cloud.objects.clear()
    assert looks(cloud, faults, checkers, 50, 30) == [False, False, True]


def test_dark_region_cannot_stop_anything() -> None:
    """When the Region that holds the STOP object is dark, an inverted check stays healthy."""
    cloud, faults = Cloud(), Faults()
    cloud.checks = [check()]
    cloud.objects.add(("stop", "STOP"))
    faults.add("region-dark", region="us-west-2")

    assert set(looks(cloud, faults, HealthCheckers(cloud, faults), 0, 60)) == {True}


def test_disabled_check_is_not_looked_at() -> None:
    """A disabled check hears nothing."""
    cloud, faults = Cloud(), Faults()
    cloud.checks = [check(Disabled=True)]

    assert looks(cloud, faults, HealthCheckers(cloud, faults), 0, 60) == []


async def asked_of(server: DnsServer, address: str) -> str | None:
    """The address that one name server answers; None when it is silent."""
    reply = server.reply(dns.message.make_query(NAME, "A").to_wire(), address)
    return dns.message.from_wire(reply).answer[0][0].to_text() if reply else None


@pytest.mark.parametrize("named", ["ns-2.signalbox-dns.example", "127.0.0.2"])
def test_stale_name_server_answers_as_when_the_fault_came(named: str) -> None:
    """Records and health stand still at one server, the others go on; afterwards all agree again."""
    cloud = Cloud(record("e", "127.0.1.1", Weight=1, HealthCheckId="check-e"))
    cloud.sets.append(record("w", "127.0.2.1", Weight=0, HealthCheckId="check-w"))
    faults = Faults()
    server = DnsServer(cloud.zone(), faults)

    async def story() -> None:
        fault = faults.add("name-server-stale", server=named)
        server.look()
        cloud.sick.add("check-e")
        assert [await asked_of(server, f"127.0.0.{n}") for n in (1, 2, 3)] == [
            "127.0.2.1", "127.0.1.1", "127.0.2.1",
        ]  # fmt: skip
        assert server.may_answer(NAME) == {"127.0.1.1", "127.0.2.1"}
        faults.remove(fault)
        assert await asked_of(server, "127.0.0.2") == "127.0.2.1"
        assert server.may_answer(NAME) == {"127.0.2.1"}

    asyncio.run(story())


def test_name_server_that_is_down_answers_nobody() -> None:
    """One is silent, the others answer, and customers ask another one."""
    cloud = Cloud(record("e", "127.0.1.1", Weight=1))
    faults = Faults()
    faults.add("name-server-down", server="ns-1.signalbox-dns.example")

    async def story() -> None:
        server = DnsServer(cloud.zone(), faults)
        resolver = Resolver(await server.start())
        await resolver.start()
        try:
            assert await asked_of(server, "127.0.0.1") is None
            for _ in range(12):
                assert (await resolver.resolve(NAME, timeout=0.4)).address == "127.0.1.1"
        finally:
            await resolver.stop()
            await server.stop()

    asyncio.run(story())


@pytest.mark.parametrize(("share", "sees"), [(0.125, False), (0.18, False), (0.25, True)])
def test_a_check_follows_more_than_eighteen_percent_of_the_checkers(share: float, sees: bool) -> None:
    """What too few checkers see is not believed: a STOP object then stops nobody."""
    cloud, faults = Cloud(), Faults()
    cloud.checks = [
        {
            "id": "check-e",
            "config": {
                "Type": "HTTPS",
                "FullyQualifiedDomainName": "stop.s3.us-west-2.amazonaws.com",
                "ResourcePath": "/us-east-1",
                "RequestInterval": 10,
                "FailureThreshold": 1,
                "Inverted": True,
            },
        }
    ]
    cloud.objects.add(("stop", "us-east-1"))
    faults.add("checkers-disagree", check="check-e", share=share)

    HealthCheckers(cloud, faults).look(1000)

    assert cloud.told == [("check-e", not sees)]
