"""Figures that scenarios expect, and the conditions they put on them."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

_OPERATORS: Mapping[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "==": operator.eq,
    "!=": operator.ne,
}
_CONDITION = re.compile(r"^(>=|<=|==|!=|>|<)\s*(-?[0-9.]+)$")


def gather(
    customers: Mapping[str, Any],
    databases: Mapping[str, Any],
    now: float,
    over: float,
    regions: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Figures by name: the customers' totals, `ok_share` and `served_REGION` (shares) over the last seconds
    that are complete, `writer_NAME`, `promotions_NAME` and `lag_ms_NAME` of each database, and `writers_NAME`:
    in how many Regions a write to it would be accepted now; `stopped_REGION`, 1 while its STOP object is there.
    """
    # The newest two seconds still have requests under way.
    seconds = [row for row in customers["timeline"] if now - over - 2 <= row["t"] < now - 2]
    done = sum(row["ok"] + row["failed"] for row in seconds)
    ok = sum(row["ok"] for row in seconds)
    figures: dict[str, Any] = {**customers["totals"], "ok_share": ok / done if done else 0.0}
    for region in customers["by_region"]:
        served = sum(row["by_region"].get(region, 0) for row in seconds)
        figures[f"served_{region}"] = served / ok if ok else 0.0
    for database in databases.values():
        for figure in ("writer", "promotions", "lag_ms"):
            figures[f"{figure}_{database['name']}"] = database[figure]
        open_writers = sum(region["takes_writes"] for region in database["regions"].values())
        figures[f"writers_{database['name']}"] = open_writers
    for region, told in (regions or {}).items():
        figures[f"stopped_{region}"] = int(told["stopped"])
    return figures


def holds(value: Any, condition: Any) -> bool:
    """Whether a figure meets a condition: `>= 0.95` and the like, or a plain value that it must equal."""
    if isinstance(condition, str) and (match := _CONDITION.match(condition.strip())):
        return _OPERATORS[match[1]](float(value), float(match[2]))
    return bool(value == condition)
