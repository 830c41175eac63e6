"""The grammar in which Block Kit's shapes are written down: small checks that combine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

ID_LENGTH = 255
URL_LENGTH = 3000


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong; `pointer` is a JSON pointer from the request's root."""

    message: str
    pointer: str

    def line(self) -> str:
        """Slack's wording of it in `response_metadata.messages`."""
        return f"[ERROR] {self.message} [json-pointer:{self.pointer}]"


Check = Callable[[Any, str, list[Fault]], None]


def string(limit: int, *, least: int = 1) -> Check:
    """Text of `least` to `limit` characters."""

    def check(value: Any, at: str, faults: list[Fault]) -> None:
        if not isinstance(value, str):
            faults.append(Fault("must be a string", at))
        elif len(value) > limit:
            faults.append(Fault(f"must be less than {limit + 1} characters", at))
        elif len(value) < least:
            faults.append(Fault(f"must be more than {least - 1} characters", at))

    return check


def flag() -> Check:
    """A boolean."""

    def check(value: Any, at: str, faults: list[Fault]) -> None:
        if not isinstance(value, bool):
            faults.append(Fault("must be a boolean", at))

    return check


def number(least: float, most: float) -> Check:
    """A number within bounds."""

    def check(value: Any, at: str, faults: list[Fault]) -> None:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            faults.append(Fault("must be a number", at))
        elif not least <= value <= most:
            faults.append(Fault(f"must be between {least} and {most}", at))

    return check


def one_of(*allowed: str) -> Check:
    """One of these strings."""

    def check(value: Any, at: str, faults: list[Fault]) -> None:
        if value not in allowed:
            faults.append(Fault(f"must be one of: {', '.join(allowed)}", at))

    return check


def items(each: Check, least: int, most: int, *, plural: str = "items") -> Check:
    """A list of `least` to `most` things."""

    def check(value: Any, at: str, faults: list[Fault]) -> None:
        if not isinstance(value, list):
            faults.append(Fault("must be an array", at))
            return
        if len(value) > most:
            faults.append(Fault(f"no more than {most} {plural} allowed", at))
        if len(value) < least:
            faults.append(Fault(f"must have at least {least} {plural}", at))
        for index, one in enumerate(value):
            each(one, f"{at}/{index}", faults)

    return check


def shape(required: Mapping[str, Check], optional: Mapping[str, Check] | None = None) -> Check:
    """An object with these keys and no others."""
    known = {**required, **(optional or {})}

    def check(value: Any, at: str, faults: list[Fault]) -> None:
        if not isinstance(value, dict):
            faults.append(Fault("must be an object", at))
            return
        for name in required:
            if name not in value:
                faults.append(Fault(f"missing required field: {name}", at))
        for name, one in value.items():
            if name in known:
                known[name](one, f"{at}/{name}", faults)
            else:
                faults.append(Fault(f"invalid additional property: {name}", at))

    return check


def by_type(shapes: Mapping[str, Check], what: str) -> Check:
    """An object whose `type` decides its shape: errors are told against that shape only."""

    def check(value: Any, at: str, faults: list[Fault]) -> None:
        if not isinstance(value, dict):
            faults.append(Fault("must be an object", at))
            return
        kind = value.get("type")
        if not isinstance(kind, str) or kind not in shapes:
            faults.append(Fault(f"unsupported type: {kind} ({what})", at))
            return
        shapes[kind](value, at, faults)

    return check


def both(*checks: Check) -> Check:
    """All of these."""

    def check(value: Any, at: str, faults: list[Fault]) -> None:
        for one in checks:
            one(value, at, faults)

    return check


def exactly_one(*names: str) -> Check:
    """An object that has one of these keys, not two and not none."""

    def check(value: Any, at: str, faults: list[Fault]) -> None:
        if isinstance(value, dict) and sum(name in value for name in names) != 1:
            faults.append(Fault(f"must have exactly one of: {', '.join(names)}", at))

    return check


def at_least_one(*names: str) -> Check:
    """An object that has one of these keys or more."""

    def check(value: Any, at: str, faults: list[Fault]) -> None:
        if isinstance(value, dict) and not any(name in value for name in names):
            faults.append(Fault(f"must have one of: {', '.join(names)}", at))

    return check


def later(find: Callable[[], Mapping[str, Check]], what: str) -> Check:
    """Like `by_type`, of shapes that are looked up when used: they may contain each other."""

    def check(value: Any, at: str, faults: list[Fault]) -> None:
        by_type(find(), what)(value, at, faults)

    return check
