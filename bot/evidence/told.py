"""A row of the trail as one line in plain words: what happened, not who did it or when."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bot.evidence.window import Row
from bot.trail.event import Name

LONGEST = 300
"""Characters of a line; what people and others wrote in it is cut sooner."""
_WORDS = 140
_FEW = 4


def told(record: Mapping[str, Any]) -> str:
    """One line on a row's record, without line breaks and without characters that hide or reorder others.

    Never raises: of a row that no Signalbox wrote, it says so.
    """
    try:
        row = Row(int(record["seq"]), b"", dict(record))
        say = _SAYS.get(row.name)
        line = say(row) if say else f"An event that this version does not know: {row.name}."
    except (KeyError, TypeError, ValueError, AttributeError):
        return "This row is not what Signalbox writes: run signalbox verify."
    return plain(line, LONGEST)


def plain(value: object, limit: int = _WORDS) -> str:
    """Anything from a row as words on one line: `limit` characters at most."""
    if value is None or value == "":
        text = "nothing"
    elif isinstance(value, bool):
        text = "yes" if value else "no"
    elif isinstance(value, Mapping):
        text = _fields(value)
    elif isinstance(value, list | tuple):
        some = ", ".join(plain(one, limit) for one in value[:_FEW])
        text = some + (f" and {len(value) - _FEW} more" if len(value) > _FEW else "")
    else:
        text = str(value)
    flat = " ".join("".join(c if c.isprintable() or c.isspace() else "�" for c in text).split())
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"


def _fields(value: Mapping[Any, Any]) -> str:
    if value.keys() == {"$c", "d"}:
        return "[sealed]"
    return ", ".join(f"{str(key).replace('_', ' ')} {plain(one)}" for key, one in sorted(value.items()))


def _of(row: Row, key: str, limit: int = _WORDS) -> str:
    return plain(row.detail.get(key, row.approval.get(key)), limit)


def _digest(row: Row, key: str = "digest") -> str:
    found = str(row.detail.get(key) or row.approval.get(key) or "")
    return found[:12] if found else "none"


def _because(row: Row, key: str = "why", *, before: str = ": ") -> str:
    """What was given as the reason, or an end to the sentence."""
    why = row.detail.get(key) or row.approval.get(key)
    return f"{before}{plain(why).rstrip('.')}." if why else "."


def _step(row: Row) -> str:
    return f"Step {plain(row.step)}"


def _planned(row: Row) -> str:
    steps = len(row.detail.get("steps", ()))
    reason, typed = str(row.detail.get("reason", "")), str(row.detail.get("command", ""))
    why = "." if reason in typed else _because(row, "reason", before=", because: ")
    return f"Asked for {_of(row, 'command')}, plan {_digest(row)} of {steps} steps{why}"


def _opened(row: Row) -> str:
    kind = str(row.detail.get("kind", "approval"))
    return f"The question was opened: {plain(kind)}, {_of(row, 'quorum')} of the role {_of(row, 'role')}."


def _vote(row: Row) -> str:
    signed = ", signed with their own key" if row.approval.get("signature") else ""
    return f"Answered {_of(row, 'choice').replace('_', ' ')} to plan {_digest(row)}{signed}{_because(row, 'reason')}"


def _voided(row: Row) -> str:
    return f"The question was withdrawn without an answer{_because(row)}"


def _stopping(row: Row) -> str:
    if "undo" in row.detail:
        return f"The way back was planned: {len(row.detail['undo'])} steps."
    if row.detail.get("released"):
        return f"The halt was lifted, nothing took these runs' place: {_of(row, 'released')}."
    if row.detail.get("lapsed"):
        return "The halt lapsed: what was to take this run's place never did."
    return f"Asked to stop the run: {_of(row, 'how')}{_because(row, 'by', before=', for ')}"


def _seen(row: Row) -> str:
    if row.detail.get("too_late"):
        return "The plan was looked at again, too late for its approval."
    return f"The plan's outlook was looked at again; the order would be: {_of(row, 'order')}."


def _held(row: Row) -> str:
    return f"{_step(row)} was held for people to decide{_because(row)}"


def _decided_step(words: str) -> Callable[[Row], str]:
    return lambda row: f"{_step(row)} {words}, as people decided{_because(row, 'reason')}"


def _always(words: str) -> Callable[[Row], str]:
    return lambda _row: words


def _intent(row: Row) -> str:
    where = f" in {_of(row, 'region')}" if row.detail.get("region") else ""
    return (
        f"Call announced: {_of(row, 'service')} {_of(row, 'operation')}{where}, for step {plain(row.step)}."
    )


def _outcome(row: Row) -> str:
    how = {True: "succeeded", False: "failed", None: "ended unknown"}[row.ok]
    number = row.detail.get("request_id")
    return f"Call {how}{f', request {plain(number)}' if number else ''}{_because(row, 'error')}"


def _accepted(row: Row) -> str:
    before = _digest(row, "before")
    return f"The estate {_digest(row, 'after')} came into force, before it {'none' if before == 'none' else before}."


def _policy(row: Row) -> str:
    parts = row.detail.get("parts")
    names = sorted(parts) if isinstance(parts, Mapping) else parts
    return f"Who may do what was changed with the estate {_digest(row, 'after')}: {plain(names)}."


def _key(row: Row) -> str:
    attested = "" if row.detail.get("attested") else ", which is unattested"
    lost = " in the place of a lost one" if row.detail.get("lost") else ""
    return f"A signing key was introduced{lost}: {_of(row, 'key', 60)}{attested}."


def _anchored(row: Row) -> str:
    return f"The archive {_of(row, 'archive')} and this database agree."


def _recovered(row: Row) -> str:
    alone = " by one person in an emergency" if row.detail.get("emergency") else ""
    return f"The trail goes on after a recovery{alone}, from now on as {_of(row, 'origin')}."


def _exported(row: Row) -> str:
    drawn = f", samples drawn by the seed {_of(row, 'seed')}" if row.detail.get("seed") else ""
    return f"An evidence pack was made{drawn}."


def _searched(row: Row) -> str:
    found = row.detail.get("hits", row.detail.get("rows"))
    return f"The trail was searched: {_of(row, 'query')}; {plain(0 if found is None else found)} rows shown."


_SAYS: dict[str, Callable[[Row], str]] = {
    Name.BOT_STARTED: lambda row: f"Signalbox {_of(row, 'version')} started as {_of(row, 'replica')}.",
    Name.BOT_STOPPED: lambda row: f"Signalbox stopped in order: {_of(row, 'replica')}.",
    Name.BOT_HEARTBEAT: lambda row: f"Heartbeat; alive: {_of(row, 'alive')}.",
    Name.ESTATE_ACCEPTED: _accepted,
    Name.ESTATE_REFUSED: lambda row: f"The estate's file was refused, the last good one stays{_because(row)}",
    Name.POLICY_CHANGED: _policy,
    Name.COMMAND_RECEIVED: lambda row: f"Typed {_of(row, 'text')}",
    Name.COMMAND_REFUSED: lambda row: f"Was refused {_of(row, 'text')}{_because(row)}",
    Name.CLICK_REFUSED: lambda row: f"An answer did not count: {_of(row, 'what')}{_because(row)}",
    Name.CHANGE_PLANNED: _planned,
    Name.CHANGE_SEEN: _seen,
    Name.CHANGE_DRY_RUN: lambda row: (
        f"Dry run of {_of(row, 'command')}, plan {_digest(row)}: nothing was changed."
    ),
    Name.DECISION_OPENED: _opened,
    Name.VOTE_CAST: _vote,
    Name.DECISION_DECIDED: lambda row: (
        f"It was decided: {_of(row, 'outcome').replace('_', ' ')}, plan {_digest(row)}."
    ),
    Name.DECISION_EXPIRED: _always("The question expired: nobody answered it in time."),
    Name.DECISION_VOIDED: _voided,
    Name.CHANGE_CLOSED: lambda row: (
        f"The change was closed as {_of(row, 'state').replace('_', ' ')}{_because(row)}"
    ),
    Name.GLASS_BROKEN: lambda row: (
        f"Broke the glass after {_of(row, 'waited')} without an approval{_because(row, 'reason')}"
    ),
    Name.RUN_STARTED: lambda row: f"The run of plan {_digest(row)} started.",
    Name.RUN_ADOPTED: lambda row: f"Replica {_of(row, 'replica')} took the run over.",
    Name.RUN_COMMITTED: lambda row: f"Point of no return passed, at step {plain(row.step)}.",
    Name.RUN_STOPPING: _stopping,
    Name.RUN_SETTLED: _always("Production has moved; only standing steps are left."),
    Name.RUN_PREEMPTED: lambda row: f"The run was pre-empted by the change {_of(row, 'by')}.",
    Name.RUN_ENDED: lambda row: f"The run ended as {_of(row, 'state').replace('_', ' ')}.",
    Name.STEP_STARTED: lambda row: f"{_step(row)} started{_because(row, 'do')}",
    Name.STEP_SEEN: lambda row: f"{_step(row)} was looked at: {_of(row, 'verdict')}{_because(row)}",
    Name.STEP_ACTING: lambda row: f"{_step(row)} acted, attempt {_of(row, 'attempt')}{_because(row)}",
    Name.STEP_DONE: lambda row: f"{_step(row)} was done{_because(row)}",
    Name.STEP_HELD: _held,
    Name.STEP_SKIPPED: _decided_step("was skipped"),
    Name.STEP_ASKED: lambda row: f"{_step(row)} asked people what to do{_because(row)}",
    Name.STEP_ACKNOWLEDGED: _decided_step("was acknowledged"),
    Name.STEP_REROUTED: _decided_step("went its other way"),
    Name.STEP_RETRIED: _decided_step("was tried again"),
    Name.STEP_UNCONFIRMED: lambda row: f"{_step(row)} went on without being confirmed{_because(row)}",
    Name.CALL_INTENT: _intent,
    Name.CALL_OUTCOME: _outcome,
    Name.KEY_INTRODUCED: _key,
    Name.KEY_ROTATED: lambda row: (
        f"The signing key was changed to {_of(row, 'key', 60)}, vouched for by the old one."
    ),
    Name.LOG_ANCHORED: _anchored,
    Name.LOG_UNANCHORED: lambda row: f"The archive {_of(row, 'archive')} was not reached{_because(row)}",
    Name.LOG_DIVERGED: lambda row: f"The trail and its archive differ{_because(row)}",
    Name.LOG_RECOVERED: _recovered,
    Name.ARCHIVE_LATE: lambda row: f"The archive lags, {_of(row, 'waiting')} rows wait{_because(row)}",
    Name.ARCHIVE_CAUGHT_UP: _always("The archive caught up."),
    Name.FIELD_REDACTED: lambda row: (
        f"What row {_of(row, 'seq')} commits to at {_of(row, 'path')} was erased{_because(row)}"
    ),
    Name.PACK_EXPORTED: _exported,
    Name.TRAIL_VERIFIED: lambda row: f"The verifier was run: {plain(row.detail)}.",
    Name.TRAIL_SEARCHED: _searched,
}
SPOKEN = frozenset(_SAYS)
"""The events that have words."""
