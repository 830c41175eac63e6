"""The monitoring that operators and the bot ask: /metrics in text, and Prometheus's instant queries."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from bot.sandbox.faults import Faults
from bot.sandbox.net.figures import Figures
from bot.sandbox.net.promql import QueryError, evaluate


def routes(figures: Figures, faults: Faults) -> list[web.RouteDef]:
    """GET /metrics and GET or POST /prometheus/api/v1/query; 503 while metrics are down."""

    async def text(_request: web.Request) -> web.Response:
        if faults.find("metrics-down"):
            return web.Response(status=503, text="metrics are down")
        return web.Response(text=exposition(figures), content_type="text/plain", charset="utf-8")

    async def query(request: web.Request) -> web.Response:
        if faults.find("metrics-down"):
            return web.Response(status=503, text="metrics are down")
        asked = request.query.get("query") or str((await request.post()).get("query", ""))
        try:
            if not asked:
                raise QueryError(
                    'invalid parameter "query": unknown position: parse error: no expression found'
                )
            return web.json_response(answer(asked, figures))
        except QueryError as error:
            problem = {"status": "error", "errorType": "bad_data", "error": str(error)}
            return web.json_response(problem, status=400)

    return [
        web.get("/metrics", text),
        web.get("/prometheus/api/v1/query", query),
        web.post("/prometheus/api/v1/query", query),
    ]


def exposition(figures: Figures) -> str:
    """Prometheus's text format, version 0.0.4."""
    lines = []
    for name, kind in figures.names():
        lines.append(f"# TYPE {name} {kind}")
        for labels, value in figures.values(name).items():
            shown = ",".join(f'{label}="{text}"' for label, text in labels)
            lines.append(f"{name}{{{shown}}} {value:.16g}" if shown else f"{name} {value:.16g}")
    return "\n".join(lines) + "\n"


def answer(query: str, figures: Figures) -> dict[str, Any]:
    """The JSON of an instant query. Raises QueryError."""
    now = figures.now()
    result = [
        {"metric": dict(labels), "value": [round(now, 3), f"{value:.16g}"]}
        for labels, value in evaluate(query, figures).items()
    ]
    return {"status": "success", "data": {"resultType": "vector", "result": result}}
