"""Signs the trail's head: the rows are read again and hashed anew, and what was signed before must be their beginning.

A signature under bytes that nobody looked at would vouch for whatever is in the database by now; so nothing is
signed over an altered row, and nothing that could not be shown to follow the checkpoint before.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import orjson
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from bot.canon import canonical
from bot.errors import Altered, TrailError
from bot.store.tables import CheckpointRow, Entry, Head, Tile
from bot.trail import tree
from bot.trail.append import LOG, Trail
from bot.trail.event import Event, Name
from bot.trail.note import (
    UNATTESTED,
    Checkpoint,
    Key,
    NotANote,
    parse_key,
    parse_note,
    signature_line,
    signed,
)
from bot.trail.note import key as named
from bot.trail.tiles import WIDTH, Tiles
from bot.vault import Signer

EVERY_ROWS = 256
EVERY_SECONDS = 50.0
"""Of the calendar: signed and told within a minute, the keeper's own round and a slow signer included."""
_BATCH = 64 * WIDTH
_THEN = "Run signalbox verify, and keep this database as it is."


@dataclass(frozen=True)
class Keyring:
    """The key that signs, and the one before it where keys are being changed.

    `lost` is the id (hex) of a key that cannot vouch for the new one any more: whoever verifies then needs the new
    key from elsewhere.
    """

    signer: Signer
    before: Signer | None = None
    lost: str = ""


class Checkpointer:
    """Makes checkpoints. Any number of replicas may: the same rows give the same root."""

    def __init__(self, trail: Trail, keys: Keyring) -> None:
        self._trail = trail
        self._database = trail.database
        self._keys = keys
        self._growing = threading.Lock()
        self._checked = 0
        self._leaf = tree.EMPTY
        self._waiting = -1, 0.0
        """The first row that no checkpoint covers, and since when (monotonic) this process knows it"""

    def due(self) -> bool:
        """Whether 256 rows, or the oldest for fifty seconds, wait for a checkpoint.

        Seconds of the calendar, or as many since this process saw the row: a calendar that was set back for hours
        must not leave the trail unsigned for hours.
        """
        with self._database.read() as session:
            head = _head(session)
            last = _newest(session, head.origin)
            since = last.size if last else 0
            if head.size - since >= EVERY_ROWS:
                return True
            first = session.exec(select(Entry.at).where(Entry.seq == since)).first()
        if first is None:
            return False
        if self._waiting[0] != since:
            self._waiting = since, self._trail.clock.monotonic()
        return (
            self._trail.clock.now() - first >= EVERY_SECONDS
            or self._trail.clock.monotonic() - self._waiting[1] >= EVERY_SECONDS
        )

    def seal(self) -> CheckpointRow | None:
        """Sign what is there now; None when the newest checkpoint covers it already.

        Raises Altered when the rows are not what was written or do not follow what was signed before, and
        OutsideError when the signer does not answer.
        """
        with self._database.read() as session:
            head = _head(session)
            if head.size == 0 or ((last := _newest(session, head.origin)) and last.size == head.size):
                return None
        key = self._introduced(head.chain)
        with self._growing:  # whoever asks for a pack seals, too
            with self._database.read() as session:
                head = _head(session)
            if self._known() != str(key):  # another replica changed keys in between, and signs
                return None
            self._grow(head)
        with self._database.read() as session, _as_written():
            root = self._root(session, head)
        if root is None:
            return None
        point = Checkpoint(head.origin, head.size, root)
        signature = self._keys.signer.sign(point.text)
        if not key.verifies(point.text, signature):
            raise TrailError(f"The signer's answer is no signature of its key {key.name}.", then=_THEN)
        row = CheckpointRow(
            origin=head.origin,
            size=head.size,
            root=root,
            note=signed(point, [(key, signature)]),
            at=self._trail.clock.now(),
        )
        try:
            with self._database.write() as session:
                session.add(row)
        except IntegrityError:  # another replica signed the same head
            return None
        return row

    def vouch(self, text: bytes) -> bytes:
        """A text that ends in a newline, as a note signed by the key that signs checkpoints.

        Raises OutsideError when the signer does not answer, TrailError when its key cannot be used.
        """
        with self._database.read() as session:
            chain = _head(session).chain
        key = self._introduced(chain)
        return text + b"\n" + signature_line(key, self._keys.signer.sign(text))

    def _grow(self, head: Head) -> None:
        """Read what is new once, see that it hangs together, and keep its full tiles."""
        if self._checked == 0:
            self._resume()
        while self._checked < head.size:
            upto = min(head.size, self._checked + _BATCH)
            # Read and hashed without a lock: a backlog must not keep anybody from recording a call.
            with self._database.read() as session, _as_written():
                leaf = _linked(session, self._checked, upto, self._leaf)
                tiles = Tiles(session).missing(upto)
            try:
                if tiles:
                    with self._database.write() as session:
                        session.connection().execute(insert(Tile), tiles)
            except IntegrityError:  # another replica wrote the same tile first
                continue
            self._checked, self._leaf = upto, leaf
        if self._leaf != head.leaf:
            self._checked = 0
            raise Altered("The last row is not the one that the head names.", then=_THEN)

    def _resume(self) -> None:
        """Begin where the newest checkpoint ended: what lies before it is shown by its consistency."""
        with self._database.read() as session, _as_written():
            last = _newest(session, _head(session).origin)
            if last is None:
                return
            body = session.exec(select(Entry.body).where(Entry.seq == last.size - 1)).first()
            if body is not None:
                self._checked, self._leaf = last.size, tree.leaf_hash(body)

    def _root(self, session: Session, head: Head) -> bytes | None:
        """The root over the head's rows; None when another replica has signed more of them meanwhile."""
        nodes = Tiles(session)
        root = tree.root(nodes.node, head.size)
        last = _newest(session, head.origin)
        if last is None:
            return root
        before = parse_note(last.note).checkpoint
        if head.size < before.size <= _rows(session):
            return None
        follows = before.size <= head.size and tree.consistent(
            before.size, before.root, head.size, root, tree.consistency(nodes.node, before.size, head.size)
        )
        if not follows:
            raise Altered(
                f"The {head.size} rows do not follow the {before.size} that were signed before.", then=_THEN
            )
        return root

    def _introduced(self, chain: str) -> Key:
        """The signer's key, told in the trail before its first checkpoint, and vouched for by the one before it."""
        key = _key(chain, self._keys.signer)
        known = self._known()
        if known == str(key):
            return key
        detail: dict[str, str | bool] = {"key": str(key), "attested": self._keys.signer.attested}
        before = self._keys.before
        if known and before is not None and str(_key(chain, before)) == known:
            said = key_statement(chain, known, str(key))
            detail |= {"before": known, "signature": before.sign(said).hex()}
            self._trail.note(Event(name=Name.KEY_ROTATED, detail=detail))
        elif not known:
            self._trail.note(Event(name=Name.KEY_INTRODUCED, detail=detail))
        elif self._keys.lost and parse_key(known).id.hex() == self._keys.lost:
            self._trail.note(Event(name=Name.KEY_INTRODUCED, detail=detail | {"lost": known}))
        else:
            raise TrailError(
                f"The trail is signed with {known}, and this replica has {key}.",
                not_done="No checkpoint was signed.",
                then="Give it the same key, or the one before as well so that it vouches for the new one.",
            )
        return key

    def _known(self) -> str:
        with self._database.read() as session, _as_written():
            body = session.exec(
                select(Entry.body)
                .where(col(Entry.name).in_([Name.KEY_INTRODUCED, Name.KEY_ROTATED]))
                .order_by(col(Entry.seq).desc())
                .limit(1)
            ).first()
            return str(orjson.loads(body)["unmapped"]["detail"]["key"]) if body else ""


