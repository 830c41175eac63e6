"""Makes Slack agree with the database: follows the trail, posts what is missing, updates what moved.

Nothing here decides anything. Slack may be away for an hour: the cursor stays where it was, and all is shown
when it is back.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog

from bot.changes.views import ChangeView
from bot.clock import Clock
from bot.errors import SignalboxError
from bot.slack.bridge import Bridge
from bot.slack.cards import asked
from bot.slack.desk import Desk
from bot.slack.outbox import Later, NoChannel, Outbox
from bot.slack.picture import chart
from bot.slack.posts import Posted, Posts, digest
from bot.slack.voice import Voice
from bot.slack.wanted import Wanted, awake, card_key, ended_at, linked, restless, wanted

log = structlog.get_logger()

LOOK_SECONDS = 0.5
"""How often other processes' commits are looked for; this process's own wake us at once."""

UPDATE_SECONDS = 1.0
TICK_SECONDS = 5.0
"""A running board's clock moves this often when nothing else does."""

SLOW_TICK_SECONDS = 15.0
"""What waits for days (a standing run, a review) is looked at this often."""

CLOSED_CHANNEL_SECONDS = 600.0
"""A channel that the bot may not speak in is tried again after this long."""

LONGEST_WAIT = 8.0
OLD_SECONDS = 86_400.0
"""Changes of which nothing was open for longer than this get no new messages, only updates of what stands."""


@dataclass
class Plans:
    """When each change is due again: what is dirty now, and what had to wait."""

    due: dict[str, float] = field(default_factory=dict)
    not_before: dict[str, float] = field(default_factory=dict)

    def add(self, change: str, at: float = 0.0) -> None:
        """Look at it at `at` (monotonic seconds), or earlier when that was planned."""
        self.due[change] = max(min(at, self.due.get(change, at)), self.not_before.get(change, 0.0))

    def hold(self, change: str, until: float) -> None:
        """Leave it alone until then, whatever happens to it meanwhile."""
        self.not_before[change] = self.due[change] = until

    def take(self, now: float) -> list[str]:
        ready = [change for change, at in self.due.items() if at <= now]
        for change in ready:
            del self.due[change]
            self.not_before.pop(change, None)
        return ready


