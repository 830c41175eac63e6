"""A whole Signalbox without a face over the world in memory, its engine driven by hand."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))

from memory_world import MemoryWorld
from outside import Outside
from plans import estate_text
from sqlmodel import col, select

import commands  # noqa: F401 - declares the commands
from bot.actions import guard
from bot.actions.kinds import KINDS
from bot.changes.desk import Desk
from bot.changes.estates import Estates
from bot.changes.planner import Planner
from bot.changes.views import Answer, ChangeView
from bot.changes.watch import Watch
from bot.engine.drive import Engine
from bot.engine.lease import Lease
from bot.engine.register import Intents
from bot.engine.visit import Visitor
from bot.reply import Caller, Proposal
from bot.store.database import Database
from bot.store.tables import Block, Decision, Entry, Run, StepRow
from bot.trail.append import Trail
from bot.trail.checkpoint import Checkpointer, Keyring
from bot.trail.verify import Report, verify_database
from bot.world.signing import FileKey

EAST, WEST = "us-east-1", "us-west-2"
ONCALL, ONCALL2 = "U0000ONCALL", "U000ONCALL2"
LEAD, LEAD2, LEAD3 = "U0000LEAD01", "U0000LEAD02", "U0000LEAD03"
AUDITOR, STRANGER = "U0000AUDIT1", "U0STRANGER1"
OPS = "C0000000OPS"


@dataclass
class House:
    """One replica over one world."""

    world: MemoryWorld
    outside: Outside
    database: Database
    trail: Trail
    lease: Lease
    visitor: Visitor
    engine: Engine
    estates: Estates
    planner: Planner
    watch: Watch
    desk: Desk
    estate_file: Path

    def ask(self, words: str = "/failover us-west-2 --reason test", person: str = ONCALL) -> str:
        """Type a command that proposes; the change's id."""
        reply = self.desk.command(words, Caller(person, person, OPS))
        assert isinstance(reply, Proposal)
        return reply.change

    def question(self, change: str) -> Decision:
        """The newest approval that is asked for, open or not."""
        with self.database.read() as session:
            found = session.exec(
                select(Decision).where(Decision.change == change, Decision.kind == "approval")
            ).all()
        return next((d for d in found if d.state == "open"), found[-1])

    def decisions(self, change: str, kind: str = "approval") -> list[Decision]:
        """All questions of a change."""
        with self.database.read() as session:
            return list(
                session.exec(select(Decision).where(Decision.change == change, Decision.kind == kind))
            )

    def vote(self, change: str, choice: str = "approve", person: str = LEAD) -> Answer:
        """Click on the newest card."""
        return self.desk.vote(self.question(change).id, choice, person)

    def approved(self, words: str = "/failover us-west-2 --reason test") -> str:
        """Ask, and have it approved by as many as it needs."""
        change = self.ask(words)
        assert self.vote(change, person=LEAD).counted
        if self.question(change).quorum == 2:
            assert self.vote(change, person=LEAD2).counted
        assert self.run(change) is not None
        return change

    def see(self, change: str) -> ChangeView:
        """The change as people see it."""
        found = self.desk.view(change)
        assert found is not None
        return found

    def run(self, change: str) -> Run | None:
        """The change's run."""
        with self.database.read() as session:
            return session.exec(select(Run).where(Run.change == change)).first()

    def runs(self) -> list[Run]:
        """All runs."""
        with self.database.read() as session:
            return list(session.exec(select(Run)))

    def steps(self, change: str) -> dict[str, StepRow]:
        """The run's rows."""
        with self.database.read() as session:
            return {r.step: r for r in session.exec(select(StepRow).where(StepRow.run == f"run-{change}"))}

    def blocks(self) -> dict[str, str]:
        """Who holds what."""
        with self.database.read() as session:
            return {b.resource: b.run for b in session.exec(select(Block))}

    def holds(self, change: str) -> dict[str, Decision]:
        """Open holds by step."""
        return {d.step: d for d in self.decisions(change, "hold") if d.state == "open"}

    def entries(self, name: str) -> list[dict[str, Any]]:
        """Bodies of the trail's rows of this name, in order."""
        with self.database.read() as session:
            rows = session.exec(select(Entry).where(Entry.name == name).order_by(col(Entry.seq))).all()
        return [json.loads(row.body) for row in rows]

    def verified(self) -> Report:
        """What the verifier says once the head is signed, as the keeper of a replica does it."""
        key = FileKey(self.estate_file.parent / "signing.key")
        Checkpointer(self.trail, Keyring(key)).seal()
        return verify_database(self.database.url)

    def tick(self) -> None:
        """One round of the engine, with its visits ended."""
        self.engine.beaten = 1.0
        self.engine.tick()
        for driven in list(self.engine._driven.values()):
            for future in list(driven.busy.values()):
                future.result(60)

    def settle(self, change: str, by: float = 3.0) -> str:
        """Drive until all but what stands has ended; people answer that jobs which run once may start beside
        a silent Region. Returns the run's state.
        """
        asked = "activate/check"
        self.drive(change, lambda: asked in self.holds(change) or self.standing(change), by=by)
        if asked in self.holds(change):
            assert self.desk.vote(self.holds(change)[asked].id, "skip", ONCALL).counted
        return self.drive(change, lambda: self.standing(change), by=by)

    def finish(self, change: str, by: float = 3.0) -> str:
        """The same to the end: what stands waits for the old Region, so that answers again."""
        if self.settle(change, by) == "standing":
            self.world.dark.clear()
            self.world.partitioned.clear()
        return self.drive(change, by=by)

    def standing(self, change: str) -> bool:
        """Whether all but the standing steps of the change's run have ended."""
        run = self.run(change)
        return run is not None and run.state == "standing"

    def drive(
        self, change: str, until: Callable[[], bool] | None = None, *, seconds: float = 3600, by: float = 2.0
    ) -> str:
        """Tick and let time pass until the run has ended, or `until`. Returns the run's state."""
        ends = self.world.clock.at + seconds
        while self.world.clock.at < ends:
            self.tick()
            run = self.run(change)
            assert run is not None
            if run.ended_at is not None or (until is not None and until()):
                return run.state
            self.world.clock.at += by
        stuck = {k: (r.state, r.why) for k, r in self.steps(change).items() if r.state in ("active", "held")}
        raise AssertionError(f"it did not happen: {stuck}")


