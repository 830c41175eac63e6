"""Signed HTTP: payloads as POSTs to the app's request URL."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import aiohttp

from bot.sandbox.slack.deliver import ACK_SECONDS, Ack

EVENTS_PATH = "/slack/events"


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """`X-Slack-Signature` of a raw body."""
    base = b"v0:" + timestamp.encode() + b":" + body
    return "v0=" + hmac.new(secret.encode(), base, hashlib.sha256).hexdigest()


class SignedHttp:
    """Delivers to one request URL. `connected` is what the last delivery showed."""

    def __init__(
        self, request_url: str, secret: str, now: Callable[[], float], changed: Callable[[], None]
    ) -> None:
        self._url = request_url.rstrip("/") + EVENTS_PATH
        self._secret = secret
        self._now = now
        self._changed = changed
        self._session: aiohttp.ClientSession | None = None
        self._connected = True

    @property
    def connected(self) -> bool:
        """Whether the last delivery found somebody there."""
        return self._connected

    async def verify(self) -> bool:
        """Ask for the challenge, as Slack does when the URL is saved."""
        ack = await self._post({"type": "url_verification", "challenge": "are-you-there"}, "events_api", {})
        return ack.ok and "are-you-there" in json.dumps(ack.payload)

    async def deliver(self, kind: str, payload: dict[str, Any], *, attempt: int, reason: str) -> Ack:
        """One POST. The answer's body is the acknowledgement's payload."""
        headers = {}
        if attempt:
            headers = {
                "X-Slack-Retry-Num": str(attempt),
                "X-Slack-Retry-Reason": "http_timeout" if reason == "timeout" else reason,
            }
        return await self._post(payload, kind, headers)

    async def close(self) -> None:
        """Close the client's connections."""
        if self._session is not None:
            await self._session.close()

    async def _post(self, payload: dict[str, Any], kind: str, extra: dict[str, str]) -> Ack:
        body, content_type = _encoded(payload, kind)
        stamp = str(int(self._now()))
        headers = {
            "Content-Type": content_type,
            "X-Slack-Request-Timestamp": stamp,
            "X-Slack-Signature": signature(self._secret, stamp, body),
            "User-Agent": "Slackbot 1.0",
            **extra,
        }
        if self._session is None:
            self._session = aiohttp.ClientSession(trust_env=False)
        started = time.perf_counter()
        try:
            timeout = aiohttp.ClientTimeout(total=ACK_SECONDS)
            async with self._session.post(self._url, data=body, headers=headers, timeout=timeout) as answer:
                text = await answer.text()
                ms = (time.perf_counter() - started) * 1000
                no_retry = answer.headers.get("X-Slack-No-Retry") == "1"
                is_json = answer.content_type == "application/json"
                status = answer.status
        except TimeoutError:
            return Ack((time.perf_counter() - started) * 1000, error="operation_timeout")
        except aiohttp.ClientError:
            self._found(there=False)
            return Ack((time.perf_counter() - started) * 1000, error="dispatch_failed")
        self._found(there=True)
        if status != 200:
            return Ack(ms, error="http_client_error", no_retry=no_retry)
        try:
            return Ack(ms, payload=json.loads(text) if is_json and text else text or None)
        except ValueError:
            return Ack(ms, payload=text)

    def _found(self, *, there: bool) -> None:
        if there != self._connected:
            self._connected = there
            self._changed()


def _encoded(payload: dict[str, Any], kind: str) -> tuple[bytes, str]:
    """Commands as form fields, interactions as one form field, events as JSON."""
    if kind == "events_api":
        return json.dumps(payload).encode(), "application/json"
    form = payload if kind == "slash_commands" else {"payload": json.dumps(payload)}
    return urlencode(form).encode(), "application/x-www-form-urlencoded"
