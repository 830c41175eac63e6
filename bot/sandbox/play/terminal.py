"""Terminals in a scenario: `python -m bot …` as a person would type it, beside the bots and without Slack."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shlex
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bot.sandbox.bots import KEPT, die_with
from bot.sandbox.personas import PERSONAS
from bot.sandbox.play.control import Control, Unfulfilled

_NOT_YET = re.compile(r"No question is open|is no answer to what is open|nothing is asked")
_QUESTION = re.compile(r"^\s*\? .*$", re.MULTILINE)
_COMMAND = re.compile(r"> signalbox decide (\S+)")
END_SECONDS = 12.0  # real
_LATER_SECONDS = 0.5  # real


class Terminals:
    """Every terminal of a play; `show` gets each line that one prints."""

    def __init__(self, control: Control, show: Callable[[list[str]], None]) -> None:
        self._control = control
        self._show = show
        self._running: list[tuple[Process, asyncio.Task[None]]] = []

    async def run(self, user: str, command: str, *, within: float) -> str:
        """Type a command that stays: it runs on until the end of the play. Waits for its first answer."""
        process = await self._start(user, "run", command, "--as", _person(user))
        spoke = asyncio.Event()
        reading = asyncio.create_task(self._follow(process, user, spoke), name=f"terminal of {user}")
        self._running.append((process, reading))
        until = await self._control.now() + within
        while not spoke.is_set():
            if process.returncode is not None and reading.done():
                raise Unfulfilled(f"{user}'s terminal ended with {process.returncode} and no word")
            if await self._control.now() >= until:
                raise Unfulfilled(f"{user}'s terminal said nothing within {within:g} s")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(spoke.wait(), _LATER_SECONDS)
        if process.returncode:
            raise Unfulfilled(f"{user}'s terminal ended with {process.returncode}")
        return f"{user} types on a terminal: {command}"

    async def decide(self, user: str, what: Mapping[str, Any], *, within: float) -> str:
        """Answer the open question, as soon as there is one, and hold the exit code against what is expected."""
        choice, wanted = str(what["decide"]), int(what.get("expect", 0))
        until = await self._control.now() + within
        while True:
            named = await self._about(user, str(what["about"])) if "about" in what else [""]
            if named:
                words = [
                    *filter(None, named[:1]),
                    choice,
                    "--as",
                    _person(user),
                    "--key",
                    await self._key(user),
                ]
                words += ["--reason", str(what["reason"])] if "reason" in what else []
                code, told = await self._say(user, "decide", *words)
            else:
                code, told = 1, "No question is open about this."
            if not (code and _NOT_YET.search(told)) or await self._control.now() >= until:
                break
            await asyncio.sleep(_LATER_SECONDS)
        self._show([f"{user}$ {line}" for line in told.splitlines()[-3:]])
        last = told.splitlines()[-1] if told else ""
        if code != wanted:
            raise Unfulfilled(f"{user}'s {choice} exits with {code}, not {wanted}: {last}")
        return f"{user} decides on a terminal: {choice} ({last})"

    async def end(self) -> None:
        """Ctrl+C on every terminal that is still open, and the end of those that do not heed it."""
        for process, _ in self._running:
            if process.returncode is None:
                process.send_signal(signal.SIGINT)
        for process, reading in self._running:
            try:
                await asyncio.wait_for(process.wait(), END_SECONDS)
            except TimeoutError:
                process.kill()
                await process.wait()
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _about(self, user: str, pattern: str) -> list[str]:
        """Ids of the open questions whose words fit, newest change first."""
        _, told = await self._say(user, "questions")
        found = []
        starts = [match.start() for match in _QUESTION.finditer(told)]
        for start, stop in zip(starts, [*starts[1:], len(told)], strict=True):
            part = told[start:stop]
            command = _COMMAND.search(part)
            if command and re.search(pattern, part):
                found.append(command[1])
        return found

    async def _say(self, user: str, *words: str) -> tuple[int, str]:
        process = await self._start(user, *words)
        told = (await process.communicate())[0].decode(errors="replace").strip()
        return process.returncode or 0, told

    async def _follow(self, process: Process, user: str, spoke: asyncio.Event) -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            self._show([f"{user}$ {line.decode(errors='replace').rstrip()}"])
            spoke.set()

    async def _start(self, user: str, *words: str) -> Process:
        environment = Path((await self._described())["environment"])
        given = dict(line.split("=", 1) for line in shlex.split(environment.read_text()))
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bot", *words,
            env=kept | given | {"PYTHONUNBUFFERED": "1"},
            stdin=asyncio.subprocess.DEVNULL, stdout=PIPE, stderr=STDOUT,
            preexec_fn=die_with(os.getpid()),
        )  # fmt: skip

    async def _key(self, user: str) -> str:
        return str(Path((await self._described())["keys"]) / user)

    async def _described(self) -> dict[str, Any]:
        return await self._control.get("/control/sandbox")


def _person(user: str) -> str:
    if user not in PERSONAS:
        raise Unfulfilled(f"there is nobody called {user!r}; personas: {', '.join(PERSONAS)}")
    return PERSONAS[user].id
