"""The Web API as we call it: one session, no repeats behind our back, `Retry-After` kept."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

TIMEOUT_SECONDS = 10.0
BURST, PER_SECOND = 25.0, 45 / 60
"""Of chat.update: tier 3 is 50 a minute for the whole workspace, and Slack allows short bursts."""

Answer = dict[str, Any]
Session = aiohttp.ClientSession


class Gone(Exception):
    """No answer came: Slack may or may not have done it."""


class Busy(Gone):
    """Not even sent: Slack asked to be left alone for another `seconds`."""

    def __init__(self, method: str, seconds: float) -> None:
        super().__init__(f"{method} is rate limited for {seconds:.1f} s")
        self.seconds = seconds


def quiet_logger() -> logging.Logger:
    """For Slack's libraries, whose debug lines cost time even when nobody reads them."""
    logger = logging.getLogger("signalbox.slack")
    logger.setLevel(logging.ERROR)
    return logger


def session() -> aiohttp.ClientSession:
    """One pool of connections; proxies from the environment, `NO_PROXY` honoured."""
    return aiohttp.ClientSession(
        trust_env=True, timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS, connect=4)
    )


def client(token: str, base_url: str, pool: aiohttp.ClientSession) -> AsyncWebClient:
    """A client that never repeats a call by itself: a post whose answer got lost may have been made."""
    made = AsyncWebClient(
        token=token,
        base_url=base_url if base_url.endswith("/") else f"{base_url}/",
        session=pool,
        retry_handlers=[],
        logger=quiet_logger(),
        timeout=int(TIMEOUT_SECONDS),
    )
    made.proxy = None  # the session reads proxies itself, and unlike slack_sdk it honours NO_PROXY
    return made


class Web:
    """Calls by method; SlackApiError is Slack's no, Gone is silence."""

    def __init__(self, slack: AsyncWebClient) -> None:
        self.slack = slack
        self._closed_until: dict[str, float] = {}
        self._left, self._at = BURST, time.monotonic()

    async def call(self, method: str, *, patience: float = 0.0, **arguments: Any) -> Answer:
        """One call. Waits at most `patience` seconds for a rate limit to pass.

        Raises SlackApiError when Slack says no, Gone when nobody knows.
        """
        deadline = time.monotonic() + patience
        call: Callable[..., Awaitable[Any]] = getattr(self.slack, method)
        while True:
            pause = self._closed_until.get(method, 0) - time.monotonic()
            if pause > 0:
                if time.monotonic() + pause > deadline:
                    raise Busy(method, pause)
                await asyncio.sleep(pause)
            try:
                answer = await call(**arguments)
            except SlackApiError as error:
                if error.response.status_code != 429:
                    raise
                seconds = float(error.response.headers.get("Retry-After", "1"))
                self._closed_until[method] = time.monotonic() + seconds
                if time.monotonic() + seconds > deadline:
                    raise
                continue
            except (OSError, aiohttp.ClientError, TimeoutError) as error:
                raise Gone(f"{method}: {error!r}") from error
            data = answer.data
            return data if isinstance(data, dict) else {}

    async def update_turn(self) -> None:
        """Wait until another chat.update fits into Slack's allowance."""
        while True:
            now = time.monotonic()
            self._left = min(BURST, self._left + (now - self._at) * PER_SECOND)
            self._at = now
            if self._left >= 1:
                self._left -= 1
                return
            await asyncio.sleep((1 - self._left) / PER_SECOND)

    async def respond(self, response_url: str, body: dict[str, Any]) -> None:
        """Answer through a response_url, for the person alone. Raises Gone."""
        pool = self.slack.session
        assert pool is not None
        message = {**body, "response_type": "ephemeral", "replace_original": False}
        try:
            async with pool.post(response_url, json=message) as answer:
                if answer.status != 200:
                    raise Gone(f"response_url answered {answer.status}")
        except (OSError, aiohttp.ClientError, TimeoutError) as error:
            raise Gone(f"response_url: {error!r}") from error


def error_of(error: SlackApiError) -> str:
    """Slack's error code."""
    return str(error.response.get("error", ""))
