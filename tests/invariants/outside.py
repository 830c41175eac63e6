"""Between the bot and the world in memory: what arrives is counted, and trouble is made on demand.

Every verb that changes something passes the register, as the hooks of `bot.world` do it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from memory_world import MemoryWorld
from sqlmodel import col, select

from bot import act
from bot.errors import Unreachable
from bot.ports import HttpAnswer, Ports, Register
from bot.store.database import Database
from bot.store.tables import Entry

MUTATING = {
    "databases": {"switchover", "failover", "detach"},
    "network": {"deny", "allow"},
    "capacity": {"resize"},
    "dns": {"set_weights", "stop", "unstop"},
    "routing": {"flip"},
    "clusters": {"scale", "set_minimum", "restart", "run_job", "remove_job", "set_sync_windows"},
    "metrics": set(),
    "http": {"post"},
}


@dataclass
class Call:
    """A verb that reached the world."""

    port: str
    verb: str
    region: str
    step: str
    announced: bool


@dataclass
class Outside:
    """Between the bot and the world: `swallow` and `lose` say for which verbs it answers OK and does nothing,
    or does it and loses the answer.
    """

    world: MemoryWorld
    register: Register | None = None
    database: Database | None = None
    swallow: Callable[[str, str], bool] = lambda _port, _verb: False
    lose: Callable[[str, str], bool] = lambda _port, _verb: False
    blind: Callable[[str, str], bool] = lambda _port, _verb: False
    calls: list[Call] = field(default_factory=list)
    reads: list[Call] = field(default_factory=list)

    def ports(self) -> Ports:
        """Every port of the world, watched."""
        plain = self.world.ports()
        return replace(plain, **{name: _Watched(self, name, getattr(plain, name)) for name in MUTATING})

    def ask(self, port: str, verb: str, deed: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """A read, or a change that is announced first."""
        region = args[0] if args and args[0] in self.world.estate.regions else ""
        if verb not in MUTATING[port]:
            step = acting.step if (acting := act._current.get()) else ""
            self.reads.append(Call(port, verb, region, step, announced=False))
            if self.blind(port, verb):
                raise Unreachable(f"{verb} is not answered.")
            return deed(*args, **kwargs)
        step = act.current().step
        token = ""
        if self.register is not None:
            token = self.register.intent(port, verb, region, {"args": str((args, kwargs))[:400]})
        self.calls.append(Call(port, verb, region, step, announced=self._committed(token)))
        result = None if self.swallow(port, verb) else deed(*args, **kwargs)
        lost = self.lose(port, verb)
        if self.register is not None:
            self.register.outcome(token, ok=None if lost else True, request_id="r1")
        if lost:
            raise Unreachable("The answer was lost.")
        return result if result is not None else self._answer(verb)

    def _answer(self, verb: str) -> Any:
        return HttpAnswer(201, "", {}) if verb == "post" else None

    def _committed(self, token: str) -> bool:
        if self.database is None:
            return False
        with self.database.read() as session:
            newest = session.exec(
                select(Entry)
                .where(Entry.name == "call:outside:intent")
                .order_by(col(Entry.seq).desc())
                .limit(12)
            ).all()
        return any(token.encode() in entry.body for entry in newest)


class _Watched:
    def __init__(self, outside: Outside, name: str, inner: Any) -> None:
        self._outside, self._name, self._inner = outside, name, inner

    def __getattr__(self, verb: str) -> Any:
        deed = getattr(self._inner, verb)
        return lambda *args, **kwargs: self._outside.ask(self._name, verb, deed, args, kwargs)
