"""Runs for fault tests: starting them as the desk does, and looking how they stand."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from sqlmodel import select

from bot.clock import SystemClock
from bot.engine.moves import State
from bot.plan import Call, Plan, Step
from bot.store.database import Database
from bot.store.tables import Change, Decision, Run, StepRow
from bot.trail.append import Trail
from bot.trail.event import Event, Name

REPLICA = Path(__file__).with_name("replica.py")


def plan(*, branches: int = 3, length: int = 4, hold: bool = False) -> Plan:
    """Branches side by side that join at the end."""
    steps = [
        Step(
            id=f"b{b}s{i}",
            do="mark@1",
            args={"name": f"b{b}s{i}"},
            undo=Call(do="mark@1", args={"name": f"undo-b{b}s{i}"}),
            needs=(f"b{b}s{i - 1}",) if i else (),
        )
        for i in range(length)
        for b in range(branches)
    ]
    if hold:
        steps.append(Step(id="stuck", do="never@1", needs=("b0s0",)))
    ends = tuple(f"b{b}s{length - 1}" for b in range(branches)) + (("stuck",) if hold else ())
    steps.append(Step(id="join", do="mark@1", args={"name": "join"}, needs=ends))
    return Plan(runbook="t@1", title="T", estate_digest="e", request={}, steps=tuple(steps))


def start(database: Database, made: Plan, run_id: str = "run-1") -> str:
    """Write an approved run's rows."""
    trail = Trail(database, SystemClock())
    now = time.time()
    change = run_id.removeprefix("run-")
    approval = {"decision": f"d-{change}", "digest": made.digest, "quorum": 1}
    with trail.record() as record:
        record.session.add(
            Change(
                id=change,
                kind="failover",
                title="T",
                command="/t",
                request="{}",
                requester="U1",
                face="test",
                state="running",
                digest=made.digest,
                plan=made.model_dump_json(),
                created_at=now,
            )
        )
        record.session.add(
            Run(
                id=run_id,
                change=change,
                state="running",
                plan=made.model_dump_json(),
                person="U1",
                started_at=now,
            )
        )
        for ordinal, step in enumerate(made.steps):
            record.session.add(
                StepRow(run=run_id, step=step.id, ordinal=ordinal, state=State.PENDING, since=now)
            )
        record.add(Event(name=Name.CHANGE_PLANNED, actor="U1", change=change))
        record.add(Event(name=Name.DECISION_OPENED, change=change, approval=approval))
        record.add(
            Event(name=Name.VOTE_CAST, actor="U2", change=change, approval={**approval, "choice": "approve"})
        )
        record.add(
            Event(name=Name.DECISION_DECIDED, change=change, approval={**approval, "outcome": "approve"})
        )
        record.add(
            Event(
                name=Name.RUN_STARTED,
                change=change,
                run=run_id,
                detail={"digest": made.digest},
                approval=approval,
            )
        )
    return run_id


def state(database: Database, run_id: str = "run-1") -> str:
    """The run's state."""
    with database.read() as session:
        return session.get_one(Run, run_id).state


def steps(database: Database, run_id: str = "run-1") -> dict[str, StepRow]:
    """The run's steps."""
    with database.read() as session:
        return {r.step: r for r in session.exec(select(StepRow).where(StepRow.run == run_id))}


def open_hold(database: Database) -> Decision | None:
    """The hold that waits for an answer."""
    with database.read() as session:
        return session.exec(select(Decision).where(Decision.kind == "hold", Decision.state == "open")).first()


def effects(world: Path) -> list[str]:
    """What was done, in order, by name."""
    log = world / "effects.log"
    return [line.split()[0] for line in log.read_text().splitlines()] if log.exists() else []


def replica(url: str, world: Path) -> subprocess.Popen[str]:
    """A replica process that has begun."""
    process = subprocess.Popen(
        [sys.executable, str(REPLICA), url, str(world)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=REPLICA.parents[2],
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "started\n"
    return process


def until(condition: Callable[[], bool], seconds: float = 45) -> None:
    """Wait for a condition of other processes. Raises AssertionError when it does not come."""
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "it did not happen in time"
        time.sleep(0.05)
