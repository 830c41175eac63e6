"""The only crossing between the event loop and synchronous code, and the memory of what was already done."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Hashable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

import structlog

_P = ParamSpec("_P")
_T = TypeVar("_T")

log = structlog.get_logger()

PLANNING = 4

REMEMBERED = 10_000
"""Deliveries kept for recognising a second copy; the oldest are forgotten first."""


class Bridge:
    """Runs synchronous calls in pools of its own, so that no library's pool can be filled by them.

    Commands, which look at both Regions for seconds, have a small pool apart: a click never waits behind them.
    """

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="slack")
        self._planning = ThreadPoolExecutor(PLANNING, thread_name_prefix="plan")
        self._long = ThreadPoolExecutor(1, thread_name_prefix="long")
        self._tasks: set[asyncio.Task[None]] = set()
        self._seen: OrderedDict[Hashable, None] = OrderedDict()

    async def call(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """The result of `work`, computed outside the loop; its exceptions pass."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, lambda: work(*args, **kwargs))

    async def plan(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """The same for work that may take seconds."""
        return await asyncio.get_running_loop().run_in_executor(self._planning, lambda: work(*args, **kwargs))

    async def long(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """The same for work that may take a minute: one at a time, and nobody plans behind it."""
        return await asyncio.get_running_loop().run_in_executor(self._long, lambda: work(*args, **kwargs))

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run in the background; the task is kept until it ends, and its failure is logged."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def first(self, delivery: Hashable) -> bool:
        """Whether this delivery was not seen before."""
        if delivery in self._seen:
            return False
        self._seen[delivery] = None
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        return True

    async def close(self, grace_seconds: float = 5.0) -> None:
        """Let what runs come to an end, then stop the pool."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace_seconds)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._planning.shutdown(wait=False, cancel_futures=True)
        self._long.shutdown(wait=False, cancel_futures=True)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("slack.task_failed", error=repr(error), exc_info=error)
