"""What was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True)
class Request:
    """Move production to the Region `to`; `planned` = nothing may be lost."""

    to: str
    planned: bool = False
    reason: str = ""

    def as_json(self) -> dict[str, Any]:
        """The request as it is stored."""
        return {"to": self.to, "planned": self.planned, "reason": self.reason}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """The stored request."""
        return cls(to=str(stored["to"]), planned=bool(stored["planned"]), reason=str(stored.get("reason", "")))
