"""A pack: every file is the one that was signed for, and its part of the trail stands on its own."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from bot.trail.note import Key, NotANote, parse_key, parse_note
from bot.trail.tree import EMPTY, Frontier
from bot.trail.verify.heads import LATEST_MS, Heads, Signed
from bot.trail.verify.keys import Keys
from bot.trail.verify.report import Report, Row, Unreadable, when
from bot.trail.verify.rows import Walk
from bot.trail.verify.segments import named, rows_of
from bot.trail.verify.zipped import Damaged, Pack, opened

_MANIFEST, _SIGNATURE = "manifest.json", "manifest.sig"
_CHECKPOINT = re.compile(r"trail/checkpoints/([0-9]{20})")
_ENTRIES, _KEYS = "trail/entries/", "trail/keys/"
_LARGEST_MANIFEST = 128 * 1024 * 1024
_SMALL = 64 * 1024


def verify_pack(
    path: Path | str, *, pinned: Sequence[str] = (), known: bytes | None = None, now: float | None = None
) -> Report:
    """Verify a pack offline. Raises ValueError for a file that is none. Its window says what it should reach to."""
    report = Report(source=str(path))
    with opened(Path(path), report) as pack:
        if pack is not None:
            try:
                _verify(pack, report, pinned, known)
            except Damaged as error:
                report.find(-1, "pack-damaged", str(error))
    return report


def bodies(path: Path | str, first: int = 0) -> Iterator[tuple[int, bytes]]:
    """(seq, body) of the rows in a pack from `first` on, in order. Raises Unreadable."""
    report = Report()
    with opened(Path(path), report) as pack:
        if pack is None:
            raise Unreadable(f"{path} is no pack that can be unpacked: {report.findings[0].message}")
        try:
            for row in _rows(pack, report):
                if row.seq >= first:
                    yield row.seq, row.body
        except Damaged as error:
            raise Unreadable(f"{path}: {error}") from error


def _verify(pack: Pack, report: Report, pinned: Sequence[str], known: bytes | None) -> None:
    manifest, raw = _manifest(pack, report)
    _files(pack, manifest, report)
    report.chain = str(manifest.get("chain", ""))
    begun = _start(pack, report)
    given = list(_keys(pack, report))
    keys = Keys(report, pinned, given)
    since = _since(manifest) if begun.size else None
    walk = Walk(
        report,
        keys,
        Heads(report, keys, _signed(pack), known, part=True),
        frontier=begun.frontier,
        prev=begun.leaf,
        since=since,
    )
    if begun.size:
        first = walk.heads.coming
        if first is None or first.size != begun.size:
            report.find(
                begun.size, "start-unsigned", "no signed checkpoint covers what lies before this pack"
            )
        else:
            try:
                keys.begin(parse_note(first.note))
            except NotANote:
                pass  # the walk says so
            walk.heads.stop(walk.frontier, 0)
    walk.take(_rows(pack, report))
    walk.end()
    _window(report, manifest, begun.size)
    _signature(pack, report, keys.all, given, raw)


def _manifest(pack: Pack, report: Report) -> tuple[dict[str, Any], bytes]:
    raw = pack.read(_MANIFEST, _LARGEST_MANIFEST)
    try:
        found = orjson.loads(raw)
        canonical = orjson.dumps(found, None, orjson.OPT_SORT_KEYS)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError) as error:
        raise Damaged(f"{_MANIFEST} is not JSON: {error}") from error
    if not isinstance(found, dict) or not isinstance(found.get("files"), dict):
        raise Damaged(f"{_MANIFEST} lists no files")
    if canonical != raw:
        report.find(-1, "manifest-not-canonical", f"{_MANIFEST} is not in canonical form")
    if found.get("signalbox") != "pack/1":
        raise Damaged(
            f"{_MANIFEST} is of {str(found.get('signalbox'))[:40]!r}, and this verifier knows pack/1"
        )
    return found, raw


def _files(pack: Pack, manifest: dict[str, Any], report: Report) -> None:
    listed = manifest["files"]
    there = set(pack.names) - {_MANIFEST, _SIGNATURE}
    for name in sorted(there - set(listed)):
        report.find(-1, "file-extra", f"{name} is in the pack, and its manifest does not list it")
    for name in sorted(set(listed) - there):
        report.find(
            -1, "file-missing", f"{str(name)[:200]} is in the manifest, and the pack does not hold it"
        )
    for name in sorted(there & set(listed)):
        try:
            if pack.digest(name) != listed[name]:
                report.find(-1, "file-altered", f"{name} is not the file that was signed for")
        except Damaged as error:
            report.find(-1, "pack-damaged", str(error))


class _Start:
    """Where the log stood before the first row of the pack."""

    def __init__(self, size: int, frontier: Frontier, leaf: bytes) -> None:
        self.size, self.frontier, self.leaf = size, frontier, leaf


def _start(pack: Pack, report: Report) -> _Start:
    try:
        told = orjson.loads(pack.read("trail/start.json", _SMALL))
        size = told["size"]
        if type(size) is not int or size < 0:
            raise ValueError("its size is no number")
        frontier = Frontier(size, [bytes.fromhex(one) for one in told["frontier"]])
        leaf = bytes.fromhex(told["leaf"]) if size else EMPTY
        if len(leaf) != len(EMPTY):
            raise ValueError("its leaf is no hash")
        return _Start(size, frontier, leaf)
    except Damaged:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Damaged(f"trail/start.json does not say where the pack begins: {error}") from error


def _keys(pack: Pack, report: Report) -> Iterator[Key]:
    for name in (one for one in pack.names if one.startswith(_KEYS)):
        try:
            key = parse_key(pack.read(name, _SMALL).decode(errors="replace"))
        except NotANote as error:
            report.find(-1, "key-malformed", f"{name} holds no key: {error}")
            continue
        if name != f"{_KEYS}{key.id.hex()}.vkey":
            report.find(-1, "key-malformed", f"{name} holds another key, {key.id.hex()}")
        yield key


def _signed(pack: Pack) -> Iterator[Signed]:
    for name in pack.names:
        if found := _CHECKPOINT.fullmatch(name):
            raw = pack.read(name, _SMALL)
            try:
                origin = parse_note(raw).checkpoint.origin
            except NotANote:
                origin = ""
            yield Signed(origin, int(found[1]), raw, name)


def _rows(pack: Pack, report: Report) -> Iterator[Row]:
    for name in (one for one in pack.names if one.startswith(_ENTRIES)):
        span = named(name.removeprefix(_ENTRIES))
        if span is None:
            report.find(-1, "segment-malformed", f"{name} is no name of a file of rows")
            continue
        yield from rows_of(pack.read(name), span, name, report)


def _since(manifest: dict[str, Any]) -> int:
    """The first row of the window: what ran from there on must be in the pack from its beginning."""
    for part in ("window", "range"):
        span = manifest.get(part)
        if isinstance(span, dict) and type(span.get("first")) is int:
            return int(span["first"])
    return 0


def _window(report: Report, manifest: dict[str, Any], first: int) -> None:
    last = first + report.rows - 1
    span = manifest.get("range")
    if not isinstance(span, dict) or (span.get("first"), span.get("last")) != (first, last):
        report.find(
            -1,
            "range-differs",
            f"the manifest speaks of the rows {_span(span)}, the pack holds {first} to {last}",
        )
    if report.size != first + report.rows and report.sound:
        report.gap("no signed checkpoint covers the newest rows of the pack")
    until = _ms(manifest.get("to"))
    if manifest.get("complete") is False:
        report.note("The pack was made before its window was over: what came later is not in it.")
    elif until is not None and report.last_ms < until - LATEST_MS:
        report.gap(
            f"the pack is about the time to {when(until)}, and its newest row is of {when(report.last_ms)}"
        )


def _span(span: object) -> str:
    return f"{span.get('first')} to {span.get('last')}" if isinstance(span, dict) else "of no range"


def _ms(moment: object) -> int | None:
    if not isinstance(moment, str):
        return None
    try:
        return int(datetime.fromisoformat(moment).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None


def _signature(pack: Pack, report: Report, vouched: Iterable[Key], given: Sequence[Key], raw: bytes) -> None:
    if _SIGNATURE not in pack.names:
        report.find(-1, "manifest-not-signed", "the pack's list of files is not signed")
        return
    text = b"signalbox/pack\n%s\n%s\n" % (
        report.chain.encode(),
        base64.b64encode(hashlib.sha256(raw).digest()),
    )
    note = pack.read(_SIGNATURE, _SMALL)
    if not note.startswith(text + b"\n"):
        report.find(-1, "manifest-not-signed", "the signature is not over this pack's list of files")
        return
    lines = note[len(text) + 1 :].decode(errors="replace").splitlines()[:64]
    by = [one for one in {*vouched, *given} if any(_is_signed(one, line, text) for line in lines)]
    if not by:
        report.find(-1, "manifest-not-signed", "no key of this log signed the pack's list of files")
        return
    trusted = {one.key for one in report.signers} | {str(one) for one in vouched if one not in given}
    if not any(str(one) in trusted for one in by):
        report.gap(
            f"the pack's list of files is signed with {by[0]}, a key from after its window: give it with --key"
        )


def _is_signed(key: Key, line: str, text: bytes) -> bool:
    name, _, encoded = line.removeprefix("— ").partition(" ")
    try:
        blob = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return False
    return (name, blob[:4]) == (key.name, key.id) and key.verifies(text, blob[4:])
