"""ARC routing controls on their data plane: five Regional endpoints, of which any three are always there."""

from __future__ import annotations

import queue
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from bot.errors import Conflict, Rejected, Throttled, Unreachable
from bot.world.sessions import CONNECT_SECONDS, ENDPOINT_READ_SECONDS, AwsSessions

NEXT_SECONDS = 0.7
"""A read that has no answer by then is asked of the next endpoint too; whoever answers first is believed."""
_ATTEMPT_SECONDS = float(CONNECT_SECONDS + ENDPOINT_READ_SECONDS)
_FLIP_SECONDS = 9.0
"""A flip is over by then, as any other change is: no attempt begins that might last longer."""
_SILENT_SECONDS = 60.0

Endpoint = tuple[str, str]
"""Its AWS Region and its URL."""


class AwsRouting:
    """`bot.ports.Routing` on `route53-recovery-cluster`.

    A call starts at a random endpoint and goes on to the next when there is no answer, a broken server or a
    throttle: the same endpoint again is not enough (ARC developer guide, best practices for Regional
    endpoints). One that gave no answer is asked last for a minute, so the next call starts elsewhere.
    """

    def __init__(
        self,
        aws: AwsSessions,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        next_seconds: float = NEXT_SECONDS,
    ) -> None:
        self._aws = aws
        self._next_seconds = next_seconds
        self._monotonic = monotonic
        self._silent: dict[str, float] = {}

    def states(self, endpoints: Mapping[str, str], controls: Sequence[str]) -> dict[str, bool]:
        """On or off by control, all told by one endpoint. Raises Unreachable when none of them answers."""
        answers: queue.SimpleQueue[dict[str, bool] | Exception] = queue.SimpleQueue()
        left, asked, last = self._order(endpoints), 0, None
        until = self._monotonic() + self._next_seconds * len(endpoints) + _ATTEMPT_SECONDS
        while left or asked:
            if left:
                asked += 1
                ask = (answers, left.pop(0), controls)
                threading.Thread(target=self._answer, args=ask, name="ask routing", daemon=True).start()
            rest = until - self._monotonic()
            try:
                answer = answers.get(timeout=self._next_seconds if left else max(0.0, rest))
            except queue.Empty:
                if rest <= 0:
                    break
                continue
            asked -= 1
            if not isinstance(answer, Exception):
                return answer
            if not isinstance(answer, Unreachable):
                raise answer
            last = answer
        raise Unreachable(f"None of {len(endpoints)} endpoints of the routing controls answers.") from last

    def flip(self, endpoints: Mapping[str, str], states: Mapping[str, bool]) -> None:
        """Set all of them at once or none.

        Each endpoint that is tried has an intent of its own; a second one is harmless, since states are
        given and not turned. Raises Conflict when a safety rule refuses, Throttled when every endpoint that
        was tried is busy, Unreachable when one of them may have done it.
        """
        lost: Unreachable | None = None
        busy: Throttled | None = None
        for endpoint in self._in_time(endpoints):
            try:
                self._update(endpoint, states)
            except Throttled as error:
                self._missed(endpoint)
                busy = error
            except Unreachable as error:
                self._missed(endpoint)
                lost = error
            except Conflict as error:
                raise Conflict(
                    f"A safety rule of the routing controls refuses: {error.what}",
                    not_done="No control was turned.",
                    then="Ask who keeps the rule; it can be overridden in ARC.",
                ) from error
            else:
                self._heard(endpoint)
                return
        raise lost or busy or Rejected("The estate names no endpoint of the routing controls.")

    def _answer(
        self,
        answers: queue.SimpleQueue[dict[str, bool] | Exception],
        endpoint: Endpoint,
        controls: Sequence[str],
    ) -> None:
        """Ask one endpoint, and remember whether it answered even when nobody waits any longer."""
        try:
            found = {control: self._state(endpoint, control) for control in controls}
        except Exception as error:
            if isinstance(error, Unreachable):
                self._missed(endpoint)
            answers.put(error)
        else:
            self._heard(endpoint)
            answers.put(found)

    def _state(self, endpoint: Endpoint, control: str) -> bool:
        region, url = endpoint
        answer: dict[str, Any] = self._aws.call(
            "route53-recovery-cluster",
            region,
            "get_routing_control_state",
            endpoint=url,
            RoutingControlArn=control,
        )
        return bool(answer["RoutingControlState"] == "On")

    def _update(self, endpoint: Endpoint, states: Mapping[str, bool]) -> None:
        region, url = endpoint
        self._aws.call(
            "route53-recovery-cluster",
            region,
            "update_routing_control_states",
            endpoint=url,
            UpdateRoutingControlStateEntries=[
                {"RoutingControlArn": control, "RoutingControlState": "On" if on else "Off"}
                for control, on in sorted(states.items())
            ],
        )

    def _in_time(self, endpoints: Mapping[str, str]) -> Iterator[Endpoint]:
        """Endpoints for as long as one more attempt ends within the time of a change."""
        began = self._monotonic()
        for endpoint in self._order(endpoints):
            if self._monotonic() - began + _ATTEMPT_SECONDS <= _FLIP_SECONDS:
                yield endpoint

    def _order(self, endpoints: Mapping[str, str]) -> list[Endpoint]:
        now = self._monotonic()
        mixed = random.sample(sorted(endpoints.items()), len(endpoints))
        return sorted(mixed, key=lambda endpoint: self._silence(endpoint, now))

    def _silence(self, endpoint: Endpoint, now: float) -> float:
        """Zero for one that is not known to be away; else the later it gave no answer, the later its turn."""
        since = self._silent.get(endpoint[1])
        return 0.0 if since is None or now - since > _SILENT_SECONDS else 1 / (1 + now - since)

    def _heard(self, endpoint: Endpoint) -> None:
        self._silent.pop(endpoint[1], None)

    def _missed(self, endpoint: Endpoint) -> None:
        self._silent[endpoint[1]] = self._monotonic()
