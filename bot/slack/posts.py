"""Rows of the messages that the bot owns, written before and after posting: a crash cannot double one."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select

from bot.plan import Plan
from bot.slack.blocks import Body
from bot.store.database import Database
from bot.store.tables import Change, Cursor, Decision, Post
from bot.trail.append import entries

CURSOR = "slack"
EVENT_TYPE = "signalbox"
OPEN_STATES = ("proposed", "running", "standing")


@dataclass(frozen=True)
class Posted:
    """A message: `ts` is empty while nobody knows whether it was posted. `at` is real epoch seconds."""

    key: str
    change: str
    channel: str
    thread: str
    ts: str
    body: str
    at: float


def metadata(key: str) -> dict[str, object]:
    """What a message carries so that we know it again; opaque, since any app of the workspace can read it."""
    return {"event_type": EVENT_TYPE, "event_payload": {"key": opaque(key)}}


def opaque(key: str) -> str:
    """The key as others may see it."""
    return hashlib.sha256(key.encode()).hexdigest()[:32]


def digest(body: Body) -> str:
    """SHA-256 of what a message shows, so that an update which changes nothing is not sent."""
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


class Posts:
    """Reads and writes of Post and Cursor, and look-ups of what a button belongs to. All synchronous."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def cursor(self) -> int:
        """The next `seq` to read."""
        with self._database.read() as session:
            row = session.get(Cursor, CURSOR)
            return row.seq if row else 0

    def advance(self, seq: int) -> None:
        """Everything before `seq` is shown in Slack."""
        with self._database.write() as session:
            row = session.get(Cursor, CURSOR) or Cursor(name=CURSOR, seq=0)
            row.seq = max(row.seq, seq)
            session.add(row)

    def touched(self, since: int, limit: int = 500) -> tuple[list[str], int]:
        """Changes named by the trail from `since` on, each once, and the next `seq` to read."""
        with self._database.read() as session:
            rows = entries(session, since, limit)
            return list(dict.fromkeys(r.change for r in rows if r.change)), rows[
                -1
            ].seq + 1 if rows else since

    def awake(self) -> list[str]:
        """Changes that must be looked at even when nobody touches them: not closed, or with an open review."""
        with self._database.read() as session:
            open_ones = session.exec(select(Change.id).where(col(Change.state).in_(OPEN_STATES))).all()
            reviews = session.exec(
                select(Decision.change).where(Decision.kind == "review", Decision.state == "open")
            ).all()
            return list(dict.fromkeys([*open_ones, *reviews]))

    def of_change(self, change: str) -> dict[str, Posted]:
        """The change's messages by key."""
        with self._database.read() as session:
            rows = session.exec(select(Post).where(Post.change == change)).all()
            return {r.key: _posted(r) for r in rows}

    def claim(self, post: Posted) -> bool:
        """Write the row before posting; False when another replica was first."""
        try:
            with self._database.write() as session:
                session.add(Post(**vars(post)))
        except IntegrityError:
            return False
        return True

    def save(self, post: Posted) -> None:
        """Write where the message stands and what it shows."""
        with self._database.write() as session:
            row = session.get(Post, post.key)
            if row is None:
                row = Post(**vars(post))
            row.channel, row.thread, row.ts, row.body, row.at = (
                post.channel,
                post.thread,
                post.ts,
                post.body,
                post.at,
            )
            session.add(row)

    def forget(self, key: str) -> None:
        """The message does not stand, so it may be claimed anew."""
        with self._database.write() as session:
            if row := session.get(Post, key):
                session.delete(row)

    def change_of(self, decision: str) -> str:
        """The change that a decision belongs to; empty when there is no such decision."""
        with self._database.read() as session:
            row = session.get(Decision, decision) if decision else None
            return row.change if row else ""

    def plan_of(self, change: str) -> Plan | None:
        """The plan as it was approved, with needs and undo; None when it cannot be read."""
        with self._database.read() as session:
            row = session.get(Change, change)
            if row is None or not row.plan:
                return None
            try:
                return Plan.model_validate_json(row.plan)
            except ValueError:
                return None

    def card_near(self, channel: str, message: str, thread: str) -> Posted | None:
        """The card of the change that a message or its thread is about, else the newest card there."""
        with self._database.read() as session:
            of = select(Post).where(Post.channel == channel)
            for ts in (message, thread):
                row = session.exec(of.where(Post.ts == ts)).first() if ts else None
                card = session.get(Post, f"card:{row.change}") if row else None
                if card is not None and card.ts:
                    return _posted(card)
            cards = of.where(col(Post.key).startswith("card:"), Post.ts != "").order_by(col(Post.at).desc())
            newest = session.exec(cards).first()
            return _posted(newest) if newest else None


def _posted(row: Post) -> Posted:
    return Posted(row.key, row.change, row.channel, row.thread, row.ts, row.body, row.at)
