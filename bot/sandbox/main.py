"""`signalbox sandbox`: start the world, say when it is ready, play a scenario if asked, end it all."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import signal
import sys
import tempfile
from pathlib import Path

from bot.sandbox.play import Result, Scenario, ScenarioError, load, play


def main(argv: list[str]) -> int:
    """Run until SIGTERM or SIGINT, or to the end of a scenario; returns the exit code.

    0 ended as asked, or every expectation of the scenario holds; 1 one does not; 2 could not start.
    """
    asked = _parser().parse_args(argv)
    try:
        scenario = load(asked.play) if asked.play else None
    except (ScenarioError, OSError) as error:
        print(f"signalbox sandbox: {error}", file=sys.stderr)
        return 2
    with contextlib.ExitStack() as ending:
        state = asked.state or Path(ending.enter_context(tempfile.TemporaryDirectory(prefix="signalbox-")))
        return asyncio.run(_run(asked, scenario, state))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="signalbox sandbox", description="The whole world on loopback: Slack, AWS, clusters, customers."
    )
    parser.add_argument("--port", type=int, default=8300, help="the console's port, 0 for a free one")
    parser.add_argument("--state", type=Path, help="where state and logs stay; temporary unless told")
    parser.add_argument("--bots", type=int, help="how many bots to run (default 1)")
    parser.add_argument("--database", help="the bots' database URL (default SQLite in the state directory)")
    parser.add_argument("--speed", type=float, help="simulated seconds per real second (default 1)")
    parser.add_argument("--play", metavar="NAME|FILE", help="play a scenario and exit")
    parser.add_argument("--json", action="store_true", help="the scenario's result as JSON")
    parser.add_argument(
        "--http", action="store_true", help="Slack calls the bot by HTTP instead of Socket Mode"
    )
    parser.add_argument(
        "--routing", choices=("stop", "arc"), default="stop", help="what takes customers off a Region"
    )
    return parser


async def _run(asked: argparse.Namespace, scenario: Scenario | None, state: Path) -> int:
    from bot.sandbox.console import application
    from bot.sandbox.world import Options, World

    speed = asked.speed or (scenario.speed if scenario else 1.0)
    bots = asked.bots if asked.bots is not None else 1
    port = asked.port if scenario is None or asked.port != 8300 else 0
    state.mkdir(parents=True, exist_ok=True)
    # Connections to dark Regions break all the time: that is for the log, not for the audience.
    logging.basicConfig(filename=state / "sandbox.log", level=logging.WARNING)
    world = World(Options(state, port, bots, asked.database, speed, asked.http, asked.routing))
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, over.set)
    starting = asyncio.create_task(world.start(application(world)))
    waiting = asyncio.create_task(over.wait())
    await asyncio.wait({starting, waiting}, return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        return 0
    if problem := starting.exception():
        waiting.cancel()
        print(f"signalbox sandbox: {problem}", file=sys.stderr)
        return 2
    try:
        print(f"ready {world.console}", file=sys.stderr if asked.json else sys.stdout, flush=True)
        if scenario is None:
            await waiting
            return 0
        playing = asyncio.create_task(play(scenario, world.console, as_json=asked.json))
        await asyncio.wait({playing, waiting}, return_when=asyncio.FIRST_COMPLETED)
        return await _outcome(playing)
    finally:
        waiting.cancel()
        await world.stop()


async def _outcome(playing: asyncio.Task[Result]) -> int:
    if not playing.done():
        playing.cancel()
        await asyncio.gather(playing, return_exceptions=True)
        return 1
    return 0 if playing.result().ok else 1
