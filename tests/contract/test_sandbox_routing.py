"""The sandbox with `--routing arc`: what the estate says, what name servers answer, what the console tells."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dns.message
import dns.query
import httpx
import pytest
from world_outside import ACT, EAST, WEST, Recorded, becomes, open_ports

from bot.act import acting
from bot.estate import Routing
from bot.estate_file import parse_estate

START = "import sys; from bot.sandbox.main import main; sys.exit(main(sys.argv[1:]))"
NAME = "app.fintech.example"


@pytest.fixture
def facts(tmp_path: Path) -> Iterator[dict[str, Any]]:
    command = [sys.executable, "-c", START, "--port", "0", "--bots", "0", "--state", str(tmp_path)]
    process = subprocess.Popen(
        [*command, "--speed", "20", "--routing", "arc"],
        stdout=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
    )
    assert process.stdout
    process.stdout.readline()
    yield json.loads((tmp_path / "sandbox.json").read_text())
    process.send_signal(signal.SIGTERM)
    process.wait(20)
    process.stdout.close()


def answered(facts: dict[str, Any]) -> str:
    """The address that a name server answers."""
    host, port = facts["dns"].split(":")
    reply = dns.query.udp(dns.message.make_query(NAME, "A"), host, port=int(port), timeout=5)
    return str(reply.answer[0][0])


def test_customers_move_by_controls(
    facts: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With two of the five endpoints dark, the old Region's among them, names lead to the other Region."""
    for name, value in (("AWS_ACCESS_KEY_ID", "x"), ("AWS_SECRET_ACCESS_KEY", "x")):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", facts["aws"])
    estate = parse_estate(Path(facts["estate"]).read_bytes())
    routing = estate.dns.routing
    assert isinstance(routing, Routing)
    assert len(routing.endpoints) == 5
    controls, ports = routing.controls, open_ports(Recorded(), tmp_path / "clock.json", tmp_path)
    with httpx.Client(base_url=facts["console"], timeout=30, trust_env=False) as console:
        assert answered(facts) == estate.regions[EAST].ingress.address
        for region in (EAST, "ap-southeast-2"):
            console.post("/control/faults", json={"kind": "region-dark", "region": region})
        for _ in range(3):
            with acting(ACT):
                ports.routing.flip(routing.endpoints, {controls[EAST]: False, controls[WEST]: True})

        assert ports.routing.states(routing.endpoints, [controls[EAST]]) == {controls[EAST]: False}
        assert becomes(lambda: answered(facts) == estate.regions[WEST].ingress.address)
        told = console.get("/control/regions").json()["regions"]
        assert (told[EAST]["stopped"], told[WEST]["stopped"]) == (True, False)
