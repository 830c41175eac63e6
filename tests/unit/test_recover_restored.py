"""A database that came back from a backup, with the real shipper: parted, refused, recovered, shipped anew."""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "invariants"))

from archived import LIMITS
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from house import LEAD, LEAD2, ONCALL, House, house
from plans import estate_text
from shipped_log import MemoryArchive

from bot.changes.archive import look
from bot.changes.desk import Desk
from bot.changes.missing import missing
from bot.changes.signed import Signed
from bot.errors import Refused
from bot.store.database import Database
from bot.store.migrate import migrate
from bot.trail.checkpoint import Checkpointer, Keyring
from bot.trail.event import Event, Name
from bot.trail.ship import Shipper
from bot.trail.verify import verify_database
from bot.world.signing import FileKey

KEYS = {
    person: Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32)
    for n, person in enumerate((LEAD, LEAD2, ONCALL), 1)
}
PLANNED = "/failover us-west-2 --planned --reason test"
WHY = "restored from the snapshot of Sunday"


class Shipped:
    """A Signalbox that signs and ships, in a process of its own."""

    def __init__(self, place: Path, name: str, archive: MemoryArchive | None = None) -> None:
        self.url = f"sqlite:///{place}/{name}.db"
        self.database = Database(self.url)
        migrate(self.database)
        self.box: House = house(self.database, place)
        self.archive = archive or MemoryArchive(self.box.world.clock)  # type: ignore[arg-type]
        self.archive.clock = self.box.world.clock  # type: ignore[assignment]
        self.checkpointer = Checkpointer(self.box.trail, Keyring(FileKey(place / "signing.key")))
        self.shipper = Shipper(self.box.trail, self.archive)
        box = self.box
        box.desk = Desk(
            box.estates, box.planner, box.trail, box.watch, lambda _: "", limits=LIMITS, vault=self.archive
        )

    def goes_on(self, rows: int) -> None:
        for _ in range(rows):
            self.box.world.clock.at += 10
            self.box.trail.note(Event(name=Name.BOT_HEARTBEAT))
        self.ships()

    def ships(self) -> None:
        self.checkpointer.seal()
        while self.shipper.ship_once():
            pass

    def state(self) -> tuple[str, str, int]:
        with self.database.read() as session:
            standing = look(session)
        return standing.origin, standing.state, standing.waiting

    def signs(self, person: str, *, emergency: bool = False) -> bool:
        heads = self.box.desk.recovery.asked(emergency=emergency).heads
        key = KEYS[person]
        public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
        signed = Signed(public, key.sign(heads.statement(person, WHY, emergency=emergency)))
        return self.box.desk.recover(heads, person, WHY, signed, emergency=emergency).counted


@pytest.fixture
def restored(tmp_path: Path) -> Shipped:
    """Twenty rows were shipped after the backup that this database comes from."""
    pinned = "".join(
        f"  {p}: ['{k.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()}']\n"
        for p, k in KEYS.items()
    )
    (tmp_path / "estate.yaml").write_text(f"{estate_text()}\nkeys:\n{pinned}")
    first = Shipped(tmp_path, "first")
    first.goes_on(10)
    with sqlite3.connect(tmp_path / "first.db") as source, sqlite3.connect(tmp_path / "second.db") as backup:
        source.backup(backup)
    first.goes_on(20)
    assert first.state() == ("signalbox", "anchored", 0)
    at = first.box.world.clock.at
    first.database.close()
    second = Shipped(tmp_path, "second", first.archive)
    second.box.world.clock.at = at + 60
    second.ships()
    return second


@pytest.mark.parametrize("emergency", [False, True])
def test_a_restored_database_goes_on_under_a_new_origin(restored: Shipped, *, emergency: bool) -> None:
    """Nothing is shipped until people have signed; then all rows are, and what was locked stays as it was."""
    before = restored.archive.content()
    assert restored.state()[:2] == ("signalbox", "behind")
    with pytest.raises(Refused, match="lacks rows of the trail"):
        restored.box.ask(PLANNED)
    with restored.database.read() as session:
        lacks = missing(session, restored.archive, "signalbox")
    assert lacks is not None
    assert lacks.count >= 15
    assert restored.archive.content() == before

    for person in [ONCALL] if emergency else [LEAD, LEAD2]:
        assert restored.signs(person, emergency=emergency)
    assert restored.state()[:2] == ("signalbox/r1", "new")
    restored.ships()
    restored.goes_on(3)
    assert restored.state() == ("signalbox/r1", "anchored", 0)
    now = restored.archive.content()
    assert {key: body for key, body in now.items() if not key.startswith("signalbox/r1/")} == before
    assert f"signalbox/r1/entries/{0:020d}" in " ".join(now)
    assert restored.box.run(restored.box.approved(PLANNED)) is not None
    restored.ships()
    report = verify_database(restored.url, now=restored.box.world.clock.at)
    assert (report.exit_code, report.findings) == (0, []), report.words()
