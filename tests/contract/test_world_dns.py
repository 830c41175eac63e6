"""Authoritative answers, from the DNS stand-in."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from bot.sandbox.net.dns import DnsServer, Zone
from bot.world.name_servers import NameServers

NAME = "api.fintech.example"
SERVERS = [f"ns-{n}.signalbox-dns.example" for n in (1, 2, 3, 4)]


def weighted(region: str, address: str, weight: int) -> dict[str, Any]:
    return {
        "Name": f"{NAME}.",
        "Type": "A",
        "SetIdentifier": region,
        "Weight": weight,
        "TTL": 60,
        "ResourceRecords": [{"Value": address}],
    }


class Served:
    """A DNS server on its own thread; `records` may be changed at any time."""

    def __init__(self) -> None:
        self.records = [weighted("us-east-1", "127.0.1.1", 100), weighted("us-west-2", "127.0.2.1", 0)]
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._server = DnsServer(Zone("fintech.example", lambda: self.records, lambda _: True))
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def start(self) -> None:
        self._thread.start()
        self.port = asyncio.run_coroutine_threadsafe(self._server.start(), self._loop).result(10)

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._server.stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


@pytest.fixture
def dns() -> Iterator[Served]:
    served = Served()
    served.start()
    yield served
    served.stop()


def test_every_server_is_asked_itself(dns: Served) -> None:
    """Each name server is resolved and asked; all of them answer the record with weight."""
    asked = NameServers(f"127.0.0.1:{dns.port}", dns.port)

    assert asked.answers(NAME, SERVERS) == dict.fromkeys(SERVERS, ("127.0.1.1",))


def test_a_weighted_pair_shows_both(dns: Served) -> None:
    """Ten questions merged show that a second address is still answered."""
    dns.records = [weighted("us-east-1", "127.0.1.1", 50), weighted("us-west-2", "127.0.2.1", 50)]
    asked = NameServers(f"127.0.0.1:{dns.port}", dns.port)
    merged = {address for found in asked.answers(NAME, SERVERS).values() for address in found or ()}

    assert merged == {"127.0.1.1", "127.0.2.1"}


def test_a_name_that_is_not_there_has_no_address(dns: Served) -> None:
    """NXDOMAIN is an answer: no addresses, not silence; a name outside the zone is refused, which is none."""
    asked = NameServers(f"127.0.0.1:{dns.port}", dns.port)

    assert asked.answers("nothing.fintech.example", ["127.0.0.1"]) == {"127.0.0.1": ()}
    assert asked.answers("www.elsewhere.example", ["127.0.0.1"]) == {"127.0.0.1": None}


def test_silence_is_none_and_short(dns: Served) -> None:
    """A server that does not answer and one that has no address are None within a few seconds."""
    asked = NameServers(f"127.0.0.1:{dns.port}", dns.port)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mute:
        mute.bind(("127.0.0.9", dns.port))
        began = time.monotonic()
        found = asked.answers(NAME, ["127.0.0.9", "ns-9.elsewhere.example", SERVERS[0]])

    assert found == {"127.0.0.9": None, "ns-9.elsewhere.example": None, SERVERS[0]: ("127.0.1.1",)}
    assert time.monotonic() - began < 5


def test_servers_stay_known_without_a_resolver(dns: Served) -> None:
    """Once resolved, name servers are asked even when the resolver is gone."""
    asked = NameServers(f"127.0.0.1:{dns.port}", dns.port)
    asked.answers(NAME, SERVERS[:1])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mute:
        mute.bind(("127.0.0.1", 0))
        asked._resolver.port = mute.getsockname()[1]
        found = asked.answers(NAME, SERVERS[:1])

    assert found == {SERVERS[0]: ("127.0.1.1",)}
