"""Simulated Aurora global databases: who writes, what has replicated, and what customers were promised."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlsplit

from bot.sandbox.faults import Faults
from bot.sandbox.net.connection import Connection, ConnectionTimedOut, DatabaseError
from bot.sandbox.net.promises import Acknowledgment, Promises
from bot.sandbox.net.storage import Storage

LAG_SECONDS = 0.3


class Clock(Protocol):
    """Where simulated time comes from."""

    def now(self) -> float: ...


@dataclass
class GlobalDatabase:
    """One global cluster: a copy per Region and the promises made about it."""

    id: str
    name: str
    copies: dict[str, Storage]
    term: int = 0
    promises: Promises = field(default_factory=Promises)

    def current(self) -> Storage:
        """The copy with the newest writership: where the truth is, even while an older writer lives on."""
        return max(self.copies.values(), key=lambda copy: copy.term if copy.role != "reader" else -1)


class Databases:
    """Every global database. Thread-safe: the AWS stand-in promotes from its own threads.

    Nothing happens by itself: `advance` (called by every method, and often by the world) moves replication
    and heartbeats up to the clock's now. What a fault stops is stopped from the first `advance` that sees it.
    """

    def __init__(self, clock: Clock, faults: Faults) -> None:
        self._clock = clock
        self._faults = faults
        self._lock = threading.RLock()
        self._all: dict[str, GlobalDatabase] = {}
        self._alive: dict[str, bool] = {}
        self._denied: Callable[[str], bool] = lambda _region: False

    def add(self, global_id: str, name: str, clusters: Mapping[str, str], *, writer: str) -> None:
        """Create a database with one cluster per Region, `clusters` = {region: cluster identifier}."""
        with self._lock:
            copies = {
                region: Storage(region, cluster, "writer" if region == writer else "reader")
                for region, cluster in clusters.items()
            }
            copies[writer].term = 1
            self._all[global_id] = GlobalDatabase(global_id, name, copies, term=1)
            self.advance()

    def deny_with(self, denied: Callable[[str], bool]) -> None:
        """Ask `denied(region)` whether a network ACL cuts the Region's database subnets off."""
        self._denied = denied

    def ids(self) -> list[str]:
        """Identifiers of the global clusters."""
        return list(self._all)

    def advance(self) -> None:
        """Replicate and write heartbeats up to now."""
        now = self._clock.now()
        with self._lock:
            for database in self._all.values():
                for copy in database.copies.values():
                    key = f"{database.id} {copy.cluster}"
                    alive = copy.writable and not self._faults.dark(copy.region)
                    if alive:
                        copy.beat(now, unbroken=self._alive.get(key, False))
                    self._alive[key] = alive
                self._replicate(database, now)

    def _replicate(self, database: GlobalDatabase, now: float) -> None:
        writer = database.current()
        # A partitioned Region is cut off from replication too: the harder case of the two.
        if self._faults.unreachable(writer.region):
            return
        for copy in database.copies.values():
            if copy.role == "reader" and not self._faults.unreachable(copy.region):
                copy.follow(writer, now - self._lag(database))

    def _lag(self, database: GlobalDatabase) -> float:
        fault = self._faults.find("replication-lag", database=database.name)
        return LAG_SECONDS + (float(fault.params["seconds"]) if fault else 0.0)

    def role(self, global_id: str, region: str) -> str:
        """writer, reader, frozen or standalone."""
        with self._lock:
            return self._all[global_id].copies[region].role

    def writer(self, global_id: str) -> str:
        """Region of the newest writer."""
        with self._lock:
            return self._all[global_id].current().region

    def lag_ms(self, global_id: str) -> float:
        """How far the furthest reader is behind the writer, ms; it grows while the writer is dark."""
        self.advance()
        with self._lock:
            database = self._all[global_id]
            now = self._clock.now()
            behind = [now - c.replicated_until for c in database.copies.values() if c.role == "reader"]
            return max(behind, default=0.0) * 1000

    def freeze(self, global_id: str) -> None:
        """The writer stops accepting writes, as during a switchover."""
        self.advance()
        with self._lock:
            writer = self._all[global_id].current()
            if writer.writable:
                writer.role = "frozen"

    def thaw(self, global_id: str) -> None:
        """A frozen writer accepts writes again: the switchover was called off."""
        with self._lock:
            writer = self._all[global_id].current()
            if writer.role == "frozen":
                writer.role = "writer"

    def promote(self, global_id: str, region: str, *, data_loss: bool) -> None:
        """Make `region` the writer; with `data_loss` it keeps only what had replicated.

        The old writer becomes a reader only if its Region answers: Aurora's fence is best effort, and a
        writer that nobody could tell goes on writing until it rejoins. Raises ValueError when a promotion
        without data loss cannot have everything, because the writer's Region is unreachable.
        """
        self.advance()
        with self._lock:
            database = self._all[global_id]
            old, new = database.current(), database.copies[region]
            if old is new and new.writable:
                return
            reachable = not self._faults.unreachable(old.region)
            if not data_loss:
                if not reachable:
                    raise ValueError(f"{old.region} is unreachable: {global_id} cannot catch up")
                new.become_copy_of(old, self._clock.now())
            self._crown(database, new, "writer")
            if old is not new and reachable:
                old.role = "reader"
                old.become_copy_of(new, self._clock.now())

    def detach(self, global_id: str, region: str) -> None:
        """The Region's cluster leaves the global database and becomes a writer of its own, unfenced."""
        self.advance()
        with self._lock:
            database = self._all[global_id]
            copy = database.copies[region]
            if copy.writable:
                copy.role = "standalone"
            else:
                self._crown(database, copy, "standalone")

    def rejoin(self, global_id: str, region: str) -> None:
        """The Region's cluster becomes a reader on a new volume; what only it held becomes `lost`."""
        self.advance()
        with self._lock:
            database = self._all[global_id]
            copy = database.copies[region]
            writer = database.current()
            if copy is not writer:
                copy.role = "reader"
                copy.become_copy_of(writer, self._clock.now())

    def _crown(self, database: GlobalDatabase, copy: Storage, role: str) -> None:
        database.term += 1
        database.promises.handed_over[database.term] = copy.replicated_until
        copy.role = "standalone" if role == "standalone" else "writer"
        copy.term = database.term
        copy.since = self._clock.now()

    def connect(self, url: str, started_at: float) -> Connection:
        """A connection of a pool opened at `started_at` to the cluster that `url` names.

        The host's first label is a cluster identifier, or a global cluster's for its writer endpoint. Raises
        ConnectionTimedOut when the Region is dark or its subnets are denied, DatabaseError for other hosts.
        """
        self.advance()
        host = urlsplit(url).hostname or ""
        label = host.split(".")[0]
        with self._lock:
            for database in self._all.values():
                copy = next((c for c in database.copies.values() if c.cluster == label), None)
                if label == database.id:
                    copy = database.current()
                if copy:
                    self.reach(copy.region, host)
                    return Connection(self, copy, started_at, host)
        raise DatabaseError(
            "08001", f'could not translate host name "{host}" to address: Name or service not known'
        )

    def reach(self, region: str, host: str) -> None:
        """Raise ConnectionTimedOut unless packets reach the Region's database subnets."""
        if not self._open(region):
            raise ConnectionTimedOut(host)

    def _open(self, region: str) -> bool:
        return not self._faults.dark(region) and not self._denied(region)

    def acknowledge(self, global_id: str, payment: str, region: str) -> None:
        """Keep that a customer was told this payment is safe, by the writer in `region`."""
        with self._lock:
            database = self._all[global_id]
            term = database.copies[region].term
            database.promises.give(Acknowledgment(payment, region, term, self._clock.now()))

    def payments_acknowledged(self) -> int:
        """Payments that customers were told are safe."""
        with self._lock:
            return sum(len(database.promises.given) for database in self._all.values())

    def payments_lost(self) -> int:
        """Acknowledged payments that the current writers' storage does not hold."""
        with self._lock:
            return sum(
                database.promises.broken(database.current().payments) for database in self._all.values()
            )

    def lost_though_replicated(self) -> int:
        """Lost payments that had been acknowledged before the last replicated moment of each promoted copy."""
        with self._lock:
            return sum(
                database.promises.broken_without_excuse(database.current().payments)
                for database in self._all.values()
            )

    def acknowledged_by_two_writers(self) -> int:
        """Payments that an older writer acknowledged after a newer one had acknowledged one."""
        with self._lock:
            return sum(database.promises.by_two_writers for database in self._all.values())

    def told(self) -> dict[str, Any]:
        """Writer, lag in milliseconds, and each Region's role, payments and openness, by global cluster."""
        with self._lock:
            return {
                database.id: {
                    "name": database.name,
                    "writer": database.current().region,
                    "promotions": database.term - 1,
                    "lag_ms": round(self.lag_ms(database.id), 1),
                    "regions": {
                        region: {
                            "role": copy.role,
                            "payments": len(copy.ids),
                            "lost": len(copy.lost),
                            "takes_writes": copy.writable and self._open(region),
                        }
                        for region, copy in database.copies.items()
                    },
                }
                for database in self._all.values()
            }

    def locked(self) -> threading.RLock:
        """The lock under which connections read and write."""
        return self._lock

    def now(self) -> float:
        """Simulated now, as commits are stamped."""
        return self._clock.now()
