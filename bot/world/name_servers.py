"""What the authoritative name servers answer now, asked directly: no cache of a resolver is in between."""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import dns.resolver

_QUERIES = 10
_TIMEOUT_SECONDS = 1.0
# A server that misses this many questions is taken as silent: ten time-outs would cost ten seconds.
_PATIENCE = 2
_FAILURES = (dns.exception.DNSException, OSError, EOFError)


class NameServers:
    """Asks authoritative servers for addresses.

    `resolver` (`ip:port`) resolves the servers' own names, None is the system's resolver; `port` is where
    the servers listen. Addresses of servers are kept, so that a resolver that fails later does not matter.
    """

    def __init__(self, resolver: str | None, port: int) -> None:
        self._port = port
        self._resolver = dns.resolver.Resolver(configure=resolver is None)
        if resolver is not None:
            host, _, at = resolver.rpartition(":")
            self._resolver.nameservers = [host]
            self._resolver.port = int(at)
        self._resolver.lifetime = 2 * _TIMEOUT_SECONDS
        self._known: dict[str, str] = {}
        self._lock = threading.Lock()

    def answers(self, name: str, name_servers: Sequence[str]) -> dict[str, tuple[str, ...] | None]:
        """Addresses by server, ten questions merged: a weighted pair shows both. None is no answer."""
        if not name_servers:
            return {}
        with ThreadPoolExecutor(max_workers=min(len(name_servers), 8)) as pool:
            found = pool.map(lambda server: self._ask(name, server), name_servers)
            return dict(zip(name_servers, found, strict=True))

    def _ask(self, name: str, server: str) -> tuple[str, ...] | None:
        address = self._address(server)
        if address is None:
            return None
        seen: set[str] = set()
        answered = missed = 0
        for _ in range(_QUERIES):
            addresses = self._query(name, address)
            if addresses is None:
                missed += 1
                if missed >= _PATIENCE:
                    break
                continue
            answered += 1
            seen.update(addresses)
        return tuple(sorted(seen, key=ipaddress.ip_address)) if answered and missed < _PATIENCE else None

    def _query(self, name: str, address: str) -> list[str] | None:
        question = dns.message.make_query(name, dns.rdatatype.A)
        # An authoritative server is asked what it knows, not to go and find out.
        question.flags &= ~dns.flags.RD
        try:
            answer, _ = dns.query.udp_with_fallback(
                question, address, timeout=_TIMEOUT_SECONDS, port=self._port, ignore_unexpected=True
            )
        except _FAILURES:
            return None
        if answer.rcode() not in {dns.rcode.NOERROR, dns.rcode.NXDOMAIN}:
            return None
        return [item.address for found in answer.answer if found.rdtype == dns.rdatatype.A for item in found]

    def _address(self, server: str) -> str | None:
        try:
            return str(ipaddress.ip_address(server))
        except ValueError:
            pass
        try:
            found = self._resolver.resolve(server, dns.rdatatype.A)
            address = next(str(item.address) for item in found)
        except (*_FAILURES, StopIteration):
            with self._lock:
                return self._known.get(server)
        with self._lock:
            self._known[server] = address
        return address
