"""Honest logs in memory, signed and shipped as the bot does it, and what holds their copies: rows, a bucket, a pack."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bot.canon import canonical
from bot.trail.event import Event, Name, body
from bot.trail.note import Checkpoint, Key, key, parse_key, signature_line, signed
from bot.trail.recovered import statement
from bot.trail.tree import EMPTY, Frontier, leaf_hash
from bot.trail.verify import Report, Row, verify_rows
from bot.trail.verify.heads import Signed

CHAIN = "signalbox/test"
NOON = 1_800_000_000.0
LEADS = [Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32) for n in (7, 8)]
DAY = 86_400.0


@dataclass(frozen=True)
class Pair:
    """A key that signs checkpoints."""

    private: Ed25519PrivateKey
    public: Key

    def sign(self, message: bytes) -> bytes:
        return self.private.sign(message)


@lru_cache
def pair(seed: int, chain: str = CHAIN, *, attested: bool = True) -> Pair:
    """Always the same key for the same seed."""
    private = Ed25519PrivateKey.from_private_bytes(seed.to_bytes(32, "big"))
    spki = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return Pair(private, key(chain if attested else f"{chain}/unattested", spki))


@dataclass
class Log:
    """A log as the bot writes it. `now` is the bot's clock, `wall` the storage's."""

    chain: str = CHAIN
    now: float = NOON
    wall: float = NOON
    signer: Pair = field(default_factory=lambda: pair(1))
    bodies: list[bytes] = field(default_factory=list)
    points: list[tuple[str, int, bytes]] = field(default_factory=list)
    origin: str = ""
    last_ms: int = 0
    keyed: bool = False
    signers: list[Pair] = field(default_factory=list)
    """Who signed each of the points."""

    def __post_init__(self) -> None:
        self.origin = self.origin or self.chain

    def copy(self) -> Log:
        return replace(self, bodies=list(self.bodies), points=list(self.points), signers=list(self.signers))

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.wall += seconds

    def write(self, *events: Event) -> None:
        for event in events:
            raw = int(self.now * 1000)
            at = max(raw, self.last_ms)
            prev = leaf_hash(self.bodies[-1]) if self.bodies else EMPTY
            told = body(
                event, log=self.chain, seq=len(self.bodies), prev=prev, time_ms=at,
                clamped_ms=raw if raw < at else None,
            )  # fmt: skip
            self.bodies.append(canonical(told))
            self.last_ms = at

    def beat(self, count: int = 1) -> None:
        self.write(*(Event(name=Name.BOT_HEARTBEAT, detail={"n": n}) for n in range(count)))

    def change(self, name: str, *voters: str) -> None:
        """A change from asking to closing, with one call."""
        told = {"decision": f"d-{name}", "digest": f"x-{name}", "quorum": len(voters)}
        run = f"run-{name}"
        self.write(
            Event(name=Name.CHANGE_PLANNED, actor="U1", change=name),
            Event(name=Name.DECISION_OPENED, actor="U1", change=name, approval=told),
            *(Event(name=Name.VOTE_CAST, actor=v, change=name, approval={**told, "choice": "approve"}) for v in voters),
            Event(name=Name.DECISION_DECIDED, change=name, approval={**told, "outcome": "approve"}),
            Event(name=Name.RUN_STARTED, change=name, run=run, detail={"digest": f"x-{name}"}, approval=told),
            Event(name=Name.CALL_INTENT, change=name, run=run, detail={"intent": f"i-{name}"}),
            Event(name=Name.CALL_OUTCOME, change=name, run=run, detail={"intent": f"i-{name}"}),
            Event(name=Name.RUN_ENDED, change=name, run=run),
            Event(name=Name.CHANGE_CLOSED, change=name, run=run),
        )  # fmt: skip

    def root(self, size: int) -> bytes:
        grown = Frontier()
        for one in self.bodies[:size]:
            grown.add(leaf_hash(one))
        return grown.root()

    def introduce(self, *, lost: bool = False) -> None:
        detail: dict[str, Any] = {"key": str(self.signer.public), "attested": self.signer.public.attested}
        self.write(Event(name=Name.KEY_INTRODUCED, detail=detail | ({"lost": "x"} if lost else {})))
        self.keyed = True

    def rotate(self, fresh: Pair) -> None:
        if not self.keyed:
            self.introduce()
        old = self.signer
        said = {
            "signalbox": "key/1",
            "chain": self.chain,
            "before": str(old.public),
            "key": str(fresh.public),
        }
        signature = old.sign(canonical(said)).hex()
        told = {"before": str(old.public), "key": str(fresh.public), "attested": fresh.public.attested}
        self.write(Event(name=Name.KEY_ROTATED, detail=told | {"signature": signature}))
        self.signer = fresh

    def seal(self) -> None:
        if not self.bodies or (self.points and self.points[-1][1] == len(self.bodies)):
            return
        if not self.keyed:
            self.introduce()
        self.points.append(self.point(len(self.bodies)))
        self.signers.append(self.signer)

    def point(self, size: int) -> tuple[str, int, bytes]:
        """A signed head over this many rows."""
        made = Checkpoint(self.origin, size, self.root(size))
        return self.origin, size, signed(made, [(self.signer.public, self.signer.sign(made.text))])

    def resign(self) -> None:
        """Sign all heads anew over what the rows are now: whoever has the keys can."""
        said = list(zip(self.points, self.signers, strict=True))
        origin, signer = self.origin, self.signer
        self.points.clear()
        for (self.origin, size, _), self.signer in said:
            self.points.append(self.point(size))
        self.origin, self.signer = origin, signer

    def recover(self, locked: tuple[str, int, bytes]) -> None:
        """Go on under a new origin after the archive held something else: two leads sign both heads."""
        number = 1 + sum(1 for raw in self.bodies if b'"trail:log:recovered"' in raw)
        origin, size, root = locked
        heads = {
            "locked": {"origin": origin, "size": size, "root": root.hex()},
            "local": {"size": len(self.bodies), "root": self.root(len(self.bodies)).hex()},
            "origin": f"{self.chain}/r{number}",
            "emergency": False,
        }
        told = {"decision": f"rec{number}", "digest": "x", "quorum": 2, "role": "lead"}
        given, votes, uid = [], [], f"c-rec{number}"
        for number_of, lead in enumerate(LEADS):
            person = f"U{number_of}"
            public = lead.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
            signature = lead.sign(statement(self.chain, heads, person, "restored")).hex()
            one = {"person": person, "reason": "restored", "key": public, "signature": signature}
            given.append(one)
            approval = {**told, "choice": "recover", **{k: one[k] for k in ("reason", "key", "signature")}}
            votes.append(
                Event(
                    name=Name.VOTE_CAST,
                    actor=person,
                    change=uid,
                    face="terminal",
                    detail=heads,
                    approval=approval,
                )
            )
        self.write(
            Event(name=Name.CHANGE_PLANNED, actor="U0", change=uid),
            Event(name=Name.DECISION_OPENED, change=uid, detail={"kind": "recovery", **heads}, approval=told),
            *votes,
            Event(name=Name.LOG_RECOVERED, change=uid, detail=heads, approval={**told, "signatures": given}),
            Event(name=Name.CHANGE_CLOSED, change=uid),
        )
        self.origin = heads["origin"]

    def rows(self) -> list[Row]:
        """As a database holds them."""
        found, prev = [], EMPTY
        for seq, raw in enumerate(self.bodies):
            leaf = leaf_hash(raw)
            found.append(Row(seq, prev, leaf, raw))
            prev = leaf
        return found

    def stored(self) -> list[Signed]:
        """The table of checkpoints."""
        return [Signed(o, n, note, "in the table") for o, n, note in sorted(self.points, key=lambda p: p[1])]

    def verified(self, **how: Any) -> Report:
        """What the verifier says of the rows and checkpoints in a database."""
        rows = self.rows()
        return verify_rows(
            rows, (len(rows), rows[-1].leaf or b"" if rows else EMPTY), signed=self.stored(), **how
        )


@dataclass
class Kept:
    """One version of an object, or a marker: both `Version` and `Content`."""

    key: str
    version: str
    modified: float
    body: bytes = b""
    marker: bool = False
    mode: str = "COMPLIANCE"
    until: float | None = None


class MemoryBucket:
    """Versions and locks in memory; nothing is written twice through `put`."""

    where = "s3://archive/log"

    def __init__(self, days: float = 400.0) -> None:
        self.days = days
        self.kept: list[Kept] = []

    def put(self, key: str, raw: bytes, at: float) -> str:
        there = [one for one in self.kept if one.key == key]
        if there:
            assert there[0].body == raw, f"two contents for {key}"
            return "exists"
        self.add(key, raw, at)
        return "stored"

    def add(self, key: str, raw: bytes, at: float, *, marker: bool = False) -> Kept:
        """A version, whatever was there."""
        made = Kept(key, f"v{len(self.kept)}", at, raw, marker, until=at + self.days * DAY)
        self.kept.append(made)
        return made

    def objects(self, part: str) -> list[Kept]:
        """What lies below any origin's `part`, in order."""
        return [one for one in self.versions() if f"/{part}/" in one.key]

    def versions(self, prefix: str = "") -> Iterator[Kept]:
        order = {id(one): number for number, one in enumerate(self.kept)}
        found = [one for one in self.kept if one.key.startswith(prefix)]
        yield from sorted(found, key=lambda one: (one.key, order[id(one)]))

    def read(self, key: str, version: str = "") -> Kept:
        return next(one for one in self.kept if one.key == key and version in ("", one.version))


