"""Smoke requests, payments and Prometheus, against small servers on loopback."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from world_outside import ACT, Recorded, open_ports

from bot.act import acting
from bot.errors import Rejected, TrailError, Unreachable
from bot.ports import Ports, Sample
from bot.sandbox.clock import SimClock


class Answering(ThreadingHTTPServer):
    """Answers by path; remembers what was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[dict[str, Any]] = []
        self.answers: dict[str, tuple[int, str]] = {}
        self.url = f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Answering

    def do_GET(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        asked = {"path": self.path, "headers": dict(self.headers), "body": self.rfile.read(size).decode()}
        self.server.asked.append(asked)
        path = self.path.partition("?")[0]
        if path == "/silent":
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        status, body = self.server.answers.get(path, (404, ""))
        self.send_response(status)
        self.send_header("X-Request-Id", "request-7")
        self.send_header("Content-Length", str(len(body)))
        if status == 302:
            self.send_header("Location", "/elsewhere")
        self.end_headers()
        self.wfile.write(body.encode())

    do_POST = do_GET  # noqa: N815  # the base class looks for this name

    def log_message(self, *_: Any) -> None:
        return


@pytest.fixture
def server() -> Iterator[Answering]:
    found = Answering()
    thread = threading.Thread(target=found.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield found
    found.shutdown()
    found.server_close()
    thread.join(5)


@pytest.fixture
def register() -> Recorded:
    return Recorded()


@pytest.fixture
def ports(tmp_path: Path, register: Recorded, server: Answering) -> Ports:
    SimClock(tmp_path / "clock.json")
    return open_ports(register, tmp_path / "clock.json", tmp_path, prometheus=server.url)


def vector(*series: tuple[dict[str, str], str]) -> str:
    result = [{"metric": labels, "value": [1700000000.5, value]} for labels, value in series]
    return json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}})


def test_a_get_asks_an_address_under_a_name(ports: Ports, server: Answering, register: Recorded) -> None:
    """The address is the URL's, the Host header the public name; a read needs no act and leaves no intent."""
    server.answers["/healthz"] = (200, "ok")
    answer = ports.http.get(f"{server.url}/healthz", host="api.fintech.example")

    assert (answer.status, answer.body, answer.headers["x-request-id"]) == (200, "ok", "request-7")
    assert server.asked[0]["headers"]["Host"] == "api.fintech.example"
    assert register.intents == []


def test_a_long_body_is_cut(ports: Ports, server: Answering) -> None:
    """Four KiB are enough to judge an answer."""
    server.answers["/long"] = (200, "x" * 100_000)

    assert len(ports.http.get(f"{server.url}/long", host="a.example").body) == 4096


def test_redirects_are_not_followed(ports: Ports, server: Answering) -> None:
    """The answer is the one of this address."""
    server.answers["/moved"] = (302, "")

    assert ports.http.get(f"{server.url}/moved", host="a.example").status == 302
    assert len(server.asked) == 1


def test_a_post_is_recorded_without_its_body(ports: Ports, server: Answering, register: Recorded) -> None:
    """A payment needs an act; its key is recorded, its body and query are not."""
    server.answers["/payments"] = (201, "{}")
    with pytest.raises(TrailError):
        ports.http.post(f"{server.url}/payments", {"amount": 1}, host="a.example", key="k-1")
    assert server.asked == []
    with acting(ACT):
        ports.http.post(f"{server.url}/payments?card=4242", {"amount": 1}, host="a.example", key="k-1")

    assert json.loads(server.asked[0]["body"]) == {"amount": 1}
    assert server.asked[0]["headers"]["Idempotency-Key"] == "k-1"
    assert register.intents == [
        {
            "service": "http",
            "operation": "post",
            "region": "",
            "params": {"url": f"{server.url}/payments", "host": "a.example", "key": "k-1"},
        }
    ]
    assert register.outcomes == [{"intent": "intent-1", "ok": True, "request_id": "request-7", "error": ""}]


def test_a_lost_post_is_unknown_and_sent_once(ports: Ports, server: Answering, register: Recorded) -> None:
    """No reply is neither done nor refused."""
    with acting(ACT), pytest.raises(Unreachable, match="not known"):
        ports.http.post(f"{server.url}/silent", {}, host="a.example", key="k-2")

    assert len(server.asked) == 1
    assert [o["ok"] for o in register.outcomes] == [None]


def test_nobody_there_is_unreachable(ports: Ports, server: Answering) -> None:
    """A refused connection is no answer; a URL that is none is refused before."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        with pytest.raises(Unreachable):
            ports.http.get(f"http://127.0.0.1:{closed.getsockname()[1]}/", host="a.example")
    with pytest.raises((Rejected, Unreachable)):
        ports.http.get("http://[/", host="a.example")


def test_prometheus_samples(ports: Ports, server: Answering) -> None:
    """Series become samples; no series is an empty tuple; NaN is no sample."""
    server.answers["/api/v1/query"] = (200, vector(({"region": "us-east-1"}, "12.5"), ({}, "NaN")))
    assert ports.metrics.query("up") == (Sample({"region": "us-east-1"}, 12.5, 1700000000.5),)
    server.answers["/api/v1/query"] = (200, vector())

    assert ports.metrics.query("up") == ()
    assert server.asked[0]["path"] == "/api/v1/query?query=up"


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, '{"status":"error","errorType":"bad_data","error":"parse error"}', Rejected),
        (503, '{"status":"error","error":"busy"}', Unreachable),
        (502, "<html>", Unreachable),
        (200, "[]", Unreachable),
        (200, '{"status":"success","data":{"resultType":"vector","result":[{"metric":{}}]}}', Unreachable),
        (200, vector(({}, "twelve")), Unreachable),
    ],
)
def test_prometheus_troubles(
    ports: Ports, server: Answering, status: int, body: str, error: type[Exception]
) -> None:
    """A query that cannot be evaluated is refused; everything else that is not an answer is unreachable."""
    server.answers["/api/v1/query"] = (status, body)
    with pytest.raises(error):
        ports.metrics.query("up")


def test_without_prometheus_metrics_are_unreachable(tmp_path: Path) -> None:
    """No Prometheus is unknown, never empty; nor is one that is down."""
    SimClock(tmp_path / "clock.json")
    began = time.monotonic()
    for url in (None, "http://127.0.0.1:1"):
        ports = open_ports(Recorded(), tmp_path / "clock.json", tmp_path, prometheus=url)
        with pytest.raises(Unreachable):
            ports.metrics.query("up")

    assert time.monotonic() - began < 5
