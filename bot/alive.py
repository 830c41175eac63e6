"""What a replica records of itself: that it began and ended, with what, and that it is still there."""

from __future__ import annotations

from importlib.metadata import version

from sqlmodel import Session, col, select

from bot.settings import TERMINAL, Settings
from bot.store.database import Database
from bot.store.tables import CheckpointRow, Head, Replica
from bot.trail.event import Event, Name


def started(settings: Settings, replica: str, database: Database) -> Event:
    """The start of a process, with all of its settings that say how far it can be relied on and none that is secret."""
    slack = "none" if settings.slack_bot_token is None else "socket" if settings.slack_app_token else "http"
    return Event(
        name=Name.BOT_STARTED,
        detail={
            "replica": replica,
            "terminal": replica.startswith(TERMINAL),
            "version": version("signalbox"),
            "database": "sqlite" if database.sqlite else "postgresql",
            "clock": "simulated" if settings.clock else "system",
            "archive": settings.archive or "none",
            "signing": settings.kms_key or "local key, unattested",
            "slack": slack,
            "impersonate": settings.impersonate,
        },
    )


def stopped(replica: str) -> Event:
    """The end of a process that ended in order; one that was killed has none, and its heartbeats end."""
    return Event(name=Name.BOT_STOPPED, detail={"replica": replica})


def heartbeat(database: Database) -> Event:
    """That the log goes on though nothing happens: who is alive, and how far rows and checkpoints had come before."""
    with database.read() as session:
        living = session.exec(
            select(Replica.name).where(Replica.until > database.now(session)).order_by(Replica.name)
        )
        detail = {"alive": list(living.all())[:50], **_reached(session)}
    return Event(name=Name.BOT_HEARTBEAT, detail=detail)


def _reached(session: Session) -> dict[str, int | str]:
    head = session.exec(select(Head)).first()
    if head is None:
        return {"rows": 0}
    newest = session.exec(
        select(CheckpointRow)
        .where(CheckpointRow.origin == head.origin)
        .order_by(col(CheckpointRow.size).desc())
        .limit(1)
    ).first()
    if newest is None:
        return {"rows": head.size}
    return {"rows": head.size, "checkpoint": newest.size, "root": newest.root.hex()}
