"""Requests of smoke tests and payments checks, sent to a named address under a public name."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

import httpx

from bot.errors import Rejected, Unreachable
from bot.ports import HttpAnswer
from bot.world.hooks import Hooks, RecordedTransport
from bot.world.parameters import bare

_TIMEOUT_SECONDS = 5.0
_MOST_BYTES = 4096


class PinnedHttp:
    """`bot.ports.Http`: the URL says which address is asked, `host` under which name.

    So a Region's entry is tested before DNS points at it. With https the certificate must be valid for
    `host`. Redirects are not followed and proxies not used: the answer is the one of this address.
    """

    def __init__(self, hooks: Hooks) -> None:
        transport = RecordedTransport(hooks, httpx.HTTPTransport(trust_env=False, retries=0))
        self._client = httpx.Client(transport=transport, timeout=_TIMEOUT_SECONDS, trust_env=False)

    def get(self, url: str, *, host: str) -> HttpAnswer:
        return self._send("GET", url, host, {}, None)

    def post(self, url: str, body: Mapping[str, Any], *, host: str, key: str) -> HttpAnswer:
        headers = {"Idempotency-Key": key, "Content-Type": "application/json"}
        return self._send("POST", url, host, headers, json.dumps(dict(body)).encode())

    def _send(
        self, method: str, url: str, host: str, headers: Mapping[str, str], body: bytes | None
    ) -> HttpAnswer:
        until = time.monotonic() + _TIMEOUT_SECONDS
        try:
            with self._client.stream(
                method,
                url,
                headers={"Host": host, "User-Agent": "signalbox", **headers},
                content=body,
                extensions={"sni_hostname": host.partition(":")[0]},
            ) as answer:
                read = b""
                for part in answer.iter_bytes(_MOST_BYTES):
                    read += part
                    # httpx bounds each read, not their sum.
                    if len(read) >= _MOST_BYTES or time.monotonic() > until:
                        break
                text = read[:_MOST_BYTES].decode("utf-8", "replace")
                return HttpAnswer(answer.status_code, text, {k.lower(): v for k, v in answer.headers.items()})
        except httpx.InvalidURL as error:
            raise Rejected(f"{bare(url)}: {error}", not_done="No call was made.") from error
        except httpx.HTTPError as error:
            lost = "" if method == "GET" else "Whether it was done is not known."
            raise Unreachable(
                f"{method} {bare(url)} for {host}: {type(error).__name__}: {error}", not_done=lost
            ) from error
