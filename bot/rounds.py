"""What one replica does for all, again and again: the heartbeat in the trail, the peaks of every workload."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import structlog
from apscheduler.schedulers.background import BackgroundScheduler

from bot.alive import heartbeat
from bot.changes.estates import Estates
from bot.errors import SignalboxError
from bot.ports import Ports
from bot.store.database import Database
from bot.store.tables import Peak
from bot.trail.append import Trail
from bot.trail.redact import forget

log = structlog.get_logger()
HEARTBEAT_SECONDS = 600
SAMPLE_SECONDS = 300
FORGET_SECONDS = 3600


@dataclass
class Rounds:
    """Runs under the leader only; a round that fails is told and tried again at the next one.

    Due times are of the calendar, so that a simulated day has its simulated heartbeats.
    """

    estates: Estates
    ports: Ports
    database: Database
    trail: Trail
    leads: Callable[[], bool]
    _due: dict[str, float] = field(default_factory=dict)
    _scheduler: BackgroundScheduler = field(default_factory=lambda: BackgroundScheduler(timezone="UTC"))

    def start(self) -> None:
        """Begin; the first peaks are taken at once, before any Region can be gone."""
        self._scheduler.add_job(self._round, "interval", seconds=2, max_instances=1, coalesce=True)
        self._scheduler.start()

    def stop(self) -> None:
        """End after the round under way."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=True)

    def _round(self) -> None:
        try:
            if not self.leads():
                return
            if self._is_due("heartbeat", HEARTBEAT_SECONDS):
                self.trail.note(heartbeat(self.database))
            if self._is_due("forget", FORGET_SECONDS):
                forget(self.trail)
            if self._is_due("sample", SAMPLE_SECONDS):
                self.sample()
        except SignalboxError as error:
            log.warning("round.failed", error=str(error))
        except Exception:
            log.exception("round.defect")

    def _is_due(self, name: str, every: float) -> bool:
        now = self.ports.clock.now()
        if now < self._due.get(name, 0):
            return False
        self._due[name] = now + every
        return True

    def sample(self) -> None:
        """Write down how many replicas every workload has in each Region that answers."""
        estate = self.estates.now
        hour = int(self.ports.clock.now() // 3600)
        for region in estate.regions:
            try:
                found = self.ports.clusters.workloads(region, estate.namespaces)
            except SignalboxError as error:
                log.warning("sample.skipped", region=region, error=str(error))
                continue
            with self.database.write() as session:
                for workload in found:
                    key = (region, workload.name, hour)
                    row = session.get(Peak, key) or Peak(
                        region=region, workload=workload.name, hour=hour, replicas=0
                    )
                    row.replicas = max(row.replicas, workload.ready)
                    session.add(row)
