"""The bots: processes of their own, configured through the environment exactly as in production."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp

KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "PYTHONPATH", "SYSTEMROOT")
TERM_SECONDS = 8.0
_PR_SET_PDEATHSIG = 1
DOINGS = ("kill", "stop", "cont", "start")


def die_with(parent: int) -> Callable[[], None] | None:
    """What a child runs before its program, so that it is killed when `parent` ends, however that ends.

    prctl(2), PR_SET_PDEATHSIG: Linux only, None elsewhere. SIGKILL also ends a stopped child.
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl  # looked up here: a forked child had better only call

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it ended in between, and no signal will come
            os._exit(1)

    return ask


class Bot:
    """One replica of the bot, `python -m bot serve`."""

    def __init__(self, index: int, state: Path, health_port: int, environment: Mapping[str, str]) -> None:
        self.index = index
        self.health = f"http://127.0.0.1:{health_port}/ready"
        self.log = state / f"bot-{index}.log"
        home = state / f"bot-{index}"
        home.mkdir(parents=True, exist_ok=True)
        # Nothing of the caller's environment but what Python needs: no proxies, no real credentials.
        self._environment = {name: os.environ[name] for name in KEPT if name in os.environ} | {
            **environment,
            "SIGNALBOX_STATE": str(home),
            "SIGNALBOX_HEALTH_PORT": str(health_port),
            "PYTHONUNBUFFERED": "1",
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped = False

    @property
    def pid(self) -> int | None:
        """Process id while it lives."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self) -> None:
        """Start it unless it runs."""
        if self.pid is None:
            with self.log.open("ab") as log:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "bot", "serve"],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=self._environment,
                    preexec_fn=die_with(os.getpid()),  # noqa: PLW1509 - two system calls, no lock is taken
                )
            self._stopped = False

    def do(self, what: str) -> None:
        """Do one of kill (SIGKILL), stop and cont (SIGSTOP, SIGCONT), start. Raises ValueError."""
        if what not in DOINGS:
            raise ValueError(f"a bot can {', '.join(DOINGS)}; not {what!r}")
        if what == "start":
            self.start()
        elif self._process and self.pid is not None:
            number = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP, "cont": signal.SIGCONT}[what]
            self._process.send_signal(number)
            self._stopped = {"kill": False, "stop": True, "cont": False}[what]
            if what == "kill":
                self._process.wait()

    def told(self) -> dict[str, Any]:
        """Index, pid, state (running, stopped, dead), health address and log of this bot."""
        state = "dead" if self.pid is None else "stopped" if self._stopped else "running"
        return {
            "index": self.index,
            "pid": self.pid,
            "state": state,
            "health": self.health,
            "log": str(self.log),
        }

    async def ready(self, seconds: float) -> None:
        """Wait until its health endpoint says so. Raises RuntimeError when it dies or takes longer."""
        until = time.monotonic() + seconds
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as session:
            while time.monotonic() < until:
                if self.pid is None:
                    raise RuntimeError(f"bot {self.index} ended while starting:\n{self._last_words()}")
                try:
                    async with session.get(self.health) as response:
                        if response.status == 200:
                            return
                except (aiohttp.ClientError, TimeoutError):
                    pass
                await asyncio.sleep(0.05)
        raise RuntimeError(f"bot {self.index} is not ready after {seconds:.0f} s:\n{self._last_words()}")

    def _last_words(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])


async def end(bots: Sequence[Bot]) -> None:
    """SIGTERM to all, SIGKILL to those that do not end in time."""
    living = [bot._process for bot in bots if bot._process and bot.pid is not None]
    for process in living:
        process.send_signal(signal.SIGCONT)
        process.terminate()
    await asyncio.gather(*(asyncio.to_thread(_reap, process) for process in living))


def _reap(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(TERM_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]
