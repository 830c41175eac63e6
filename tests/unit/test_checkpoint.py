from __future__ import annotations

import threading
from pathlib import Path

import pytest
from hand_clock import HandClock
from sqlalchemy import text
from sqlmodel import select

from bot.errors import Altered, Refused, TrailError
from bot.store.database import Database
from bot.store.tables import CheckpointRow, Entry, Tile
from bot.trail import tree
from bot.trail.append import Trail
from bot.trail.checkpoint import Checkpointer, Keyring, key_statement
from bot.trail.event import Event, Name
from bot.trail.note import parse_key, parse_note
from bot.trail.tiles import prove
from bot.world.signing import FileKey


class Log:
    """A trail with a key, and what a test asks of both."""

    def __init__(self, database: Database, clock: HandClock, home: Path) -> None:
        self.database, self.clock, self.home = database, clock, home
        self.trail = Trail(database, clock, chain="signalbox/test")
        self.key = FileKey(home / "signing.key")
        self.checkpointer = Checkpointer(self.trail, Keyring(self.key))

    def write(self, count: int) -> None:
        self.trail.note(*(Event(name=Name.BOT_HEARTBEAT, detail={"n": n}) for n in range(count)))

    def leaves(self) -> list[bytes]:
        with self.database.read() as session:
            return [tree.leaf_hash(body) for body in session.exec(select(Entry.body).order_by(Entry.seq))]

    def root(self, size: int) -> bytes:
        grown = tree.Frontier()
        for leaf in self.leaves()[:size]:
            grown.add(leaf)
        return grown.root()


@pytest.fixture
def log(database: Database, clock: HandClock, tmp_path: Path) -> Log:
    return Log(database, clock, tmp_path)


def test_a_checkpoint_is_signed_over_the_root_of_all_rows(log: Log) -> None:
    """The key is introduced first, so that the first checkpoint covers it."""
    log.write(3)
    row = log.checkpointer.seal()
    assert row is not None
    note = parse_note(row.note)
    assert (note.checkpoint.origin, note.checkpoint.size) == ("signalbox/test", 4)
    assert note.checkpoint.root == log.root(4)
    [signer] = note.signers([parse_key(_key_in_the_trail(log))])
    assert not signer.attested
    assert log.checkpointer.seal() is None


def _key_in_the_trail(log: Log) -> str:
    import json

    with log.database.read() as session:
        bodies = [json.loads(body) for body in session.exec(select(Entry.body).order_by(Entry.seq.desc()))]
    return next(
        str(b["unmapped"]["detail"]["key"]) for b in bodies if b["api"]["operation"].startswith("trail:key")
    )


def test_a_checkpoint_is_due_after_a_minute_or_256_rows(log: Log) -> None:
    """Nothing new needs none."""
    assert not log.checkpointer.due()
    log.write(3)
    assert not log.checkpointer.due()
    log.clock.advance(60)
    assert log.checkpointer.due()
    log.checkpointer.seal()
    assert not log.checkpointer.due()
    log.write(256)
    assert log.checkpointer.due()


def test_every_row_of_a_long_log_can_be_proved(log: Log) -> None:
    """Across tiles, under a checkpoint that was made in several steps and by several processes."""
    for count in (250, 7, 300, 1):
        log.write(count)
        Checkpointer(log.trail, Keyring(log.key)).seal()
    leaves = log.leaves()
    with log.database.read() as session:
        assert len(session.exec(select(Tile)).all()) == len(leaves) // 256
        for seq in (0, 1, 249, 255, 256, 511, 512, len(leaves) - 1):
            proof = prove(session, seq)
            assert tree.included(leaves[seq], seq, proof.size, proof.path, log.root(proof.size))
            assert len(proof.path) <= 10
    assert proof.text.startswith(b"c2sp.org/tlog-proof@v1\nindex 558\n")


def test_what_no_checkpoint_covers_cannot_be_proved_yet(log: Log) -> None:
    """It is said when to ask again."""
    log.write(1)
    with log.database.read() as session, pytest.raises(Refused, match="not under a signed checkpoint yet"):
        prove(session, 0)
    with log.database.read() as session, pytest.raises(Refused, match="has no row 9"):
        prove(session, 9)


