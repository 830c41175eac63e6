"""Who does what in which run and step: carried by context into every call that changes something."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from bot.errors import TrailError


@dataclass(frozen=True)
class Act:
    """The person on whose behalf, the run, the step, and the verb's number within this visit."""

    person: str
    run: str
    step: str
    epoch: int = 0
    attempt: int = 0

    def key(self, verb: str) -> str:
        """Idempotency key of one mutating call: the same after a crash."""
        return f"{self.run}/{self.step}/{verb}"


_current: ContextVar[Act | None] = ContextVar("act", default=None)


@contextmanager
def acting(act: Act) -> Iterator[None]:
    """Everything called inside is done under this act."""
    token = _current.set(act)
    try:
        yield
    finally:
        _current.reset(token)


def current() -> Act:
    """The act in force. Raises TrailError: a change without an act has nobody to answer for it."""
    act = _current.get()
    if act is None:
        raise TrailError("A change was attempted outside any approved step.")
    return act
