"""The real Slack face against the simulator, with a desk of a few lines behind it."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from shown_changes import approval, change, estate
from slack_world import APP_TOKEN, BOT_TOKEN, SIGNING_SECRET, World, until, world

from bot.changes.views import Answer, ChangeView, VoteView
from bot.clock import SystemClock
from bot.errors import Refused, UsageError
from bot.reply import Caller, File, Later, Proposal, Reply, Table, Text
from bot.settings import Settings
from bot.slack import SlackFace
from bot.store.database import Database
from bot.store.migrate import migrate
from bot.store.tables import Decision
from bot.trail.append import Trail
from bot.trail.event import Event, Name

ESTATE = estate()


class SmallDesk:
    """Behaves as the desk does towards a face: views by id, votes that count once, all in the trail."""

    estate = ESTATE

    def __init__(self, trail: Trail) -> None:
        self.trail = trail
        self.views: dict[str, ChangeView] = {}
        self.done: list[str] = []
        self.votes: list[tuple[str, str, str]] = []
        self.refused: list[tuple[str, str, str]] = []
        self.slow = 0.0
        self.broken = False
        self.made = threading.Event()
        self.made.set()
        self._lock = threading.Lock()

    def command(self, text: str, caller: Caller) -> Reply:
        time.sleep(self.slow)
        with self._lock:
            self.done.append(text)
        name, _, rest = text.partition(" ")
        if "boom" in rest:
            raise RuntimeError("a defect")
        if "usage" in rest:
            raise UsageError("I know no Region 'usage'.", then="Did you mean us-west-2?")
        if name == "/failover":
            made = f"c{len(self.done):05}"
            self.put(change(id=made, channel=caller.where, approval=approval(id=f"d{made}"), title=rest))
            return Proposal(made)
        if "later" in rest:
            return Later("It comes.", self._later)
        if "file" in rest:
            return File("runs.txt", b"runs\n", "Runs")
        return (
            Table("Runs", ("id", "state"), (("c1", "done"),)) if name == "/runs" else Text(f"You said {rest}")
        )

    def _later(self) -> Reply:
        assert self.made.wait(10)
        if self.broken:
            raise Refused("There is nothing to show.", then="Choose other days.")
        return File("pack.zip", b"PK", "Evidence", kind="application/zip")

    def put(self, view: ChangeView) -> None:
        with self.trail.record(Event(name=Name.CHANGE_PLANNED, change=view.id)) as record:
            for asked in [*([view.approval] if view.approval else []), *view.holds, *view.reviews]:
                fields = {
                    "question": "?",
                    "options": ",".join(o.action for o in asked.options),
                    "roles": "lead",
                    "quorum": asked.quorum,
                    "state": asked.state,
                }
                made = Decision(id=asked.id, change=view.id, kind=asked.kind, created_at=0, **fields)
                record.session.merge(made)
        self.views[view.id] = view
        self.trail.note(Event(name=Name.DECISION_OPENED, change=view.id))

    def vote(
        self, decision: str, choice: str, person: str, face: str = "slack", *, reason: str = ""
    ) -> Answer:
        with self._lock:
            if reason:
                return self._close(decision, choice, person, reason)
            view = next(v for v in self.views.values() if v.approval and v.approval.id == decision)
            assert view.approval is not None
            if view.approval.state != "open":
                return Answer(f"Already decided: {view.approval.outcome}, by <@{view.approval.by}>.")
            if ESTATE.role(person) != "lead":
                return Answer("You may not decide this.")
            self.votes.append((decision, choice, person))
            decided = replace(
                view.approval,
                state="decided",
                outcome=choice,
                by=person,
                votes=(VoteView(person, choice, 1e9),),
            )
            state = "running" if choice == "approve" else "denied"
            self.views[view.id] = replace(view, approval=decided, state=state)
        self.trail.note(Event(name=Name.DECISION_DECIDED, change=view.id))
        return Answer("Approved. It starts now.", counted=True)

    def _close(self, decision: str, choice: str, person: str, reason: str) -> Answer:
        view = next(v for v in self.views.values() if any(r.id == decision for r in v.reviews))
        (review,) = view.reviews
        if any(v.person == person for v in review.votes):
            return Answer("You have already answered close; one person counts once.")
        votes = (*review.votes, VoteView(person, choice, time.time(), reason))
        ended = len(votes) >= review.quorum
        state = {"state": "decided", "outcome": choice, "decided_at": time.time()} if ended else {}
        self.views[view.id] = replace(view, reviews=(replace(review, votes=votes, **state),))
        self.votes.append((decision, choice, person))
        self.trail.note(Event(name=Name.VOTE_CAST, change=view.id))
        return Answer("The review is closed." if ended else "Counted. 1 more needed.", counted=True)

    def stop(self, change: str, how: str, person: str, face: str = "slack") -> Answer:
        self.votes.append((change, how, person))
        return Answer("Rolling back: traffic first.", counted=True)

    def view(self, change: str) -> ChangeView | None:
        return self.views.get(change)

    def trouble(self) -> list[str]:
        return []

    def changes(self, limit: int = 20) -> list[ChangeView]:
        return list(self.views.values())[::-1][:limit]

    def refuse_click(self, person: str, what: str, why: str) -> None:
        self.refused.append((person, what, why))

    def thread(self, change: str, channel: str, ts: str) -> None:
        self.views[change] = replace(self.views[change], channel=channel, thread=ts)


@dataclass
class Faced:
    """One scene: the simulator, the face, its desk."""

    here: World
    face: SlackFace
    desk: SmallDesk
    database: Database
    leads: list[bool] = field(default_factory=lambda: [True])

    async def command(self, text: str, user: str = "oncall", channel: str = "ops") -> dict[str, Any]:
        return await self.here.slack.command(user, channel, text)

    def shown(self, channel: str = "ops", **more: Any) -> list[dict[str, Any]]:
        return [m for m in self.here.slack.messages(channel, **more) if not m.get("ephemeral_to")]

    def whispers(self, user: str, channel: str = "ops") -> list[str]:
        return [m["text"] for m in self.here.slack.messages(channel, user=user) if m.get("ephemeral_to")]

    async def card(self, text: str = "/failover us-west-2") -> dict[str, Any]:
        """Ask, and wait for the card."""
        before = len(self.shown())
        answer = await self.command(text)
        assert answer["ok"], answer
        await until(lambda: len(self.shown()) > before)
        return self.shown()[-1]

    def calls(self, method: str) -> list[dict[str, Any]]:
        return [c for c in self.here.slack.log() if c["method"] == method]


@asynccontextmanager
async def faced(
    path: Path, *, http: bool = False, wait: bool = True, own_thread: bool = False, **options: Any
) -> AsyncIterator[Faced]:
    """A simulator and a face in front of a fresh database."""
    database = Database(f"sqlite:///{path}/signalbox.db")
    migrate(database)
    port = _free_port()
    settings = Settings(
        SLACK_BOT_TOKEN=BOT_TOKEN,
        SLACK_APP_TOKEN=None if http else APP_TOKEN,
        SLACK_SIGNING_SECRET=SIGNING_SECRET if http else None,
        http_port=port,
    )
    url = {"request_url": f"http://127.0.0.1:{port}"} if http else {}
    try:
        async with world(**url, **options) as here:
            here_settings = settings.model_copy(update={"slack_api_url": f"{here.base}/api/"})
            async with facing(here, here_settings, database, own_thread=own_thread) as scene:
                if wait:
                    await until(scene.face.connected)
                yield scene
    finally:
        database.close()


@asynccontextmanager
async def facing(
    here: World, settings: Settings, database: Database, *, own_thread: bool = False
) -> AsyncIterator[Faced]:
    """One face, as `serve` runs it; with `own_thread` on a loop that a test may freeze."""
    clock = SystemClock()
    trail = Trail(database, clock)
    desk = SmallDesk(trail)
    leads = [True]
    face = SlackFace(settings, desk, trail, database, clock, lambda: leads[0], commands=())
    run: Callable[[], Any] = face.run
    if own_thread:
        stop: list[Callable[[], Any]] = []
        thread = threading.Thread(target=lambda: asyncio.run(_until_stopped(face, stop)))
        thread.start()
        try:
            yield Faced(here, face, desk, database, leads)
        finally:
            stop[0]()
            await asyncio.to_thread(thread.join)
        return
    task = asyncio.create_task(run())
    try:
        yield Faced(here, face, desk, database, leads)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _until_stopped(face: SlackFace, stop: list[Callable[[], Any]]) -> None:
    task = asyncio.create_task(face.run())
    loop = asyncio.get_running_loop()
    stop.append(lambda: loop.call_soon_threadsafe(task.cancel))
    await asyncio.gather(task, return_exceptions=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
