"""The shipped scenarios, whole: the sandbox and a bot as processes, every expectation of the story."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

START = "import sys; from bot.sandbox.main import main; sys.exit(main(sys.argv[1:]))"


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", ["failover", "planned", "refused", "crash"])
def test_story(name: str, tmp_path: Path) -> None:
    """The story ends as it should, and says so by its exit code."""
    command = [sys.executable, "-c", START, "--play", name, "--state", str(tmp_path), "--json"]
    ended = subprocess.run(command, capture_output=True, text=True, env=dict(os.environ), check=False)

    result = json.loads(ended.stdout)
    assert result["failures"] == []
    assert (ended.returncode, result["ok"]) == (0, True)
    assert result["customers"]["acknowledged_by_two_writers"] == 0
