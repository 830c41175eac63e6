"""Signal before movement, at the last moment before a call leaves: the intent is committed or there is no call."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from typing import Any

from bot.act import current
from bot.engine.lease import Lease
from bot.errors import TrailError
from bot.scrub import scrub
from bot.store.database import Database
from bot.store.tables import StepRow
from bot.trail.append import Trail
from bot.trail.event import Event, Name

_NOT_AWS = frozenset({"kubernetes", "http"})
_CODE = re.compile(r"[A-Z][A-Za-z0-9.]+(?=:)")


class Intents:
    """Implements `bot.ports.Register` on the trail, under the lease."""

    def __init__(self, database: Database, trail: Trail, lease: Lease) -> None:
        self._database = database
        self._trail = trail
        self._lease = lease
        self._open: dict[str, tuple[str, str, str, str, float, str]] = {}

    def intent(self, service: str, operation: str, region: str, params: Mapping[str, Any]) -> str:
        """Commit what is about to be done. Raises TrailError or LeaseLost, and then the call must not be made."""
        act = current()
        token = uuid.uuid4().hex
        with self._trail.record() as record:
            run = self._lease.check(record.session, act.run, margin=self._lease.call_seconds, acting=True)
            row = record.session.get(StepRow, (act.run, act.step))
            if row is None:
                raise TrailError(f"Step {act.step} of run {act.run} has no row.")
            row.call_until = self._database.now(record.session) + self._lease.call_seconds
            record.session.add(row)
            record.add(
                Event(
                    name=Name.CALL_INTENT,
                    actor=act.person,
                    change=run.change,
                    run=act.run,
                    step=act.step,
                    ok=None,
                    detail={
                        "intent": token,
                        "service": service,
                        "operation": operation,
                        "region": region,
                        "params": dict(params),
                        "key": act.key(operation),
                        "epoch": run.epoch,
                        **_in_cloudtrail(service, operation, region),
                    },
                )
            )
            self._open[token] = (act.person, run.change, act.run, act.step, row.call_until, service)
        return token

    def outcome(self, intent: str, *, ok: bool | None, request_id: str, error: str = "") -> None:
        """What came of it; written even when the lease is gone, since the call was made."""
        person, change, run, step, until, service = self._open.pop(intent)
        with self._trail.record() as record:
            row = record.session.get(StepRow, (run, step))
            if ok is not None and row is not None and row.call_until == until:
                # Nothing is under way any more: whoever waits for this call need not wait its time out.
                row.call_until = min(until, self._database.now(record.session))
                record.session.add(row)
            record.add(
                Event(
                    name=Name.CALL_OUTCOME,
                    actor=person,
                    change=change,
                    run=run,
                    step=step,
                    ok=ok,
                    detail={
                        "intent": intent,
                        "request_id": request_id,
                        "error": scrub(error)[:500],
                        **_answered(service, request_id, error),
                    },
                )
            )


def _in_cloudtrail(service: str, operation: str, region: str) -> dict[str, str]:
    """How CloudTrail names this call, verbatim; nothing for calls that it does not see."""
    if service in _NOT_AWS:
        return {}
    return {"eventSource": f"{service}.amazonaws.com", "eventName": operation, "awsRegion": region}


def _answered(service: str, request_id: str, error: str) -> dict[str, str]:
    """The answer in CloudTrail's words. Only what AWS said has a request id: exceptions of ours are no codes."""
    if service in _NOT_AWS or not request_id:
        return {}
    code = _CODE.match(error)
    return {"requestID": request_id, **({"errorCode": code[0]} if code else {})}
