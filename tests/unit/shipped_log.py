"""A trail with a key and an archive in memory, and what tests ask of them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from hand_clock import HandClock
from sqlmodel import select

from bot.errors import Unreachable
from bot.store.database import Database
from bot.store.tables import Anchor, CheckpointRow, Entry, Head
from bot.trail.append import LOG, Trail
from bot.trail.checkpoint import Checkpointer, Keyring
from bot.trail.event import Event, Name
from bot.trail.ship import Shipper
from bot.vault import Held, Locking, Stored
from bot.world.signing import FileKey

CHAIN = "signalbox/test"
YEAR = 365 * 86400


class MemoryArchive:
    """Keeps every version. `fail_at` is the number of the call that gets no answer, `late` whether it was done."""

    where = "memory://archive"

    def __init__(self, clock: HandClock, fail_at: int = -1, *, late: bool = False) -> None:
        self.clock, self.fail_at, self.late = clock, fail_at, late
        self.kept: dict[str, list[bytes]] = {}
        self.times: dict[tuple[str, int], float] = {}
        self.calls: list[str] = []
        self.dark = False
        self._lock = threading.Lock()

    def put(self, key: str, body: bytes) -> Literal["stored", "exists"]:
        self._arrives(f"put {key}", first=True)
        with self._lock:
            if key in self.kept:
                return "exists"
            self.force(key, body)
        self._arrives(f"put {key}", first=False)
        return "stored"

    def force(self, key: str, body: bytes) -> None:
        """As somebody else would: a further version."""
        self.kept.setdefault(key, []).append(body)
        self.times[key, len(self.kept[key]) - 1] = self.clock.now()

    def versions(self, prefix: str = "", *, after: str = "") -> Iterator[Stored]:
        self._arrives(f"list {prefix}", first=True)
        for key in sorted(self.kept):
            if key.startswith(prefix) and key > after:
                for number, body in enumerate(self.kept[key]):
                    latest = number == len(self.kept[key]) - 1
                    yield Stored(key, str(number), self.times[key, number], len(body), latest)

    def read(self, key: str, version: str = "") -> Held:
        self._arrives(f"read {key}", first=True)
        number = int(version or len(self.kept[key]) - 1)
        at = self.times[key, number]
        return Held(self.kept[key][number], at, "COMPLIANCE", at + YEAR)

    def locking(self) -> Locking:
        return Locking("us-east-2", enabled=True, mode="COMPLIANCE", days=400, versioned=True)

    def _arrives(self, call: str, *, first: bool) -> None:
        if first:
            self.calls.append(call)
        if self.dark or (len(self.calls) - 1 == self.fail_at and first is not self.late):
            raise Unreachable("AWS does not answer: s3.")

    def content(self) -> dict[str, bytes]:
        """The first version of everything."""
        return {key: versions[0] for key, versions in self.kept.items()}


class Log:
    """A trail, its checkpointer, and its shipper."""

    def __init__(self, database: Database, clock: HandClock, home: Path, chain: str = CHAIN) -> None:
        self.database, self.clock = database, clock
        self.trail = Trail(database, clock, chain=chain)
        self.checkpointer = Checkpointer(self.trail, Keyring(FileKey(home / "signing.key")))
        self.archive = MemoryArchive(clock)
        self.shipper = self.another()

    def another(self, archive: MemoryArchive | None = None, **more: Any) -> Shipper:
        """The shipper of another process."""
        return Shipper(self.trail, archive or self.archive, **more)

    def write(self, *counts: int) -> None:
        """Rows, and a checkpoint after each of these numbers of them."""
        for count in counts:
            self.trail.note(*(Event(name=Name.BOT_HEARTBEAT, detail={"n": n}) for n in range(count)))
            self.checkpointer.seal()

    def anchor(self) -> Anchor:
        with self.database.read() as session:
            head = session.get_one(Head, LOG)
            return session.get_one(Anchor, head.origin)

    def waiting(self) -> int:
        """How many checkpoints are not marked as shipped."""
        with self.database.read() as session:
            return len(
                session.exec(select(CheckpointRow).where(CheckpointRow.shipped_at.is_(None))).all()  # type: ignore[union-attr]
            )

    def bodies(self) -> list[bytes]:
        with self.database.read() as session:
            return list(session.exec(select(Entry.body).order_by(Entry.seq)))

    def told(self, name: Name) -> list[dict[str, Any]]:
        """The details of all events of this name."""
        with self.database.read() as session:
            rows = session.exec(select(Entry.body).where(Entry.name == name).order_by(Entry.seq))
            return [json.loads(body)["unmapped"]["detail"] for body in rows]
