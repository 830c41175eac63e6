"""What stays on watch after production has moved: said on the board, again every day, and when it is over."""

from __future__ import annotations

import re

from bot.changes.views import ChangeView, RunView, StepView
from bot.slack import blocks as b
from bot.slack.mrkdwn import MESSAGE, clip, day, escape, moment, words

WATCHING = {"pending", "active", "held"}
DAY_SECONDS = 86_400.0
_REGION = re.compile(r"\b[a-z]{2}(?:-[a-z]+)+-\d\b")


def days(since: float, now: float) -> int:
    """Whole days of 24 hours that have passed; never below 0."""
    return max(0, int((now - since) // DAY_SECONDS))


def on_watch(run: RunView) -> list[StepView]:
    """The standing steps that have work left."""
    return [s for s in run.steps if s.standing and s.state in WATCHING]


def fences(step: StepView) -> bool:
    """Whether this step is there to close the Region that was left."""
    return step.id == "fence/standing"


def region_of(step: StepView) -> str:
    """The Region that the step's words name."""
    found = _REGION.search(step.title)
    return found.group(0) if found else "the old Region"


def head(run: RunView) -> str:
    """The board's first words while a run stands."""
    fence = next((s for s in on_watch(run) if fences(s)), None)
    if fence is not None:
        return f"🟢 Production has moved; waiting for {region_of(fence)} to be fenced"
    left = len(on_watch(run))
    return f"🟢 Production has moved; {left} step{'s' if left != 1 else ''} still on watch"


def lines(view: ChangeView, run: RunView, *, settled: bool) -> list[str]:
    """The standing steps with since when they wait. Times of day, not durations: the board may stand for weeks."""
    asked = {hold.step for hold in view.holds if hold.state == "open"}
    found = []
    for step in on_watch(run):
        if step.state == "pending" and not settled:
            continue  # not its turn yet: listed with the steps to come
        mark = "✋" if step.state == "held" or step.id in asked else "👁️"
        at = moment if not settled else day
        since = f" · since {at(step.started_at)}" if step.started_at is not None else ""
        if step.id in asked:
            why = "\n↳ _a person may decide about it, in the thread_"
        else:
            why = f"\n↳ {clip(words(step.why), 250)}" if step.why else ""
        found.append(f"{mark} {clip(escape(step.title or step.id), 300)}{since}{why}")
    return found


def meaning(run: RunView) -> str:
    """What it means that the run is still open, for somebody who comes new to it."""
    fence = next((s for s in on_watch(run) if fences(s)), None)
    if fence is None:
        return "The run is closed as soon as they have ended; nobody needs to do anything until then."
    place = region_of(fence)
    return (
        f"*{place} has not been fenced.* If it comes back it may take writes that nobody keeps, so send no "
        f"customers there and leave the STOP objects where they are. Signalbox keeps looking: {place} is closed "
        "the moment it answers."
    )


def reminder(view: ChangeView, run: RunView, now: float) -> b.Body:
    """Once a day: the run is still open, and why that matters."""
    count = days(_since(run), now)
    open_for = f"{count} days" if count != 1 else "a day"
    first = f"🟢 *Still open after {open_for}:* {clip(escape(view.title), 300)}"
    text = "\n".join([first, *lines(view, run, settled=True), meaning(run)])
    return {"text": clip(text, MESSAGE), "blocks": b.fitted(b.sections(text.split("\n")))}


def day_of(run: RunView, now: float) -> int:
    """Which day of standing this is; 0 on the first."""
    return days(_since(run), now)


def ended(view: ChangeView, run: RunView) -> list[tuple[StepView, b.Body]]:
    """A message for each standing step that ended after production had moved."""
    if run.settled_at is None:
        return []
    return [
        (step, _over(view, step))
        for step in run.steps
        if step.standing
        and step.state in {"done", "skipped", "unconfirmed"}
        and step.ended_at is not None
        and step.ended_at > run.settled_at
    ]


def _over(view: ChangeView, step: StepView) -> b.Body:
    title = clip(escape(step.title or step.id), 300)
    at = f" {day(step.ended_at)}" if step.ended_at is not None else ""
    if step.state == "done" and fences(step):
        text = f"🔒 *{region_of(step)} is fenced now*, seen{at}: it can take no more writes."
    elif step.state == "done":
        text = f"✅ *Done now*,{at}: {title}"
    else:
        mark = {"skipped": "⏩ *Left out*", "unconfirmed": "⚠️ *Ended without having been seen done*"}[
            step.state
        ]
        text = f"{mark},{at}: {title}"
    why = f"\n↳ {clip(words(step.why), 500)}" if step.why else ""
    body = f"{text}{why}\n{clip(escape(view.title), 300)}"
    return {"text": clip(body, MESSAGE), "blocks": [b.section(body)]}


def _since(run: RunView) -> float:
    return run.settled_at or run.started_at
