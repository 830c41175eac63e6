"""The calls that the trail says were made: each intent with what came of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol
from uuid import UUID

from bot.trail.event import Name


class RowLike(Protocol):
    """A row of the trail, as `bot.evidence.window.Row` has it."""

    @property
    def seq(self) -> int: ...
    @property
    def name(self) -> str: ...
    @property
    def time_ms(self) -> int: ...
    @property
    def actor(self) -> str: ...
    @property
    def ok(self) -> bool | None: ...
    @property
    def change(self) -> str: ...
    @property
    def run(self) -> str: ...
    @property
    def detail(self) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Call:
    """One call by row number: `at` in epoch seconds, `until` when its outcome was written, None while there is none.

    `ok` is None when nobody saw what came of it. `service` is boto3's name, `kubernetes` or `http`.
    """

    seq: int
    intent: str
    at: float
    service: str
    operation: str
    region: str
    person: str
    change: str
    run: str
    namespace: str = ""
    name: str = ""
    until: float | None = None
    ok: bool | None = None
    request_id: str = ""

    @property
    def audit_id(self) -> str:
        """What a Kubernetes API server was asked to call this request: the intent's id."""
        try:
            return str(UUID(self.intent))
        except ValueError:
            return self.intent[:64]


def calls_of(rows: Iterable[RowLike]) -> tuple[Call, ...]:
    """Every intent among these rows, in order, with its outcome if that is among them, too."""
    found: dict[str, Call] = {}
    for row in rows:
        if row.name == Name.CALL_INTENT:
            found[_text(row.detail, "intent")] = _call(row)
        elif row.name == Name.CALL_OUTCOME:
            intent = _text(row.detail, "intent")
            if intent in found:
                found[intent] = replace(
                    found[intent],
                    until=row.time_ms / 1000,
                    ok=row.ok,
                    request_id=_text(row.detail, "request_id"),
                )
    return tuple(found.values())


def _call(row: RowLike) -> Call:
    params = row.detail.get("params")
    given = params if isinstance(params, Mapping) else {}
    return Call(
        seq=row.seq,
        intent=_text(row.detail, "intent"),
        at=row.time_ms / 1000,
        service=_text(row.detail, "service"),
        operation=_text(row.detail, "operation"),
        region=_text(row.detail, "region"),
        person=row.actor,
        change=row.change,
        run=row.run,
        namespace=_text(given, "namespace"),
        name=_text(given, "name"),
    )


def _text(found: Mapping[str, Any], name: str) -> str:
    """A text; what is withheld or redacted is none."""
    value = found.get(name)
    return value if isinstance(value, str) else ""
