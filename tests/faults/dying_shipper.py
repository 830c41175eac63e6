"""Ships a trail to S3, and is killed at its n-th step of shipping. `python dying_shipper.py FOLDER ARCHIVE REGION`.

For each n from 1 on a child is forked that writes a few rows, seals them, ships, and dies by SIGKILL before or after
the n-th call to the archive or before the n-th commit, until one lives to the end. Prints how each ended.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import event

from bot.clock import SystemClock
from bot.store.database import Database
from bot.store.migrate import migrate
from bot.trail.append import Trail
from bot.trail.checkpoint import Checkpointer, Keyring
from bot.trail.event import Event, Name
from bot.trail.ship import Shipper
from bot.vault import Archive, Held, Locking, Stored
from bot.world.signing import FileKey
from bot.world.vault import open_archive


class Watched:
    """An archive whose calls are counted, before and after each."""

    def __init__(self, archive: Archive, step: Callable[[], None]) -> None:
        self._archive, self._step = archive, step
        self.where = archive.where

    def put(self, key: str, body: bytes) -> str:
        self._step()
        answer = self._archive.put(key, body)
        self._step()
        return answer

    def versions(self, prefix: str = "", *, after: str = "") -> Iterator[Stored]:
        self._step()
        return self._archive.versions(prefix, after=after)

    def locking(self) -> Locking:
        return self._archive.locking()

    def read(self, key: str, version: str = "") -> Held:
        self._step()
        return self._archive.read(key, version)


def live(folder: Path, number: int, archive: Archive) -> None:
    """One life."""
    database = Database(f"sqlite:///{folder}/trail.db")
    trail = Trail(database, SystemClock(), chain="signalbox/dying")
    trail.note(*(Event(name=Name.BOT_HEARTBEAT, detail={"life": number, "n": n}) for n in range(3)))
    Checkpointer(trail, Keyring(FileKey(folder / "signing.key"))).seal()
    steps = 0

    def step(*_: Any) -> None:
        nonlocal steps
        steps += 1
        if steps == number:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(database.engine, "commit", step)
    shipper = Shipper(trail, Watched(archive, step))  # type: ignore[arg-type]
    while shipper.ship_once():
        pass
    database.close()


def main() -> None:
    """Fork one child after the other."""
    folder, archive = Path(sys.argv[1]), open_archive(sys.argv[2], sys.argv[3])
    list(archive.versions())  # its client is made once, before the first fork
    database = Database(f"sqlite:///{folder}/trail.db")
    migrate(database)
    database.close()
    number, status = 0, -1
    while status != 0:
        number += 1
        child = os.fork()
        if child == 0:
            live(folder, number, archive)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)
        if os.waitstatus_to_exitcode(status) > 0:
            sys.exit("a life ended by an error instead of a kill")


if __name__ == "__main__":
    main()
