"""How soon a sandbox is ready on two cores, and how much memory all of its processes hold."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.bench.figures import Figure, Form
from tests.bench.sandbox import Broken, end, launch, resident

READY_SECONDS, MEMORY_BYTES, CORES = 15.0, 2**30, 2
PLAY_WITHIN_SECONDS = 300.0
PLAY = ("--play", "failover", "--speed", "10")
MIB = 2**20


def measure(form: Form) -> list[Figure]:
    """Start sandboxes one after another; in the last one the failover is played."""
    ready: list[float] = []
    memory: dict[str, int] = {}
    with _on_cores(CORES):
        for number in range(form.starts):
            play = form.play and number == form.starts - 1
            with tempfile.TemporaryDirectory() as state:
                process, _, seconds = launch("--state", state, *(PLAY if play else ()))
                try:
                    ready.append(seconds)
                    memory["ready"] = max(memory.get("ready", 0), resident(process.pid))
                    if play:
                        memory |= _play(process)
                finally:
                    end(process)
    largest = max(memory.values())
    return [
        Figure(
            "Sandbox ready, the slowest start",
            f"{max(ready):.1f} s",
            f"≤ {READY_SECONDS:.0f} s on {CORES} cores",
            max(ready) <= READY_SECONDS,
            how=f"from starting the process to its line “ready”, one bot; {len(ready)} starts: "
            + ", ".join(f"{seconds:.1f} s" for seconds in ready),
        ),
        Figure(
            "Sandbox, memory of all processes",
            f"{largest / MIB:.0f} MiB",
            "≤ 1024 MiB",
            largest <= MEMORY_BYTES,
            how="resident, shared pages counted in each process; "
            + ", ".join(f"{when} {size / MIB:.0f} MiB" for when, size in memory.items()),
        ),
    ]


def _play(process: subprocess.Popen[str]) -> dict[str, int]:
    """Watch a scenario to its end. Raises Broken when it does not go as it should."""
    sizes: list[int] = []
    ends = time.monotonic() + PLAY_WITHIN_SECONDS
    assert process.stdout is not None
    # Nobody looks at its view here, but the pipe must not fill up.
    threading.Thread(target=process.stdout.read, daemon=True).start()
    while process.poll() is None:
        sizes.append(resident(process.pid))
        if time.monotonic() > ends:
            raise Broken(f"the failover was not played within {PLAY_WITHIN_SECONDS:.0f} s")
        time.sleep(0.2)
    if process.returncode != 0:
        raise Broken(f"the failover's expectations did not hold: exit {process.returncode}")
    # The last looks fall into the ending, when processes go one by one.
    return {"at most during a played failover": max(sizes), "shortly before its end": sizes[-15:][0]}


@contextmanager
def _on_cores(count: int) -> Iterator[None]:
    """What is started within may use so many cores; where there are no more anyway, nothing changes."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(allowed)[:count])
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)
