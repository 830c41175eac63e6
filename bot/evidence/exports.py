"""Other people's logs as files: CloudTrail's as it writes them into its bucket, audit logs as JSON lines.

Files are taken for hostile: every record is read strictly, sizes are bounded, and what is wrong is said with
its place. One bad record refuses the whole, since leaving it out would hide what it may have told.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bot.records import (
    CLOUDTRAIL,
    KUBERNETES,
    AwsRecord,
    BadRecord,
    KubernetesRecord,
    Told,
    aws_record,
    kubernetes_record,
    requests,
)

LARGEST_BYTES = 256 * 1024**2
"""Of one file, unpacked."""
MOST_RECORDS = 2_000_000
_LONGEST_LINE = 4 * 1024**2
_DIGESTS = frozenset({"CloudTrail-Digest", "CloudTrail-Insight"})


def cloudtrail_files(directory: Path) -> list[Told]:
    """What the files below a directory tell, by Region, from each Region's oldest to its newest event.

    `*.json` and `*.json.gz`, as in `AWSLogs/ACCOUNT/CloudTrail/REGION/2026/01/31/`; digest files are passed
    over. Raises BadRecord for anything that is no log of CloudTrail, and when there is none at all.
    """
    if not directory.is_dir():
        raise BadRecord(f"{directory} is no directory.")
    by_region: dict[str, list[AwsRecord]] = defaultdict(list)
    count = 0
    for path in _logs(directory):
        for number, event in enumerate(_events(path)):
            record = aws_record(event, f"{path}, record {number}")
            by_region[record.region].append(record)
            count += 1
        if count > MOST_RECORDS:
            raise BadRecord(
                f"{directory} holds more than {MOST_RECORDS:,} events.", then="Give it fewer days."
            )
    if not by_region:
        raise BadRecord(f"{directory} holds no event of CloudTrail (*.json or *.json.gz).")
    return [
        Told(
            CLOUDTRAIL,
            region,
            min(record.at for record in records),
            max(record.at for record in records),
            max(record.at for record in records),
            aws=tuple(sorted(records, key=lambda record: (record.at, record.event_id))),
        )
        for region, records in sorted(by_region.items())
    ]


def kubernetes_file(region: str, path: Path) -> Told:
    """What an API server's audit log tells: an audit event a line, plain or `.gz`.

    Lines of CloudWatch's export to S3, which begin with a time, are read as well. Raises BadRecord.
    """
    staged: list[tuple[str, KubernetesRecord]] = []
    for number, line in enumerate(_unpacked(path).split(b"\n"), 1):
        text = line.strip()
        if not text:
            continue
        where = f"{path}, line {number}"
        if len(text) > _LONGEST_LINE:
            raise BadRecord(f"{where}: longer than {_LONGEST_LINE:,} bytes.")
        staged.append(
            kubernetes_record(_json(text[text.find(b"{") :] if b"{" in text else text, where), region, where)
        )
        if len(staged) > MOST_RECORDS:
            raise BadRecord(f"{path} holds more than {MOST_RECORDS:,} events.", then="Give it fewer days.")
    if not staged:
        raise BadRecord(f"{path} holds no audit event.")
    times = [record.at for _, record in staged]
    return Told(KUBERNETES, region, min(times), max(times), max(times), kubernetes=requests(staged))


def _logs(directory: Path) -> Iterator[Path]:
    for path in sorted(directory.rglob("*")):
        if path.name.endswith((".json", ".json.gz")) and _DIGESTS.isdisjoint(path.parts) and path.is_file():
            yield path


def _events(path: Path) -> list[Any]:
    found = _json(_unpacked(path), str(path))
    events = found.get("Records") if isinstance(found, dict) else None
    if not isinstance(events, list):
        raise BadRecord(f'{path} is no log of CloudTrail: {{"Records": [...]}} is expected.')
    return events


def _unpacked(path: Path) -> bytes:
    opened: Callable[..., Any] = gzip.open if path.name.endswith(".gz") else open
    try:
        with opened(path, "rb") as file:
            content: bytes = file.read(LARGEST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise BadRecord(f"{path} cannot be read: {error or type(error).__name__}.") from error
    if len(content) > LARGEST_BYTES:
        raise BadRecord(f"{path} is larger than {LARGEST_BYTES:,} bytes.")
    return content


def _json(content: bytes, where: str) -> Any:
    try:
        return json.loads(content.decode(), object_pairs_hook=_once, parse_constant=_no_constant)
    except RecursionError:
        raise BadRecord(f"{where}: nested too deeply.") from None
    except ValueError as error:
        raise BadRecord(f"{where}: no JSON: {error}.") from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Two values under one name would let two readers see two things."""
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(n for n in names if names.count(n) > 1)!r} is there twice")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")
