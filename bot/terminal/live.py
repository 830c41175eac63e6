"""A command on a terminal, and the run that follows, live."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from rich.console import Console
from rich.table import Table as RichTable
from sqlmodel import col, select

from bot.changes.desk import Desk
from bot.changes.views import ChangeView
from bot.errors import NotAllowed, Refused, SignalboxError
from bot.reply import Caller, File, Later, Proposal, Reply, Table, Text
from bot.settings import TERMINAL, Settings
from bot.store.tables import Replica as ReplicaRow
from bot.terminal.board import Board, step_line
from bot.terminal.words import clean, console, open_questions, plan_lines, question_lines, report_lines

_LOOK_SECONDS = 0.4
_LONG_SECONDS = 30
_PATIENCE_LOOKS = 25
"""How often in a row the database may be away before it is said; the run itself waits for it, too."""
_SILENT_SECONDS = 6.0
"""Two beats: a replica that was not heard for longer may be dead, though its lease still lasts."""


class Replica(Protocol):
    """A Signalbox without a face."""

    desk: Desk
    settings: Settings

    def start(self) -> None: ...
    def stop(self) -> None: ...


def run_command(box: Replica, command: str, person: str, *, wait: bool, stay: bool | None) -> int:
    """Run one command as this person; for a proposal, follow it to its end. Returns the exit code."""
    out = console()

    def body() -> int:
        reply = box.desk.command(
            command, Caller(person=person, name=person, where="terminal", face="terminal")
        )
        print_reply(out, box.desk, reply)
        if isinstance(reply, Proposal) and wait and not reply.dry_run:
            return follow(out, box.desk, reply.change, stay=stay, lease_seconds=box.settings.lease_seconds)
        return 1 if isinstance(reply, Text) and not reply.ok else 0

    if box.desk.estate.role(person) is None:
        raise NotAllowed(f"{person} is nobody in this estate.", then="Give your id with --as.")
    return _while_it_runs(box, body)


def follow_change(box: Replica, change: str, *, stay: bool | None) -> int:
    """Follow, and help to drive, a change that was asked for elsewhere. Returns the exit code."""
    found = change or next((c.id for c in box.desk.changes() if c.closed_at is None), "")
    if not found or box.desk.view(found) is None:
        raise Refused(f"There is no change {clean(change)!r}." if change else "Nothing is under way.")
    out = console()

    def body() -> int:
        print_reply(out, box.desk, Proposal(found))
        return follow(out, box.desk, found, stay=stay, lease_seconds=box.settings.lease_seconds)

    return _while_it_runs(box, body)


def _while_it_runs(box: Replica, body: Callable[[], int]) -> int:
    started = False
    try:
        box.start()
        started = True
        return body()
    except SignalboxError as error:
        print("\n".join(clean(line) for line in str(error).splitlines()), file=sys.stderr)
        return 1
    finally:
        if started:
            box.stop()


def print_reply(out: Console, desk: Desk, reply: Reply) -> None:
    """Show what a command answered."""
    if isinstance(reply, Text):
        for line in reply.text.splitlines():
            out.print(clean(line))
    elif isinstance(reply, Table):
        table = RichTable(*reply.headings, title=reply.title)
        for row in reply.rows:
            table.add_row(*map(clean, row))
        out.print(table, soft_wrap=False)
        if reply.note:
            out.print(clean(reply.note))
    elif isinstance(reply, Later):
        out.print(clean(reply.text))
        print_reply(out, desk, reply.work())
    elif isinstance(reply, File):
        out.print(clean(f"{reply.title or reply.name}: {_kept(reply)}, {len(reply.content)} bytes"))
    elif (seen := desk.view(reply.change)) is not None:
        for line in plan_lines(seen, steps=True):
            out.print(clean(line))


def _kept(file: File) -> str:
    """Where the file now lies: in the working directory, and never over another one. Raises Refused."""
    path = Path.cwd() / Path(file.name).name
    try:
        with path.open("xb") as out:
            out.write(file.content)
    except OSError as error:
        raise Refused(
            f"{path} cannot be written: {error.strerror}.", not_done="", then="Try it in another directory."
        ) from error
    return str(path)


def follow(out: Console, desk: Desk, change: str, *, stay: bool | None, lease_seconds: float) -> int:
    """Show what happens until the change is closed, or only standing steps are left; 0 when production moved.

    With `stay` it goes on until the standing steps have done their work, too; None stays unless a
    `signalbox serve` is heard, whose lease lasts `lease_seconds` from each beat.
    """
    look = _Looking(desk, change)
    told = _Told(out, desk, lease_seconds)
    try:
        return _follow(out, look, told, stay=stay)
    except KeyboardInterrupt:
        out.print(
            f"You left. The change goes on where a replica runs; come back with: signalbox follow {change}"
        )
        raise


def _follow(out: Console, look: _Looking, told: _Told, *, stay: bool | None) -> int:
    desk = told.desk
    with Board(out, look.now, desk.estate) if out.is_terminal else contextlib.nullcontext() as board:
        reported = False
        while True:
            seen, now = look.now(), desk.clock.now()
            if board is not None:
                board.show(seen, now)
            else:
                told.news(seen, now)
            if seen.closed_at is not None:
                break
            if seen.state == "standing" and not reported:
                reported = True
                told.report(seen)
                if stay is None:
                    stay = told.must_stay()
                if not stay:
                    break
            look.wait()
    told.state(seen)
    if not reported or seen.closed_at is not None:
        told.report(seen)
    told.questions(seen, now)
    return 0 if seen.state in ("done", "standing") else 1


class _Looking:
    """Looks at a change again and again, through a database that is away for a while."""

    def __init__(self, desk: Desk, change: str) -> None:
        self._desk = desk
        self._change = change
        self._never = threading.Event()

    def now(self) -> ChangeView:
        for left in reversed(range(_PATIENCE_LOOKS)):
            try:
                seen = self._desk.view(self._change)
            except SignalboxError:
                if not left:
                    raise
                self.wait()
                continue
            assert seen is not None
            return seen
        raise AssertionError

    def wait(self) -> None:
        self._never.wait(_LOOK_SECONDS)


class _Told:
    """Plain lines, each said once."""

    def __init__(self, out: Console, desk: Desk, lease_seconds: float) -> None:
        self._out = out
        self.desk = desk
        self._lease_seconds = lease_seconds
        self._said: dict[str, str] = {}

    def news(self, seen: ChangeView, now: float) -> None:
        """Print what is new since the last look."""
        self.state(seen)
        for step in (*(seen.run.steps if seen.run else ()), *(seen.run.back if seen.run else ())):
            # That a quick step has begun is not worth a line: that it is done comes at once.
            if step.state != "pending" and (step.state != "active" or step.expect_seconds >= _LONG_SECONDS):
                self._line(step.id, step.state, step_line(step, now))
        self.questions(seen, now)
        for question in (*seen.holds, *seen.reviews):
            if question.state != "open" and f"{question.id} 0" in self._said:
                self._line(
                    question.id, question.state, f"  {question.state}: {question.outcome} {question.by}"
                )

    def state(self, seen: ChangeView) -> None:
        """Print how the change stands, unless that was said."""
        words = f"{seen.title}: {seen.state.replace('_', ' ')}. {seen.note}"
        self._line("change", f"{seen.state} {seen.note}", words)

    def questions(self, seen: ChangeView, now: float) -> None:
        """Print the questions that are open, each once and again when somebody has answered."""
        for question in open_questions(seen):
            broken = question.glass_at is not None and now >= question.glass_at
            state = f"{len(question.votes)} {broken}"
            for number, line in enumerate(question_lines(question, self.desk.estate, now)):
                self._line(f"{question.id} {number}", state, line)

    def report(self, seen: ChangeView) -> None:
        """Print the report, and what is still to be done."""
        for line in report_lines(seen):
            self._out.print(clean(line))
        if seen.state == "standing" and seen.run is not None:
            for step in seen.run.steps:
                if step.standing and step.ended_at is None:
                    self._out.print(clean(f"  Waits on: {step.title}. {step.why}"))

    def must_stay(self) -> bool:
        """Whether no replica that stays was heard lately, so that a standing fence would stop with this one.

        Other terminals do not count: each would leave the watch to the other, and both would go.
        """
        with self.desk.database.read() as session:
            heard = self.desk.database.now(session) + self._lease_seconds - _SILENT_SECONDS
            staying = session.exec(
                select(ReplicaRow).where(
                    ReplicaRow.until >= heard, ~col(ReplicaRow.name).startswith(TERMINAL)
                )
            ).first()
        if staying is not None:
            self._out.print("Production has moved; another replica keeps driving what still waits.")
            return False
        self._out.print(
            "Production has moved. No replica that stays (signalbox serve) is heard, so this one stays to drive "
            "what still waits: start one, or leave with Ctrl+C and come back with signalbox follow."
        )
        return True

    def _line(self, key: str, state: str, line: str) -> None:
        if self._said.get(key) != state:
            self._said[key] = state
            self._out.print(clean(line).rstrip())
