"""The shipped scenarios, whole: the sandbox and a bot as processes, every expectation of the story."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from bot.sandbox.play.scenario import SHIPPED

START = "import sys; from bot.sandbox.main import main; sys.exit(main(sys.argv[1:]))"
NAMES = sorted(path.stem for path in SHIPPED.glob("*.yaml"))
AT_ONCE = 2
"""Worlds at the same time: each needs about half of a core, most of the time it waits."""

Ended = subprocess.CompletedProcess[str]


def played(name: str, state: Path) -> Ended:
    command = [sys.executable, "-c", START, "--play", name, "--state", str(state), "--json"]
    return subprocess.run(command, capture_output=True, text=True, env=dict(os.environ), check=False)


@pytest.fixture(scope="module")
def plays(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[str, Future[Ended]]]:
    """Every scenario that was selected, played some at a time, in the order of the tests."""
    selected = [
        str(item.callspec.params["name"])
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.path == request.path and hasattr(item, "callspec")
    ]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {name: pool.submit(played, name, tmp_path_factory.mktemp(name)) for name in selected}
        pool.shutdown(cancel_futures=True)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", NAMES)
def test_story(name: str, plays: Mapping[str, Future[Ended]]) -> None:
    """The story ends as it should, and says so by its exit code."""
    ended = plays[name].result()

    result = json.loads(ended.stdout)
    assert result["failures"] == []
    assert (ended.returncode, result["ok"]) == (0, True)
    for never in ("acknowledged_by_two_writers", "lost_though_replicated", "sent_to_left_side_late"):
        assert result["customers"][never] == 0, never