def rechained(bodies: list[bytes], edit: Callable[[list[dict[str, Any]]], object]) -> list[bytes]:
    """The rows after an edit of what they say, numbered and linked anew."""
    records = [json.loads(raw) for raw in bodies]
    edit(records)
    made: list[bytes] = []
    for seq, record in enumerate(records):
        record["seq"], record["prev"] = seq, (leaf_hash(made[-1]) if made else EMPTY).hex()
        made.append(canonical(record))
    return made


def segments(bodies: list[bytes], cuts: list[int], first: int = 0) -> Iterator[tuple[int, int, bytes]]:
    """(first, last, bytes) of the files of rows, cut at checkpoints and at multiples of 256."""
    at = first
    for cut in sorted({*cuts, *range(256, len(bodies), 256)}):
        if at < cut <= len(bodies):
            yield at, cut - 1, b"".join(one + b"\n" for one in bodies[at:cut])
            at = cut


def ship(log: Log, bucket: MemoryBucket, upto: int | None = None, *, steps: int | None = None) -> None:
    """Store what checkpoints of the log's origin cover; `steps` puts at most, as if it died then."""
    points = [one for one in log.points if one[0] == log.origin and (upto is None or one[1] <= upto)]
    key = log.signer.public
    puts: list[tuple[str, bytes]] = (
        [(f"{log.origin}/keys/{key.id.hex()}.vkey", f"{key}\n".encode())] if points else []
    )
    cuts = [size for _, size, _ in points]
    files = list(segments(log.bodies[: cuts[-1]] if cuts else [], cuts))
    for _, size, note in points:
        while files and files[0][1] < size:
            first, last, raw = files.pop(0)
            puts.append((f"{log.origin}/entries/{first:020d}-{last:020d}.jsonl", raw))
        puts.append((f"{log.origin}/checkpoints/{size:020d}", note))
    for name, raw in puts[:steps]:
        bucket.put(name, raw, log.wall)


