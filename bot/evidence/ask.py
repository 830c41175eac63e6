"""Asks the logs of others about a stretch of time, and reads the trail's calls in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

from sqlmodel import select

from bot.errors import OutsideError
from bot.evidence.agree import region_of
from bot.evidence.calls import Call, calls_of
from bot.evidence.window import Row, bodies, parsed
from bot.patience import together
from bot.records import CLOUDTRAIL, GLOBAL_REGION, KUBERNETES, Records, Told
from bot.store.database import Database
from bot.store.tables import Head

AROUND_SECONDS = 180.0
"""Read beside the window, too: a call at its end may be written down a moment after it."""
PATIENCE_SECONDS = 600.0


def calls_between(database: Database, since: float, until: float) -> tuple[Call, ...]:
    """The trail's calls of [since, until) and a little around, from its bytes. Raises Altered."""
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
