"""The engine's own time for a step: a chain of steps whose actions take no time, so that all of it is ours."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

from bot.action import Action
from bot.clock import SystemClock
from bot.engine.drive import Engine
from bot.engine.lease import Lease
from bot.engine.register import Intents
from bot.engine.visit import Visitor
from bot.plan import Plan, Step
from bot.ports import Ports
from bot.store.database import Database
from bot.store.migrate import migrate
from bot.trail.append import Trail
from bot.verdict import failed, passed
from tests.bench import floors
from tests.bench.figures import Figure, Form, median, ms, quantile
from tests.bench.sandbox import ROOT, until

sys.path.insert(0, str(ROOT / "tests" / "faults"))
import runs

TARGET_SECONDS = 0.050
COMMITS = 5
"""A step that acts once commits: started, acting, intent, outcome, done."""


def measure(folder: Path, form: Form) -> list[Figure]:
    """On SQLite, which has the target, and on PostgreSQL."""
    lite = _own_times(f"sqlite:///{folder}/engine.db", form)
    lite_floor = median(floors.sqlite_commits(folder, form.commits))
    with floors.postgres(folder) as url:
        server = _own_times(url, form)
        server_floor = median(floors.postgres_commits(url, form.commits))
    return [
        _figure("SQLite", lite, lite_floor, form, TARGET_SECONDS),
        _figure("PostgreSQL", server, server_floor, form, None),
    ]


def _figure(kind: str, found: list[list[float]], floor: float, form: Form, target: float | None) -> Figure:
    medians = [median(run) for run in found]
    every = [seconds for run in found for seconds in run]
    worst = max(medians)
    return Figure(
        f"Engine's own time per step, {kind}",
        ms(worst),
        f"≤ {ms(target)}" if target else "",
        worst <= target if target else None,
        f"{ms(COMMITS * floor)} for {COMMITS} commits",
        worst / (COMMITS * floor),
        how=f"p50 over a run, the worst of {form.runs} runs, each a chain of {form.steps} steps that act once;"
        f" from the step before seen done to this one seen done. All steps: mean"
        f" {ms(sum(every) / len(every))}, p99 {ms(quantile(every, 0.99))}; floor: bare durable commits of one row",
    )


def _own_times(url: str, form: Form) -> list[list[float]]:
    """Seconds of each step, by run; the first run warms up and does not count."""
    database = Database(url)
    try:
        migrate(database)
        trail = Trail(database, SystemClock())
        lease = Lease(database, trail, "bench")
        lease.beat()
        done: set[str] = set()
        engine = _engine(database, trail, lease, done)
        engine.start()
        try:
            return [_run(database, form.steps, f"run-{number}", done) for number in range(form.runs + 1)][1:]
        finally:
            engine.stop()
    finally:
        database.close()


def _run(database: Database, steps: int, name: str, done: set[str]) -> list[float]:
    done.clear()
    runs.start(database, _chain(steps), name)
    # Seldom looked at: whoever reads here takes the processor from what is measured.
    until(lambda: runs.state(database, name) == "done", f"{name} is done", 60, 0.25)
    ends = sorted(row.ended_at or 0.0 for row in runs.steps(database, name).values())
    return _gaps(ends)


def _gaps(ends: Sequence[float]) -> list[float]:
    return [after - before for before, after in pairwise(ends)]


def _chain(length: int) -> Plan:
    steps = tuple(
        Step(id=f"s{i:02}", do="mark@1", args={"name": f"s{i:02}"}, needs=(f"s{i - 1:02}",) if i else ())
        for i in range(length + 1)
    )
    return Plan(runbook="bench@1", title="A chain", estate_digest="e" * 64, request={}, steps=steps)


def _engine(database: Database, trail: Trail, lease: Lease, done: set[str]) -> Engine:
    intents = Intents(database, trail, lease)

    def apply(_ports: Ports, args: dict[str, Any]) -> None:
        token = intents.intent("memory", "Mark", "here", {"name": args["name"]})
        done.add(args["name"])
        intents.outcome(token, ok=True, request_id="r")

    mark = Action(
        "mark@1",
        lambda _ports, args: {"done": args["name"] in done},
        lambda _args, seen: passed("marked") if seen["done"] else failed("not marked"),
        lambda args: f"Mark {args['name']}",
        apply,
        poll=0,  # what a real action waits between two looks is its world's time, not ours
    )
    ports = Ports(**{**dict.fromkeys(Ports.__dataclass_fields__, cast("Any", None)), "clock": SystemClock()})
    return Engine(Visitor(ports, {"mark@1": mark}, trail, lease))