class Poster:
    """One per process; idle unless `leader()` says that this replica speaks."""

    def __init__(
        self,
        desk: Desk,
        posts: Posts,
        outbox: Outbox,
        bridge: Bridge,
        clock: Clock,
        leader: Callable[[], bool],
        voice: Voice,
        after: Callable[[], Awaitable[None]],
    ) -> None:
        self._desk = desk
        self._posts = posts
        self._outbox = outbox
        self._bridge = bridge
        self._clock = clock
        self._leader = leader
        self._voice = voice
        self._after = after
        self._wake = asyncio.Event()
        self._plans = Plans()
        self._running: set[str] = set()
        self._waiting: set[str] = set()
        self._slowly_ticked = 0.0
        self._links: dict[tuple[str, str], str] = {}
        self._closed: dict[str, float] = {}
        self._updated: dict[str, float] = {}
        self._patience: dict[str, float] = {}
        self._ticked = 0.0
        self._read_to: int | None = None
        self._saved = 0

    def wake(self) -> None:
        """Something was committed; to be called in the loop's own thread."""
        self._wake.set()

    async def run(self) -> None:
        """Follow until cancelled."""
        while True:
            now = time.monotonic()
            sleep = min([LOOK_SECONDS, *(max(0.02, at - now) for at in self._plans.due.values())])
            try:
                async with asyncio.timeout(sleep):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            if not self._leader():
                self._read_to = None
                self._plans = Plans()
                continue
            try:
                await self._round()
            except SignalboxError as error:
                log.warning("slack.poster_waits", reason=str(error))
                await asyncio.sleep(1)
            except Exception:
                log.exception("slack.poster_defect")
                await asyncio.sleep(LOOK_SECONDS * 4)

    async def _round(self) -> None:
        await self._read()
        now = time.monotonic()
        if now - self._ticked >= TICK_SECONDS:
            self._ticked = now
            for change in self._running:
                self._plans.add(change)
        if now - self._slowly_ticked >= SLOW_TICK_SECONDS:
            self._slowly_ticked = now
            for change in self._waiting:
                self._plans.add(change)
        ready = self._plans.take(now)
        for change in ready:
            # Whatever is wrong with one of them must not keep people from seeing the others.
            try:
                left = await self._agree(change)
            except Later as error:
                self._put_off(change, error.seconds)
                log.warning("slack.message_waits", change=change, reason=str(error))
            except SignalboxError as error:
                self._put_off(change)
                log.warning("slack.change_waits", change=change, reason=str(error))
            except Exception:
                self._put_off(change)
                log.exception("slack.poster_defect", change=change)
            else:
                self._patience.pop(change, None)
                if left:
                    self._plans.add(change, time.monotonic() + left)
        if ready:
            await self._after()
        if not self._plans.due and self._read_to is not None and self._read_to != self._saved:
            await self._bridge.call(self._posts.advance, self._read_to)
            self._saved = self._read_to

    def _put_off(self, change: str, seconds: float = 0.0) -> None:
        """Try it again later, each time after a longer while, and not before `seconds`."""
        wait = min(LONGEST_WAIT, self._patience.get(change, 0.25) * 2)
        self._patience[change] = wait
        self._plans.hold(change, time.monotonic() + max(wait, seconds))

    async def _read(self) -> None:
        if self._read_to is None:
            cursor = await self._bridge.call(self._posts.cursor)
            # What waits for its next day was touched long before the cursor.
            for change in await self._bridge.call(self._posts.awake):
                self._plans.add(change)
            self._read_to = self._saved = cursor
        while True:
            changes, upto = await self._bridge.call(self._posts.touched, self._read_to)
            if upto == self._read_to:
                return
            self._read_to = upto
            for change in changes:
                self._plans.add(change)

    async def _agree(self, change: str) -> float:
        """Bring one change's messages up to date; seconds until one that was left alone may be updated."""
        view = await self._bridge.call(self._desk.view, change)
        if view is None:
            return 0.0
        fast = restless(view)
        (self._running.add if fast else self._running.discard)(change)
        (self._waiting.add if awake(view) and not fast else self._waiting.discard)(change)
        have = await self._bridge.call(self._posts.of_change, change)
        now = self._clock.now()
        ended = ended_at(view)
        old = ended is not None and now - ended > OLD_SECONDS
        late = self._glass_soon(view, now)
        for want in await self._wanted(view, have, now, old):
            post = have.get(want.key)
            if want.channel and not (post and post.ts):
                if not old:
                    late = max(late, await self._elsewhere(view, want, post))
            elif post is None or not (post.ts or want.picture):
                if not old:
                    made = have[want.key] = await self._post(view, want, post, have)
                    if want.follows and made.body != digest(want.body):
                        late = max(late, UPDATE_SECONDS)  # found again after a crash, as it was then
            elif want.follows and post.body != digest(want.body):
                left = self._updated.get(post.key, 0) + UPDATE_SECONDS - time.monotonic()
                if left > 0:
                    late = max(late, left)
                    continue
                self._updated[post.key] = time.monotonic()
                if await self._outbox.update(post, want.body) is None and not old:
                    late = max(late, UPDATE_SECONDS)
        if view.closed_at is not None and not late:
            for key in have:
                self._updated.pop(key, None)
        return late

    async def _wanted(self, view: ChangeView, have: dict[str, Posted], now: float, old: bool) -> list[Wanted]:
        links: dict[str, str] = {}
        keys, card = linked(view), card_key(view)
        if keys and not old and not ((post := have.get(card)) and post.ts):
            # What points to the card must know where it stands.
            have[card] = await self._post(view, wanted(view, now)[0], post, have)
        for key in keys:
            if (post := have.get(key)) and post.ts:
                links[key] = await self._link(post)
        return wanted(view, now, self._desk.estate.slack.channels.values(), links)

    @staticmethod
    def _glass_soon(view: ChangeView, now: float) -> float:
        """Seconds until the glass may be broken, when that is before the next tick; else 0."""
        at = view.approval.glass_at if asked(view) and view.approval is not None else None
        return at - now if at is not None and 0 < at - now < TICK_SECONDS else 0.0

    async def _link(self, post: Posted) -> str:
        where = (post.channel, post.ts)
        if not self._links.get(where):
            self._links[where] = await self._voice.link(*where)
        return self._links[where]

    async def _elsewhere(self, view: ChangeView, want: Wanted, post: Posted | None) -> float:
        """Post a message of its own in another channel; seconds until it should be tried again.

        Trouble in one channel must keep nobody else from hearing. One that the bot may not speak in is tried
        again whenever the change is looked at later, since somebody may invite it.
        """
        if self._closed.get(want.key, 0.0) > time.monotonic():
            return 0.0
        fresh = Posted(want.key, view.id, want.channel, "", "", "", time.time())
        try:
            await self._outbox.post(post or fresh, want.body, known=post is not None)
        except NoChannel as error:
            log.warning("slack.channel_refused", channel=want.channel, error=str(error), key=want.key)
            self._closed[want.key] = time.monotonic() + CLOSED_CHANNEL_SECONDS
        except Later as error:
            log.warning("slack.message_waits", change=view.id, reason=str(error))
            return max(UPDATE_SECONDS * 2, error.seconds)
        return 0.0

    async def _post(
        self, view: ChangeView, want: Wanted, post: Posted | None, have: dict[str, Posted]
    ) -> Posted:
        if want.picture:
            return await self._picture(view, want, have)
        if post is not None:
            made = await self._outbox.post(post, want.body, known=True, broadcast=want.broadcast)
        elif want.thread:
            card = have[card_key(view)]
            fresh = Posted(want.key, view.id, card.channel, card.ts, "", "", time.time())
            made = await self._outbox.post(fresh, want.body, known=False, broadcast=want.broadcast)
        else:
            made = await self._post_card(view, want)
        if not want.thread:
            await self._bridge.call(self._desk.thread, view.id, made.channel, made.ts)
        return made

    async def _picture(self, view: ChangeView, want: Wanted, have: dict[str, Posted]) -> Posted:
        card = have[card_key(view)]
        post = Posted(want.key, view.id, card.channel, card.ts, "", digest(want.body), time.time())
        return await self._outbox.upload(post, await self._bridge.call(chart, view), want.body["text"])

    async def _post_card(self, view: ChangeView, want: Wanted) -> Posted:
        home = self._home(view)
        # A direct message hides the question from its deciders; a shared channel shows it to another company.
        asked_in = view.channel if view.channel[:1] in {"C", "G"} else home
        if asked_in != home and await self._outbox.is_shared(asked_in):
            asked_in = home
        post = Posted(want.key, view.id, asked_in, "", "", "", time.time())
        try:
            return await self._outbox.post(post, want.body, known=False)
        except NoChannel as error:
            log.warning("slack.channel_refused", channel=asked_in, error=str(error), instead=home)
            if home == asked_in:
                raise Later(f"{want.key}: {error}", LONGEST_WAIT) from error
        fallback = Posted(want.key, view.id, home, "", "", "", time.time())
        try:
            return await self._outbox.post(fallback, want.body, known=False)
        except NoChannel as error:
            raise Later(f"{want.key}: {error}", LONGEST_WAIT) from error

    def _home(self, view: ChangeView) -> str:
        """The channel of the policy, for what was not asked in a channel that we can speak in."""
        estate = self._desk.estate
        rule = estate.policy.get(view.kind) or estate.policy["failover"]
        names = [*rule.channels, *estate.slack.channels]
        return estate.slack.channels[names[0]]
