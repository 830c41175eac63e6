"""Asks many at once and waits only so long: a dark Region must not slow down what the other one knows."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Collection, Mapping
from contextvars import copy_context
from typing import Any

from bot.errors import OutsideError, Unreachable

_GLANCE_SECONDS = 0.25

Enough = Callable[[Collection[str], float], bool]


def together(
    calls: Mapping[str, Callable[[], Any]], seconds: float, *, enough: Enough | None = None
) -> dict[str, Any]:
    """What each call returned, or the OutsideError it raised; Unreachable once `seconds` (wall) are over.

    Every call has its own thread and the caller's context. `enough`, given the names that have answered and
    the seconds since, may end the wait earlier. Threads that still wait are left behind as daemons: they are
    reads, and whoever stops the process must not wait for a dead Region. Any other exception is a mistake of
    ours and is raised here.
    """
    answers: queue.SimpleQueue[tuple[str, Any, BaseException | None]] = queue.SimpleQueue()

    def ask(name: str, call: Callable[[], Any]) -> None:
        try:
            answers.put((name, call(), None))
        except BaseException as error:
            answers.put((name, None, error))

    for name, call in calls.items():
        context = copy_context()
        threading.Thread(target=context.run, args=(ask, name, call), name=f"ask {name}", daemon=True).start()
    found: dict[str, Any] = {}
    start = time.monotonic()
    while len(found) < len(calls):
        spent = time.monotonic() - start
        if spent >= seconds or (enough is not None and enough(found.keys(), spent)):
            break
        try:
            name, value, error = answers.get(timeout=min(_GLANCE_SECONDS, seconds - spent))
        except queue.Empty:
            continue
        if error is not None and not isinstance(error, OutsideError):
            raise error
        found[name] = value if error is None else error
    late = Unreachable(f"No answer within {time.monotonic() - start:.0f} s.")
    return {name: found.get(name, late) for name in calls}


def within(seconds: float, call: Callable[[], Any]) -> Any:
    """What the call returns. Raises its OutsideError, or Unreachable once `seconds` (wall) are over."""
    answer = together({"it": call}, seconds)["it"]
    if isinstance(answer, OutsideError):
        raise answer
    return answer
