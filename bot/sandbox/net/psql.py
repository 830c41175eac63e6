"""Containers of Jobs that run psql: a few statements against the simulated databases, psql's words and codes.

Nothing else runs in them: the sandbox has no containers. The statements are those that a probe needs.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from string import Template
from typing import Protocol

from bot.sandbox.net.connection import Connection, DatabaseError
from bot.sandbox.net.databases import Databases

Rows = tuple[list[str], str]  # one cell a row, and the command tag


class ContainerRun(Protocol):
    """What a Job's container was asked to do, variables already expanded."""

    @property
    def command(self) -> Sequence[str]: ...
    @property
    def args(self) -> Sequence[str]: ...
    @property
    def env(self) -> Mapping[str, str]: ...


def run_psql(databases: Databases, run: ContainerRun) -> tuple[int, str]:
    """Exit code and output of `psql URL [-At] -c SQL ...`, also within `sh -c`.

    0 done, 1 a statement failed, 2 no connection, 127 not psql: as psql and a shell have it.
    """
    words = [*run.command, *run.args]
    if words and words[0].rsplit("/", 1)[-1] in {"sh", "bash"}:
        words = shlex.split(Template(words[-1]).safe_substitute(run.env))
    while words and words[0] in {"exec", "env"}:
        words = words[1:]
    if not words or words[0].rsplit("/", 1)[-1] != "psql":
        return 127, f"sh: 1: {words[0] if words else ''}: not found"
    return _psql(databases, words[1:])


def _psql(databases: Databases, words: list[str]) -> tuple[int, str]:
    url, statements, bare, quiet, stop = "", [], False, False, False
    rest = iter(words)
    for word in rest:
        if word in {"-c", "--command"}:
            statements.append(next(rest, ""))
        elif word.startswith("--command="):
            statements.append(word.split("=", 1)[1])
        elif word in {"-v", "--set", "--variable"}:
            stop = next(rest, "") == "ON_ERROR_STOP=1" or stop
        elif word in {"-d", "--dbname"}:
            url = next(rest, "")
        elif word.startswith("--"):
            bare, quiet = bare or word == "--tuples-only", quiet or word == "--quiet"
        elif word.startswith("-"):
            if word.endswith("c"):
                statements.append(next(rest, ""))
            bare, quiet = bare or "t" in word, quiet or "q" in word
            stop = stop or word.endswith("vON_ERROR_STOP=1")
        else:
            url = url or word
    try:
        connection = databases.connect(url, databases.now())
    except DatabaseError as error:
        return 2, f"psql: error: {error}"
    return _answer(connection, statements, bare=bare, quiet=quiet, stop=stop)


def _answer(
    connection: Connection, statements: list[str], *, bare: bool, quiet: bool, stop: bool
) -> tuple[int, str]:
    lines: list[str] = []
    code = 0
    for text in statements:
        for statement in filter(None, (part.strip() for part in text.split(";"))):
            try:
                rows, tag = _execute(connection, statement)
            except DatabaseError as error:
                lines.append(f"ERROR:  {error}")
                code = 2 if error.sqlstate == "08001" else 1
                break
            code = 0
            lines.extend(rows if bare else _table(rows) if rows else [])
            if tag and not quiet:
                lines.append(tag)
        if code == 2 or (code and stop):
            break
    return code, "\n".join(lines)


def _table(rows: list[str]) -> list[str]:
    width = max(len(row) for row in [*rows, "?column?"]) + 2
    count = f"({len(rows)} row{'' if len(rows) == 1 else 's'})"
    return [f" {'?column?':^{width - 2}} ", "-" * width, *(f" {row}" for row in rows), count, ""]


def _execute(connection: Connection, statement: str) -> Rows:
    sql = " ".join(statement.split())
    for pattern, answer in _STATEMENTS:
        if match := pattern.search(sql):
            return answer(connection, match)
    first = sql.split(" ", 1)[0] if sql else ""
    raise DatabaseError("42601", f'syntax error at or near "{first}"\nLINE 1: {sql[:60]}\n        ^')


