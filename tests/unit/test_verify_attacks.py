"""Every row of the attack table against logs of all shapes: each is found, and nothing honest ever is.

SIGNALBOX_CASES sets how many cases each of the two properties is tried with.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from signed_logs import (
    CHAIN,
    Log,
    MemoryBucket,
    Pair,
    pack_files,
    pair,
    rechained,
    sealed,
    ship,
    zipped,
)

from bot.trail.event import Event, Name
from bot.trail.note import parse_note
from bot.trail.tree import leaf_hash
from bot.trail.verify import (
    Report,
    Row,
    Source,
    compare,
    of_bucket,
    verify_bucket,
    verify_pack,
    verify_rows,
)
from bot.trail.verify.heads import Signed

CASES = int(os.environ.get("SIGNALBOX_CASES", "250"))
Quick = settings(
    max_examples=CASES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@dataclass
class World:
    """A bot with its database and its archive, and everything that honestly goes wrong with them."""

    log: Log = field(default_factory=Log)
    bucket: MemoryBucket = field(default_factory=MemoryBucket)
    keys: int = 1
    changes: int = 0

    def beat(self) -> None:
        self.log.beat(2)

    def change(self) -> None:
        self.changes += 1
        self.log.change(f"c{self.changes}", "U2", "U3")

    def wait(self) -> None:
        self.log.wait(45)

    def seal(self) -> None:
        self.log.seal()

    def ship(self) -> None:
        ship(self.log, self.bucket)

    def ship_and_die(self) -> None:
        self.log.seal()
        ship(self.log, self.bucket, steps=1 + self.changes % 3 + 2 * (len(self.log.points) - 1))

    def ship_twice(self) -> None:
        ship(self.log, self.bucket)
        ship(self.log, self.bucket)

    def away(self) -> None:
        self.log.wait(3_700)
        self.log.beat()
        self.log.seal()

    def rotate(self) -> None:
        self.keys += 1
        self.log.rotate(pair(1 + self.keys % 8))

    def clock_back(self) -> None:
        self.log.now -= 4_000

    def clock_right(self) -> None:
        self.log.now = self.log.wall

    def restore(self) -> None:
        """The database is restored to a checkpoint, goes on, and two leads let the log go on under a new origin."""
        log = self.log
        stored = [
            one
            for one in self.bucket.objects("checkpoints")
            if one.key.startswith(f"{log.origin}/checkpoints/")
        ]
        own = [number for number, point in enumerate(log.points) if point[0] == log.origin]
        if (
            not stored
            or not own
            or any(b'"trail:key:rotated"' in raw for raw in log.bodies[log.points[own[0]][1] :])
        ):
            return
        point = parse_note(stored[-1].body).checkpoint
        log.bodies = log.bodies[: log.points[own[0]][1]]
        log.points, log.signers = log.points[: own[0] + 1], log.signers[: own[0] + 1]
        log.now = log.wall
        log.last_ms = int(json.loads(log.bodies[-1])["time"])
        log.beat(2)
        log.recover((point.origin, point.size, point.root))
        log.seal()


ACTS = [
    "beat",
    "change",
    "wait",
    "seal",
    "ship",
    "ship_and_die",
    "ship_twice",
    "away",
    "rotate",
    "clock_back",
]
ACTS += ["clock_right", "restore"]


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """A log with at least two checkpoints in its archive."""
    world = World()
    for act in ["beat", "change", "seal", "ship", "wait", *draw(st.lists(st.sampled_from(ACTS), max_size=9))]:
        getattr(world, act)()
    world.clock_right()
    world.log.wait(30)
    world.change()
    world.beat()
    world.seal()
    world.ship()
    return world


def database(log: Log) -> Source:
    """The log's rows as a source of `compare`."""
    return Source(
        "database",
        "database",
        lambda pinned, known, now: log.verified(pinned=pinned, known=known, now=now),
        lambda first: ((seq, raw) for seq, raw in enumerate(log.bodies) if seq >= first),
    )


