"""The picture under a report."""

from __future__ import annotations

from bot.changes.views import ChangeView
from bot.charts import Bar, timeline


def chart(view: ChangeView) -> bytes:
    """A PNG of the run's steps over time. Call it in a thread: drawing takes about a second."""
    assert view.run is not None
    assert view.report is not None
    begun = view.run.started_at
    bars = [
        Bar(step.id, step.phase, step.started_at - begun, step.ended_at - begun, seen=step.state == "done")
        for step in (*view.run.steps, *view.run.back)
        if step.started_at is not None and step.ended_at is not None
    ]
    before = sum(seconds for name, seconds in view.report.rto_parts if name in ("detect", "decide"))
    bars.sort(key=lambda bar: (bar.start, bar.end))
    return timeline(view.title, bars, objective=view.report.rto_objective, spent_before=before)
