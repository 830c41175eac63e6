from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.bench
@pytest.mark.timeout(120)
def test_every_bench_still_works() -> None:
    """The short form measures every figure to its end; how good they are is not judged here."""
    ended = subprocess.run(
        [sys.executable, "-m", "tests.bench", "--short"],
        cwd=ROOT, capture_output=True, text=True, timeout=110, check=False,
    )  # fmt: skip

    assert ended.returncode == 0, ended.stderr
    for figure in (
        "Ack of /failover",
        "Approval click",
        "Approval vote",
        "SQLite",
        "PostgreSQL",
        "ready",
        "memory",
        "verified",
    ):
        assert figure in ended.stdout
