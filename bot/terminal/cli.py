"""`signalbox`: serve, run, decide, verify, doctor, sandbox, … Each imports only what it needs."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import cyclopts
from cyclopts import Parameter
from pydantic import ValidationError

from bot.errors import SignalboxError
from bot.logs import configure
from bot.settings import Settings
from bot.terminal import answering, auditing  # noqa: F401 - declare their commands
from bot.terminal.app import USAGE, Wired, Wiring, app
from bot.terminal.decide import print_questions
from bot.terminal.live import follow_change, run_command
from bot.terminal.words import console


def main(wiring: Wiring, words: list[str]) -> int:
    """Run one command; returns its exit code. People's mistakes end in words, never in a stack trace."""
    if words[:1] == ["sandbox"]:
        return _sandbox(words[1:])
    try:
        function, bound, unparsed = app.parse_args(words, exit_on_error=False, print_error=True)
        code = function(*bound.args, **bound.kwargs, **dict.fromkeys(unparsed, wiring))
    except cyclopts.CycloptsError:
        return USAGE
    except SignalboxError as error:
        print(error, file=sys.stderr)
        return 1
    except ValidationError as error:
        for wrong in error.errors():
            print(f"Setting {'.'.join(map(str, wrong['loc']))}: {wrong['msg']}.", file=sys.stderr)
        return USAGE
    except KeyboardInterrupt:
        return 130
    return code if isinstance(code, int) else 0


@app.command
def serve(*, wiring: Wired) -> int:
    """Run one replica: Slack, engine, health endpoint. Configured by the environment."""
    settings = Settings()
    configure(settings.log_level)
    return wiring.serve(settings)


@app.command
def run(
    command: str,
    *,
    person: Annotated[str, Parameter(name="--as", env_var="SIGNALBOX_PERSON")],
    no_wait: Annotated[bool, Parameter(negative="")] = False,
    stay: bool | None = None,
    wiring: Wired,
) -> int:
    """Run a command such as "/failover us-west-2" without Slack, on the same database.

    Args:
        command: the words that one would type in Slack, in quotation marks.
        person: who you are: your id under `people:` in the estate.
        no_wait: do not wait for the end; another replica drives the run.
        stay: stay until standing steps are done, too; unless told, only when no `signalbox serve` is alive.
    """
    configure("error")
    return run_command(wiring.build(Settings()), command, person, wait=not no_wait, stay=stay)


@app.command
def follow(change: str = "", *, stay: bool | None = None, wiring: Wired) -> int:
    """Follow a change that was asked for elsewhere, and drive it if nobody else does.

    Args:
        change: its id; unless told, the newest one that is open.
        stay: stay until standing steps are done, too; unless told, only when no `signalbox serve` is alive.
    """
    configure("error")
    return follow_change(wiring.build(Settings()), change, stay=stay)


@app.command
def questions(*, wiring: Wired) -> int:
    """List the open questions, who may answer them and what to type."""
    configure("error")
    desk = wiring.build(Settings()).desk
    try:
        return print_questions(console(), desk)
    finally:
        desk.database.close()


@app.command
def doctor(*, as_json: Annotated[bool, Parameter(name="--json", negative="")] = False, wiring: Wired) -> int:
    """Check the configuration and what it reaches; changes nothing. Exit code 1 when something is wrong."""
    from bot.terminal.doctor import examine, role

    settings = Settings()
    found = [*examine(settings, wiring.archive, wiring.kms_key), *role(settings, wiring.assumed)]
    if as_json:
        print(json.dumps([{"check": c.name, "ok": c.ok, "says": c.says} for c in found], indent=2))
    else:
        for check in found:
            print(f"{'ok     ' if check.ok else 'WRONG  '} {check.name}: {check.says}")
    return 0 if all(check.ok for check in found) else 1


@app.command
def manifest(*, wiring: Wired) -> int:
    """Print the Slack app's manifest as JSON: paste it when creating the app."""
    print(json.dumps(wiring.manifest(), indent=2))
    return 0


@app.command
def estate(path: Path) -> int:
    """Check an estate file and print its digest."""
    from bot.estate_file import read_estate

    found = read_estate(path)
    print(
        f"{path}: good. {len(found.services)} services, {len(found.regions)} Regions, digest {found.digest}"
    )
    return 0


@app.command
def sandbox() -> None:
    """The whole world on one machine: see `signalbox sandbox --help`."""


def _sandbox(words: list[str]) -> int:
    try:
        from bot.sandbox.main import main as play
    except ImportError as error:
        print(
            f"The sandbox is not installed ({error.name} is missing): pip install 'signalbox[sandbox]'.",
            file=sys.stderr,
        )
        return USAGE
    return play(words)
