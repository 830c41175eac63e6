"""A stream of customers who pay: they resolve, keep the address for its TTL, and POST."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from bot.sandbox.clock import SimClock
from bot.sandbox.net.leads import SENT_AT, Leads
from bot.sandbox.net.ledger import CustomersLedger
from bot.sandbox.net.resolver import Resolver

PER_SECOND = 20.0  # simulated
MOST_PER_REAL_SECOND = 60.0
PATIENCE_SECONDS = 2.0  # simulated
LEAST_PATIENCE_SECONDS = 0.3  # real: a busy machine is not an outage
CROWD = 100
STRETCHING = 3  # of the crowd keep an address twice as long as they may
STRETCH = 2.0


@dataclass
class Customer:
    """One device with its cached address; `until` in simulated epoch seconds."""

    stretch: float = 1.0
    address: str = ""
    until: float = 0.0


class Customers:
    """Payments at `PER_SECOND` per simulated second, fewer when that would overload the machine."""

    def __init__(
        self,
        clock: SimClock,
        check: Mapping[str, Any],
        *,
        dns_port: int,
        ingress_port: int,
        rate: float = PER_SECOND,
        leads: Leads | None = None,
    ) -> None:
        self.ledger = CustomersLedger(leads=leads or Leads({}, 0.0))
        self._clock = clock
        self._host, self._path, self._status = check["host"], check["path"], int(check["status"])
        self._ingress_port = ingress_port
        self._resolver = Resolver(dns_port)
        self._pause = 1 / min(rate * clock.rate, MOST_PER_REAL_SECOND) if rate else 0.0
        self._crowd = [Customer(STRETCH if n < STRETCHING else 1.0) for n in range(CROWD)]
        self._under_way: set[asyncio.Task[None]] = set()
        self._stream: asyncio.Task[None] | None = None
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Begin to pay."""
        await self._resolver.start()
        patience = max(LEAST_PATIENCE_SECONDS, self._clock.real(PATIENCE_SECONDS))
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=patience), connector=aiohttp.TCPConnector(limit=0)
        )
        if self._pause:
            self._stream = asyncio.create_task(self._flow(), name="customers")

    async def stop(self) -> None:
        """Stop paying, leaving what is under way unanswered."""
        for task in [self._stream, *self._under_way]:
            if task:
                task.cancel()
        await self._resolver.stop()
        if self._session:
            await self._session.close()

    async def _flow(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due += self._pause
            # After a stall the missed customers do not all arrive at once.
            due = max(due, loop.time() - 0.2)
            await asyncio.sleep(max(0.0, due - loop.time()))
            task = asyncio.create_task(self.pay(random.choice(self._crowd)))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def pay(self, customer: Customer) -> None:
        """One payment by this customer."""
        assert self._session
        second = self.ledger.send(self._clock.now())
        try:
            asked = self._clock.now()
            if asked >= customer.until:
                found = await self._resolver.resolve(self._host)
                customer.address = found.address
                customer.until = asked + found.ttl * customer.stretch
            url = f"http://{customer.address}:{self._ingress_port}{self._path}"
            payment = {"id": str(uuid.uuid4())}
            headers = {"Host": self._host, SENT_AT: str(asked)}
            async with self._session.post(url, json=payment, headers=headers) as response:
                if response.status == self._status:
                    version = response.headers.get("x-version", "")
                    self.ledger.succeed(second, response.headers.get("x-served-by", ""), version)
                else:
                    self.ledger.fail(second, str(response.status))
        except TimeoutError:
            self.ledger.fail(second, "timeout")
        except (aiohttp.ClientError, OSError) as error:
            self.ledger.fail(second, type(error).__name__)
