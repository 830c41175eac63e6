"""Prometheus's HTTP API, instant queries."""

from __future__ import annotations

import math

import httpx

from bot.errors import Rejected, Unreachable
from bot.ports import Sample

_TIMEOUT_SECONDS = 3.0


class Prometheus:
    """`bot.ports.Metrics` on Prometheus; without an address every query is unreachable."""

    def __init__(self, url: str | None) -> None:
        self._url = url.rstrip("/") if url else None
        self._client = httpx.Client(timeout=_TIMEOUT_SECONDS, trust_env=False)

    def query(self, promql: str) -> tuple[Sample, ...]:
        """The samples of an instant query, none when no series matches.

        NaN is dropped: it is how Prometheus writes "no data" of a division, and a missing sample is unknown
        where a NaN would compare as false. Raises Rejected for a query that Prometheus cannot evaluate.
        """
        if self._url is None:
            raise Unreachable("No Prometheus is configured.")
        try:
            answer = self._client.get(f"{self._url}/api/v1/query", params={"query": promql})
            body = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise Unreachable(f"Prometheus: {type(error).__name__}: {error}") from error
        if answer.status_code in {400, 422}:
            raise Rejected(f"Prometheus cannot evaluate {promql!r}: {body.get('error', '')}")
        try:
            if body["status"] != "success":
                raise Unreachable(f"Prometheus: {answer.status_code}: {body.get('error', '')}")
            data = body["data"]
            if data["resultType"] == "scalar":
                data = {"result": [{"metric": {}, "value": data["result"]}]}
            samples = [
                Sample(labels=one["metric"], value=float(one["value"][1]), at=float(one["value"][0]))
                for one in data["result"]
            ]
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise Unreachable(f"Prometheus: {answer.status_code}: an answer of another shape") from error
        return tuple(sample for sample in samples if not math.isnan(sample.value))