def packed(files: dict[str, bytes], **how: Any) -> Report:
    with tempfile.TemporaryDirectory() as place:
        return verify_pack(zipped(files, Path(place) / "pack.zip"), **how)


@Quick
@given(world=worlds(), begin=st.integers(0, 9))
def test_nothing_is_held_against_an_honest_log(world: World, begin: int) -> None:
    """Crashes, retries, a late archive, keys that change, a clock set back, a restored database: no false alarm."""
    log, now = world.log, world.log.now
    own = str(log.signer.public)
    reports = {
        "database": log.verified(now=now),
        "pinned": log.verified(now=now, pinned=[own], known=log.points[-1][2]),
        "bucket": verify_bucket(world.bucket, now=now),
        "pack": packed(sealed(log, pack_files(log), complete=False)),
        "later pack": packed(
            sealed(
                log,
                pack_files(log, log.points[begin % len(log.points)][1] % log.points[-1][1]),
                complete=False,
            )
        ),
        "both": compare(database(log), of_bucket(world.bucket), now=now)[0],
    }
    assert {name: (r.findings, r.gaps) for name, r in reports.items()} == dict.fromkeys(reports, ([], []))


Attack = Callable[[World, st.DataObject], tuple[Report, set[str]]]
ATTACKS: dict[str, Attack] = {}


def attack(made: Attack) -> Attack:
    ATTACKS[made.__name__] = made
    return made


def rows_of(log: Log, **how: Any) -> Report:
    return log.verified(**how)


def place(data: st.DataObject, log: Log) -> int:
    """A row that a checkpoint covers, not the first."""
    return data.draw(st.integers(1, log.points[-1][1] - 1))


def changed(record: dict[str, Any]) -> None:
    record["unmapped"]["detail"]["forged"] = 1


def stored(rows: list[Row], log: Log, **how: Any) -> Report:
    last = rows[-1].leaf if rows else b""
    return verify_rows(rows, (len(rows), last or b""), signed=log.stored(), **how)


@attack
def edit_body(world: World, data: st.DataObject) -> tuple[Report, set[str]]:
    rows, at = world.log.rows(), place(data, world.log)
    rows[at] = rows[at]._replace(body=rows[at].body.replace(b'"signalbox"', b'"signalbax"', 1))
    return stored(rows, world.log), {"edited"}


@attack
def edit_and_rehash(world: World, data: st.DataObject) -> tuple[Report, set[str]]:
    rows, at = world.log.rows(), place(data, world.log)
    raw = rows[at].body.replace(b'"signalbox"', b'"signalbax"', 1)
    rows[at] = rows[at]._replace(body=raw, leaf=leaf_hash(raw))
    return stored(rows, world.log), {"broken-link", "root-differs"}


@attack
def edit_and_rechain(world: World, data: st.DataObject) -> tuple[Report, set[str]]:
    at = place(data, world.log)
    world.log.bodies = rechained(world.log.bodies, lambda all_of: changed(all_of[at]))
    return world.log.verified(), {"root-differs", "checkpoint-not-signed"}


@attack
def delete_row(world: World, data: st.DataObject) -> tuple[Report, set[str]]:
    rows = world.log.rows()
    del rows[place(data, world.log) - 1]
    return stored(rows, world.log), {"gap"}


@attack
def delete_and_rechain(world: World, data: st.DataObject) -> tuple[Report, set[str]]:
    at = place(data, world.log)
    world.log.bodies = rechained(world.log.bodies, lambda all_of: all_of.pop(at))
    return world.log.verified(), {"root-differs", "checkpoint-not-signed", "cut-off"}


@attack
def insert_and_rechain(world: World, data: st.DataObject) -> tuple[Report, set[str]]:
    at = place(data, world.log)
    world.log.bodies = rechained(
        world.log.bodies, lambda all_of: all_of.insert(at, all_of[at] | {"severity_id": 2})
    )
    return world.log.verified(), {"root-differs", "checkpoint-not-signed"}


