"""`/runs`: what was moved, what is moving, and how to stop it."""

from __future__ import annotations

from typing import Literal

from bot.clock import iso, span
from bot.command import Here, command
from bot.errors import Refused, UsageError
from bot.reply import Reply, Table, Text


@command(
    "/runs",
    usage="[list | show ID | abort ID]",
    examples=("/runs", "/runs show 1a2b3c4d", "/runs abort 1a2b3c4d"),
)
def runs(verb: Literal["list", "show", "abort"] = "list", change: str = "", *, call: Here) -> Reply:
    """List runs, show one, or abort one."""
    if call.desk.estate.role(call.caller.person) is None and call.caller.face == "slack":
        raise Refused("You have no role here, so runs are not shown to you.", then="Ask someone on call.")
    if verb == "list":
        return _list(call)
    if not change:
        raise UsageError(f"/runs {verb} needs the ID of a change.", then="/runs lists them.")
    seen = call.desk.view(change)
    if seen is None:
        raise UsageError(f"There is no change {change!r}.", then="/runs lists them.")
    if verb == "abort":
        answer = call.desk.stop(change, "abort", call.caller.person, call.caller.face)
        return Text(answer.text, ok=answer.counted)
    steps = seen.run.steps + seen.run.back if seen.run else seen.plan
    return Table(
        title=f"{seen.title} ({seen.id}): {seen.state.replace('_', ' ')}",
        headings=("Step", "State", "Took", "Why"),
        rows=tuple(
            (
                step.title,
                step.state,
                span(step.ended_at - step.started_at) if step.started_at and step.ended_at else "",
                step.why[:120],
            )
            for step in steps
        ),
        note=seen.note,
    )


def _list(call: Here) -> Reply:
    found = call.desk.changes(20)
    if not found:
        return Text("Nothing was asked for yet.")
    return Table(
        title="Changes, newest first",
        headings=("ID", "What", "State", "Asked"),
        rows=tuple((c.id, c.title, c.state.replace("_", " "), iso(c.created_at)) for c in found),
        note="/runs show ID tells more.",
    )
