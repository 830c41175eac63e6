"""The sandbox's control interface from the caller's side."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import aiohttp

LONGEST_NAP_SECONDS = 0.5  # real: somebody may advance the clock meanwhile


class Unfulfilled(Exception):
    """An expectation that does not hold, in words."""


class Control:
    """`/control/*` of one sandbox. What it refuses raises Unfulfilled with the reason."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def now(self) -> float:
        """Simulated epoch seconds."""
        return float((await self.get("/control/clock"))["now"])

    async def wait(self, seconds: float) -> None:
        """Wait for simulated seconds."""
        clock = await self.get("/control/clock")
        left = seconds
        while left > 0:
            await asyncio.sleep(min(left / clock["rate"], LONGEST_NAP_SECONDS))
            left = clock["now"] + seconds - await self.now()

    async def get(self, path: str, asked: Mapping[str, str] | None = None) -> dict[str, Any]:
        """The JSON at `path`."""
        async with self._session.get(path, params=asked) as response:
            return await _answer(response)

    async def delete(self, path: str) -> dict[str, Any]:
        """Delete what is at `path`."""
        async with self._session.delete(path) as response:
            return await _answer(response)

    async def post(
        self, path: str, body: Mapping[str, Any], *, refused_is_fine: bool = False
    ) -> dict[str, Any]:
        """Post JSON; with `refused_is_fine` a refusal is an answer like any other."""
        async with self._session.post(path, json=body) as response:
            return await _answer(response, refused_is_fine=refused_is_fine)


async def _answer(response: aiohttp.ClientResponse, *, refused_is_fine: bool = False) -> dict[str, Any]:
    answer: dict[str, Any] = await response.json()
    if response.status >= 400 and not refused_is_fine:
        raise Unfulfilled(f"{response.method} {response.url.path}: {answer.get('error', response.status)}")
    return answer
