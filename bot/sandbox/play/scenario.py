"""The format of scenarios: a YAML file with a story and steps.

Top level: `story` (a sentence), `speed` (simulated seconds per real one), `steps`. A step is a mapping with
exactly one of these verbs; times are simulated seconds:

- `say: TEXT` tells the audience what happens next
- `wait: SECONDS` · `advance: SECONDS` (the calendar jumps)
- `fault: {kind, ...}` with `as: NAME` · `clear: NAME`
- `command: {user, text, channel}` · `message: {user, text, channel, thread: NAME}`
- `click: {user, message: NAME, action}` an action_id or the button's visible text
- `bots: {index, do}` with do = kill, stop, cont or start
- `by_hand: {do, ...}` somebody does something past Signalbox, see `hands.py`
- `terminal: {user, run}` types a command at a terminal, which stays open until the end of the play ·
  `terminal: {user, decide, about, reason, expect}` answers the open question (the one whose words fit `about`),
  signed with this person's key, as soon as it is asked; `expect` is the exit code (0)
- `submit: {user, values}` fills in the modal that this person has in front and sends it off; values by
  action_id; waits for a modal to open
- `wait_for: {channel, thread: NAME, text, button, without, to}` the newest message that fits: a regular
  expression, the action_id of a button that it has or is without, the reader of an ephemeral one;
  `as: NAME` keeps it
- `told: {user, text, channel}` an ephemeral answer to the last command or click, newer than that
- `count: {channel, thread, text, is}` how many messages fit
- `expect: {FIGURE: CONDITION, ...}` figures of `GET /control/customers` and `/control/databases`, see
  `figures.gather`; `over` limits shares to the last so many seconds
- `verify: EXIT` the exit code of `signalbox verify` on the bots' database

`within` bounds what waits (120 unless told), `until` repeats an `expect` up to that long, `else` is the
sentence that a failed expectation prints.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

SHIPPED = Path(__file__).parent.parent / "scenarios"
VERBS: Mapping[str, frozenset[str]] = {
    "say": frozenset(),
    "wait": frozenset(),
    "advance": frozenset(),
    "clear": frozenset(),
    "verify": frozenset(),
    "fault": frozenset({"kind"}),
    "command": frozenset({"user", "text"}),
    "click": frozenset({"user", "message", "action"}),
    "message": frozenset({"user", "text"}),
    "bots": frozenset({"do"}),
    "by_hand": frozenset({"do"}),
    "terminal": frozenset({"user"}),
    "submit": frozenset({"user", "values"}),
    "wait_for": frozenset(),
    "told": frozenset({"user", "text"}),
    "count": frozenset({"text", "is"}),
    "expect": frozenset(),
}
READ = {"wait_for", "told", "count"}
"""Verbs whose `text` is a regular expression."""
MODIFIERS = {"as", "within", "until", "else"}


class ScenarioError(ValueError):
    """A scenario that cannot be played; the text names the file and the step."""


@dataclass(frozen=True)
class Step:
    """One step: its verb with what belongs to it, a name for what it finds, its bound, its failure text."""

    verb: str
    what: Any
    name: str = ""
    within: float = 120.0
    until: float = 0.0
    otherwise: str = ""

    def title(self) -> str:
        """The step in a line."""
        if isinstance(self.what, Mapping):
            return f"{self.verb} " + ", ".join(f"{key} {value}" for key, value in self.what.items())
        return f"{self.verb} {self.what}" if self.verb != "say" else str(self.what)


@dataclass(frozen=True)
class Scenario:
    """A story with its steps."""

    name: str
    story: str
    speed: float = 10.0
    steps: tuple[Step, ...] = field(default_factory=tuple)


def load(name: str) -> Scenario:
    """A shipped scenario by name, or one from a file. Raises ScenarioError, OSError."""
    path = SHIPPED / f"{name}.yaml"
    if not path.exists():
        path = Path(name)
    if not path.is_file():
        shipped = ", ".join(sorted(each.stem for each in SHIPPED.glob("*.yaml")))
        raise ScenarioError(f"no scenario {name!r}; shipped: {shipped}; or the path of a file")
    try:
        content = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise ScenarioError(f"{path}: {error}") from error
    if not isinstance(content, dict) or not isinstance(content.get("steps"), list):
        raise ScenarioError(f"{path}: a scenario needs `story` and a list of `steps`")
    steps = tuple(
        _step(each, f"{path.name}, step {number}") for number, each in enumerate(content["steps"], 1)
    )
    return Scenario(path.stem, str(content.get("story", "")), float(content.get("speed", 10)), steps)


def _step(given: Any, where: str) -> Step:
    if not isinstance(given, dict):
        raise ScenarioError(f"{where}: a step is a mapping such as `wait: 10`")
    verbs = given.keys() & VERBS.keys()
    if len(verbs) != 1:
        raise ScenarioError(f"{where}: exactly one of {', '.join(VERBS)} is needed")
    if unknown := given.keys() - VERBS.keys() - MODIFIERS:
        raise ScenarioError(f"{where}: unknown {', '.join(sorted(unknown))}")
    verb = verbs.pop()
    what = given[verb]
    needed = VERBS[verb]
    if needed and not (isinstance(what, dict) and needed <= what.keys()):
        raise ScenarioError(f"{where}: {verb} needs {', '.join(sorted(needed))}")
    if verb in READ and isinstance(what, dict):
        try:
            re.compile(str(what.get("text", "")))
        except re.error as error:
            raise ScenarioError(f"{where}: {what['text']!r} is no regular expression: {error}") from error
    return Step(
        verb,
        what,
        str(given.get("as", "")),
        float(given.get("within", 120)),
        float(given.get("until", 0)),
        str(given.get("else", "")),
    )
