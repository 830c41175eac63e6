"""ARC routing controls on their data plane: five Regional endpoints, of which any three are always there."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

from bot.errors import Unreachable
from bot.world.sessions import AwsSessions

_SERVICE = "route53-recovery-cluster"


class AwsRouting:
    """`bot.ports.Routing` on `route53-recovery-cluster`.

    A call starts at a random endpoint and goes on to the next when there is no answer: the same endpoint again
    is not enough (ARC developer guide, best practices for Regional endpoints).
    """

    def __init__(self, aws: AwsSessions) -> None:
        self._aws = aws

    def states(self, endpoints: Mapping[str, str], controls: Sequence[str]) -> dict[str, bool]:
        return {
            control: self._ask(endpoints, "get_routing_control_state", RoutingControlArn=control)[
                "RoutingControlState"
            ]
            == "On"
            for control in controls
        }

    def flip(self, endpoints: Mapping[str, str], states: Mapping[str, bool]) -> None:
        entries = [
            {"RoutingControlArn": control, "RoutingControlState": "On" if on else "Off"}
            for control, on in states.items()
        ]
        self._ask(endpoints, "update_routing_control_states", UpdateRoutingControlStateEntries=entries)

    def _ask(self, endpoints: Mapping[str, str], operation: str, **params: Any) -> dict[str, Any]:
        last: Unreachable | None = None
        for region, url in random.sample(sorted(endpoints.items()), len(endpoints)):
            try:
                return self._aws.call(_SERVICE, region, operation, endpoint=url, **params)
            except Unreachable as error:
                last = error
        raise last or Unreachable("The estate names no endpoint of routing controls.")
