"""The same from the desk's vote on: real desk, engine and register over a world in memory, many times.

What is left is our own: the vote, the run's rows, claiming, the first visits, the intent. What is missing is
Slack on the way in, and looking at AWS and Kubernetes before the first step acts.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event as Flag
from typing import Any, cast

from sqlmodel import select

import commands  # noqa: F401 - declares /failover
from bot.actions.kinds import KINDS
from bot.changes.desk import Desk
from bot.changes.estates import Estates
from bot.changes.planner import Planner
from bot.changes.watch import Watch
from bot.clock import SystemClock
from bot.engine.drive import Engine
from bot.engine.lease import Lease
from bot.engine.register import Intents
from bot.engine.visit import Visitor
from bot.ports import Ports
from bot.reply import Caller, Proposal
from bot.store.database import Database
from bot.store.migrate import migrate
from bot.store.tables import Decision, Run
from bot.trail.append import Trail
from tests.bench import floors
from tests.bench.figures import Figure, Form, median, ms, quantile
from tests.bench.sandbox import ROOT, Broken, until

sys.path.insert(0, str(ROOT / "tests" / "unit"))
from memory_world import MemoryWorld
from plans import estate_text

TARGET_SECONDS = 0.250
ONCALL, LEAD, OPS = "U0000ONCALL", "U0000LEAD01", "C0000000OPS"
CHANGES = {"switchover", "failover", "resize", "set_weights", "stop", "unstop", "scale", "set_minimum",
           "restart", "run_job", "remove_job", "set_sync_windows", "post", "deny", "allow"}  # fmt: skip


class Registered:
    """A port whose changes are announced first, as the hooks of `bot.world` do; notes when the first was."""

    def __init__(self, inner: Any, intents: Intents, first: First) -> None:
        self._inner, self._intents, self._first = inner, intents, first

    def __getattr__(self, name: str) -> Any:
        verb = getattr(self._inner, name)
        if name not in CHANGES:
            return verb

        def call(*args: Any, **kwargs: Any) -> Any:
            token = self._intents.intent("memory", name, str(args[0]), {})
            self._first.note()
            answer = verb(*args, **kwargs)
            self._intents.outcome(token, ok=True, request_id="r")
            return answer

        return call


class First:
    """When the first intent of a run was committed, on the clock of `perf_counter`."""

    def __init__(self) -> None:
        self.there = Flag()
        self.at = 0.0

    def note(self) -> None:
        if not self.there.is_set():
            self.at = time.perf_counter()
            self.there.set()


def measure(folder: Path, form: Form) -> Figure:
    """Ask, approve, abort at the first intent; the world is put back each time."""
    with _house(folder) as (world, desk, first):
        seconds = [_once(world, desk, first) for _ in range(form.core_approvals + 5)][5:]
    floor = median(floors.sqlite_commits(folder, form.commits))
    worst = quantile(seconds, 0.99)
    return Figure(
        "Approval vote → first intent, p99, desk and engine alone",
        ms(worst),
        f"≤ {ms(TARGET_SECONDS)}",
        worst <= TARGET_SECONDS,
        f"{ms(floor)} a commit",
        worst / floor,
        how=f"{form.core_approvals} unplanned failovers over a world in memory, SQLite on disk, watch and engine"
        f" running; p50 {ms(median(seconds))}; floor: one bare durable commit (on the way there are five or six)",
    )


@contextmanager
def _house(folder: Path) -> Iterator[tuple[MemoryWorld, Desk, First]]:
    (folder / "estate.yaml").write_text(estate_text())
    clock, first = SystemClock(), First()
    with ExitStack() as ending:
        database = Database(f"sqlite:///{folder}/core.db")
        ending.callback(database.close)
        migrate(database)
        trail = Trail(database, clock)
        lease = Lease(database, trail, "bench")
        intents = Intents(database, trail, lease)
        world = MemoryWorld(clock=cast("Any", clock))
        ports = _registered(world.ports(), intents, first)
        estates = Estates(folder / "estate.yaml", trail, clock)
        planner = Planner(ports, database, clock)
        watch = Watch(estates, planner, trail)
        lease.beat()
        engine = Engine(Visitor(ports, KINDS, trail, lease))
        for part in (engine, watch):
            part.start()
            ending.callback(part.stop)
        yield world, Desk(estates, planner, trail, watch, proof=lambda _: ""), first


def _registered(ports: Ports, intents: Intents, first: First) -> Ports:
    inner: Mapping[str, Any] = {name: getattr(ports, name) for name in Ports.__dataclass_fields__}
    wrapped = {n: port if n == "clock" else Registered(port, intents, first) for n, port in inner.items()}
    return Ports(**wrapped)


def _once(world: MemoryWorld, desk: Desk, first: First) -> float:
    asked = desk.command("/failover us-west-2 --reason bench", Caller(ONCALL, "On-call", OPS, "slack"))
    assert isinstance(asked, Proposal)
    with desk.database.read() as session:
        decision = session.exec(select(Decision.id).where(Decision.change == asked.change)).one()
    first.there.clear()
    started = time.perf_counter()
    answer = desk.vote(decision, "approve", LEAD)
    if not first.there.wait(10):
        raise Broken(f"no intent followed the approval: {answer.text}")
    seconds = first.at - started
    desk.stop(asked.change, "abort", LEAD)
    until(lambda: _ended(desk, asked.change), "the run was aborted", 10, 0.005)
    world.__post_init__()
    return seconds


def _ended(desk: Desk, change: str) -> bool:
    with desk.database.read() as session:
        return session.exec(select(Run).where(Run.change == change)).one().ended_at is not None