@pytest.mark.parametrize(
    "sql",
    [
        "update entry set body = :body where seq = 5",
        "delete from entry where seq = 5",
        "update entry set leaf = :body where seq = 5",
        "delete from entry where seq >= 4",
    ],
)
@pytest.mark.parametrize("again", [True, False])
def test_nothing_is_signed_over_rows_that_were_altered(log: Log, sql: str, *, again: bool) -> None:
    """Neither by the process that wrote them nor by one that starts afterwards."""
    log.write(4)
    log.checkpointer.seal()
    log.write(3)
    with log.database.write() as session:
        session.connection().execute(text(sql), {"body": b"{}"} if ":body" in sql else {})
    with pytest.raises(Altered, match=r"Row|lacks row|head"):
        (log.checkpointer if again else Checkpointer(log.trail, Keyring(log.key))).seal()


def test_nothing_is_signed_that_does_not_follow_what_was_signed_before(log: Log) -> None:
    """A whole log written anew hangs together; the checkpoint before shows that it is another one."""
    log.write(3)
    log.checkpointer.seal()
    with log.database.read() as session:
        [signed] = session.exec(select(CheckpointRow)).all()
    with log.database.write() as session:
        for table in ("entry", "tile"):
            session.connection().execute(text(f"delete from {table}"))
        session.connection().execute(
            text("update head set size = 0, leaf = :leaf, time_ms = 0"), {"leaf": tree.EMPTY}
        )
    log.write(9)
    with pytest.raises(Altered, match="do not follow the 4 that were signed before"):
        Checkpointer(log.trail, Keyring(log.key)).seal()
    with log.database.read() as session:
        assert session.exec(select(CheckpointRow)).all() == [signed]


def test_a_new_key_is_vouched_for_by_the_one_before(log: Log) -> None:
    """The rotation is a row, signed by the old key; checkpoints after it are signed by the new one."""
    log.write(1)
    log.checkpointer.seal()
    old = _key_in_the_trail(log)
    fresh = FileKey(log.home / "fresh.key")
    row = Checkpointer(log.trail, Keyring(fresh, before=log.key)).seal()
    assert row is None, "no rows, no checkpoint: the key changes with the next one"
    log.write(1)
    row = Checkpointer(log.trail, Keyring(fresh, before=log.key)).seal()
    assert row is not None
    new = _key_in_the_trail(log)
    import json

    with log.database.read() as session:
        told = json.loads(session.exec(select(Entry.body).order_by(Entry.seq.desc())).first() or b"{}")
    said = told["unmapped"]["detail"]
    assert (said["before"], said["key"]) == (old, new)
    assert parse_key(old).verifies(
        key_statement("signalbox/test", old, new), bytes.fromhex(said["signature"])
    )
    assert [str(one) for one in parse_note(row.note).signers([parse_key(old), parse_key(new)])] == [new]


def test_replicas_that_sign_at_once_make_one_checkpoint(log: Log) -> None:
    """Both read the same rows; the second one's is dropped."""
    log.write(3)
    log.checkpointer.seal()
    log.write(300)
    made: list[CheckpointRow | None] = []
    threads = [
        threading.Thread(target=lambda: made.append(Checkpointer(log.trail, Keyring(log.key)).seal()))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 3
    with log.database.read() as session:
        assert [row.size for row in session.exec(select(CheckpointRow).order_by(CheckpointRow.size))] == [
            4,
            304,
        ]


def test_a_key_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    """A second process finds the first one's."""
    path = tmp_path / "keys" / "signing.key"
    assert FileKey(path).public == FileKey(path).public
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_a_key_that_nobody_vouches_for_signs_nothing_unless_the_old_one_is_said_to_be_lost(log: Log) -> None:
    """A replica that was given another file by mistake must not cast doubt on the whole log."""
    log.write(1)
    log.checkpointer.seal()
    log.write(1)
    fresh = FileKey(log.home / "fresh.key")
    with pytest.raises(TrailError, match="this replica has"):
        Checkpointer(log.trail, Keyring(fresh)).seal()
    lost = parse_key(_key_in_the_trail(log)).id.hex()
    assert Checkpointer(log.trail, Keyring(fresh, lost=lost)).seal() is not None
    assert parse_key(_key_in_the_trail(log)).id.hex() != lost
