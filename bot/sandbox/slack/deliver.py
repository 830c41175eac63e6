"""From Slack to the bot: one of two ways, three seconds for an acknowledgement, retries for events only."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from bot.sandbox.slack.troubles import Troubles

ACK_SECONDS = 3.0
"""Real seconds, whatever the sandbox's speed."""

EVENT_RETRIES = (0.0, 60.0, 300.0)
"""Seconds before each resend of an event that was not acknowledged."""


@dataclass(frozen=True)
class Ack:
    """What came of one delivery.

    `payload` is the body of the acknowledgement. `error` is None, `operation_timeout`, `dispatch_failed`
    (nobody there) or `http_client_error`. `no_retry` is the bot's wish not to be sent this event again.
    """

    ms: float
    payload: Any = None
    error: str | None = None
    no_retry: bool = False

    @property
    def ok(self) -> bool:
        """Whether the bot acknowledged in time."""
        return self.error is None


class Way(Protocol):
    """How payloads reach the bot: Socket Mode or signed HTTP."""

    @property
    def connected(self) -> bool:
        """Whether the bot seems to be there."""

    async def deliver(self, kind: str, payload: dict[str, Any], *, attempt: int, reason: str) -> Ack:
        """Send one payload of `kind` (slash_commands, interactive, events_api) and wait for its answer."""


class Deliveries:
    """Sends payloads the one way that is configured, and keeps a journal."""

    def __init__(
        self,
        way: Way,
        troubles: Troubles,
        now: Callable[[], float],
        event_retries: Sequence[float] = EVENT_RETRIES,
    ) -> None:
        self.way = way
        self._troubles = troubles
        self._now = now
        self._event_retries = event_retries
        self._repeats = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self.journal: deque[dict[str, Any]] = deque(maxlen=20_000)

    def repeat_next_event(self) -> None:
        """The next event is sent a second time although it was acknowledged, as Slack sometimes does."""
        self._repeats += 1

    async def interact(self, kind: str, payload: dict[str, Any]) -> Ack:
        """A command, click or submission: one try, never again."""
        return await self._send(kind, payload, 0, "")

    async def event(self, payload: dict[str, Any]) -> Ack:
        """An event: the first try is awaited, resends go on in the background."""
        ack = await self._send("events_api", payload, 0, "")
        if self._repeats and ack.ok:
            self._repeats -= 1
            await self._send("events_api", payload, 1, "timeout")
        elif not ack.ok:
            task = asyncio.create_task(self._resend(payload, ack))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return ack

    async def close(self) -> None:
        """Give up on resends."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _resend(self, payload: dict[str, Any], last: Ack) -> None:
        for attempt, wait in enumerate(self._event_retries, start=1):
            if last.ok or last.no_retry:
                return
            await asyncio.sleep(wait)
            reason = "http_error" if last.error == "http_client_error" else "timeout"
            last = await self._send("events_api", payload, attempt, reason)

    async def _send(self, kind: str, payload: dict[str, Any], attempt: int, reason: str) -> Ack:
        if self._troubles.down():
            ack = Ack(0.0, error="dispatch_failed")
        else:
            await self._troubles.delay()
            ack = await self.way.deliver(kind, payload, attempt=attempt, reason=reason)
        self.journal.append(
            {
                "kind": kind,
                "type": payload.get("type") or payload.get("command"),
                "at": self._now(),
                "ack_ms": round(ack.ms, 3),
                "error": ack.error,
                "attempt": attempt,
            }
        )
        return ack
