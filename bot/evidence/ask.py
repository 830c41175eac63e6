"""Where the two sides of a comparison come from: the trail's calls, and the logs of others, asked or in files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from sqlmodel import select

from bot.errors import OutsideError, UsageError
from bot.evidence.agree import region_of
from bot.evidence.calls import Call, calls_of
from bot.evidence.corroborate import Own, corroborate
from bot.evidence.exports import cloudtrail_files, kubernetes_file
from bot.evidence.window import Row, Window, bodies, parsed
from bot.patience import together
from bot.records import CLOUDTRAIL, GLOBAL_REGION, KUBERNETES, Records, Told
from bot.store.database import Database
from bot.store.tables import Head

AROUND_SECONDS = 180.0
"""Read beside the window, too: a call at its end may be written down a moment after it."""
PATIENCE_SECONDS = 600.0


def calls_between(
    database: Database, since: float, until: float, size: int | None = None
) -> tuple[Call, ...]:
    """The trail's calls of [since, until) and a little around, from its bytes. Raises Altered.

    With `size` only from as many rows.
    """
    if size is None:
        with database.read() as session:
            head = session.exec(select(Head)).first()
        size = head.size if head is not None else 0
    first = _first_at(database, since - AROUND_SECONDS, size)
    last = _first_at(database, until + AROUND_SECONDS, size)
    return calls_of(_rows(database, first, last))


def ask(
    records: Records, calls: Iterable[Call], regions: Iterable[str], since: float, until: float
) -> list[Told]:
    """Ask every log that could tell of these calls or of changes beside them, all at once."""
    begin, end = since - AROUND_SECONDS, until + AROUND_SECONDS
    estate = dict.fromkeys(regions)
    trails = dict.fromkeys([*estate, GLOBAL_REGION])
    trails |= dict.fromkeys(
        region_of(c) for c in calls if c.service not in ("kubernetes", "http") and c.region
    )
    asked = {(CLOUDTRAIL, one): records.cloudtrail for one in trails} | {
        (KUBERNETES, one): records.kubernetes for one in estate
    }
    answers = together(
        {f"{log} {region}": partial(method, region, begin, end) for (log, region), method in asked.items()},
        PATIENCE_SECONDS,
    )
    told: list[Told] = []
    for log, region in asked:
        answer = answers[f"{log} {region}"]
        if isinstance(answer, OutsideError):
            answer = Told(log, region, begin, end, end, lack=str(answer))
        told.append(answer)
    return told


def files(cloudtrail: Iterable[Path], kubernetes: Iterable[str]) -> list[Told]:
    """What files tell: directories of CloudTrail's, and `REGION=FILE` for audit logs. Raises UsageError, BadRecord."""
    told = [one for directory in cloudtrail for one in cloudtrail_files(directory)]
    for given in kubernetes:
        region, equals, path = given.partition("=")
        if not equals or not region:
            raise UsageError(f"{given!r} names no Region.", then="Write REGION=FILE.")
        told.append(kubernetes_file(region, Path(path)))
    return told


def part(told: Sequence[Told], own: Own | None = None) -> Callable[[Window], dict[str, bytes]]:
    """The part of an evidence pack that these logs make: `corroboration.json`, the same for the same logs.

    Raises what `calls_between` raises.
    """

    def made(window: Window) -> dict[str, bytes]:
        since, until = window.days.since_ms / 1000, window.days.until_ms / 1000
        calls = calls_between(window.database, since, until, window.size)
        return {"corroboration.json": corroborate(calls, told, since=since, until=until, own=own).as_json()}

    return made


def _rows(database: Database, first: int, last: int) -> Iterator[Row]:
    for seq, body in bodies(database, first, last):
        yield parsed(seq, body)


def _first_at(database: Database, at: float, size: int) -> int:
    """The first row that is not before this time; times in the trail never run backwards."""
    low, high = 0, size
    while low < high:
        middle = (low + high) // 2
        if next(_rows(database, middle, middle + 1)).time_ms < at * 1000:
            low = middle + 1
        else:
            high = middle
    return low