@attack
def reorder(world: World, data: st.DataObject) -> tuple[Report, set[str]]:
    rows, at = world.log.rows(), place(data, world.log)
    rows[at - 1], rows[at] = rows[at], rows[at - 1]
    return stored(rows, world.log), {"gap", "out-of-order"}


@attack
def reorder_and_rechain(world: World, data: st.DataObject) -> tuple[Report, set[str]]:
    at = place(data, world.log)

    def swap(all_of: list[dict[str, Any]]) -> None:
        all_of[at - 1], all_of[at] = all_of[at], all_of[at - 1]

    world.log.bodies = rechained(world.log.bodies, swap)
    return world.log.verified(), {"root-differs", "checkpoint-not-signed"}


@attack
def duplicate(world: World, data: st.DataObject) -> tuple[Report, set[str]]:
    rows, at = world.log.rows(), place(data, world.log)
    rows.insert(at, rows[at])
    return stored(rows, world.log), {"out-of-order"}


@attack
def truncate(world: World, data: st.DataObject) -> tuple[Report, set[str]]:
    world.log.bodies = world.log.bodies[: place(data, world.log)]
    return world.log.verified(), {"cut-off"}


def truncated_and_hidden(world: World, data: st.DataObject) -> Log:
    log = world.log.copy()
    sizes = [size for _, size, _ in log.points]
    end = data.draw(st.integers(sizes[0], sizes[-1] - 1))
    log.bodies = log.bodies[:end]
    log.points = [one for one in log.points if one[1] <= end]
    return log


@attack
def truncate_and_hide_from_the_archive(world: World, data: st.DataObject) -> tuple[Report, set[str]]:
    log = truncated_and_hidden(world, data)
    pair_of = compare(database(log), of_bucket(world.bucket))[0]
    if log.origin != log.points[-1][0]:  # before its recovery: the archive knows the origin after it
        return pair_of, set()
    return pair_of, {"cut-off"}


@attack
def truncate_and_hide_from_who_saw_it(world: World, data: st.DataObject) -> tuple[Report, set[str]]:
    log = truncated_and_hidden(world, data)
    return log.verified(known=world.log.points[-1][2]), {"not-the-beginning", "known-not-signed"}


@attack
def hide_the_newest_checkpoint_in_the_archive(world: World, data: st.DataObject) -> tuple[Report, set[str]]:
    newest = world.bucket.objects("checkpoints")[-1]
    world.bucket.add(newest.key, b"", world.log.wall, marker=True)
    return verify_bucket(world.bucket), {"delete-marker"}


@attack
def rewrite_all_with_the_same_key(world: World, data: st.DataObject) -> tuple[Report, set[str]]:
    log, at = world.log.copy(), place(data, world.log)
    log.bodies = rechained(log.bodies, lambda all_of: changed(all_of[at]))
    log.resign()
    if data.draw(st.booleans()):
        return log.verified(known=world.log.points[-1][2]), {"not-the-beginning"}
    return compare(database(log), of_bucket(world.bucket))[0], {"differs"}


@attack
def store_it_over_what_is_locked(world: World, data: st.DataObject) -> tuple[Report, set[str]]:
    found = data.draw(st.sampled_from(world.bucket.objects("checkpoints") + world.bucket.objects("entries")))
    world.bucket.add(found.key, data.draw(st.sampled_from([b"other\n", found.body])), world.log.wall)
    return verify_bucket(world.bucket), {"second-version"}


def with_new_key(log: Log) -> Log:
    forged = Log(signer=pair(99))
    forged.introduce()
    forged.now = log.now
    forged.beat(len(log.bodies))
    forged.seal()
    return forged


