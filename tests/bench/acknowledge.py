"""Acknowledgements of `/failover` with fifty typed at once: the real bot against a bare Bolt app.

Both are asked through the same stand-in for Slack and take turns: while one serves, the other is stopped (the
bot) or not there (the bare app), so neither is measured on a machine that is busy with the other.
"""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import aiohttp

from bot.slack.intake import STALL_SECONDS
from tests.bench.bare_app import ANSWER
from tests.bench.figures import Figure, Form, median, ms, quantile
from tests.bench.sandbox import ROOT, Broken, Sandbox, end, until

COMMAND = "/failover us-west-2 --dry-run"
PEOPLE = ("oncall", "oncall2", "lead", "lead2", "lead3")
ANSWERED = ("change:plan:shown", "person:command:refused")
LONGEST_SECONDS, RATIO = 3.0, 1.5


def measure(here: Sandbox, form: Form) -> list[Figure]:
    """Take turns, and compare."""
    bot: list[list[float]] = []
    bare: list[list[float]] = []
    with _bare_app(here, form) as take_over:
        for turn in range(form.bursts + 1):
            found = _bot_turn(here, form.burst)
            with take_over():
                floor = asyncio.run(_burst(here, form.burst, bare=True))
            if turn or form.short:  # the first one warms both up
                bot.append(found)
                bare.append(floor)
    ours, floors = list(itertools.chain(*bot)), list(itertools.chain(*bare))
    ratio = median(ours) / median(floors)
    what = f"{form.bursts} × {form.burst} at once"
    return [
        Figure(
            "Ack of /failover, the slowest of all",
            ms(max(ours)),
            f"≤ {LONGEST_SECONDS:.0f} s",
            max(ours) <= LONGEST_SECONDS,
            ms(max(floors)),
            max(ours) / max(floors),
            how=f"`{COMMAND}`, {what}, to `signalbox serve` in a sandbox; floor: a bare Bolt app there",
        ),
        Figure(
            "Ack of /failover, p50",
            ms(median(ours)),
            f"≤ {RATIO} × bare Bolt",
            ratio <= RATIO,
            ms(median(floors)),
            ratio,
            how="the same bursts; the stand-in for Slack measures both, from sending to the answer, and they"
            f" take turns; burst by burst {_pairs(bot, bare)}",
        ),
        Figure("Ack of /failover, p99", ms(quantile(ours, 0.99)), floor=ms(quantile(floors, 0.99)),
               ratio=quantile(ours, 0.99) / quantile(floors, 0.99), how="the same bursts"),
    ]  # fmt: skip


def _pairs(bot: list[list[float]], bare: list[list[float]]) -> str:
    return ", ".join(f"{ms(median(b))} : {ms(median(f))}" for b, f in zip(bot, bare, strict=True))


def _bot_turn(here: Sandbox, count: int) -> list[float]:
    answered = _answered(here)
    found = asyncio.run(_burst(here, count, bare=False))
    # The work behind the commands must not weigh on whoever is measured next.
    until(
        lambda: _answered(here) >= answered + count,
        lambda: f"every command is answered; {_answered(here) - answered} of {count} were; {here.bot_log()}",
        120,
        0.2,
    )
    return found


def _answered(here: Sandbox) -> int:
    with closing(sqlite3.connect(f"file:{here.database}?mode=ro", uri=True)) as database:
        query = "select count(*) from entry where name in (?, ?)"
        return int(database.execute(query, ANSWERED).fetchone()[0])


async def _burst(here: Sandbox, count: int, *, bare: bool) -> list[float]:
    """Seconds of each acknowledgement, as the stand-in for Slack took them."""
    async with aiohttp.ClientSession(here.console, connector=aiohttp.TCPConnector(limit=0)) as session:

        async def ask(path: str, **body: Any) -> dict[str, Any]:
            send = session.post(path, json=body) if body else session.get(path)
            async with send as answer:
                told: dict[str, Any] = await answer.json()
                return told

        # Connections first, so that the commands come at once and not as fast as connections open.
        await asyncio.gather(*(ask("/control/clock") for _ in range(count)))
        people = itertools.cycle(PEOPLE)
        told = await asyncio.gather(
            *(ask("/control/command", user=next(people), channel="ops", text=COMMAND) for _ in range(count))
        )
    if wrong := [t for t in told if not t.get("ok") or (t.get("response") == ANSWER) != bare]:
        raise Broken(f"{len(wrong)} of {count} commands were not acknowledged as expected: {wrong[0]}")
    return [float(t["ack_ms"]) / 1000 for t in told]


@contextmanager
def _bare_app(here: Sandbox, form: Form) -> Iterator[Any]:
    """Gives a block in which the bare app serves instead of the bot."""

    @contextmanager
    def take_over() -> Iterator[None]:
        here.bot("stop")
        fault = here.post("faults", kind="slack-drop-socket")["id"]
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.bare_app", here.slack_api],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT,
        )  # fmt: skip
        try:
            assert process.stdout is not None
            if process.stdout.readline() != "connected\n":
                raise Broken("the bare Bolt app did not connect")
            asyncio.run(_burst(here, form.burst, bare=True))  # it has just begun: warm it up
            yield
        finally:
            end(process)
            here.delete(f"faults/{fault}")
            here.bot("cont")
            until(here.bot_ready, "the bot is connected again", 30)
            # A process that stood still takes what it reads next for late, and refuses to act on it.
            time.sleep(2 * STALL_SECONDS)

    yield take_over
