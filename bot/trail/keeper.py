"""Keeps what the trail promises to outsiders: signed within a minute, and in the archive soon after.

One replica does it for all, in a thread of its own, so that an archive that hangs slows nothing down. Nothing here
can refuse a call: what is downstream of the trail is told of, and stops planned changes elsewhere.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from bot.errors import Altered, SignalboxError
from bot.trail.append import Trail
from bot.trail.checkpoint import Checkpointer
from bot.trail.event import Event, Name
from bot.trail.ship import Shipper

log = structlog.get_logger()
ROUND_SECONDS = 1.0
"""Wall seconds between two looks."""


@dataclass
class Keeper:
    """Seals and ships while this replica leads; without an archive it only seals."""

    trail: Trail
    checkpointer: Checkpointer
    leads: Callable[[], bool]
    shipper: Shipper | None = None
    _told: str = ""
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin in a thread of its own."""
        self._thread = threading.Thread(target=self._keep, name="keeper", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End, with a last checkpoint over what was written until now."""
        self._stop.set()
        if self._thread:
            self._thread.join(timeout=10)
        self.round(seal=True)

    def round(self, *, seal: bool = False) -> None:
        """Sign when it is due, or at once with `seal`; then ship. What fails is told and tried again."""
        try:
            try:
                if seal or (self.leads() and self.checkpointer.due()):
                    self.checkpointer.seal()
            except Altered as error:
                self._tell(error)
        except SignalboxError as error:
            log.warning("checkpoint.failed", error=str(error))
        except Exception:
            log.exception("checkpoint.defect")
        try:
            while self.shipper is not None and self.leads() and self.shipper.ship_once():
                if self._stop.is_set() or self.checkpointer.due():
                    break
        except SignalboxError as error:
            log.warning("shipping.failed", error=str(error))
        except Exception:
            log.exception("shipping.defect")

    def _keep(self) -> None:
        while not self._stop.wait(ROUND_SECONDS):
            self.round()

    def _tell(self, error: Altered) -> None:
        if error.what == self._told:
            return
        log.error("trail.altered", error=str(error))
        if self.shipper is not None:
            self.shipper.diverged(error.what)
        else:
            self.trail.note(Event(name=Name.LOG_DIVERGED, ok=False, detail={"why": str(error)}))
        self._told = error.what
