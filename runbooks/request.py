"""What was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True)
class Request:
    """Move production to the Region `to`; `planned` = nothing may be lost.

    `traffic_first` asks for the order of a dark Region although the old one answers.
    """

    to: str
    planned: bool = False
    reason: str = ""
    traffic_first: bool = False

    def as_json(self) -> dict[str, Any]:
        """The request as it is stored."""
        return {
            "to": self.to,
            "planned": self.planned,
            "reason": self.reason,
            "traffic_first": self.traffic_first,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """The stored request."""
        return cls(
            to=str(stored["to"]),
            planned=bool(stored["planned"]),
            reason=str(stored.get("reason", "")),
            traffic_first=bool(stored.get("traffic_first", False)),
        )
