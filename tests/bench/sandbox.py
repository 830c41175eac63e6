"""A sandbox of the bench's own: started as people start it, spoken to through its console, ended with it."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

ROOT = Path(__file__).parents[2]
READY_WITHIN_SECONDS = 60.0
END_WITHIN_SECONDS = 20.0


class Broken(Exception):
    """What was to be measured did not happen: no figure, and the bench fails."""


@dataclass
class Sandbox:
    """A running sandbox. `ready_seconds` is from the process's start to its line "ready"."""

    process: subprocess.Popen[str]
    state: Path
    console: str
    ready_seconds: float

    def __post_init__(self) -> None:
        self._http = httpx.Client(base_url=self.console, timeout=30, trust_env=False)

    @property
    def database(self) -> Path:
        """The bot's database."""
        return self.state / "signalbox.db"

    @property
    def slack_api(self) -> str:
        """Base address of the stand-in's Web API."""
        return f"{self.console}/api/"

    def get(self, path: str, **query: str) -> dict[str, Any]:
        answer: dict[str, Any] = self._http.get(f"/control/{path}", params=query).json()
        return answer

    def post(self, path: str, **body: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self._http.post(f"/control/{path}", json=body).json()
        return answer

    def delete(self, path: str) -> None:
        self._http.delete(f"/control/{path}")

    def command(self, text: str, user: str = "oncall") -> dict[str, Any]:
        return self.post("command", user=user, channel="ops", text=text)

    def click(self, ts: str, action: str, user: str = "lead") -> dict[str, Any]:
        return self.post("click", user=user, channel="ops", ts=ts, action=action)

    def cards(self, action: str, thread: str = "") -> list[dict[str, Any]]:
        """The channel's (or a thread's) messages that have this button, oldest first."""
        shown = self.get("messages", channel="ops", thread_ts=thread)["messages"]
        return [m for m in shown if f'"action_id": "{action}"' in json.dumps(m.get("blocks"))]

    def bot(self, what: str) -> None:
        """Do kill, stop, cont or start to the bot."""
        self.post("bots/0", do=what)

    def bot_ready(self) -> bool:
        """Whether the bot's heart beats and it is connected to Slack."""
        health = str(self.get("bots")["bots"][0]["health"])
        try:
            return httpx.get(health, timeout=2, trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False

    def bot_log(self) -> str:
        """Its last words that tell of trouble, for a bench that does not get on."""
        lines = Path(self.get("bots")["bots"][0]["log"]).read_text(errors="replace").splitlines()
        return " | ".join(line[:600] for line in lines if '"level": "error"' in line)[-3000:]

    def close(self) -> None:
        self._http.close()
        end(self.process)


@contextmanager
def sandbox(state: Path, *, speed: float = 10.0) -> Iterator[Sandbox]:
    """A sandbox with one bot, ended at the end. Raises Broken when it does not get ready."""
    process, console, seconds = launch("--state", str(state), "--speed", str(speed))
    try:
        running = Sandbox(process, state, console, seconds)
        yield running
        running.close()
    finally:
        end(process)


def launch(*more: str) -> tuple[subprocess.Popen[str], str, float]:
    """Start one; returns the process, its console's address and the seconds until it was ready."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "bot", "sandbox", "--port", "0", "--bots", "1", *more],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    while time.perf_counter() - started < READY_WITHIN_SECONDS:
        if select.select([process.stdout], [], [], 0.5)[0]:
            line = process.stdout.readline()
            if line.startswith("ready "):
                return process, line.split()[1], time.perf_counter() - started
            if not line:
                break
    end(process)
    raise Broken(f"the sandbox was not ready within {READY_WITHIN_SECONDS:.0f} s, exit {process.returncode}")


def end(process: subprocess.Popen[str]) -> None:
    """End a process that the bench started; a sandbox ends what it started itself."""
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(END_WITHIN_SECONDS)
    except subprocess.TimeoutExpired:
        for child in psutil.Process(process.pid).children(recursive=True):
            child.kill()
        process.kill()
        process.wait()


def resident(pid: int) -> int:
    """Bytes resident in this process and all below it; 0 when it has ended."""
    try:
        root = psutil.Process(pid)
        tree = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    total = 0
    for each in tree:
        try:
            total += each.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


def until(
    condition: Callable[[], Any], what: str | Callable[[], str], seconds: float = 30.0, every: float = 0.05
) -> Any:
    """The first true answer of `condition`. Raises Broken after `seconds`."""
    ends = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > ends:
            raise Broken(f"not within {seconds:.0f} s: {what if isinstance(what, str) else what()}")
        time.sleep(every)
    return found
