"""A command on a terminal, and the run that follows, live."""

from __future__ import annotations

import sys
import threading
from typing import Protocol

from rich.console import Console
from rich.table import Table as RichTable

from bot.changes.desk import Desk
from bot.changes.views import ChangeView
from bot.clock import span
from bot.errors import NotAllowed, SignalboxError
from bot.reply import Caller, File, Proposal, Reply, Table, Text

_MARKS = {"done": "✓", "active": "…", "held": "!", "skipped": "-", "unconfirmed": "?", "pending": " "}


class Replica(Protocol):
    """A Signalbox without a face."""

    desk: Desk

    def start(self) -> None: ...
    def stop(self) -> None: ...


def run_command(box: Replica, command: str, person: str, *, wait: bool) -> int:
    """Run one command as this person; for a proposal, follow it to its end. Returns the exit code."""
    console = Console()
    started = False
    try:
        if box.desk.estate.role(person) is None:
            raise NotAllowed(f"{person} is nobody in this estate.", then="Give your id with --as.")
        box.start()
        started = True
        reply = box.desk.command(
            command, Caller(person=person, name=person, where="terminal", face="terminal")
        )
        print_reply(console, box, reply)
        if isinstance(reply, Proposal) and wait and not reply.dry_run:
            return follow(console, box, reply.change)
    except SignalboxError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        if started:
            box.stop()
    return 0


def print_reply(console: Console, box: Replica, reply: Reply) -> None:
    """Show what a command answered."""
    if isinstance(reply, Text):
        console.print(reply.text, markup=False)
    elif isinstance(reply, Table):
        table = RichTable(*reply.headings, title=reply.title)
        for row in reply.rows:
            table.add_row(*row)
        console.print(table)
        if reply.note:
            console.print(reply.note, markup=False)
    elif isinstance(reply, File):
        console.print(f"{reply.title or reply.name}: {len(reply.content)} bytes", markup=False)
    elif (seen := box.desk.view(reply.change)) is not None:
        _print_plan(console, seen)


def follow(console: Console, box: Replica, change: str) -> int:
    """Print what happens until the change is closed; 0 when it was done."""
    never = threading.Event()
    told: dict[str, str] = {}
    while True:
        seen = box.desk.view(change)
        assert seen is not None
        _tell(
            console, told, "change", seen.state, f"{seen.title}: {seen.state.replace('_', ' ')}. {seen.note}"
        )
        for hold in seen.holds:
            _tell(console, told, hold.id, hold.state, f"! {hold.question} [{hold.state}]")
        for step in (*(seen.run.steps if seen.run else ()), *(seen.run.back if seen.run else ())):
            if step.state != "pending":
                took = span(step.ended_at - step.started_at) if step.ended_at and step.started_at else ""
                _tell(console, told, step.id, step.state, f"{_MARKS[step.state]} {step.title} {took}")
        if seen.closed_at is not None:
            if seen.report:
                console.print(seen.report.outcome, markup=False)
                for figure in seen.report.figures:
                    console.print(f"  {figure.label}: {figure.value}", markup=False)
                console.print(f"  {seen.report.trail}", markup=False)
            return 0 if seen.state == "done" else 1
        never.wait(0.3)


def _tell(console: Console, told: dict[str, str], key: str, state: str, line: str) -> None:
    if told.get(key) != state:
        told[key] = state
        console.print(line.rstrip(), markup=False)


def _print_plan(console: Console, seen: ChangeView) -> None:
    console.print(f"{seen.title} ({seen.id}), plan {seen.digest[:12]}", markup=False)
    console.print(seen.order, markup=False)
    for label, lines in (("Lost", seen.losses), ("Warning", seen.warnings), ("Bound", seen.bounds)):
        for line in lines:
            console.print(f"  {label}: {line}", markup=False)
    for number, step in enumerate(seen.plan, 1):
        console.print(f"  {number:>2}. {step.title}", markup=False)
    if seen.approval:
        console.print(f"Waits for {seen.approval.quorum} × {' or '.join(seen.approval.roles)}.", markup=False)
