"""`signalbox verify`: what the verifier says of a database, a pack or a bucket, or of any two of them."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from bot.clock import FileClock
from bot.errors import SignalboxError
from bot.settings import Settings
from bot.trail.verify import (
    RETENTION_DAYS,
    USAGE,
    VERIFIED,
    Bucket,
    Report,
    Source,
    compare,
    of_bucket,
    of_database,
    of_pack,
)

SHOWN = 50
"""Findings that are printed; all are in the JSON."""
_LARGEST_FILE = 64 * 1024


@dataclass(frozen=True)
class Asked:
    """What is verified, and against what. `keys` are verifier keys or files of them."""

    source: str = ""
    other: str = ""
    keys: Sequence[str] = ()
    checkpoint: Path | None = None
    retention_days: int = RETENTION_DAYS
    save: Path | None = None
    as_json: bool = False


def verify(asked: Asked, archive: Callable[[str, str], Bucket]) -> int:
    """Print the report. Exit code: 0 verified, 1 tampered, 2 incomplete, 3 usage."""
    try:
        reports = _reports(asked, archive)
    except (ValueError, OSError, SignalboxError) as error:
        print(error, file=sys.stderr)
        return USAGE
    verdict = reports[0]
    if asked.as_json:
        told = json.loads(verdict.as_json())
        if len(reports) > 1:
            told["of"] = [json.loads(one.as_json()) for one in reports[1:]]
        print(json.dumps(told, indent=2))
    else:
        _print(reports)
    if asked.save is not None:
        _save(reports, asked.save)
    return verdict.exit_code


def _reports(asked: Asked, archive: Callable[[str, str], Bucket]) -> Sequence[Report]:
    """The verdict, and those on both sources where there are two."""
    try:
        settings = Settings()
    except ValidationError:
        if not asked.source:
            raise
        settings = None  # an auditor has none, and needs none
    region = settings.archive_region if settings else ""
    now = FileClock(settings.clock).now() if settings and settings.clock else time.time()

    def opened(words: str) -> Source:
        if words.startswith("s3://"):
            return of_bucket(archive(words, region), asked.retention_days)
        if "://" in words:
            return of_database(words)
        return of_database(f"sqlite:///{words}") if _is_sqlite(Path(words)) else of_pack(Path(words))

    pinned = [_key(one) for one in asked.keys]
    known = _small(asked.checkpoint) if asked.checkpoint else None
    first = opened(asked.source or (settings.database_url if settings else ""))
    if not asked.other:
        return [first.verify(pinned, known, now)]
    return compare(first, opened(asked.other), pinned=pinned, known=known, now=now)


def _print(reports: Sequence[Report]) -> None:
    verdict = reports[0]
    print(verdict.words())
    for one in reports if len(reports) == 1 else reports[1:]:
        for line in one.checked():
            print(f"  {line}")
    if len(reports) > 1 and verdict.rows:
        print(f"  Compared: {verdict.rows:,} rows are the same in both, byte for byte")
    for finding in verdict.findings[:SHOWN]:
        where = f"row {finding.seq}: " if finding.seq >= 0 else ""
        print(f"  WRONG: {where}{finding.message} [{finding.code}]")
    if verdict.findings.total > SHOWN:
        print(f"  … and {verdict.findings.total - SHOWN} more; --json tells them")
    for words in verdict.gaps:
        print(f"  Not shown: {words}")
    for words in verdict.notes:
        print(f"  Note: {words}")


def _save(reports: Sequence[Report], path: Path) -> None:
    newest = max((one.newest for one in reports), key=len)
    if reports[0].exit_code != VERIFIED or not newest:
        print(
            f"{path} was not written: only a checkpoint of a verified log is worth keeping.", file=sys.stderr
        )
        return
    try:
        path.write_bytes(newest)
    except OSError as error:
        print(f"{path} was not written: {error.strerror}.", file=sys.stderr)
        return
    print(f"Kept {path}: next time, give it with --checkpoint.", file=sys.stderr)


def _key(words: str) -> str:
    """A key's text, from itself or from a file."""
    path = Path(words)
    if "+" in words and not path.is_file():
        return words
    return _small(path).decode(errors="replace").strip()


def _small(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            raw = file.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from error
    if len(raw) > _LARGEST_FILE:
        raise ValueError(f"{path} is too long for what it should hold")
    return raw


def _is_sqlite(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(16) == b"SQLite format 3\x00"
    except OSError:
        return False
