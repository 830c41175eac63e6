from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import cast

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from bot.sandbox.faults import Faults
from bot.sandbox.monitoring import LastWrites
from bot.sandbox.net import metrics
from bot.sandbox.net.figures import Figures
from bot.sandbox.net.ingress import Ingress
from bot.sandbox.net.promql import QueryError, evaluate


class Times:
    def __init__(self) -> None:
        self.at = 1000.0

    def now(self) -> float:
        return self.at


@pytest.fixture
def times() -> Times:
    return Times()


@pytest.fixture
def figures(times: Times) -> Figures:
    figures = Figures(times.now)
    figures.add("requests_total", 0, region="us-west-2", code="200")
    for _ in range(120):
        times.at += 1
        figures.add("requests_total", region="us-east-1", code="200")
        figures.add("requests_total", 2, region="us-east-1", code="503")
    figures.ask("lost_total", lambda: {(): 7.0}, "counter")
    return figures


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (
            "sum by (region) (rate(requests_total[1m]))",
            {(("region", "us-east-1"),): 3.0, (("region", "us-west-2"),): 0.0},
        ),
        ("sum(rate(requests_total[1m])) by (code)", {(("code", "200"),): 1.0, (("code", "503"),): 2.0}),
        ('sum(increase(requests_total{code=~"5.."}[10s]))', {(): 20.0}),
        ("max(lost_total)", {(): 7.0}),
        (
            'requests_total{code="503"}',
            {(("__name__", "requests_total"), ("code", "503"), ("region", "us-east-1")): 240.0},
        ),
        ('sum(requests_total{region!="us-east-1"})', {(): 0.0}),
        ("max(nothing_total)", {}),
        ("max(max_over_time(lost_total[1h]))", {(): 7.0}),
        (
            'max_over_time(requests_total{code="503"}[1h])',
            {(("code", "503"), ("region", "us-east-1")): 240.0},
        ),
    ],
)
def test_queries(query: str, expected: dict[object, float], figures: Figures) -> None:
    """The shapes that the estate asks evaluate as Prometheus evaluates them."""
    assert evaluate(query, figures) == pytest.approx(expected)


@pytest.mark.parametrize(
    "query", ["sum by (region", "rate(x)", "rate(x[1y])", "max_over_time(x)", "a + b", "x{a=1}", "max(x) y"]
)
def test_bad_queries(query: str, figures: Figures) -> None:
    """What the sandbox does not understand is refused, never answered wrongly."""
    with pytest.raises(QueryError):
        evaluate(query, figures)


def test_standstill_decays(figures: Figures, times: Times) -> None:
    """A Region that receives nothing has a rate of 0 a minute later, not none."""
    times.at += 61

    assert set(evaluate("sum by (region) (rate(requests_total[1m]))", figures).values()) == {0.0}


def test_a_stale_gauge_is_still_found_within_its_window(times: Times) -> None:
    """An instant query forgets what is scraped no more; the highest of the last hour is still known."""
    figures, shown = Figures(times.now), {(("region", "us-east-1"),): 5.0}
    figures.ask("written", lambda: shown)
    figures.scrape()
    times.at += 10
    shown[(("region", "us-east-1"),)] = 4.0
    figures.scrape()
    shown = {}
    assert evaluate("written", figures) == {}
    query = "max by (region) (max_over_time(written[1h]))"
    assert evaluate(query, figures) == {(("region", "us-east-1"),): 5.0}
    times.at += 3595
    assert evaluate(query, figures) == {(("region", "us-east-1"),): 4.0}
    times.at += 10
    assert evaluate(query, figures) == {}


def test_the_last_write_of_a_dark_region_goes_stale(times: Times) -> None:
    """Five minutes after its Region fell silent it is gone from instant queries, and not before."""
    faults = Faults()
    entries = {region: SimpleNamespace(last_write=990.0) for region in ("us-east-1", "us-west-2")}
    shown = LastWrites(cast("Mapping[str, Ingress]", entries), faults, times.now)
    east, west = (("region", "us-east-1"),), (("region", "us-west-2"),)
    assert shown() == {east: 990.0, west: 990.0}
    dark = faults.add("region-dark", region="us-east-1")
    assert set(shown()) == {east, west}
    times.at += 299
    assert set(shown()) == {east, west}
    times.at += 1
    assert set(shown()) == {west}
    faults.remove(dark)
    assert set(shown()) == {east, west}


async def _over_http(figures: Figures) -> None:
    faults = Faults()
    app = web.Application()
    app.add_routes(metrics.routes(figures, faults))
    async with TestClient(TestServer(app)) as client:
        path = "/prometheus/api/v1/query"
        told = await (await client.get(path, params={"query": "max(lost_total)"})).json()
        assert told["status"] == "success"
        assert told["data"]["resultType"] == "vector"
        assert told["data"]["result"] == [{"metric": {}, "value": [1120.0, "7"]}]
        assert (await (await client.post(path, data={"query": "max(lost_total)"})).json()) == told
        wrong = await client.get(path, params={"query": "max("})
        assert (wrong.status, (await wrong.json())["errorType"]) == (400, "bad_data")
        text = await (await client.get("/metrics")).text()
        assert "# TYPE requests_total counter" in text
        assert 'requests_total{code="503",region="us-east-1"} 240' in text.splitlines()
        fault = faults.add("metrics-down")
        assert (await client.get(path, params={"query": "x"})).status == 503
        assert (await client.get("/metrics")).status == 503
        faults.remove(fault)
        assert (await client.get("/metrics")).status == 200


def test_over_http(figures: Figures) -> None:
    """Answers have Prometheus's JSON and text formats; while metrics are down there are none."""
    import asyncio

    asyncio.run(_over_http(figures))
