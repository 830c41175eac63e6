"""Commands: declared once with `@command`, parsed from type hints, served in Slack and in the terminal."""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Annotated, Any

import cyclopts

from bot.errors import UsageError
from bot.reply import Caller, Reply


@dataclass(frozen=True)
class Call:
    """Handed to a command beside its arguments: who typed it, its words, and the desk that it asks."""

    caller: Caller
    words: str
    desk: Any


Here = Annotated[Call, cyclopts.Parameter(parse=False)]
"""Type of the parameter through which a command gets its `Call`; keyword-only, never typed by people."""


@dataclass(frozen=True)
class CommandSpec:
    """A declared command: its name with the slash, one line on it, its arguments as people read them."""

    name: str
    summary: str
    usage: str
    examples: tuple[str, ...]
    run: Callable[..., Reply]
    app: cyclopts.App


COMMANDS: dict[str, CommandSpec] = {}

# Slack and phones turn plain quotes and double hyphens into typographic ones.
_PLAIN = str.maketrans({"“": '"', "”": '"', "„": '"', "‘": "'", "’": "'", "—": "--", "–": "-", "\u00a0": " "})


def command(
    name: str, *, usage: str, examples: Sequence[str] = (), registry: dict[str, CommandSpec] = COMMANDS
) -> Callable[[Callable[..., Reply]], Callable[..., Reply]]:
    """Declare a command. Its docstring's first line is the summary, its type hints the arguments."""

    def declare(function: Callable[..., Reply]) -> Callable[..., Reply]:
        app = cyclopts.App(name=name, help_flags=[], version_flags=[], result_action="return_value")
        app.default(function)
        summary = (inspect.getdoc(function) or "").split("\n", 1)[0]
        registry[name] = CommandSpec(name, summary, usage, tuple(examples), function, app)
        return function

    return declare


def execute(text: str, caller: Caller, desk: Any, registry: dict[str, CommandSpec] = COMMANDS) -> Reply:
    """Parse the words and run the command. Raises UsageError in plain words, or what the command raises."""
    name, _, rest = text.strip().translate(_PLAIN).partition(" ")
    spec = registry.get(name)
    if spec is None:
        raise UsageError(
            f"I do not know {name!r}.", not_done="", then=_nearest(name, registry) or "Try /signalbox help."
        )
    try:
        tokens = shlex.split(rest)
    except ValueError as error:
        raise UsageError("A quotation mark is not closed.", then=f"Usage: {name} {spec.usage}") from error
    function, bound = _parse(spec, tokens)
    call = Call(caller, text.strip(), desk)
    reply: Reply = function(*bound.args, **{**bound.kwargs, "call": call})
    return reply


def _parse(spec: CommandSpec, tokens: list[str]) -> tuple[Callable[..., Reply], inspect.BoundArguments]:
    usage = f"Usage: {spec.name} {spec.usage}"
    try:
        function, bound, _ = spec.app.parse_args(tokens, print_error=False, exit_on_error=False)
    except cyclopts.UnknownOptionError as error:
        word = error.token.keyword or error.token.value if error.token else "?"
        options = [o for o in spec.usage.replace("[", " ").replace("]", " ").split() if o.startswith("--")]
        raise UsageError(
            f"{spec.name} has no option {word!r}.", then=_nearest(word, options) or usage
        ) from error
    except cyclopts.MissingArgumentError as error:
        what = error.argument.name.lstrip("-").upper() if error.argument else "an argument"
        raise UsageError(f"{spec.name} needs {what}.", then=usage) from error
    except cyclopts.CoercionError as error:
        raise UsageError(f"{_one_line(error)}.", then=usage) from error
    except cyclopts.CycloptsError as error:
        raise UsageError(f"I could not read that: {_one_line(error)}", then=usage) from error
    return function, bound


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")


def _nearest(word: str, known: Sequence[str] | dict[str, CommandSpec]) -> str:
    near = get_close_matches(word, list(known), 1, cutoff=0.5)
    return f"Did you mean {near[0]}?" if near else ""