@attack
def rewrite_with_a_new_key(world: World, data: st.DataObject) -> tuple[Report, set[str]]:
    forged = with_new_key(world.log)
    if data.draw(st.booleans()):
        return forged.verified(pinned=[str(world.log.signers[0].public)]), {"key-not-pinned"}
    return forged.verified(known=world.log.points[-1][2]), {"known-not-signed"}


@attack
def go_on_with_a_key_that_nobody_vouches_for(world: World, data: st.DataObject) -> tuple[Report, set[str]]:
    log = world.log
    if data.draw(st.booleans()):
        log.signer = pair(98)
        log.introduce()
        wanted = {"key-not-vouched"}
    else:
        log.signer = Pair(
            pair(98).private, log.signer.public
        )  # signs the rotation with a key that is not the old one
        log.rotate(pair(97))
        wanted = {"rotation-wrong"}
    log.seal()
    return log.verified(), wanted


@attack
def sign_with_another_key(world: World, data: st.DataObject) -> tuple[Report, set[str]]:
    log = world.log
    log.beat()
    log.signer = pair(98)
    log.seal()
    return log.verified(), {"checkpoint-not-signed"}


@attack
def spoil_a_signature(world: World, data: st.DataObject) -> tuple[Report, set[str]]:
    log = world.log
    at = data.draw(st.integers(0, len(log.points) - 1))
    origin, size, note = log.points[at]
    text, _, line = note.partition(b"\n\n")
    name, _, _ = line.rpartition(b" ")
    other = log.points[at - 1][2].rpartition(b" ")[2]
    spoiled = data.draw(
        st.sampled_from([name + b" " + other, b"", name + b" AAAA\n", line.replace(b"test", b"tost", 1)])
    )
    log.points[at] = origin, size, text + b"\n\n" + spoiled
    return log.verified(), {"checkpoint-not-signed", "checkpoint-malformed"}


@attack
def strip_all_checkpoints(world: World, data: st.DataObject) -> tuple[Report, set[str]]:
    log = world.log
    log.points.clear()
    return log.verified(), set()


@attack
def set_the_clock_back_without_saying_so(world: World, data: st.DataObject) -> tuple[Report, set[str]]:
    at = place(data, world.log)

    def earlier(all_of: list[dict[str, Any]]) -> None:
        all_of[at]["time"] = all_of[at - 1]["time"] - 1

    world.log.bodies = rechained(world.log.bodies, earlier)
    world.log.resign()
    return world.log.verified(), {"backdated"}


@attack
def date_rows_into_the_future(world: World, data: st.DataObject) -> tuple[Report, set[str]]:
    world.log.now += data.draw(st.integers(301, 90_000))
    world.log.beat()
    world.log.seal()
    world.ship()
    return verify_bucket(world.bucket), {"time-ahead"}


@attack
def fork_the_log(world: World, data: st.DataObject) -> tuple[Report, set[str]]:
    """Another database of the same name writes into the archive under an origin that no row explains."""
    other = with_new_key(world.log) if data.draw(st.booleans()) else world.log.copy()
    other.origin = f"{CHAIN}/r9"
    other.beat()
    other.points.clear()
    other.seal()
    ship(other, world.bucket)
    return verify_bucket(world.bucket), {"origin-unexplained", "origin-wrong"}


@attack
def two_bodies_for_one_row(world: World, data: st.DataObject) -> tuple[Report, set[str]]:
    log, at = world.log.copy(), len(world.log.bodies) - 1
    log.bodies = rechained(log.bodies, lambda all_of: changed(all_of[at]))
    world.bucket.add(
        f"{log.origin}/entries/{at:020d}-{at + 0:020d}.jsonl.", b"", 0
    ).key = f"{log.origin}/entries/{at:020d}-{at:020d}.jsonl"
    made = world.bucket.kept[-1]
    if any(one.key == made.key for one in world.bucket.kept[:-1]):
        return verify_bucket(world.bucket), {"second-version"}
    made.body, made.modified = log.bodies[at] + b"\n", log.wall
    made.until = log.wall + 400 * 86_400
    return verify_bucket(world.bucket), {"fork"}


