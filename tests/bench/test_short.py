from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.__main__ import BENCHES

ROOT = Path(__file__).parents[2]


QUICK = ("acknowledge", "approval", "core", "engine", "startup", "trail", "evidence")
PLAYED = ("run_time", "drill")


def _measured(*names: str, within: float) -> str:
    """What the short form of these benches prints."""
    only = [word for name in names for word in ("--only", name)]
    ended = subprocess.run(
        [sys.executable, "-m", "tests.bench", "--short", *only],
        cwd=ROOT, capture_output=True, text=True, timeout=within, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_the_short_form_leaves_no_bench_out() -> None:
    assert sorted(BENCHES) == sorted((*QUICK, *PLAYED))


@pytest.mark.bench
@pytest.mark.timeout(120)
def test_every_bench_still_works() -> None:
    """The short form measures every figure to its end; how good they are is not judged here."""
    shown = _measured(*QUICK, within=110)

    for figure in (
        "Ack of /failover",
        "Approval click",
        "Approval vote",
        "SQLite",
        "PostgreSQL",
        "ready",
        "memory",
        "verified",
        "Evidence pack",
    ):
        assert figure in shown


@pytest.mark.bench
@pytest.mark.timeout(180)
def test_a_dark_region_and_the_sequential_drill_still_yield_their_figures() -> None:
    shown = _measured(*PLAYED, within=170)

    assert "critical path" in shown
    assert "customers served" in shown
    assert "Aurora promotion 45 s" in shown
    assert "sequential drill" in shown
