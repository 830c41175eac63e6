"""The board: one message in the thread, updated in place, that says where a run stands."""

from __future__ import annotations

from bot.changes.views import ChangeView, Option, RunView, StepView
from bot.clock import span
from bot.slack import blocks as b
from bot.slack import standing
from bot.slack.cards import SHOW_PLAN
from bot.slack.mrkdwn import MESSAGE, clip, day, escape, moment, words

ROLL_BACK = Option(
    "rollback",
    "Roll back",
    "danger",
    "Everything done so far is undone, traffic first. No database has been promoted yet, so nothing is lost.",
)
ABORT = Option(
    "abort",
    "Stop here",
    "danger",
    "Nothing more is done and nothing is undone: production may be left half moved.",
)
GIVE_UP = Option(
    "abort",
    "Stop watching",
    "danger",
    "The run is closed with its work undone: nobody closes the old Region when it comes back.",
)
LINES_OF_A_PHASE = 8
STANDING_FENCE = "fence/standing"
"""The step that waits for the old Region and closes it: what other fence steps tried is so once it is done."""

_DISARMED = "Another change took its place. Its rollback is disarmed."
_MARK = {"pending": "▫️", "active": "⏳", "held": "✋", "done": "✅", "skipped": "⏩", "unconfirmed": "⚠️"}
_ON_TOP = {"active", "held", "unconfirmed"}
_ENDED = {"done", "skipped", "unconfirmed"}
_HEAD = {
    "running": "🔄 Running",
    "rolling_back": "↩️ Rolling back",
    "done": "✅ Done",
    "rolled_back": "↩️ Rolled back",
    "aborted": "🛑 Stopped by hand",
    "preempted": "🛑 Pre-empted",
}


def board(view: ChangeView, run: RunView, now: float) -> b.Body:
    """Progress, the clock against the objective, steps by phase. Buttons while it runs."""
    steps = [*run.steps, *run.back]
    settled = run.state == "standing"
    head = standing.head(run) if settled else _HEAD.get(run.state, run.state)
    watched = standing.lines(view, run, settled=settled) if not run.ended_at else []
    if run.state in {"running", "rolling_back"} and any(s.state == "held" for s in steps):
        head = "✋ Held"
    blocks: list[b.Block] = [b.header(f"{head}: {view.title}" if not settled else head)]
    if run.state == "preempted":
        blocks.append(b.section(f"*{words(view.note) or _DISARMED}*"))
    if watched:
        blocks += b.sections(["*On watch*", *watched])
        if settled:
            blocks.append(b.section(standing.meaning(run)))
    blocks.append(b.section("\n".join([_clock(view, run, now), _progress(steps)])))
    others = [s for s in steps if not _stands(s, run)]
    closed = _closed_since(run)
    if troubled := [s for s in others if s.state in {"held", "unconfirmed"} and s.id not in closed]:
        blocks += b.sections(["*Not seen done*", *(f"{_line(s, now)}{_why(s)}" for s in troubled)])
    if moving := [s for s in others if s.state == "active"]:
        blocks += b.sections(["*Now*", *(f"{_line(s, now)}{_why(s)}" for s in moving)])
    blocks += _phases(others, closed, now)
    if run.state in {"running", "standing"}:
        blocks += b.actions(_buttons(run), f"change:{view.id}")
    blocks.append(b.context(_small_print(run)))
    text = f"{head}: {escape(view.title)}. {_progress(steps)}"
    return {"text": clip(text, MESSAGE), "blocks": b.fitted(blocks)}


def _stands(step: StepView, run: RunView) -> bool:
    """Whether it is shown on watch, above everything else."""
    return step.standing and step.state in {"active", "held"} and not run.ended_at


def _closed_since(run: RunView) -> set[str]:
    """Steps that went unseen, but what they tried is so by now: the watch saw the old Region fenced."""
    fence = next((s for s in run.steps if s.id == STANDING_FENCE and s.state == "done"), None)
    if fence is None:
        return set()
    hold = f"sync/hold/{standing.region_of(fence)}"
    return {
        s.id for s in run.steps if s.state == "unconfirmed" and (s.id.startswith("fence/") or s.id == hold)
    }


def _clock(view: ChangeView, run: RunView, now: float) -> str:
    if view.kind.endswith("planned"):
        # Nothing was down when it was asked for: no time to recover in, only how long it takes.
        taken = (run.settled_at or run.ended_at or now) - run.started_at
        ended = run.settled_at or run.ended_at
        return f"⏱️ Took *{span(taken)}*" if ended else f"⏱️ Running for *{span(taken)}*"
    since = view.clock_started or run.started_at
    taken = (run.settled_at or run.ended_at or now) - since
    left = view.rto_objective - taken
    total = span(view.rto_objective)
    if run.state in {"done", "standing"} and view.report is not None:
        recovered = view.report.rto_seconds
        late = "" if recovered <= view.rto_objective else " ❌"
        whole = "" if run.settled_at else f"; all steps took {span(taken)}"
        return f"⏱️ Recovered in *{span(recovered)}* of the {total} allowed{late}{whole}"
    if run.settled_at or run.ended_at:
        return f"⏱️ Ended after *{span(taken)}*"
    if left < 0:
        return f"🔥 *{span(taken)}* since it began: {span(-left)} *over* the {total} allowed"
    return f"⏱️ *{span(taken)}* since it began, {span(left)} left of {total}"


