"""`signalbox audit`: search the trail, take a row away with its proof, and check such a proof offline."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from bot.changes.desk import Desk
from bot.clock import iso
from bot.errors import Refused, UsageError
from bot.evidence.row_proof import proof_of
from bot.evidence.search import Page, search, searched
from bot.evidence.wanted import Typed, query
from bot.terminal.words import clean
from bot.trail.note import Key, NotANote, parse_key
from bot.trail.tlog_proof import NotAProof, Verdict
from bot.trail.tlog_proof import check as check_proof

WORK = 500_000
"""Rows that one page on a terminal passes over at most."""
USAGE = 3
_LARGEST_FILE = 128 * 1024


def look(out: Console, desk: Desk, typed: Typed, *, limit: int, as_json: bool) -> int:
    """Print one page; as JSON it is the rows themselves, byte for byte, a line each, and nothing else."""
    if not 1 <= limit <= 10_000:
        raise UsageError("A page has 1 to 10000 rows.", then="Give another --limit.")
    person = _person(typed.person)
    page = search(desk.database, query(typed, desk.clock.now()), limit=limit, work=WORK)
    searched(desk.trail, person, "terminal", page.query.words(), page)
    if as_json:
        for hit in page.hits:
            sys.stdout.write(hit.body.decode() + "\n")
        sys.stdout.flush()
    for hit in () if as_json else page.hits:
        of = f" ({hit.change})" if hit.change else ""
        who = f"Signalbox for {hit.who}" if hit.automatic else hit.who
        out.print(clean(f"{hit.seq:>8}  {iso(hit.time_ms / 1000)}  {who:<12} {hit.words}{of}"))
    for line in _end(page):
        print(clean(line), file=sys.stderr)
    return 0


def _end(page: Page) -> list[str]:
    shown = "row" if len(page.hits) == 1 else "rows"
    lines = [f"{len(page.hits)} {shown} found, {page.passed} looked at; newest first, times are UTC."]
    if not page.query.what:
        lines.append("Heartbeats are left out; to have them, too, add the word everything.")
    if page.foreign:
        lines.append(f"{page.foreign} rows are not what Signalbox writes: run signalbox verify.")
    if page.more is not None:
        lines.append(f"Older rows were not looked at. Go on: signalbox audit {page.more.words()}")
    return lines


def take(desk: Desk, words: Sequence[str], person: str, place: Path) -> int:
    """Write a row and its proof into a directory, over no other file."""
    if len(words) != 1 or not words[0].isascii() or not words[0].isdigit() or len(words[0]) > 18:
        raise UsageError("Of which row?", then="Give its number: signalbox audit proof 1234.")
    found = proof_of(desk.database, int(words[0]))
    searched(desk.trail, _person(person), "terminal", f"proof of row {found.seq}")
    for name, content in found.files.items():
        path = place / name
        try:
            with path.open("xb") as out:
                out.write(content)
        except OSError as error:
            raise Refused(
                f"{path} cannot be written: {error.strerror}.",
                not_done="",
                then="Give another directory with -o.",
            ) from error
        print(f"Wrote {path}")
    print(f"To check it: {found.how}")
    return 0


def check(proof: Path, body: Path | None, keys: Sequence[str]) -> int:
    """Say whether a proof is right, with the files alone. Exit code: 0 proved, 1 wrong, 2 unsure, 3 usage."""
    try:
        if body is None:
            raise ValueError("The row is needed as well: --body FILE.")
        verdict = _checked(_small(proof), _small(body), [_key(one) for one in keys])
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return USAGE
    print(clean(verdict.words))
    return verdict.exit_code


def _checked(proof: bytes, body: bytes, keys: Sequence[Key]) -> Verdict:
    try:
        # A row never ends in a line break; what cut it out of a file of rows may have left one.
        return check_proof(body.removesuffix(b"\n"), proof, keys)
    except NotAProof as error:
        raise ValueError(f"This is no proof: {error}.") from error


def _person(person: str) -> str:
    return person or f"operating system user {getpass.getuser()}"


def _key(words: str) -> Key:
    path = Path(words)
    text = words if "+" in words and not path.is_file() else _small(path).decode(errors="replace")
    try:
        return parse_key(text)
    except NotANote as error:
        raise ValueError(f"This is no key: {error}.") from error


def _small(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            raw = file.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}.") from error
    if len(raw) > _LARGEST_FILE:
        raise ValueError(f"{path} is too long for what it should hold.")
    return raw
