"""The code behind a step's kind: a verb that can be looked at, judged, done and told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bot.ports import Ports
from bot.verdict import Verdict

Args = dict[str, Any]
Seen = dict[str, Any]


@dataclass(frozen=True)
class Action:
    """One verb, version included in its `kind` (`database.failover@1`).

    `observe` reads the world and returns JSON; `judge` is pure: pass = seen done, fail = seen not done,
    inconclusive = under way, unknown = not seen; `apply` acts once and may be called again; `describe` is
    the line that a human approves. `None` for `apply` makes a step that only waits to see something.
    `timeout` and `poll` in seconds of the calendar; `tries` limits how often `apply` is called before the
    step holds. `grace` seconds after an apply a `fail` counts as under way: the world is slow to show it.
    """

    kind: str
    observe: Callable[[Ports, Args], Seen]
    judge: Callable[[Args, Seen], Verdict]
    describe: Callable[[Args], str]
    apply: Callable[[Ports, Args], None] | None = None
    timeout: int = 300
    poll: int = 3
    tries: int = 3
    grace: int = 0


Kinds = Mapping[str, Action]
