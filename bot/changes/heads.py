"""The two heads of a trail that parted from its archive, and what people sign to let it go on.

A recovery's statement is canonical JSON (UTF-8, sorted keys, no spaces):

    {"chain":CHAIN,"emergency":false,"local":{"root":HEX,"size":N},
     "locked":{"origin":ORIGIN,"root":HEX,"size":N},"origin":CHAIN/rK,
     "person":ID,"reason":WORDS,"signalbox":"recovery/1"}

`locked` is the newest checkpoint that the archive holds below `locked.origin`. `local` is this database's log as it
was shown to the first who signed: the first `size` rows and their RFC 6962 root; the log may have grown since, but
must still begin with them. `origin` is the name for the checkpoints from then on. Roots are lower-case hex of 32
bytes. The signature is raw Ed25519 by a key that the estate pins to the person; the purpose keeps it from being an
answer to any other question (`decision/1`) or a login.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

from sqlmodel import Session, col, select

from bot.canon import canonical
from bot.errors import Altered, Refused
from bot.store.tables import Anchor, Entry, Head
from bot.trail import tree
from bot.trail.anchor import DIVERGED
from bot.trail.append import LOG
from bot.trail.tiles import Tiles

VERSION = "recovery/1"
_BATCH = 4096
_GENERATION = re.compile(r"/r([1-9][0-9]*)$")


@dataclass(frozen=True)
class Heads:
    """Both heads, and the origin under which the log goes on."""

    chain: str
    locked_origin: str
    locked_size: int
    locked_root: str
    local_size: int
    local_root: str
    origin: str

    def detail(self, *, emergency: bool) -> dict[str, Any]:
        """As the trail's rows name them."""
        return {
            "locked": {"origin": self.locked_origin, "size": self.locked_size, "root": self.locked_root},
            "local": {"size": self.local_size, "root": self.local_root},
            "origin": self.origin,
            "emergency": emergency,
        }

    def statement(self, person: str, reason: str, *, emergency: bool) -> bytes:
        """What this person signs."""
        told = {"signalbox": VERSION, "chain": self.chain, "person": person, "reason": reason}
        return canonical({**told, **self.detail(emergency=emergency)})

    def digest(self, *, emergency: bool) -> str:
        """SHA-256 (hex) of what is the same in every signer's statement."""
        same = {"signalbox": VERSION, "chain": self.chain, **self.detail(emergency=emergency)}
        return hashlib.sha256(canonical(same)).hexdigest()

    def as_json(self) -> dict[str, Any]:
        """The heads as they are stored with the question."""
        return vars(self).copy()

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Self:
        """The stored heads."""
        return cls(**stored)

    def fit(self, session: Session) -> str:
        """Why these heads are not the ones of now, in words; empty when they are. Reads no head row."""
        anchor = anchor_of(session, self.locked_origin)
        if (anchor.locked_size, _root_of(anchor)) != (self.locked_size, self.locked_root):
            return "the archive holds a newer checkpoint than the one that was shown"
        if local_root(session, self.local_size) != self.local_root:
            return "the rows of this database are not the ones that were shown"
        return ""


def heads_of(session: Session, taken: Callable[[str], bool]) -> Heads:
    """Both heads as they are now. `taken` says of an origin that the archive holds something below it already.

    Raises Refused when database and archive do not differ, Altered when the rows here do not hang together.
    """
    head = session.exec(select(Head.chain, Head.origin, Head.size).where(Head.log == LOG)).one()
    chain, origin, size = head
    anchor = anchor_of(session, origin)
    if anchor.state not in DIVERGED:
        raise Refused(
            f"There is nothing to recover: the archive is {anchor.state or 'not configured'}, not behind or forked.",
            then="See signalbox run '/signalbox status' --as YOU.",
        )
    return Heads(
        chain=chain,
        locked_origin=origin,
        locked_size=anchor.locked_size,
        locked_root=_root_of(anchor),
        local_size=size,
        local_root=read_again(session, size),
        origin=next_origin(chain, origin, taken),
    )


def anchor_of(session: Session, origin: str) -> Anchor:
    """Where the archive stands with this origin; an empty row where nobody ever looked."""
    return session.get(Anchor, origin) or Anchor(origin=origin, state="")


def generation(chain: str, origin: str) -> int:
    """How many recoveries lie before this origin."""
    found = _GENERATION.fullmatch(origin.removeprefix(chain))
    return int(found[1]) if found else 0


def next_origin(chain: str, origin: str, taken: Callable[[str], bool]) -> str:
    """The first name after this origin's below which the archive holds nothing.

    A database that was restored to before an earlier recovery does not know of it; the archive does.
    """
    number = generation(chain, origin) + 1
    while taken(f"{chain}/r{number}"):
        number += 1
    return f"{chain}/r{number}"


def _root_of(anchor: Anchor) -> str:
    return (anchor.locked_root or tree.EMPTY).hex()


def read_again(session: Session, size: int) -> str:
    """The root (hex) over the first rows, hashed anew from every row's bytes. Raises Altered when they do not fit.

    Some seconds for a million rows: not for inside a transaction.
    """
    grown, prev, expected = tree.Frontier(), tree.EMPTY, 0
    while expected < size:
        upto = min(size, expected + _BATCH)
        rows = session.exec(
            select(Entry.seq, Entry.prev, Entry.leaf, Entry.body)
            .where(Entry.seq >= expected, Entry.seq < upto)
            .order_by(col(Entry.seq))
        ).all()
        for seq, stored, claimed, body in rows:
            leaf = tree.leaf_hash(body)
            if (seq, stored, claimed) != (expected, prev, leaf):
                raise _altered(expected)
            grown.add(leaf)
            prev, expected = leaf, expected + 1
        if expected != upto:
            raise _altered(expected)
    if grown.root().hex() != local_root(session, size):
        raise _altered(expected)
    return grown.root().hex()


def _altered(seq: int) -> Altered:
    return Altered(
        f"Row {seq} of the trail here is not the one that was written, so this log cannot go on.",
        not_done="Nothing was signed or recovered.",
        then="Keep this database as evidence and restore one whose rows hang together (signalbox verify). "
        "Emergencies go ahead meanwhile.",
    )


def local_root(session: Session, size: int) -> str:
    """The root (hex) over the first rows here, by the kept tiles; empty when there are not so many. Raises Altered."""
    rows = session.exec(select(Head.size).where(Head.log == LOG)).one()
    return tree.root(Tiles(session).node, size).hex() if size <= rows else ""
