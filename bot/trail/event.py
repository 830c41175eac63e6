"""What the trail records: typed names and the body's shape.

The body is an event of OCSF 1.9.0, class API Activity (6003), with all that the class requires; ours are the objects
below `unmapped` and `chain_uid`, `seq`, `prev`, `schema_version` beside. `api.operation` is always the event's name:
of a call to the outside, `unmapped.detail` tells what CloudTrail calls it, in CloudTrail's words (`eventSource`,
`eventName`, `awsRegion`, `requestID`, `errorCode`).

OCSF's profile `record_integrity` is not claimed: it wants fingerprint and signatures inside each event, and here they
are outside: the fingerprint of a row is the leaf over its bytes, and signatures are over checkpoints. Its `chain_uid`
means the same as ours, and `prev` is what it calls the fingerprint of the previous event.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from importlib.metadata import version
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

SCHEMA_VERSION = 1


class Name(StrEnum):
    """Every event there is, `source:subject:action`."""

    BOT_STARTED = "bot:process:started"
    BOT_STOPPED = "bot:process:stopped"
    BOT_HEARTBEAT = "bot:process:heartbeat"
    ESTATE_ACCEPTED = "estate:file:accepted"
    ESTATE_REFUSED = "estate:file:refused"
    COMMAND_RECEIVED = "person:command:received"
    COMMAND_REFUSED = "person:command:refused"
    CLICK_REFUSED = "person:click:refused"
    CHANGE_PLANNED = "change:plan:proposed"
    CHANGE_SEEN = "change:plan:seen"
    CHANGE_DRY_RUN = "change:plan:shown"
    DECISION_OPENED = "decision:question:opened"
    VOTE_CAST = "decision:vote:cast"
    DECISION_DECIDED = "decision:question:decided"
    DECISION_EXPIRED = "decision:question:expired"
    DECISION_VOIDED = "decision:question:voided"
    CHANGE_CLOSED = "change:request:closed"
    GLASS_BROKEN = "decision:glass:broken"
    RUN_STARTED = "run:plan:started"
    RUN_ADOPTED = "run:plan:adopted"
    RUN_COMMITTED = "run:plan:committed"
    RUN_STOPPING = "run:stop:asked"
    RUN_SETTLED = "run:plan:settled"
    RUN_PREEMPTED = "run:plan:preempted"
    RUN_ENDED = "run:plan:ended"
    STEP_STARTED = "run:step:started"
    STEP_SEEN = "run:step:seen"
    STEP_ACTING = "run:step:acting"
    STEP_DONE = "run:step:done"
    STEP_HELD = "run:step:held"
    STEP_SKIPPED = "run:step:skipped"
    STEP_ASKED = "run:step:asked"
    STEP_ACKNOWLEDGED = "run:step:acknowledged"
    STEP_REROUTED = "run:step:rerouted"
    STEP_RETRIED = "run:step:retried"
    STEP_UNCONFIRMED = "run:step:unconfirmed"
    CALL_INTENT = "call:outside:intent"
    CALL_OUTCOME = "call:outside:outcome"
    KEY_INTRODUCED = "trail:key:introduced"
    KEY_ROTATED = "trail:key:rotated"
    LOG_ANCHORED = "trail:log:anchored"
    LOG_UNANCHORED = "trail:log:unanchored"
    LOG_DIVERGED = "trail:log:diverged"
    LOG_RECOVERED = "trail:log:recovered"
    ARCHIVE_LATE = "trail:archive:late"
    ARCHIVE_CAUGHT_UP = "trail:archive:caught_up"
    FIELD_REDACTED = "trail:field:redacted"
    PACK_EXPORTED = "evidence:pack:exported"
    TRAIL_VERIFIED = "evidence:trail:verified"
    TRAIL_SEARCHED = "evidence:trail:searched"
    POLICY_CHANGED = "estate:policy:changed"


_PRODUCT = {"name": "Signalbox", "vendor_name": "Signalbox", "version": version("signalbox")}
Activity = Literal[1, 2, 3, 4]
_ACTIVITY: dict[str, Activity] = {
    "opened": 1,
    "proposed": 1,
    "started": 1,
    "received": 2,
    "seen": 2,
    "shown": 2,
}


class Event(BaseModel):
    """One thing that happened. `detail` is JSON inside the canonical profile: no floats, ASCII keys."""

    model_config = ConfigDict(frozen=True)

    name: Name
    actor: str = "signalbox"
    change: str = ""
    run: str = ""
    step: str = ""
    ok: bool | None = True
    face: str = "signalbox"
    detail: dict[str, Any] = {}
    approval: dict[str, Any] = {}


def body(
    event: Event,
    *,
    log: str,
    seq: int,
    prev: bytes,
    time_ms: int,
    clamped_ms: int | None,
    logged_ms: int | None = None,
    cuts: Mapping[str, int] | None = None,
) -> dict[str, Any]:
    """The record that is hashed.

    `time_ms` is of the calendar that the bot goes by and never runs backwards; `clamped_ms` is the raw time when it
    did. `logged_ms` is the database's own clock when the row was appended; on SQLite, the system's. `cuts` tells what
    of the detail was too long: path to its length before, in bytes.
    """
    activity = _ACTIVITY.get(event.name.rsplit(":", 1)[1], 3)
    unmapped: dict[str, Any] = {
        "change": {"uid": event.change, "run": event.run, "step": event.step},
        "detail": event.detail,
    }
    if event.approval:
        unmapped["approval"] = event.approval
    if clamped_ms is not None:
        unmapped["clock_adjusted"] = {"raw": clamped_ms}
    if cuts:
        unmapped["cut"] = dict(cuts)
    system = event.actor == "signalbox"
    return {
        "activity_id": activity,
        "actor": {
            "user": {
                "uid": event.actor,
                "type": "System" if system else "User",
                "type_id": 3 if system else 1,
            }
        },
        "api": {"operation": str(event.name), "service": {"name": "signalbox"}},
        "category_uid": 6,
        "chain_uid": log,
        "class_uid": 6003,
        "metadata": {
            "correlation_uid": event.change,
            **({} if logged_ms is None else {"logged_time": logged_ms}),
            "product": _PRODUCT,
            "sequence": seq,
            "uid": f"{log}/{seq}",
            "version": "1.9.0",
        },
        "prev": prev.hex(),
        "schema_version": SCHEMA_VERSION,
        "seq": seq,
        "severity_id": 1,
        "src_endpoint": {"name": event.face},
        "status_id": {True: 1, False: 2, None: 0}[event.ok],
        "time": time_ms,
        "type_uid": 600300 + activity,
        "unmapped": unmapped,
    }
