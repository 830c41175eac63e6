"""How long a read is tried: the same for AWS and for Kubernetes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import stamina

from bot.errors import Busy

_SILENCES = 3
_ATTEMPTS = 6
BUDGET_SECONDS = 8.0
TURN_SECONDS = 5.0


class Reads:
    """Attempts at one read, to be used as context managers, within eight seconds.

    Three where there was no answer, so a dark Region costs at most the budget and one time-out more; six
    where the answer was a throttle, each after twice the last wait and a bit of chance. No attempt begins
    after the budget.
    """

    def __init__(
        self, passing: Callable[[Exception], bool], throttled: Callable[[Exception], bool] | None = None
    ) -> None:
        self._passing = passing
        self._throttled = throttled or (lambda error: isinstance(error, Busy))
        self._silences = 0
        self._until = time.monotonic() + BUDGET_SECONDS

    @property
    def turn_seconds(self) -> float:
        """How long the next attempt may wait for its turn."""
        return max(0.0, min(TURN_SECONDS, self._until - time.monotonic()))

    def __iter__(self) -> Iterator[Any]:
        return iter(
            stamina.retry_context(
                on=self._again,
                attempts=_ATTEMPTS,
                timeout=BUDGET_SECONDS,
                wait_initial=0.2,
                wait_max=2.0,
                wait_jitter=0.2,
            )
        )

    def _again(self, error: Exception) -> bool:
        if self._throttled(error):
            return True
        self._silences += 1
        return self._silences < _SILENCES and self._passing(error)
