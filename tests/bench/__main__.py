"""`python -m tests.bench [--short] [--record [--page FILE]] [--only NAME] [--speed N]`: measure, and show one table.

Exits 0 when everything could be measured, whether targets are met or not, and 1 when something broke. With
`--strict` a missed target exits 1 too.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import structlog
from rich.console import Console

from tests.bench import (
    acknowledge,
    approval,
    approval_core,
    drill,
    engine,
    evidence,
    machine,
    run_time,
    startup,
    trail,
)
from tests.bench.figures import FULL, SHORT, Figure, Form, show
from tests.bench.record import PAGE, record
from tests.bench.sandbox import Broken, sandbox

Bench = Callable[[Path, Form], list[Figure]]


def _acknowledge(folder: Path, form: Form) -> list[Figure]:
    with sandbox(folder) as here:
        return acknowledge.measure(here, form)


def _approval(folder: Path, form: Form) -> list[Figure]:
    with sandbox(folder, speed=20) as here:
        return [approval.measure(here, form)]


BENCHES: dict[str, Bench] = {
    "acknowledge": _acknowledge,
    "approval": _approval,
    "core": lambda folder, form: [approval_core.measure(folder, form)],
    "engine": engine.measure,
    "startup": lambda _folder, form: startup.measure(form),
    "trail": trail.measure,
    "evidence": evidence.measure,
    "run_time": run_time.measure,
    "drill": drill.measure,
}


def main() -> int:
    """Returns the exit code."""
    asked = _parser().parse_args()
    form = SHORT if asked.short else FULL
    if asked.speed:
        form = replace(form, speed=asked.speed)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
        os.environ.pop(name, None)
    # What the parts log is part of their time in a bot, where it goes to a file; here it would be shown.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    # So that being told to end still ends what was started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    facts = machine.facts() | {"Load before (1 / 5 min)": machine.load()}
    started = time.monotonic()
    try:
        figures = list(_figures(asked.only or list(BENCHES), form))
    except Broken as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    facts |= {"Load after (1 / 5 min)": machine.load(), "Took": f"{time.monotonic() - started:.0f} s"}
    show(figures)
    print(" · ".join(f"{name}: {value}" for name, value in facts.items()))
    if asked.record:
        print(f"written to {record(figures, facts, asked.page)}")
    return int(asked.strict and any(figure.met is False for figure in figures))


def _figures(names: list[str], form: Form) -> Iterator[Figure]:
    status = Console(stderr=True)
    for name in names:
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="signalbox-bench-") as folder:
            yield from BENCHES[name](Path(folder), form)
        status.print(f"[dim]{name}: {time.monotonic() - began:.1f} s[/]")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench", description="Figures, as ratios to floors."
    )
    parser.add_argument("--short", action="store_true", help="only see whether every bench still works")
    parser.add_argument("--record", action="store_true", help="write docs/performance.md")
    parser.add_argument("--page", type=Path, default=PAGE, help="where --record writes (docs/performance.md)")
    parser.add_argument("--strict", action="store_true", help="exit with 1 when a target is missed")
    parser.add_argument("--only", action="append", choices=list(BENCHES), help="this bench; may be repeated")
    parser.add_argument(
        "--speed", type=float, help="of the failovers that run_time and drill play (default 1)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
