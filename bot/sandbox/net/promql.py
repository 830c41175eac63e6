"""The few shapes of PromQL that the sandbox's estate asks: selectors, rate, max_over_time, aggregations."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from bot.sandbox.net.figures import Figures, Labels

Vector = dict[Labels, float]
Matcher = Callable[[Mapping[str, str]], bool]

_TOKEN = re.compile(r'\s*([a-zA-Z_:][a-zA-Z0-9_:]*|"(?:[^"\\]|\\.)*"|[0-9]+[smhd]|=~|!~|!=|[(){}\[\],=])')
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_AGGREGATIONS: Mapping[str, Callable[[list[float]], float]] = {
    "sum": sum,
    "max": max,
    "min": min,
    "avg": lambda values: sum(values) / len(values),
    "count": len,
}
_MATCHES: Mapping[str, Callable[[str, str], bool]] = {
    "=": lambda value, wanted: value == wanted,
    "!=": lambda value, wanted: value != wanted,
    "=~": lambda value, wanted: re.fullmatch(wanted, value) is not None,
    "!~": lambda value, wanted: re.fullmatch(wanted, value) is None,
}


class QueryError(ValueError):
    """A query that is wrong, or beyond what the sandbox understands."""


def evaluate(query: str, figures: Figures) -> Vector:
    """The instant vector of a query: label set (sorted pairs, `__name__` included for selectors) to value."""
    parser = _Parser(query, figures)
    vector = parser.expression()
    if parser.peek():
        raise QueryError(f'parse error: unexpected "{parser.peek()}"')
    return vector


class _Parser:
    def __init__(self, query: str, figures: Figures) -> None:
        self._figures = figures
        self._tokens: list[str] = []
        at, end = 0, len(query.rstrip())
        while at < end:
            token = _TOKEN.match(query, at)
            if token is None:
                raise QueryError(f"parse error: unexpected character {query[at:].lstrip()[:1]!r}")
            self._tokens.append(token[1])
            at = token.end()

    def peek(self) -> str:
        return self._tokens[0] if self._tokens else ""

    def _take(self, wanted: str = "") -> str:
        token = self._tokens.pop(0) if self._tokens else ""
        if not token or (wanted and token != wanted):
            raise QueryError(f'parse error: expected "{wanted}", found "{token or "end of input"}"')
        return token

    def expression(self) -> Vector:
        if self.peek() == "(":
            self._take("(")
            vector = self.expression()
            self._take(")")
            return vector
        name = self._take()
        if name in _AGGREGATIONS:
            return self._aggregation(name)
        if name in {"rate", "increase"}:
            return self._rate(per_second=name == "rate")
        if name == "max_over_time":
            return self._highest()
        matchers = self._matchers()
        return {
            (("__name__", name), *labels): value
            for labels, value in self._figures.values(name).items()
            if all(match(dict(labels)) for match in matchers)
        }

    def _aggregation(self, name: str) -> Vector:
        by = self._by()
        self._take("(")
        inner = self.expression()
        self._take(")")
        by = by if by is not None else self._by()
        groups: dict[Labels, list[float]] = {}
        for labels, value in inner.items():
            key = tuple(pair for pair in labels if pair[0] in (by or []))
            groups.setdefault(key, []).append(value)
        return {key: _AGGREGATIONS[name](values) for key, values in groups.items()}

    def _by(self) -> list[str] | None:
        if self.peek() != "by":
            return None
        self._take("by")
        self._take("(")
        labels = []
        while self.peek() != ")":
            labels.append(self._take())
            if self.peek() == ",":
                self._take(",")
        self._take(")")
        return labels

    def _range(self) -> tuple[str, list[Matcher], float]:
        """The selector within a function's parentheses: name, matchers, and its window in seconds."""
        self._take("(")
        name, matchers = self._take(), self._matchers()
        self._take("[")
        window = self._take()
        self._take("]")
        self._take(")")
        if window[-1] not in _UNITS or not window[:-1].isdigit():
            raise QueryError(f"bad duration {window!r}")
        return name, matchers, float(window[:-1]) * _UNITS[window[-1]]

    def _rate(self, *, per_second: bool) -> Vector:
        name, matchers, seconds = self._range()
        now = self._figures.now()
        return {
            labels: counter.rate(now, seconds) * (1 if per_second else seconds)
            for labels, counter in self._figures.counters(name).items()
            if all(match(dict(labels)) for match in matchers)
        }

    def _highest(self) -> Vector:
        name, matchers, seconds = self._range()
        return {
            labels: value
            for labels, value in self._figures.highest(name, seconds).items()
            if all(match(dict(labels)) for match in matchers)
        }

    def _matchers(self) -> list[Matcher]:
        matchers: list[Matcher] = []
        if self.peek() != "{":
            return matchers
        self._take("{")
        while self.peek() != "}":
            label, operator, wanted = self._take(), self._take(), self._take()
            if operator not in _MATCHES or not wanted.startswith('"'):
                raise QueryError(f'parse error: unexpected "{operator}" in label matching')
            matchers.append(_matcher(label, operator, wanted[1:-1]))
            if self.peek() == ",":
                self._take(",")
        self._take("}")
        return matchers


def _matcher(label: str, operator: str, wanted: str) -> Matcher:
    return lambda labels: _MATCHES[operator](labels.get(label, ""), wanted)
