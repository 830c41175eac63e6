"""`signalbox corroborate`: the trail against CloudTrail and the clusters' audit logs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from bot.clock import iso
from bot.errors import UsageError
from bot.estate_file import read_estate
from bot.evidence.ask import ask, calls_between, files, part
from bot.evidence.corroborate import Own, corroborate
from bot.evidence.corroboration import Bin, Corroboration
from bot.evidence.pack import Packer
from bot.records import Records
from bot.settings import Settings
from bot.store.database import Database

MOST_LINES = 200


def compare(
    settings: Settings,
    first: str,
    last: str,
    *,
    cloudtrail: Sequence[Path] = (),
    kubernetes: Sequence[str] = (),
    live: Callable[[Settings], Records],
) -> Corroboration:
    """Compare the configured database's trail with files, or with the logs themselves when none are given.

    `first` and `last` are days, both inside, or times; `kubernetes` are `REGION=FILE`. Raises UsageError,
    BadRecord, and what the trail raises.
    """
    since, until = moment(first), moment(last, end=True)
    if until <= since:
        raise UsageError(f"{last} is not after {first}.")
    told = files(cloudtrail, kubernetes)
    database = Database(settings.database_url)
    try:
        calls = calls_between(database, since, until)
    finally:
        database.close()
    if not told:
        regions = read_estate(settings.estate).regions
        told = ask(live(settings), calls, regions, since, until)
    own = own_of(settings)
    return corroborate(calls, told, since=since, until=until, own=own)


def with_logs(
    packer: Packer, settings: Settings, cloudtrail: Sequence[Path], kubernetes: Sequence[str]
) -> Packer:
    """A packer whose packs hold these files against the trail, too; the same one without files.

    Raises UsageError and BadRecord, before a pack is begun.
    """
    told = files(cloudtrail, kubernetes)
    return replace(packer, extras=(*packer.extras, part(told, own_of(settings)))) if told else packer


def own_of(settings: Settings) -> Own:
    """What is Signalbox's own in other people's logs."""
    bucket = settings.archive.removeprefix("s3://").partition("/")[0]
    return Own(role_arn=settings.role_arn, archive_bucket=bucket)


def lines(found: Corroboration) -> list[str]:
    """The comparison in words: what does not agree first, then the counts."""
    told = [
        f"NOT IN BOTH  row {one.call.seq}  {iso(one.call.at)}  {one.call.person}: {one.call.service} "
        f"{one.call.operation} in {one.call.region or 'no Region'}: {one.why or 'not in the other log'}"
        for one in found.calls
        if one.bin in (Bin.MISMATCHED, Bin.MISSING)
    ]
    told += [
        f"OUTSIDE      {iso(one.at)}  {one.who}{' WITH SIGNALBOX`S OWN IDENTITY' if one.ours else ''}: {one.what}"
        f"{' ' + one.on if one.on else ''} in {one.region}{' (refused)' if one.refused else ''}  [{one.id}]"
        for one in found.outside
    ]
    if len(told) > MOST_LINES:
        told = [*told[:MOST_LINES], f"… and {len(told) - MOST_LINES} more: see --json."]
    told += [
        f"machine      {one.who} in {one.region}: {one.changes} changes ({', '.join(one.most)})"
        for one in sorted(found.machines, key=lambda m: -m.changes)[:10]
    ]
    return [*told, *(f"{what:<28} {count:>14}  {word}" for what, count, word in found.table())]


def moment(text: str, *, end: bool = False) -> float:
    """A day (its end with `end`: the whole day counts) or a time, UTC unless it says otherwise. Raises UsageError."""
    try:
        if len(text) == len("2026-01-31"):
            day = date.fromisoformat(text) + timedelta(days=1 if end else 0)
            return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()
        at = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"{text!r} is no day and no time.", then="Write 2026-01-31 or 2026-01-31T03:00Z."
        ) from None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