def _command(connection: Connection, match: re.Match[str]) -> Rows:
    return [], match[0].split(" ", 1)[0].upper()


def _create(connection: Connection, match: re.Match[str]) -> Rows:
    tag = f"CREATE {match['what'].upper()}"
    connection.must_write(tag)
    return [], tag


def _insert(connection: Connection, match: re.Match[str]) -> Rows:
    connection.must_write("INSERT")
    names = [name.strip().strip('"') for name in (match["columns"] or "").split(",")]
    values = dict(zip(names, _split(match["values"] or ""), strict=False))
    now = connection.databases.now()
    rows = []
    if match["returning"]:
        wanted = names if match["returning"].strip() == "*" else _split(match["returning"])
        rows = ["|".join(_value(values.get(name, name), now) for name in wanted)]
    return rows, "INSERT 0 1"


def _split(listed: str) -> list[str]:
    return [
        part.strip()
        for part in re.findall(r"(?:'(?:[^']|'')*'|\([^()]*(?:\([^()]*\)[^()]*)*\)|[^,])+", listed)
    ]


def _value(expression: str, now: float) -> str:
    text = expression.strip()
    if text.startswith("'"):
        return text.split("'::", 1)[0].strip("'").replace("''", "'")
    if "pg_is_in_recovery" in text:
        return "f"
    if "epoch" in text.lower():
        return f"{now:.3f}"
    if re.search(r"(?i)\b(now\(\)|clock_timestamp\(\)|current_timestamp|at|written_at|created_at)", text):
        return _stamp(now)
    return text


def _stamp(at: float) -> str:
    return (
        datetime.fromtimestamp(at, UTC).isoformat(sep=" ", timespec="milliseconds").replace("+00:00", "+00")
    )


def _heartbeat(connection: Connection, match: re.Match[str]) -> Rows:
    sql = match.string
    region = re.search(r"(?i)\b(?:region|writer|source)\s*=\s*'([^']+)'", sql)
    bound = re.search(r"(?i)\bat\s*<=?\s*(?:to_timestamp\()?\s*'?([0-9T:.+\- Z]+)", sql)
    with connection.databases.locked():
        connection.databases.reach(connection.copy.region, connection.host)
        newest = connection.copy.newest_beat(
            region=region[1] if region else None, before=_moment(bound[1]) if bound else float("inf")
        )
    if newest is None:
        return [""], ""
    return [f"{newest:.3f}" if "epoch" in sql.lower() else _stamp(newest)], ""


def _moment(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        moment = datetime.fromisoformat(text.strip())
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _recovery(connection: Connection, _match: re.Match[str]) -> Rows:
    return ["t" if connection.copy.role in {"reader", "frozen"} else "f"], ""


def _one(connection: Connection, match: re.Match[str]) -> Rows:
    return [_value(match["value"], connection.databases.now())], ""


_STATEMENTS: list[tuple[re.Pattern[str], Callable[[Connection, re.Match[str]], Rows]]] = [
    (re.compile(r"(?i)^create (?P<what>schema|table) if not exists "), _create),
    (
        re.compile(
            r"(?i)^insert into signalbox\.probe\s*(?:\((?P<columns>[^)]*)\))?\s*"
            r"(?:values\s*\((?P<values>.*?)\)|default (?P<default>values))\s*"
            r"(?:on conflict .*?)?(?:\breturning (?P<returning>.+))?$"
        ),
        _insert,
    ),
    (re.compile(r"(?i)^select .*\bmax\(\s*at\s*\).* from signalbox\.heartbeat\b"), _heartbeat),
    (re.compile(r"(?i)^select pg_is_in_recovery\(\)"), _recovery),
    (re.compile(r"(?i)^(begin|commit|rollback|set)\b"), _command),
    (re.compile(r"(?i)^select (?P<value>[^ ]+(?: as \w+)?)$"), _one),
]
