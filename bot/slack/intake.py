"""From a delivery to the work it asks for: acknowledge first, work only once Slack is known to have heard it.

Slack tells a person "failed" when no acknowledgement reaches it within three seconds. Whoever reads that
does something else, so what they asked for must not happen a moment later.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse

from bot.slack.bridge import Bridge

log = structlog.get_logger()

LATEST_ACK_SECONDS = 2.5
"""An acknowledgement later than this may cross Slack's own limit of 3 s on its way."""

TICK_SECONDS = 0.1
STALL_SECONDS = 0.5


@dataclass(frozen=True)
class Job:
    """What a delivery asks for. `late` is done instead when the acknowledgement came too late or got lost."""

    work: Callable[[], Awaitable[None]]
    late: Callable[[], Awaitable[None]] | None = None
    """None: harmless, done in any case (opening Home, a repeated event)."""


class Answering(Protocol):
    """Sends a response and returns once Slack is known to have it, else raises OSError or TimeoutError."""

    async def __call__(self, response: BoltResponse) -> None: ...


class Stopwatch:
    """Measures from when a delivery may have reached this machine, not from when a frozen process looked.

    A process that was stopped for ten seconds finds its deliveries in the socket as if they had just come.
    So the loop's own ticks are watched: after a gap, whatever is read counts from the gap's beginning.
    """

    def __init__(self) -> None:
        self._tick = time.monotonic()
        self._gap: tuple[float, float] = (0.0, 0.0)

    async def run(self) -> None:
        """Tick until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(TICK_SECONDS)

    @property
    def ticked(self) -> float:
        """Monotonic seconds of the last tick: an old one means that the loop stands still."""
        return self._tick

    def look(self) -> None:
        """Note a tick, and the gap before it if there was one."""
        now = time.monotonic()
        if now - self._tick > STALL_SECONDS:
            self._gap = (self._tick, now)
        self._tick = now

    def received(self) -> float:
        """Monotonic seconds from which a delivery that is read now must be counted."""
        self.look()
        start, end = self._gap
        return start if time.monotonic() - end < STALL_SECONDS else time.monotonic()


class Intake:
    """Hands deliveries to Bolt and starts the jobs its listeners leave in the context."""

    def __init__(self, app: AsyncApp, bridge: Bridge) -> None:
        self._app = app
        self._bridge = bridge
        self.watch = Stopwatch()
        self.last_heard = time.monotonic()

    async def take(self, request: AsyncBoltRequest, answer: Answering, received: float) -> None:
        """One delivery, from dispatch to its job."""
        response = await self._app.async_dispatch(request)
        job: Job | None = request.context.get("job")
        heard = False
        left = received + LATEST_ACK_SECONDS - time.monotonic()
        try:
            # A late answer is still sent: Slack may be more patient than it says.
            await asyncio.wait_for(answer(response), max(left, 0.5))
            heard = time.monotonic() - received <= LATEST_ACK_SECONDS
        except Exception as error:
            log.info("slack.acknowledgement_lost", error=repr(error))
        if job is None or response.status != 200:
            return
        if heard or job.late is None:
            self._bridge.start(_run(job.work))
        else:
            log.warning("slack.acknowledged_late", seconds=round(time.monotonic() - received, 2))
            self._bridge.start(_run(job.late))


async def _run(work: Callable[[], Awaitable[None]]) -> None:
    await work()


def in_socket_mode(payload: dict[str, Any], attempt: int | None, reason: str | None) -> AsyncBoltRequest:
    """A request as Bolt reads it in Socket Mode: no signature, the retry in headers."""
    headers: dict[str, str | Sequence[str]] = {}
    if attempt is not None:
        headers["x-slack-retry-num"] = str(attempt)
    if reason is not None:
        headers["x-slack-retry-reason"] = reason
    return AsyncBoltRequest(mode="socket_mode", body=payload, headers=headers)
