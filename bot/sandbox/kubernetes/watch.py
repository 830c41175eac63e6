"""Watches: replay from the log, then live, as JSON lines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass

from bot.sandbox.kubernetes import errors
from bot.sandbox.kubernetes.kinds import Kind
from bot.sandbox.kubernetes.meta import Obj
from bot.sandbox.kubernetes.selectors import Match
from bot.sandbox.kubernetes.store import Change, Store

BOOKMARK_SECONDS = 60.0


@dataclass(frozen=True)
class Watching:
    """What one watch asked for. `shape` makes an object fit for the wire; seconds are real ones."""

    kind: Kind
    namespace: str
    match: Match
    shape: Callable[[Obj], Obj]
    version: str = ""
    seconds: float = 1800.0
    bookmarks: bool = False
    initial: bool = False


async def events(store: Store, watching: Watching) -> AsyncGenerator[Obj, None]:
    """Events of one watch until its time is over; a version too old ends it with one ERROR event."""
    loop = asyncio.get_running_loop()
    ends = loop.time() + watching.seconds
    fresh: asyncio.Queue[Change] = asyncio.Queue()
    store.listeners.append(fresh.put_nowait)
    try:
        backlog: Sequence[Change] | None = None
        if watching.version in ("", "0") or watching.initial:
            for obj in store.list(watching.kind, watching.namespace):
                if watching.match(obj):
                    yield {"type": "ADDED", "object": watching.shape(obj)}
            if watching.initial:
                yield _bookmark(store, watching, {"k8s.io/initial-events-end": "true"})
        else:
            backlog = store.since(int(watching.version))
            if backlog is None:
                first = store.log[0].version if store.log else store.version
                text = f"too old resource version: {watching.version} ({first})"
                yield {"type": "ERROR", "object": errors.expired(text).status()}
                return
        for change in backlog or []:
            if event := _event(watching, change):
                yield event
        marked = loop.time()
        while (left := ends - loop.time()) > 0:
            try:
                change = await asyncio.wait_for(fresh.get(), min(left, BOOKMARK_SECONDS))
            except TimeoutError:
                pass
            else:
                if event := _event(watching, change):
                    yield event
            if watching.bookmarks and loop.time() - marked >= min(BOOKMARK_SECONDS, watching.seconds):
                marked = loop.time()
                yield _bookmark(store, watching)
        if watching.bookmarks:
            yield _bookmark(store, watching)
    finally:
        store.listeners.remove(fresh.put_nowait)


def _event(watching: Watching, change: Change) -> Obj | None:
    """The event of a change as this watch sees it: a selector turns changes into arrivals and departures."""
    if change.kind != watching.kind:
        return None
    if watching.namespace and change.object["metadata"].get("namespace") != watching.namespace:
        return None
    was = change.old is not None and watching.match(change.old)
    is_ = change.new is not None and watching.match(change.new)
    if is_:
        assert change.new is not None
        return {"type": "MODIFIED" if was else "ADDED", "object": watching.shape(change.new)}
    if not was:
        return None
    assert change.old is not None
    version = {"resourceVersion": str(change.version)}
    last = change.old | {"metadata": change.old["metadata"] | version}
    return {"type": "DELETED", "object": watching.shape(last)}


def _bookmark(store: Store, watching: Watching, notes: dict[str, str] | None = None) -> Obj:
    meta: Obj = {"resourceVersion": str(store.version), "creationTimestamp": None}
    if notes:
        meta["annotations"] = notes
    mark = {"kind": watching.kind.name, "apiVersion": watching.kind.api_version, "metadata": meta}
    return {"type": "BOOKMARK", "object": mark}
