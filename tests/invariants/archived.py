"""An archive's marks in the database, set by hand: what the shipper and the look at the start leave behind."""

from __future__ import annotations

from house import House

from bot.changes.archive import Limits
from bot.changes.desk import Desk
from bot.store.database import Database
from bot.store.tables import Anchor, CheckpointRow, Head
from bot.trail import tree
from bot.trail.append import LOG
from bot.trail.checkpoint import Checkpointer, Keyring
from bot.trail.tiles import Tiles
from bot.world.signing import FileKey

LATE, LIMIT = 300.0, 3600.0
LIMITS = Limits(LATE, LIMIT)
LOCKED = (900, b"\x07" * 32)
"""Size and root of a checkpoint that this database does not have."""


def ship(box: House, state: str = "anchored") -> int:
    """All rows of now are signed and locked; their number."""
    point = Checkpointer(box.trail, Keyring(FileKey(box.estate_file.parent / "signing.key"))).seal()
    now = box.world.clock.at
    with box.database.write() as session:
        head = session.get_one(Head, LOG)
        if point is not None:
            row = session.get_one(CheckpointRow, (point.origin, point.size))
            row.shipped_at = now
            session.add(row)
        root = tree.root(Tiles(session).node, head.size)
        anchor = Anchor(origin=head.origin, state=state, locked_size=head.size, locked_root=root)
        anchor.looked_at = anchor.shipped_at = now
        session.merge(anchor)
        return head.size


def part(database: Database, state: str, locked: tuple[int, bytes] = LOCKED, why: str = "") -> None:
    """The look at the start found something else in the archive."""
    with database.write() as session:
        head = session.get_one(Head, LOG)
        row = session.get(Anchor, head.origin) or Anchor(origin=head.origin, state="")
        row.state, row.why, (row.locked_size, row.locked_root) = state, why, locked
        session.add(row)


def with_archive(desk: Desk) -> Desk:
    """The same desk where an archive is configured."""
    return Desk(
        desk.estates, desk._proposer.planner, desk.trail, desk.watch, proof=lambda _: "", limits=LIMITS
    )
