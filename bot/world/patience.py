"""How long a read is tried: the same for AWS and for Kubernetes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import stamina

_ATTEMPTS = 3
_BUDGET_SECONDS = 8.0


def reads(passing: Callable[[Exception], bool]) -> Iterator[Any]:
    """Attempts at a read, to be used as context managers: three within eight seconds.

    No attempt begins after the budget, so a dark Region costs at most the budget and one time-out more.
    """
    return iter(
        stamina.retry_context(
            on=passing,
            attempts=_ATTEMPTS,
            timeout=_BUDGET_SECONDS,
            wait_initial=0.2,
            wait_max=1.0,
            wait_jitter=0.2,
        )
    )
