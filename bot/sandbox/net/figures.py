"""Counters and gauges of the simulated world, kept by simulated second."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

KEPT_SECONDS = 1800
SCRAPE_SECONDS = 5.0
_KEPT_SAMPLES = 2000

Labels = tuple[tuple[str, str], ...]


@dataclass
class Counter:
    """One label set's total, and its increments by whole simulated second."""

    born: float
    total: float = 0.0
    seconds: dict[int, float] = field(default_factory=dict)

    def add(self, now: float, amount: float) -> None:
        """Count `amount` at simulated `now`."""
        second = math.floor(now)
        self.total += amount
        if amount:
            self.seconds[second] = self.seconds.get(second, 0.0) + amount
        while len(self.seconds) > KEPT_SECONDS:
            del self.seconds[next(iter(self.seconds))]

    def rate(self, now: float, window: float) -> float:
        """Increase per simulated second over the last `window` seconds, or over its life when shorter."""
        since = math.floor(now) - window
        grown = sum(amount for second, amount in self.seconds.items() if second > since)
        return grown / max(1.0, min(window, now - self.born))


class Figures:
    """Everything that `/metrics` shows. Used from one event loop only."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now
        self._counters: dict[str, dict[Labels, Counter]] = {}
        self._gauges: dict[str, tuple[str, Callable[[], Mapping[Labels, float]]]] = {}
        self._samples: dict[str, dict[Labels, deque[tuple[float, float]]]] = {}
        self._scraped = -math.inf

    def add(self, name: str, amount: float = 1.0, **labels: str) -> None:
        """Count; an amount of 0 makes the label set known."""
        series = self._counters.setdefault(name, {})
        key = tuple(sorted(labels.items()))
        series.setdefault(key, Counter(self.now())).add(self.now(), amount)

    def ask(self, name: str, values: Callable[[], Mapping[Labels, float]], kind: str = "gauge") -> None:
        """Let `values` be called whenever `name` is read; `kind` as in the text format's TYPE line."""
        self._gauges[name] = kind, values

    def scrape(self) -> None:
        """Remember what every gauge shows, once in SCRAPE_SECONDS: call it often."""
        now = self.now()
        if now < self._scraped + SCRAPE_SECONDS:
            return
        self._scraped = now
        for name, (_, values) in self._gauges.items():
            series = self._samples.setdefault(name, {})
            for labels, value in values().items():
                series.setdefault(labels, deque(maxlen=_KEPT_SAMPLES)).append((now, value))

    def highest(self, name: str, window: float) -> dict[Labels, float]:
        """The highest value of each series in the last `window` seconds, stale series included."""
        found = self.values(name)
        for labels, samples in self._samples.get(name, {}).items():
            for at, value in samples:
                if at > self.now() - window:
                    found[labels] = max(value, found.get(labels, value))
        return found

    def counters(self, name: str) -> Mapping[Labels, Counter]:
        """Counters of that name by label set."""
        return self._counters.get(name, {})

    def values(self, name: str) -> dict[Labels, float]:
        """Present values of that name by label set; empty when nothing is known by it."""
        if name in self._gauges:
            return dict(self._gauges[name][1]())
        return {key: counter.total for key, counter in self.counters(name).items()}

    def names(self) -> Iterator[tuple[str, str]]:
        """Every name with its type, for the text format."""
        yield from ((name, "counter") for name in self._counters)
        yield from ((name, kind) for name, (kind, _) in self._gauges.items())
