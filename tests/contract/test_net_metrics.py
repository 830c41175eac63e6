from __future__ import annotations

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from bot.sandbox.faults import Faults
from bot.sandbox.net import metrics
from bot.sandbox.net.figures import Figures
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
    ],
)
def test_queries(query: str, expected: dict[object, float], figures: Figures) -> None:
    """The shapes that the estate asks evaluate as Prometheus evaluates them."""
    assert evaluate(query, figures) == pytest.approx(expected)


@pytest.mark.parametrize("query", ["sum by (region", "rate(x)", "rate(x[1y])", "a + b", "x{a=1}", "max(x) y"])
def test_bad_queries(query: str, figures: Figures) -> None:
    """What the sandbox does not understand is refused, never answered wrongly."""
    with pytest.raises(QueryError):
        evaluate(query, figures)


def test_standstill_decays(figures: Figures, times: Times) -> None:
    """A Region that receives nothing has a rate of 0 a minute later, not none."""
    times.at += 61

    assert set(evaluate("sum by (region) (rate(requests_total[1m]))", figures).values()) == {0.0}


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
