"""Wires everything: the only module that knows all the others."""

from __future__ import annotations

import os
from dataclasses import dataclass

import structlog

import commands  # noqa: F401 - declares the commands
from bot import alive
from bot.actions.kinds import KINDS
from bot.changes.archive import Limits
from bot.changes.desk import Desk
from bot.changes.estates import Estates
from bot.changes.planner import Planner
from bot.changes.watch import Watch
from bot.clock import Clock, FileClock, SystemClock
from bot.engine.drive import Engine
from bot.engine.lease import Lease
from bot.engine.register import Intents
from bot.engine.visit import Visitor
from bot.errors import EstateError, SignalboxError
from bot.estate_file import read_estate
from bot.evidence import access, oscal
from bot.evidence.pack import Packer
from bot.known import learn_secrets
from bot.ports import Ports
from bot.records import Records
from bot.rounds import Rounds
from bot.settings import Settings, replica_name
from bot.store.database import Database
from bot.store.migrate import migrate
from bot.trail.append import Trail
from bot.trail.checkpoint import Checkpointer, Keyring
from bot.trail.keeper import Keeper
from bot.trail.proof import Proof
from bot.trail.ship import Shipper
from bot.world import assumable, open_records, open_world
from bot.world.signing import FileKey, KmsKey
from bot.world.vault import open_archive

log = structlog.get_logger()


@dataclass
class Box:
    """A running Signalbox without a face."""

    settings: Settings
    clock: Clock
    database: Database
    trail: Trail
    lease: Lease
    ports: Ports
    engine: Engine
    desk: Desk
    watch: Watch
    rounds: Rounds
    keeper: Keeper

    def start(self) -> None:
        """Begin to drive, watch and make rounds."""
        self.trail.note(alive.started(self.settings, self.lease.name, self.database))
        self.lease.beat()
        self.engine.start()
        self.watch.start()
        self.rounds.start()
        self.keeper.start()

    def stop(self) -> None:
        """End in order: nothing new, then what is under way, then the lease."""
        self.rounds.stop()
        self.watch.stop()
        self.engine.stop()
        self.trail.note(alive.stopped(self.lease.name))
        self.keeper.stop()
        self.database.close()


def _clock(settings: Settings) -> Clock:
    if settings.clock is None:
        return SystemClock()
    try:
        return FileClock(settings.clock)
    except (OSError, ValueError, KeyError) as error:
        raise SignalboxError(
            f"SIGNALBOX_CLOCK names {settings.clock}, which is no clock of a sandbox.",
            not_done="Nothing was started.",
        ) from error


def _keyring(settings: Settings) -> Keyring:
    """What signs checkpoints. Raises SignalboxError for a key that cannot be used."""
    before = (
        KmsKey(settings.kms_key_before)
        if settings.kms_key_before
        else FileKey(settings.signing_key_before)
        if settings.signing_key_before
        else None
    )
    if not settings.kms_key:
        return Keyring(
            FileKey(settings.signing_key or settings.state / "signing.key"), before, settings.lost_key
        )
    if settings.clock is not None:
        raise SignalboxError(
            "SIGNALBOX_CLOCK simulates the time, and SIGNALBOX_KMS_KEY would attest it.",
            not_done="Nothing was started.",
            then="Unset one of them.",
        )
    return Keyring(KmsKey(settings.kms_key), before, settings.lost_key)


def _named_like_the_estate(settings: Settings) -> str:
    """The name of a log that begins now; one that has rows keeps its own."""
    try:
        return f"signalbox/{read_estate(settings.estate).estate}"
    except EstateError:
        return "signalbox"


def records(settings: Settings) -> Records:
    """CloudTrail and the audit logs of the estate's clusters, to be read. Raises EstateError."""
    estate = read_estate(settings.estate)
    clusters = {name: region.cluster for name, region in estate.regions.items()}
    return open_records(clock=_clock(settings), clusters=clusters)


def assumed(settings: Settings) -> dict[str, str]:
    """By Region of the estate, why the role of changes cannot be assumed there. Raises EstateError."""
    return assumable(
        role_arn=settings.role_arn, regions=read_estate(settings.estate).regions, clock=_clock(settings)
    )


def build(settings: Settings, *, terminal: bool = False) -> Box:
    """Open the database, the estate and the world. Raises EstateError or TrailError: do not start.

    `terminal` says that it is there for one command of a person, so that nobody counts on it to stay.
    """
    learn_secrets(settings, os.environ)
    clock = _clock(settings)
    database = Database(settings.database_url)
    migrate(database)
    trail = Trail(
        database,
        clock,
        chain=settings.log_name or _named_like_the_estate(settings),
        disclosed_seconds=86400 * settings.disclosure_days,
    )
    estates = Estates(settings.estate, trail, clock)
    estate = estates.now
    lease = Lease(database, trail, replica_name(terminal=terminal), settings.lease_seconds)
    settings.state.mkdir(parents=True, exist_ok=True)
    ports = open_world(
        register=Intents(database, trail, lease),
        clock=clock,
        state=settings.state,
        resolver=settings.resolver,
        dns_port=settings.dns_port,
        kubeconfig=settings.kubeconfig,
        clusters={name: region.cluster for name, region in estate.regions.items()},
        prometheus=estate.metrics.prometheus,
        impersonate=settings.impersonate,
        role_arn=settings.role_arn,
    )
    planner = Planner(ports, database, clock)
    watch = Watch(estates, planner, trail)
    archive = open_archive(settings.archive, settings.archive_region) if settings.archive else None
    limits = Limits(settings.archive_late_seconds, settings.archive_limit_seconds) if archive else None
    desk = Desk(estates, planner, trail, watch, proof=Proof(database).words, limits=limits, vault=archive)
    engine = Engine(Visitor(ports, KINDS, trail, lease), workers=settings.workers)
    rounds = Rounds(estates, ports, database, trail, lease.leads)
    checkpointer = Checkpointer(trail, _keyring(settings))
    parts = (access.part, oscal.part)
    desk.packer = Packer(trail, checkpointer.seal, checkpointer.vouch, parts)
    shipper = Shipper(trail, archive, late_seconds=settings.archive_late_seconds) if archive else None
    keeper = Keeper(trail, checkpointer, lease.leads, shipper)
    return Box(settings, clock, database, trail, lease, ports, engine, desk, watch, rounds, keeper)