@attack
def restore_an_older_database_and_go_on(world: World, data: st.DataObject) -> tuple[Report, set[str]]:
    log = world.log.copy()
    end = data.draw(st.integers(max(1, log.points[-1][1] - 4), log.points[-1][1] - 1))
    if log.origin != CHAIN and end < log.points[-1][1] - 4:
        end = log.points[-1][1] - 1
    log.bodies, log.points = log.bodies[:end], [one for one in log.points if one[1] <= end]
    log.signers = log.signers[: len(log.points)]
    log.wait(9)
    log.beat(9)
    log.seal()
    return compare(database(log), of_bucket(world.bucket))[0], {"differs"}


@attack
def replay_another_log(world: World, data: st.DataObject) -> tuple[Report, set[str]]:
    log, other = world.log, Log(chain="signalbox/other")
    other.beat(3)
    other.seal()
    kind = data.draw(st.sampled_from(["checkpoint", "rows", "all"]))
    if kind == "checkpoint":
        origin, size, note = other.points[0]
        rows = log.rows()
        signed = sorted([*log.stored(), Signed(origin, size, note, "in the table")], key=lambda one: one.size)
        return verify_rows(rows, (len(rows), rows[-1].leaf or b""), signed=signed), {"other-log"}
    if kind == "all":
        return other.verified(known=log.points[0][2]), {"other-log"}
    at = place(data, log)

    def swapped(all_of: list[dict[str, Any]]) -> None:
        all_of[at]["chain_uid"] = "signalbox/other"

    log.bodies = rechained(log.bodies, swapped)
    log.resign()
    return log.verified(), {"other-chain"}


@attack
def weaken_a_lock(world: World, data: st.DataObject) -> tuple[Report, set[str]]:
    one = data.draw(st.sampled_from(world.bucket.kept))
    kind = data.draw(st.sampled_from(["lock-missing", "lock-weak", "lock-short"]))
    if kind == "lock-missing":
        one.mode, one.until = data.draw(st.sampled_from([("", None), ("COMPLIANCE", None), ("", one.until)]))
    elif kind == "lock-weak":
        one.mode = "GOVERNANCE"
    else:
        one.until = one.modified + data.draw(st.integers(0, 364)) * 86_400.0
    return verify_bucket(world.bucket), {kind}


@attack
def act_against_the_rules(world: World, data: st.DataObject) -> tuple[Report, set[str]]:
    log = world.log
    told = {"decision": "d", "digest": "x", "quorum": 1}
    run = Event(name=Name.RUN_STARTED, change="z", run="rz", detail={"digest": "x"}, approval=told)
    asked = [
        Event(name=Name.CHANGE_PLANNED, actor="U1", change="z"),
        Event(name=Name.DECISION_OPENED, actor="U1", change="z", approval=told),
    ]
    stories: dict[str, list[Event]] = {
        "outcome-without-intent": [Event(name=Name.CALL_OUTCOME, run="rz", detail={"intent": "never"})],
        "call-without-run": [Event(name=Name.CALL_INTENT, run="rz", detail={"intent": "i"})],
        "run-without-approval": [*asked, run],
        "self-approval": [
            *asked, Event(name=Name.VOTE_CAST, actor="U1", change="z", approval={**told, "choice": "approve"})
        ],
    }  # fmt: skip
    kind = data.draw(st.sampled_from(sorted(stories)))
    log.write(*stories[kind])
    log.seal()
    return log.verified(), {kind}


