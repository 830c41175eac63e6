"""Argo CD's sync windows: a cron schedule and a duration that allow or deny automated syncs."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatch

from bot.sandbox.kubernetes.meta import Obj

_DURATION = re.compile(r"(\d+(?:\.\d+)?)([hms])")
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0}
_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
_LONGEST = 7 * 24 * 60


def denied(project: Obj | None, app: Obj, now: float, *, manual: bool = False) -> bool:
    """Whether the project's windows forbid a sync of this application now.

    An active deny window wins; without one, allow windows that exist must be active. `manualSync`
    of the window exempts syncs that somebody asked for.
    """
    windows = ((project or {}).get("spec") or {}).get("syncWindows") or []
    mine = [w for w in windows if _covers(w, app)]
    active = [w for w in mine if is_active(w, now)]
    denies = [w for w in active if w.get("kind") == "deny"]
    if denies:
        return not (manual and all(w.get("manualSync") for w in denies))
    allows = [w for w in mine if w.get("kind") == "allow"]
    if allows and not any(w.get("kind") == "allow" for w in active):
        return not (manual and any(w.get("manualSync") for w in allows))
    return False


def is_active(window: Obj, now: float) -> bool:
    """Whether `now` lies within `duration` after a hit of the schedule (UTC)."""
    length = sum(float(n) * _UNITS[u] for n, u in _DURATION.findall(str(window.get("duration", ""))))
    minute = datetime.fromtimestamp(now, UTC).replace(second=0, microsecond=0)
    for back in range(min(int(length // 60) + 1, _LONGEST)):
        start = minute - timedelta(minutes=back)
        if now - start.timestamp() < length and hits(str(window.get("schedule", "")), start):
            return True
    return False


def hits(schedule: str, moment: datetime) -> bool:
    """Whether a five-field cron schedule names this minute. Raises ValueError for another form."""
    fields = schedule.split()
    if len(fields) != len(_RANGES):
        raise ValueError(f"schedule {schedule!r} needs five fields")
    sunday_first = moment.isoweekday() % 7
    values = (moment.minute, moment.hour, moment.day, moment.month, sunday_first)
    good = [
        value in _numbers(field, *bounds)
        for field, value, bounds in zip(fields, values, _RANGES, strict=True)
    ]
    day, weekday = good[2], good[4]
    # Cron's old rule: when both day fields are restricted, either may hit.
    days = (day or weekday) if fields[2] != "*" and fields[4] != "*" else (day and weekday)
    return good[0] and good[1] and good[3] and days


def _numbers(field: str, low: int, high: int) -> set[int]:
    found: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        if span == "*":
            start, end = low, high
        else:
            start = int(first)
            end = int(last) if last else (high if step else start)
        found |= {n % 7 if high == 6 else n for n in range(start, end + 1, int(step or 1))}
    return found


def _covers(window: Obj, app: Obj) -> bool:
    destination = app.get("spec", {}).get("destination") or {}
    subjects = (
        ("applications", app["metadata"]["name"]),
        ("namespaces", destination.get("namespace", "")),
        ("clusters", destination.get("server") or destination.get("name", "")),
    )
    return any(fnmatch(value, pattern) for key, value in subjects for pattern in window.get(key) or [])