@contextmanager
def _as_written() -> Iterator[None]:
    """What cannot even be read was not written by Signalbox: SQLite gives text where somebody has put it for bytes."""
    try:
        yield
    except (NotANote, TypeError, AttributeError, KeyError, orjson.JSONDecodeError) as error:
        raise Altered("A row of the trail or its newest checkpoint cannot be read.", then=_THEN) from error


def _key(chain: str, signer: Signer) -> Key:
    try:
        return named(chain if signer.attested else chain + UNATTESTED, signer.public)
    except NotANote as error:
        raise TrailError(f"The signer's key cannot be used: {error}.") from error


def key_statement(chain: str, before: str, key: str) -> bytes:
    """What the old key signs to vouch for the new one."""
    return canonical({"signalbox": "key/1", "chain": chain, "before": before, "key": key})


def _head(session: Session) -> Head:
    head = session.get(Head, LOG)
    if head is None:
        raise Altered("The head row of the trail is missing.", then=_THEN)
    return head


def _rows(session: Session) -> int:
    """How many rows there are now, not when the head was read."""
    return session.exec(select(Head.size).where(Head.log == LOG)).one()


def _newest(session: Session, origin: str) -> CheckpointRow | None:
    return session.exec(
        select(CheckpointRow)
        .where(CheckpointRow.origin == origin)
        .order_by(col(CheckpointRow.size).desc())
        .limit(1)
    ).first()


def _linked(session: Session, first: int, upto: int, prev: bytes) -> bytes:
    """The last leaf of the rows [first, upto), which must follow `prev` and each other. Raises TrailError."""
    rows = session.exec(
        select(Entry.seq, Entry.prev, Entry.leaf, Entry.body)
        .where(Entry.seq >= first, Entry.seq < upto)
        .order_by(col(Entry.seq))
    )
    expected = first
    for seq, stored_prev, stored_leaf, body in rows:
        leaf = tree.leaf_hash(body)
        if (seq, stored_prev, stored_leaf) != (expected, prev, leaf):
            raise Altered(f"Row {expected} of the trail is not the one that was written.", then=_THEN)
        prev, expected = leaf, expected + 1
    if expected != upto:
        raise Altered(f"The trail lacks row {expected}.", then=_THEN)
    return prev