@attack
def write_bytes_that_say_the_same(world: World, data: st.DataObject) -> tuple[Report, set[str]]:
    """In the newest row, signed with the right key: only the bytes are not the canonical ones."""
    log = world.log
    log.beat()
    raw = log.bodies[-1]

    def number(written: bytes) -> bytes:
        return raw.replace(b'"severity_id":1', b'"severity_id":' + written, 1)

    forms = [
        raw + b" ", raw + b"{}", b" " + raw, raw.replace(b'"seq"', b'"seq":1,"seq"', 1),
        number(b"1.0"), number(b"1e0"),
        number(b"9007199254740993"),
        number(b"1e16"), number(b"-0"),
        raw.replace(b'"Signalbox"', b'"\xff\xfe"', 1), raw.replace(b'"Signalbox"', b'"\\u0053ignalbox"', 1),
        number(b"NaN"), b"", b"[]", b"\xef\xbb\xbf" + raw,
    ]  # fmt: skip
    log.bodies[-1] = data.draw(st.sampled_from(forms))
    log.seal()
    return log.verified(), {"not-canonical", "not-json"}


@attack
def tamper_with_a_pack(world: World, data: st.DataObject) -> tuple[Report, set[str]]:
    log = world.log
    files = sealed(log, pack_files(log))
    kind = data.draw(
        st.sampled_from(
            ["file-altered", "file-extra", "file-missing", "manifest-not-signed", "unsigned", "rewritten"]
        )
    )
    entries = sorted(name for name in files if name.startswith("trail/entries/"))
    name = data.draw(st.sampled_from(sorted(set(files) - {"manifest.json", "manifest.sig"})))
    if kind == "file-altered":
        files[name] += b" "
    elif kind == "file-extra":
        files[data.draw(st.sampled_from(["extra.txt", "trail/keys/00000000.vkey"]))] = b"x"
    elif kind == "file-missing":
        del files[name]
        return packed(files), {"file-missing", "pack-damaged"}
    elif kind == "manifest-not-signed":
        files = sealed(log, pack_files(log), signer=pair(77))
    elif kind == "unsigned":
        del files["manifest.sig"]
        return packed(files), {"manifest-not-signed"}
    else:  # rows altered, and the list of files signed again with the log's own key
        inner = pack_files(log)
        inner[entries[0]] = inner[entries[0]].replace(b'"signalbox"', b'"signalbax"', 1)
        return packed(sealed(log, inner)), {"broken-link", "root-differs"}
    return packed(files), {kind}


@attack
def cut_a_pack(world: World, data: st.DataObject) -> tuple[Report, set[str]]:
    """The newest rows are left out, and the list of files signed again with the log's own key."""
    log = world.log
    inner = pack_files(log)
    part = data.draw(st.sampled_from(["trail/entries/", "trail/checkpoints/"]))
    del inner[max(name for name in inner if name.startswith(part))]
    return packed(sealed(log, inner)), {"cut-off"} if part == "trail/entries/" else set()


@Quick
@given(world=worlds(), name=st.sampled_from(sorted(ATTACKS)), data=st.data())
def test_every_attack_is_found(world: World, name: str, data: st.DataObject) -> None:
    """By its own code; an attack that leaves nothing to compare with is never verified."""
    report, codes = ATTACKS[name](world, data)
    assert report.exit_code in ((1,) if codes else (1, 2)), report.words()
    assert not codes or codes & {found.code for found in report.findings}, report.findings


@pytest.mark.parametrize("name", sorted(ATTACKS))
def test_each_attack_is_found_on_a_plain_log(name: str) -> None:
    """Whatever the drawing of cases leaves out."""

    @settings(max_examples=8, deadline=None, database=None)
    @given(data=st.data())
    def tried(data: st.DataObject) -> None:
        world = World()
        for act in ["beat", "change", "seal", "ship", "wait", "change", "seal", "ship"]:
            getattr(world, act)()
        report, codes = ATTACKS[name](world, data)
        assert report.exit_code in ((1,) if codes else (1, 2)), report.words()
        assert not codes or codes & {found.code for found in report.findings}, report.findings

    tried()