def house(
    database: Database,
    place: Path,
    world: MemoryWorld | None = None,
    name: str = "replica-1",
    call_seconds: float = 9.0,
) -> House:
    """A replica that has beaten once. Another one on the same database and world takes over."""
    guard._since.clear()
    world = world or MemoryWorld()
    file = place / "estate.yaml"
    if not file.exists():
        file.write_text(estate_text())
    trail = Trail(database, world.clock)
    lease = Lease(database, trail, name, seconds=900.0, call_seconds=call_seconds)
    lease.beat()
    outside = Outside(world, Intents(database, trail, lease), database)
    ports = outside.ports()
    visitor = Visitor(ports, KINDS, trail, lease)
    estates = Estates(file, trail, world.clock)
    planner = Planner(ports, database, world.clock)
    watch = Watch(estates, planner, trail)
    desk = Desk(estates, planner, trail, watch, proof=lambda _change: "")
    engine = Engine(visitor, workers=6)
    return House(world, outside, database, trail, lease, visitor, engine, estates, planner, watch, desk, file)


def edit(at: House, old: str, new: str) -> None:
    """Change the estate's file so that its reader notices."""
    import os

    text = at.estate_file.read_text()
    assert old in text
    at.estate_file.write_text(text.replace(old, new))
    stamp = at.estate_file.stat().st_mtime_ns + 1_000_000
    os.utime(at.estate_file, ns=(stamp, stamp))
