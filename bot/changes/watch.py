"""Looks again and again while a question is open, so that an approval starts on what is true now."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field

import structlog
from sqlmodel import col, select

from bot.changes.estates import Estates
from bot.changes.planner import Planned, Planner
from bot.errors import SignalboxError
from bot.plan import Plan
from bot.store.tables import Change, Decision
from bot.trail.append import Trail
from bot.trail.event import Event, Name
from runbooks.request import Request

log = structlog.get_logger()
FRESH_SECONDS = 20.0
"""Wall seconds for which an observation counts as being of now."""
_AGAIN_SECONDS = 4.0
TELL_SECONDS = 60.0
"""Of the calendar: how old what the card tells may be; another order of doing is told at once."""


@dataclass
class Watch:
    """Keeps a fresh plan of every proposed change, and closes questions that expired."""

    estates: Estates
    planner: Planner
    trail: Trail
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to watch in a thread of its own."""
        self._thread = threading.Thread(target=self._watching, name="watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End within one observation."""
        self._stop.set()
        if self._thread:
            self._thread.join(timeout=20)

    def fresh(self, change: Change, shown: Plan) -> Planned:
        """A plan made from an observation no older than FRESH_SECONDS; observes now when there is none."""
        newest = self.planner.kept.get(change.id)
        if newest is None or self.planner.clock.monotonic() - newest.at >= FRESH_SECONDS:
            return self.observe(change, shown)
        if newest.plan is not None and newest.plan.estate_digest != self.estates.now.digest:
            return self.observe(change, shown)
        return newest

    def observe(self, change: Change, shown: Plan) -> Planned:
        """A plan made from an observation that begins now."""
        request = Request.from_json(json.loads(change.request))
        planned = self.planner.plan(self.estates.now, request, like=shown)
        self.planner.kept[change.id] = planned
        self._tell_what_is_seen(change, shown, planned)
        return planned

    def _tell_what_is_seen(self, change: Change, shown: Plan, planned: Planned) -> None:
        """Keep the words on the card true: what is seen beside the same plan changes while people read."""
        fresh = planned.plan
        if fresh is None or fresh.digest != shown.digest:
            return
        seen_ms = int(shown.facts.get("seen_ms", shown.facts["at_ms"]))
        same = shown.facts.get("order") == fresh.facts.get("order")
        if same and fresh.facts["at_ms"] - seen_ms < 1000 * TELL_SECONDS:
            return
        # What the bounds were reckoned from stays as it was when they were approved.
        facts = {**fresh.facts, "at_ms": shown.facts["at_ms"], "seen_ms": fresh.facts["at_ms"]}
        with self.trail.record() as record:
            row = record.session.get_one(Change, change.id, with_for_update=True)
            if row.state != "proposed" or row.digest != shown.digest:
                record.add(Event(name=Name.CHANGE_SEEN, change=change.id, detail={"too_late": True}))
                return
            row.plan = shown.model_copy(update={"facts": facts}).model_dump_json()
            record.session.add(row)
            record.add(
                Event(
                    name=Name.CHANGE_SEEN,
                    change=change.id,
                    detail={
                        "order": str(fresh.facts.get("order")),
                        "losses": list(fresh.facts["losses"])[:20],
                    },
                )
            )

    def expire(self) -> None:
        """Close the questions whose time is over."""
        now = self.planner.clock.now()
        due = (col(Decision.state) == "open", col(Decision.expires_at) <= now)
        with self.trail.database.read() as session:
            if not session.exec(select(Decision.id).where(*due)).all():
                return
        with self.trail.record() as record:
            for decision in record.session.exec(select(Decision).where(*due).with_for_update()):
                decision.state, decision.decided_at = "expired", now
                record.session.add(decision)
                change = record.session.get_one(Change, decision.change)
                record.add(
                    Event(
                        name=Name.DECISION_EXPIRED,
                        change=change.id,
                        ok=False,
                        approval={"decision": decision.id},
                    )
                )
                if decision.kind in ("approval", "recovery") and change.state in ("proposed", "recovering"):
                    change.state, change.closed_at = "expired", now
                    record.session.add(change)
                    record.add(Event(name=Name.CHANGE_CLOSED, change=change.id, detail={"state": "expired"}))

    def _watching(self) -> None:
        while not self._stop.wait(0.5):
            try:
                self.expire()
                self._look()
            except SignalboxError as error:
                log.warning("watch.failed", error=str(error))
            except Exception:
                log.exception("watch.defect")

    def _look(self) -> None:
        with self.trail.database.read() as session:
            changes = session.exec(select(Change).where(Change.state == "proposed")).all()
        for gone in self.planner.kept.keys() - {c.id for c in changes}:
            del self.planner.kept[gone]
        for change in changes:
            newest = self.planner.kept.get(change.id)
            if newest is None or self.planner.clock.monotonic() - newest.at >= _AGAIN_SECONDS:
                self.observe(change, Plan.model_validate_json(change.plan))
