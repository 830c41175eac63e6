"""Follows the trail for what concerns itself, and tells the channels once: differences, delays, recoveries."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

import orjson
import structlog
from sqlmodel import Session, col, select

from bot.clock import Clock
from bot.errors import SignalboxError
from bot.slack.bridge import Bridge
from bot.slack.desk import Desk
from bot.slack.notices import ANCHORS, LAGS, Notice, Row, notice
from bot.slack.outbox import Later, NoChannel, Outbox
from bot.slack.posts import Posted, Posts
from bot.store.database import Database
from bot.store.tables import Cursor, Entry

log = structlog.get_logger()
CURSOR = "slack-news"
TRAIL = "trail"
"""Stands in place of a change for messages that belong to none."""
LOOK_SECONDS = 1.0
OLD_SECONDS = 3600.0
"""Of the calendar: what happened longer ago is no news when Slack hears of this database for the first time."""


class News:
    """One per process; silent unless `leader()` says that this replica speaks."""

    def __init__(
        self,
        desk: Desk,
        database: Database,
        posts: Posts,
        outbox: Outbox,
        bridge: Bridge,
        clock: Clock,
        leader: Callable[[], bool],
        after: Callable[[], Awaitable[None]],
    ) -> None:
        self._desk = desk
        self._database = database
        self._posts = posts
        self._outbox = outbox
        self._bridge = bridge
        self._clock = clock
        self._leader = leader
        self._after = after

    async def run(self) -> None:
        """Follow until cancelled. What cannot be said now is said later, in its order."""
        while True:
            wait = LOOK_SECONDS
            try:
                if self._leader():
                    await self._round()
            except Later as error:
                wait = max(wait, error.seconds)
                log.warning("slack.notice_waits", reason=str(error))
            except SignalboxError as error:
                log.warning("slack.news_wait", reason=str(error))
            await asyncio.sleep(wait)

    async def _round(self) -> None:
        for seq, found in await self._bridge.call(self._read):
            if found is not None:
                await self._tell(seq, found)
            await self._bridge.call(self._advance, seq + 1)
            await self._after()

    async def _tell(self, seq: int, found: Notice) -> None:
        channels = self._desk.estate.slack.channels
        ops = channels.get("ops") or next(iter(channels.values()))
        have = await self._bridge.call(self._posts.of_change, TRAIL)
        waits: Later | None = None
        for channel in dict.fromkeys([ops, *(channels.values() if found.loud else ())]):
            key = f"news:{seq}:{channel}"
            post = have.get(key)
            if post is not None and post.ts:
                continue
            fresh = Posted(key, TRAIL, channel, "", "", "", time.time())
            try:
                await self._outbox.post(post or fresh, found.body, known=post is not None)
            except NoChannel as error:
                log.warning("slack.channel_refused", channel=channel, error=str(error), key=key)
            except Later as error:
                waits = error  # trouble in one channel keeps nobody else from hearing
        if waits is not None:
            raise waits

    def _read(self) -> list[tuple[int, Notice | None]]:
        """Rows since the cursor with what is to be said of each."""
        leads = [p for p, role in self._desk.estate.people.items() if role == "lead"]
        with self._database.read() as session:
            cursor = session.get(Cursor, CURSOR)
            since = cursor.seq if cursor else 0
            query = select(Entry).where(Entry.seq >= since, col(Entry.name).in_([*ANCHORS, *LAGS]))
            if cursor is None:
                query = query.where(Entry.at >= self._clock.now() - OLD_SECONDS)
            rows = session.exec(query.order_by(col(Entry.seq)).limit(50)).all()
            return [(row.seq, notice(_row(row), _before(session, row), leads)) for row in rows]

    def _advance(self, seq: int) -> None:
        with self._database.write() as session:
            session.merge(Cursor(name=CURSOR, seq=seq))


def _before(session: Session, row: Entry) -> Row | None:
    """The newest row of the same kind before this one."""
    kind: Sequence[str] = ANCHORS if row.name in ANCHORS else LAGS
    query = select(Entry).where(Entry.seq < row.seq, col(Entry.name).in_(kind))
    found = session.exec(query.order_by(col(Entry.seq).desc()).limit(1)).first()
    return _row(found) if found else None


def _row(entry: Entry) -> Row:
    body = orjson.loads(entry.body)
    signatures = body["unmapped"].get("approval", {}).get("signatures", ())
    return Row(
        entry.name,
        str(body["actor"]["user"]["uid"]),
        body["unmapped"]["detail"],
        tuple(str(one["person"]) for one in signatures),
    )
