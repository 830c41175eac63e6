"""Faults of Slack itself: absence, delay, throttling, answers that get lost on the way back."""

from __future__ import annotations

import asyncio
from collections import Counter

from aiohttp import web

from bot.sandbox.faults import Faults
from bot.sandbox.slack.errors import RateLimited


class Troubles:
    """Asked before and after every request; what is not a fault of the registry is armed for one call."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._lost: Counter[str] = Counter()
        self._throttled: dict[str, list[int]] = {}
        self._seen_drops: set[str] = set()

    def lose_next_answer(self, method: str) -> None:
        """The next call of `method` is carried out, then its connection is reset without an answer."""
        self._lost[method] += 1

    def throttle_next(self, method: str, retry_after: int) -> None:
        """The next call of `method` gets HTTP 429 with this many seconds of `Retry-After`."""
        self._throttled.setdefault(method, []).append(retry_after)

    def down(self) -> bool:
        """Whether Slack is unreachable."""
        return self._faults.find("slack-down") is not None

    def end_of_sockets(self) -> str | None:
        """How sockets that are open now must end, if they must: `reset` or `polite`.

        Reset when Slack is down or a new `slack-drop-socket` appeared, announced when that one says `polite`.
        Spends no `count`: it is asked by a clock, not by a request.
        """
        on = self._faults.all()
        fresh = [f for f in on if f.kind == "slack-drop-socket" and f.id not in self._seen_drops]
        self._seen_drops |= {f.id for f in fresh}
        if any(f.kind == "slack-down" for f in on) or any(not f.params.get("polite") for f in fresh):
            return "reset"
        return "polite" if fresh else None

    async def delay(self) -> None:
        """Wait as long as the `latency` fault says, in real seconds."""
        if fault := self._faults.find("latency", target="slack"):
            await asyncio.sleep(float(fault.params["seconds"]))

    def throttled(self, method: str) -> None:
        """Raises RateLimited when `throttle_next` was armed for this method."""
        if waiting := self._throttled.get(method):
            raise RateLimited(waiting.pop(0))

    def loses_answer(self, method: str) -> bool:
        """Whether this answer gets lost; asked once, after the call was carried out."""
        if not self._lost[method]:
            return False
        self._lost[method] -= 1
        return True


def reset(request: web.Request) -> web.Response:
    """Break the connection; the returned answer reaches nobody."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)
