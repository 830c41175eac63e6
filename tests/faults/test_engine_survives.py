from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import runs

from bot.store.database import Database
from bot.store.tables import Run
from bot.trail.verify import verify_database


@pytest.fixture
def world(tmp_path: Path) -> Path:
    place = tmp_path / "world"
    (place / "marks").mkdir(parents=True)
    return place


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[str]]]:
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


def test_kill_9_at_any_moment_neither_loses_nor_doubles_a_step(
    database: Database, database_url: str, world: Path, started: list[subprocess.Popen[str]]
) -> None:
    """A replica killed again and again: the run ends, every effect happened once, the trail is whole."""
    dice = random.Random(7)
    runs.start(database, runs.plan())
    kills = 0
    while runs.state(database) == "running" and kills < 4:
        process = runs.replica(database_url, world)
        started.append(process)
        time.sleep(dice.uniform(0.2, 0.9))
        if runs.state(database) == "running":
            process.kill()
            process.wait()
            kills += 1
    if runs.state(database) == "running":
        started.append(runs.replica(database_url, world))
    runs.until(lambda: runs.state(database) == "done")
    done = Counter(runs.effects(world))
    assert kills >= 1
    assert set(done) == {s.args["name"] for s in runs.plan().steps}
    assert max(done.values()) == 1
    assert verify_database(database_url).sound


def test_a_paused_replica_does_nothing_after_its_lease(
    database: Database, database_url: str, world: Path, started: list[subprocess.Popen[str]]
) -> None:
    """SIGSTOP past the lease, take-over, SIGCONT: the one that slept starts nothing more."""
    runs.start(database, runs.plan(branches=2, length=8))
    sleeper = runs.replica(database_url, world)
    started.append(sleeper)
    runs.until(lambda: len(runs.effects(world)) >= 2)
    sleeper.send_signal(signal.SIGSTOP)
    started.append(runs.replica(database_url, world))
    runs.until(lambda: len(runs.effects(world)) >= 6)
    sleeper.send_signal(signal.SIGCONT)
    runs.until(lambda: runs.state(database) == "done")
    doubled = [name for name, count in Counter(runs.effects(world)).items() if count > 1]
    # A thread stopped between its committed intent and its call may finish that one call, and no other.
    assert len(doubled) <= 2
    assert verify_database(database_url).sound


def test_take_over_is_quick(
    database: Database, database_url: str, world: Path, started: list[subprocess.Popen[str]]
) -> None:
    """When a replica dies another one goes on within its lease and a call's time, not later."""
    runs.start(database, runs.plan(branches=1, length=8))
    first = runs.replica(database_url, world)
    started.append(first)
    started.append(runs.replica(database_url, world))
    runs.until(lambda: len(runs.effects(world)) >= 1)
    with database.read() as session:
        owner = session.get_one(Run, "run-1").owner
    victim = next(p for p in started if f"-{p.pid}-" in owner)
    victim.kill()
    died, had = time.monotonic(), len(runs.effects(world))
    runs.until(lambda: len(runs.effects(world)) > had + 1)
    assert time.monotonic() - died < 10
    runs.until(lambda: runs.state(database) == "done")


def test_a_planned_stop_hands_over_at_once(
    database: Database, database_url: str, world: Path, started: list[subprocess.Popen[str]]
) -> None:
    """SIGTERM finishes the visit under way and gives the lease back."""
    runs.start(database, runs.plan(branches=1, length=8))
    first = runs.replica(database_url, world)
    started.append(first)
    runs.until(lambda: len(runs.effects(world)) >= 2)
    first.terminate()
    assert first.wait(timeout=15) == 0
    started.append(runs.replica(database_url, world))
    runs.until(lambda: runs.state(database) == "done", seconds=20)
    assert max(Counter(runs.effects(world)).values()) == 1


def test_a_step_that_cannot_be_done_holds_and_the_others_go_on(
    database: Database, database_url: str, world: Path, started: list[subprocess.Popen[str]]
) -> None:
    """A hold asks with the reason; branches that do not need the step end; the hold survives a crash."""
    runs.start(database, runs.plan(hold=True))
    started.append(runs.replica(database_url, world))
    runs.until(lambda: runs.open_hold(database) is not None)
    runs.until(lambda: sum(r.state == "done" for r in runs.steps(database).values()) == 12)
    started[0].kill()
    started.append(runs.replica(database_url, world))
    time.sleep(1)
    hold = runs.open_hold(database)
    assert hold is not None
    assert "cannot" in hold.question
    assert hold.options.split(",") == ["retry", "skip", "rollback", "abort"]
    assert runs.steps(database)["join"].state == "pending"


def test_a_locked_database_stops_every_call(
    tmp_path: Path, world: Path, started: list[subprocess.Popen[str]]
) -> None:
    """While the trail cannot be written nothing leaves; afterwards the run goes on by itself."""
    from bot.store.migrate import migrate

    url = f"sqlite:///{tmp_path}/locked.db"
    database = Database(url)
    migrate(database)
    runs.start(database, runs.plan(branches=1, length=10))
    started.append(runs.replica(url, world))
    runs.until(lambda: len(runs.effects(world)) >= 2)
    lock = sqlite3.connect(tmp_path / "locked.db", timeout=10, isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    time.sleep(0.3)
    had = runs.effects(world)
    time.sleep(2)
    # One call whose intent was committed before the lock may still end.
    assert len(runs.effects(world)) <= len(had) + 1
    lock.rollback()
    lock.close()
    runs.until(lambda: runs.state(database) == "done")
    assert max(Counter(runs.effects(world)).values()) == 1
    database.close()


@pytest.mark.slow
def test_thirty_seconds_without_its_database_cost_a_run_only_time(
    database: Database, database_url: str, world: Path, started: list[subprocess.Popen[str]]
) -> None:
    """Locked by somebody else in mid-run: no step is lost or doubled, and the run goes on by itself."""
    if not database_url.startswith("sqlite:///"):
        pytest.skip("a server that is stopped is another test's subject")
    runs.start(database, runs.plan(branches=2, length=6))
    started.append(runs.replica(database_url, world))
    runs.until(lambda: len(runs.effects(world)) >= 2)
    lock = sqlite3.connect(database_url.removeprefix("sqlite:///"), timeout=20, isolation_level=None)
    lock.execute("BEGIN EXCLUSIVE")
    time.sleep(30)
    lock.rollback()
    lock.close()
    runs.until(lambda: runs.state(database) == "done", 90)
    assert max(Counter(runs.effects(world)).values()) == 1
    assert verify_database(database_url).sound