def pack_files(log: Log, first: int = 0, last: int | None = None) -> dict[str, bytes]:
    """The files of a pack over the rows [first, last]; both ends are at checkpoints."""
    points = {size: note for _, size, note in log.points}
    end = max(points) if last is None else last + 1
    front = Frontier()
    for one in log.bodies[:first]:
        front.add(leaf_hash(one))
    files = {
        "README-auditor.md": b"Read me.\n",
        "trail/start.json": canonical(
            {
                "size": first,
                "frontier": [one.hex() for one in front.hashes],
                "leaf": leaf_hash(log.bodies[first - 1]).hex() if first else "",
            }
        ),
    }
    for at, to, raw in segments(log.bodies[:end], sorted(points), first):
        files[f"trail/entries/{at:020d}-{to:020d}.jsonl"] = raw
    for size, note in points.items():
        if first <= size <= end and size:
            files[f"trail/checkpoints/{size:020d}"] = note
    for raw in log.bodies[:end]:
        if b'"trail:key:' in raw:
            told = json.loads(raw)["unmapped"]["detail"]["key"]
            files[f"trail/keys/{parse_key(told).id.hex()}.vkey"] = f"{told}\n".encode()
    return files


def sealed(log: Log, files: dict[str, bytes], *, signer: Pair | None = None, **more: Any) -> dict[str, bytes]:
    """The files with a manifest and its signature."""
    spans = sorted(name.rsplit("/", 1)[1] for name in files if name.startswith("trail/entries/"))
    told = {
        "signalbox": "pack/1",
        "chain": log.chain,
        "from": "2026-07-01T00:00:00.000Z",
        "to": "2026-10-01T00:00:00.000Z",
        "range": {"first": int(spans[0][:20]), "last": int(spans[-1][21:41])}
        if spans
        else {"first": 0, "last": -1},
        "files": {name: hashlib.sha256(raw).hexdigest() for name, raw in files.items()},
    }
    made = canonical(told | more)
    text = (
        f"signalbox/pack\n{log.chain}\n{base64.b64encode(hashlib.sha256(made).digest()).decode()}\n".encode()
    )
    by = signer or log.signer
    note = text + b"\n" + signature_line(by.public, by.sign(text))
    return files | {"manifest.json": made, "manifest.sig": note}


def zipped(files: dict[str, bytes], path: Path) -> Path:
    """A ZIP of these files."""
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as pack:
        for name in sorted(files):
            pack.writestr(zipfile.ZipInfo(name), files[name], zipfile.ZIP_DEFLATED)
    path.write_bytes(raw.getvalue())
    return path
