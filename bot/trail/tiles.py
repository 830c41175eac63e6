"""The tree's hashes as they are kept: full tiles of 256 in the database, the rest computed from the rows' bytes.

With them a proof about one of a million rows costs some hundred hashes. A tile is written once its 256 rows are
there; since whoever can write to the database can alter it, every proof is checked against a signed root before it
is handed out.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

from sqlmodel import Session, col, select

from bot.errors import Altered, Refused
from bot.store.tables import CheckpointRow, Entry, Tile
from bot.trail import tree

WIDTH = 256
_LEVELS = 8
"""Levels of the tree within one tile: log2 of its width."""


class Tiles:
    """Nodes of the tree in one database, for `tree.root`, `tree.inclusion` and `tree.consistency`."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._known: dict[tuple[int, int], list[bytes]] = {}

    def node(self, level: int, index: int) -> bytes:
        """The hash of the perfect subtree over the rows [index·2^level, (index+1)·2^level). Raises Altered."""
        tile_level, up = divmod(level, _LEVELS)
        return _fold(self._hashes(tile_level, index << up, 1 << up))

    def missing(self, size: int) -> list[dict[str, Any]]:
        """Every full tile over the first `size` rows that is not kept yet, as rows to insert. Raises Altered.

        Made without a write lock: whoever has to record a call in the meantime does not wait for hashing.
        """
        found: list[dict[str, Any]] = []
        level, width = 0, WIDTH
        while size >= width:
            newest = self._session.exec(
                select(Tile.number).where(Tile.level == level).order_by(col(Tile.number).desc()).limit(1)
            ).first()
            for number in range(0 if newest is None else newest + 1, size // width):
                hashes = self._hashes(level, number * WIDTH, WIDTH)
                self._known[level, number] = hashes
                found.append({"level": level, "number": number, "hashes": b"".join(hashes)})
            level, width = level + 1, width * WIDTH
        return found

    def _hashes(self, level: int, first: int, count: int) -> list[bytes]:
        """Neighbours at 8·level that lie in one tile."""
        number, at = divmod(first, WIDTH)
        tile = self._known.get((level, number))
        if tile is None and (row := self._session.get(Tile, (level, number))) is not None:
            tile = [row.hashes[n : n + tree.HASH_BYTES] for n in range(0, len(row.hashes), tree.HASH_BYTES)]
            self._known[level, number] = tile
        if tile is not None:
            found = tile[at : at + count]
        elif level == 0:
            found = self._leaves(first, count)
        else:
            found = [_fold(self._hashes(level - 1, (first + n) * WIDTH, WIDTH)) for n in range(count)]
        if len(found) != count:
            raise Altered(f"The trail lacks rows or hashes from {first << (_LEVELS * level)} on.")
        return found

    def _leaves(self, first: int, count: int) -> list[bytes]:
        rows = self._session.exec(
            select(Entry.body).where(Entry.seq >= first, Entry.seq < first + count).order_by(col(Entry.seq))
        )
        return [tree.leaf_hash(body) for body in rows]


def _fold(hashes: list[bytes]) -> bytes:
    while len(hashes) > 1:
        hashes = [tree.node_hash(a, b) for a, b in zip(hashes[::2], hashes[1::2], strict=True)]
    return hashes[0]


@dataclass(frozen=True)
class InclusionProof:
    """That one row is in the trail as it was signed: anybody can check it with the row and the key alone."""

    seq: int
    size: int
    leaf: bytes
    path: tuple[bytes, ...]
    note: bytes

    @property
    def text(self) -> bytes:
        """As a C2SP tlog-proof: index, path, an empty line, the signed checkpoint."""
        path = "".join(base64.b64encode(one).decode() + "\n" for one in self.path)
        return f"c2sp.org/tlog-proof@v1\nindex {self.seq}\n{path}\n".encode() + self.note


def prove(session: Session, seq: int) -> InclusionProof:
    """The proof of row `seq` under the newest checkpoint.

    Raises Refused while no checkpoint covers the row, Altered when what is stored does not fit what was signed.
    """
    point = session.exec(select(CheckpointRow).order_by(col(CheckpointRow.size).desc()).limit(1)).first()
    body = session.exec(select(Entry.body).where(Entry.seq == seq)).first()
    if body is None:
        raise Refused(f"The trail has no row {seq}.")
    if point is None or seq >= point.size:
        raise Refused(f"Row {seq} is not under a signed checkpoint yet.", then="Ask again in a minute.")
    leaf, path = tree.leaf_hash(body), tree.inclusion(Tiles(session).node, seq, point.size)
    if not tree.included(leaf, seq, point.size, path, point.root):
        raise Altered(
            f"Row {seq} does not fit the checkpoint over {point.size} rows: the database was altered.",
            not_done="No proof was made.",
            then="Run signalbox verify.",
        )
    return InclusionProof(seq, point.size, leaf, tuple(path), point.note)
