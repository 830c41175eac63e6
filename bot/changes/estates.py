"""Which estate is in force: the file when it is good, else the last one that was accepted, said loudly."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import structlog
from sqlmodel import col, select

from bot.changes.signed import bare
from bot.clock import Clock
from bot.errors import EstateError, TrailError
from bot.estate import Estate
from bot.estate_file import read_estate
from bot.store.tables import EstateRow
from bot.trail.append import Trail
from bot.trail.event import Event, Name

log = structlog.get_logger()

POLICY_PARTS = ("policy", "people", "keys", "break_glass")
"""The parts of an estate that say who may do what."""


def policy_changes(before: Estate | None, after: Estate) -> dict[str, Any]:
    """Each part of the policy that differs, before and after as plain JSON; of a first estate all that it has.

    Of a signing key the comment is left out: it proves nothing and often is a person's address.
    """
    old = _policy(before) if before else dict.fromkeys(POLICY_PARTS)
    new = _policy(after)
    return {
        part: {"before": old[part], "after": new[part]} for part in POLICY_PARTS if old[part] != new[part]
    }


def _policy(estate: Estate) -> dict[str, Any]:
    whole = estate.model_dump(mode="json", include=set(POLICY_PARTS))
    whole["keys"] = {person: [bare(key) for key in keys] for person, keys in estate.keys.items()}
    return {part: whole[part] for part in POLICY_PARTS}


class Estates:
    """Holds the estate in force and follows its file."""

    def __init__(self, path: Path, trail: Trail, clock: Clock) -> None:
        """Raises EstateError when the file is broken and no estate was ever accepted."""
        self._path = path
        self._trail = trail
        self._clock = clock
        self._lock = threading.Lock()
        self._stamp = 0
        self.complaint = ""
        self._estate = self._first()

    @property
    def now(self) -> Estate:
        """The estate in force; re-reads the file when it has changed."""
        with self._lock:
            stamp = self._file_stamp()
            if stamp != self._stamp:
                try:
                    self._reload(stamp)
                except TrailError as error:
                    log.warning("estate.not_recorded", error=str(error))
            return self._estate

    def _first(self) -> Estate:
        stamp = self._file_stamp()
        try:
            estate = read_estate(self._path)
        except EstateError as error:
            last = self._last_accepted()
            if last is None:
                raise
            self._complain(error)
            self._stamp = stamp
            return last
        self._accept(estate)
        self._stamp = stamp
        return estate

    def _reload(self, stamp: int) -> None:
        """Raises TrailError when the new estate cannot be recorded: then it is not in force and is read again."""
        try:
            estate = read_estate(self._path)
        except EstateError as error:
            self._complain(error)
            self._stamp = stamp
            return
        if estate.digest != self._estate.digest:
            self._accept(estate)
        self._estate, self._stamp, self.complaint = estate, stamp, ""

    def _file_stamp(self) -> int:
        try:
            return self._path.stat().st_mtime_ns
        except OSError:
            return -1

    def _complain(self, error: EstateError) -> None:
        self.complaint = f"The estate's file is broken; the last accepted estate is in force. {error.what}"
        log.error("estate.refused", error=error.what)
        self._trail.note(Event(name=Name.ESTATE_REFUSED, ok=False, detail={"why": error.what[:2000]}))

    def _accept(self, estate: Estate) -> None:
        before = self._last_row()
        if before is not None and before.digest == estate.digest:
            return
        with self._trail.record() as record:
            row = record.session.get(EstateRow, estate.digest) or EstateRow(
                digest=estate.digest, body="", at=0
            )
            row.body, row.at = estate.model_dump_json(), self._clock.now()
            record.session.add(row)
            digests = {"before": before.digest if before else "", "after": estate.digest}
            record.add(Event(name=Name.ESTATE_ACCEPTED, detail=digests))
            if changed := policy_changes(Estate.model_validate_json(before.body) if before else None, estate):
                record.add(
                    Event(
                        name=Name.POLICY_CHANGED,
                        detail={
                            **digests,
                            "parts": changed,
                            "by": "not known here: whoever may change the file",
                        },
                    )
                )

    def _last_row(self) -> EstateRow | None:
        with self._trail.database.read() as session:
            return session.exec(select(EstateRow).order_by(col(EstateRow.at).desc()).limit(1)).first()

    def _last_accepted(self) -> Estate | None:
        row = self._last_row()
        return Estate.model_validate_json(row.body) if row else None
