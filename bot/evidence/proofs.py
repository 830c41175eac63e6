"""The part of a pack that proves the rest: rows, checkpoints, keys, and where the log stood before."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache

import orjson
from sqlmodel import Session, col, select

from bot.errors import Altered
from bot.evidence.window import Window, bodies
from bot.store.tables import CheckpointRow, Entry
from bot.trail import tree
from bot.trail.note import parse_key
from bot.trail.tiles import WIDTH, InclusionProof, Tiles

_THEN = "Run signalbox verify, and keep this database as it is."
_NOT = "No pack was made."


class Proofs:
    """Proofs for one window, all against the checkpoint that closes it."""

    def __init__(self, window: Window) -> None:
        """Raises Altered where what was signed is not there."""
        self._window = window
        self._database = window.database
        with self._database.read() as session:
            rows = session.exec(
                select(CheckpointRow)
                .where(CheckpointRow.size <= window.size)
                .order_by(col(CheckpointRow.size), col(CheckpointRow.at))
            ).all()
        points = {row.size: row for row in rows}
        self.start = max((size for size in points if size <= window.first), default=0)
        """Size of the newest checkpoint that is not after the first row needed; 0 when there is none."""
        self.points = {size: row for size, row in points.items() if size >= self.start}
        self._keys = set(window.keys)

    def checkpoints(self) -> Iterator[tuple[str, bytes]]:
        """File names and notes."""
        for size, row in sorted(self.points.items()):
            yield f"trail/checkpoints/{size:020d}", row.note

    def begin(self) -> bytes:
        """`start.json`: what the first row of the pack is appended to."""
        if self.start == 0:
            return _json({"size": 0, "frontier": [], "leaf": ""})
        with self._database.read() as session:
            front = tree.frontier(Tiles(session).node, self.start)
            last = session.exec(select(Entry.body).where(Entry.seq == self.start - 1)).one()
        if front.root() != self.points[self.start].root:
            raise Altered(
                f"The first {self.start} rows are not those that were signed.", not_done=_NOT, then=_THEN
            )
        leaf = tree.leaf_hash(bytes(last))
        return _json(
            {"size": self.start, "frontier": [one.hex() for one in front.hashes], "leaf": leaf.hex()}
        )

    def segments(self) -> Iterator[tuple[str, bytes]]:
        """File names and rows, cut where the archive cuts: at checkpoints and at multiples of 256.

        Raises Altered at the end unless their root is the signed one.
        """
        begun = json.loads(self.begin())
        front = tree.Frontier(self.start, [bytes.fromhex(one) for one in begun["frontier"]])
        cuts = {*self.points, *range(0, self._window.size, WIDTH)}
        some: list[bytes] = []
        for seq, body in bodies(self._database, self.start, self._window.size):
            some.append(body)
            front.add(tree.leaf_hash(body))
            if b'"trail:key:' in body:
                self._introduced(body)
            if seq + 1 in cuts or seq + 1 == self._window.size:
                yield f"trail/entries/{seq + 1 - len(some):020d}-{seq:020d}.jsonl", b"\n".join(some) + b"\n"
                some = []
            if (point := self.points.get(seq + 1)) is not None and front.root() != point.root:
                raise Altered(
                    f"The first {seq + 1} rows are not those that were signed.", not_done=_NOT, then=_THEN
                )

    def keys(self) -> Iterator[tuple[str, bytes]]:
        """File names and verifier keys, of every key introduced so far; call it after `segments`."""
        for text in sorted(self._keys):
            yield f"trail/keys/{parse_key(text).id.hex()}.vkey", f"{text}\n".encode()

    def of(self, seqs: list[int]) -> dict[int, bytes]:
        """A C2SP tlog-proof for each of these rows, under the checkpoint that closes the window. Raises Altered."""
        point = self.points[self._window.size]
        with self._database.read() as session:
            node = cache(Tiles(session).node)  # neighbours share most of their way up
            return {seq: self._proof(session, node, point, seq) for seq in seqs}

    def _proof(self, session: Session, node: tree.Node, point: CheckpointRow, seq: int) -> bytes:
        body = session.exec(select(Entry.body).where(Entry.seq == seq)).one()
        leaf, path = tree.leaf_hash(bytes(body)), tree.inclusion(node, seq, point.size)
        if not tree.included(leaf, seq, point.size, path, point.root):
            raise Altered(f"Row {seq} does not fit the checkpoint over it.", not_done=_NOT, then=_THEN)
        return InclusionProof(seq, point.size, leaf, tuple(path), point.note).text

    def _introduced(self, body: bytes) -> None:
        record = orjson.loads(body)
        if record["api"]["operation"] in ("trail:key:introduced", "trail:key:rotated"):
            self._keys.add(str(record["unmapped"]["detail"]["key"]))


def _json(value: object) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
