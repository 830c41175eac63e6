"""A stub resolver that asks the sandbox's own name servers, as customers' devices do in the end."""

from __future__ import annotations

import asyncio
import itertools
import random
from dataclasses import dataclass
from typing import cast

from dnslib import QTYPE, DNSRecord

from bot.sandbox.net.dns import ADDRESSES


@dataclass(frozen=True)
class Answer:
    """An address and how many (simulated) seconds it may be kept."""

    address: str
    ttl: int


class Resolver(asyncio.DatagramProtocol):
    """Asks name servers for A records over one UDP socket: one at random, then another if it is silent."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._ids = itertools.count(random.randrange(65536))
        self._waiting: dict[int, asyncio.Future[DNSRecord]] = {}
        self._transport: asyncio.DatagramTransport | None = None

    async def start(self) -> None:
        """Open the socket."""
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))

    async def resolve(self, name: str, timeout: float = 1.0) -> Answer:
        """An address of `name`. Raises OSError when it has none, TimeoutError when no server answers in time.

        `timeout` is in real seconds, for all servers together.
        """
        first, second = random.sample(ADDRESSES, 2)
        try:
            record = await self._ask(first, name, timeout / 2)
        except TimeoutError:
            record = await self._ask(second, name, timeout / 2)
        for row in record.rr:
            if row.rtype == QTYPE.A:
                return Answer(str(row.rdata), int(row.ttl))
        raise OSError(f"{name} has no address")

    async def _ask(self, server: str, name: str, timeout: float) -> DNSRecord:
        assert self._transport
        question = DNSRecord.question(name)
        question.header.id = number = next(self._ids) % 65536
        reply: asyncio.Future[DNSRecord] = asyncio.get_running_loop().create_future()
        self._waiting[number] = reply
        try:
            self._transport.sendto(bytes(question.pack()), (server, self._port))
            async with asyncio.timeout(timeout):
                return await reply
        finally:
            self._waiting.pop(number, None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        record = DNSRecord.parse(data)
        reply = self._waiting.get(record.header.id)
        if reply and not reply.done():
            reply.set_result(record)

    async def stop(self) -> None:
        """Close the socket."""
        if self._transport:
            self._transport.close()
            await asyncio.sleep(0)  # transports close on the loop's next turn
