"""A replica of the engine as its own process, over a world of files: what tests kill, pause and start again.

Usage: python replica.py DATABASE_URL WORLD_DIR. The world: `marks/NAME` exists when a thing is done, and
`effects.log` has a line for each time that it was done.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any, cast

from bot.act import current
from bot.action import Action
from bot.clock import SystemClock
from bot.engine.drive import Engine
from bot.engine.lease import Lease
from bot.engine.register import Intents
from bot.engine.visit import Visitor
from bot.ports import Ports
from bot.store.database import Database
from bot.trail.append import Trail
from bot.verdict import failed, passed

LEASE_SECONDS, CALL_SECONDS = 2.5, 1.0


def kinds(world: Path, intents: Intents) -> dict[str, Action]:
    """Two verbs: `mark` does a thing once it is seen not done, `never` is never seen done."""

    def apply(_ports: Ports, args: dict[str, Any]) -> None:
        token = intents.intent("world", "Mark", "here", {"name": args["name"]})
        time.sleep(0.05)
        with (world / "effects.log").open("a") as log:
            log.write(f"{args['name']} {current().run} {os.getpid()}\n")
        (world / "marks" / args["name"]).touch()
        time.sleep(0.05)
        intents.outcome(token, ok=True, request_id="r")

    def seen(_args: dict[str, Any], found: dict[str, Any]) -> Any:
        return passed("marked") if found["marked"] else failed("not marked")

    def observe(_ports: Ports, args: dict[str, Any]) -> dict[str, Any]:
        return {"marked": (world / "marks" / args["name"]).exists()}

    mark = Action("mark@1", observe, seen, lambda a: f"Mark {a['name']}", apply, timeout=60, poll=1, tries=9)
    never = Action(
        "never@1",
        lambda _p, _a: {},
        lambda _a, _s: failed("cannot"),
        lambda _a: "Never",
        None,
        timeout=1,
        poll=1,
    )
    return {"mark@1": mark, "never@1": never}


def engine(url: str, world: Path, name: str) -> Engine:
    """An engine over this world."""
    database = Database(url)
    clock = SystemClock()
    trail = Trail(database, clock)
    lease = Lease(database, trail, name, LEASE_SECONDS, CALL_SECONDS)
    ports = Ports(**{**dict.fromkeys(Ports.__dataclass_fields__, cast("Any", None)), "clock": clock})
    visitor = Visitor(ports, kinds(world, Intents(database, trail, lease)), trail, lease)
    return Engine(visitor, beat_seconds=0.5)


def main() -> None:
    running = engine(sys.argv[1], Path(sys.argv[2]), f"replica-{os.getpid()}-{time.time_ns()}")
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    running.start()
    print("started", flush=True)
    ended.wait()
    running.stop()


if __name__ == "__main__":
    main()
