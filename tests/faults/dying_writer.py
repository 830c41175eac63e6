"""Writes and seals a trail, and is killed at its n-th write to the database. `python dying_writer.py FOLDER`.

For each n from 1 on a child is forked that dies by SIGKILL at the n-th writing statement (before and after it) or
commit, until one lives to the end. Prints JSON, one line a child: how it ended and which rows it was told were written.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

from sqlalchemy import event

from bot.clock import SystemClock
from bot.store.database import Database
from bot.store.migrate import migrate
from bot.trail.append import Trail
from bot.trail.checkpoint import Checkpointer, Keyring
from bot.trail.event import Event, Name
from bot.world.signing import FileKey

ROWS = (1, 40, 3)


def write(folder: Path, number: int, told: Path) -> None:
    """One life: some rows, a seal, more rows, a seal; `told` gets what was acknowledged."""
    database = Database(f"sqlite:///{folder}/trail.db")
    trail = Trail(database, SystemClock(), chain="signalbox/dying")
    checkpointer = Checkpointer(trail, Keyring(FileKey(folder / "signing.key")))
    steps = 0

    def step(*told: object, **_: object) -> None:
        nonlocal steps
        steps += not (len(told) > 2 and str(told[2]).lstrip().upper().startswith(("SELECT", "PRAGMA")))
        if steps == number:
            os.kill(os.getpid(), signal.SIGKILL)

    for name in ("before_cursor_execute", "after_cursor_execute", "commit"):
        event.listen(database.engine, name, step)
    for count in ROWS:
        trail.note(*(Event(name=Name.BOT_HEARTBEAT, detail={"life": number, "n": n}) for n in range(count)))
        with told.open("a") as file:
            file.write(f"{number} {count}\n")
        checkpointer.seal()
    database.close()


def main() -> None:
    """Fork one child after the other."""
    folder = Path(sys.argv[1])
    database = Database(f"sqlite:///{folder}/trail.db")
    migrate(database)
    database.close()
    number, status = 0, -1
    while status != 0:
        number += 1
        child = os.fork()
        if child == 0:
            write(folder, number, folder / "told")
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(json.dumps({"number": number, "status": os.waitstatus_to_exitcode(status)}), flush=True)


if __name__ == "__main__":
    main()