def _progress(steps: list[StepView]) -> str:
    ended = sum(s.state in _ENDED for s in steps)
    part = round(10 * ended / len(steps)) if steps else 0
    done = sum(s.state == "done" for s in steps)
    return f"{'▰' * part}{'▱' * (10 - part)}  *{done} of {len(steps)}* steps done{_not_done(steps)}"


def _not_done(steps: list[StepView]) -> str:
    """What ended without being done, counted apart: nobody may take it for done."""
    unseen, skipped = (sum(s.state == state for s in steps) for state in ("unconfirmed", "skipped"))
    return (f", {unseen} not seen" if unseen else "") + (f", {skipped} skipped" if skipped else "")


def _phases(steps: list[StepView], closed: set[str], now: float) -> list[b.Block]:
    """A paragraph for each phase that has begun, without what stands on top; a line for the others."""
    begun: list[b.Block] = []
    to_come: list[str] = []
    for phase, group in _by_phase(steps).items():
        name = escape(phase.replace("_", " ").capitalize()) or "Steps"
        done = sum(s.state == "done" for s in group)
        if all(s.state == "pending" for s in group):
            count = f"{len(group)} steps" if len(group) > 1 else "1 step"
            lock = "  🔒 _no way back after the first_" if any(s.commits for s in group) else ""
            to_come.append(f"▫️ {name} · {count}{lock}")
        elif done == len(group) > LINES_OF_A_PHASE:
            begun.append(b.section(f"*{name}*\n✅ all {len(group)} steps{_took(group)}"))
        else:
            moving = sum(s.state == "active" for s in group)
            under_way = f", {moving} under way" if moving else ""
            count = f" · {done} of {len(group)} done{_not_done(group)}{under_way}"
            begun += b.sections([f"*{name}*{count}", *_lines(group, closed, now)])
    return begun + (b.sections(["*To come*", *to_come]) if to_come else [])


def _lines(group: list[StepView], closed: set[str], now: float) -> list[str]:
    quiet = [s for s in group if s.state not in _ON_TOP or s.id in closed]
    lines = {s.id: _line(s, now) + ("  _it is fenced since_" if s.id in closed else "") for s in quiet}
    if len(quiet) <= LINES_OF_A_PHASE:
        return list(lines.values())
    latest = [s for s in quiet if s.state != "pending"][-3:]
    return [*(lines[s.id] for s in latest), f"… and {len(quiet) - len(latest)} more"]


def _line(step: StepView, now: float) -> str:
    title = clip(escape(step.title or step.id), 300)
    mark = _MARK.get(step.state, "▫️")
    line = f"{mark} {title}"
    if step.state == "pending":
        return line + ("  🔒 _no way back after this_" if step.commits else "")
    if step.started_at is not None:
        line += f" · {span((step.ended_at or now) - step.started_at)}"
        if step.state == "active" and step.expect_seconds:
            line += f" of about {span(step.expect_seconds)}"
    if step.state == "active" and step.attempts > 1:
        line += f" · try {step.attempts}"
    return line


def _why(step: StepView) -> str:
    return f"\n↳ {clip(words(step.why), 250)}" if step.why else ""


def _took(group: list[StepView]) -> str:
    starts = [s.started_at for s in group if s.started_at is not None]
    ends = [s.ended_at for s in group if s.ended_at is not None]
    return f", {span(max(ends) - min(starts))}" if starts and ends else ""


def _by_phase(steps: list[StepView]) -> dict[str, list[StepView]]:
    groups: dict[str, list[StepView]] = {}
    for step in steps:
        groups.setdefault(step.phase, []).append(step)
    return groups


def _buttons(run: RunView) -> list[Option]:
    if run.stop:
        return [SHOW_PLAN]
    if run.state == "standing":
        return [SHOW_PLAN, GIVE_UP]
    return [*([] if run.committed else [ROLL_BACK]), ABORT, SHOW_PLAN]


def _small_print(run: RunView) -> str:
    if run.stop and not run.ended_at:
        if run.stop == "preempt":
            return "Another change stops this one; calls in flight are waited for first."
        word = "roll back" if run.stop == "rollback" else "stop"
        return f"A person asked to {word}; calls in flight are waited for first."
    if run.state == "running":
        way = "no way back: only forward" if run.committed else "Roll back is one click"
        return f"Started {moment(run.started_at)} · {way}"
    at = moment if run.settled_at is None else day
    settled = f" · production had moved {day(run.settled_at)}" if run.settled_at else ""
    ended = f" · ended {at(run.ended_at)}" if run.ended_at else ""
    return f"Started {at(run.started_at)}{settled}{ended}"
