"""Secrets in what the outside is asked and answers: none is in an intent, an outcome or an error."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_world_http import Answering
from world_clusters import PROBE, SPACE, clusters_outside
from world_outside import ACT, EAST, WEST, Recorded, becomes, open_ports, outside

from bot.act import acting
from bot.errors import OutsideError
from bot.sandbox.clock import SimClock
from bot.world.parameters import of_kubernetes, plain

CANARY = "canary0outside0secret"
SLACK = "xo" + "xb-111111111111-canaryOutsideTokenAbCd"


@pytest.fixture
def server() -> Iterator[Answering]:
    found = Answering()
    thread = threading.Thread(target=found.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield found
    found.shutdown()
    found.server_close()
    thread.join(5)


@pytest.mark.parametrize("path", ["/silent", "/absent"])
def test_urls_are_told_without_user_password_and_query(tmp_path: Path, server: Answering, path: str) -> None:
    """Neither the intent of a request nor the error of one that failed holds what its URL was given."""
    SimClock(tmp_path / "clock.json")
    register = Recorded()
    ports = open_ports(register, tmp_path / "clock.json", tmp_path)
    url = f"http://ann:{CANARY}@127.0.0.1:{server.server_port}{path}?plain={CANARY}"
    errors = []
    for ask in (
        lambda: ports.http.get(url, host="a.example"),
        lambda: ports.http.post(url, {"card": CANARY}, host="a.example", key="k-1"),
    ):
        try:
            with acting(ACT):
                ask()
        except OutsideError as error:
            errors.append(str(error))
    assert len(errors) == (2 if path == "/silent" else 0)
    assert len(server.asked) >= 2
    assert CANARY not in str((register.intents, register.outcomes, errors))


def test_bodies_of_objects_are_withheld_and_keys_are_scrubbed(tmp_path: Path) -> None:
    """What is written into a STOP object stays there; a token in a key's name is not told."""
    with outside(tmp_path) as world, acting(ACT):
        world.ports.dns.stop(WEST, "stop-west", f"STOP-{SLACK}", CANARY)
        with pytest.raises(OutsideError) as refused:
            world.ports.dns.stop(WEST, f"no-such-bucket-{SLACK.lower()}"[:60], "STOP", CANARY)
        said = str((world.register.intents, world.register.outcomes, refused.value))
    assert CANARY not in said
    assert SLACK not in said


def test_a_secret_of_the_cluster_is_used_and_never_told(tmp_path: Path) -> None:
    """A Job gets the database's URL from its Secret: it runs with it, and the register does not know it."""
    with clusters_outside(tmp_path) as world:
        with acting(ACT):
            world.port.run_job(EAST, PROBE)
        assert becomes(lambda: world.port.job(EAST, SPACE, PROBE.name).state == "succeeded")
        assert "hunter2" in str(world.runs)
        assert "hunter2" not in str((world.register.intents, world.register.outcomes))


def test_of_a_secret_that_is_sent_only_the_place_is_told() -> None:
    """Bodies of what is not moved by plans are withheld, and so are parameters that nobody has allowed."""
    resource, told = of_kubernetes(
        f"https://east/api/v1/namespaces/x/secrets/y?dryRun=All&token={CANARY}", {"stringData": {"k": CANARY}}
    )
    assert resource == "secrets"
    assert told == {"namespace": "x", "name": "y", "dryRun": "All", "withheld": ["token", "body"]}


def test_what_is_told_is_always_plain() -> None:
    """Numbers, names and text outside the trail's profile are told in a form that is inside it."""
    assert plain({"большой": 2**60, "f": 1.5, "bad": "\ud800", "t": f"x {SLACK}"}) == {
        "\\u0431\\u043e\\u043b\\u044c\\u0448\\u043e\\u0439": str(2**60),
        "f": "1.5",
        "bad": "?",
        "t": "x [redacted:slack-token]",
    }
