"""The Home tab: what is open now, what happened lately, what can be typed."""

from __future__ import annotations

from collections.abc import Sequence

from bot.changes.views import ChangeView, DecisionView
from bot.clock import span
from bot.estate import Estate
from bot.slack import blocks as b
from bot.slack import standing
from bot.slack.cards import SHOW_PLAN, state_line
from bot.slack.mrkdwn import clip, day, escape, mention, words
from bot.slack.reason_form import value_of
from bot.slack.review_card import CLOSE, of_what

OPEN_STATES = {"proposed", "running", "standing"}
RECENT = 10


def home(
    estate: Estate,
    changes: Sequence[ChangeView],
    commands: Sequence[tuple[str, str]],
    now: float,
    person: str = "",
    trouble: Sequence[str] = (),
) -> dict[str, object]:
    """The view for `views.publish`. `commands` are usage and summary; `person` is the one who sees it.

    `trouble` are lines about the trail and its archive, in the desk's words; none when all is well.
    """
    running = [c for c in changes if c.state in OPEN_STATES]
    past = [c for c in changes if c.state not in OPEN_STATES][:RECENT]
    blocks: list[b.Block] = [b.header("🚦 Signalbox"), b.section(_status(estate, running))]
    blocks += b.sections(f"🚨 {words(line)}" for line in trouble)
    blocks += _reviews(changes, now, person)
    if running:
        blocks += [b.DIVIDER, b.section("*Open now*")]
        for change in running[:15]:
            blocks.append(b.section(clip(_open(change, now), 2900)))
            blocks += b.actions([SHOW_PLAN], f"change:{change.id}")
    blocks += [b.DIVIDER, b.section("*Lately*" if past else "*Lately*\n_Nothing yet._")]
    blocks += b.sections(_past(c) for c in past)
    if commands:
        blocks += [b.DIVIDER, b.section("*What you can type* in a channel, not in a thread")]
        blocks += b.sections(
            f"`{escape(usage).replace('`', '')}`  {escape(summary)}" for usage, summary in commands
        )
    blocks.append(b.context('Without Slack: `signalbox run "/command …"` in a terminal does the same.'))
    return {"type": "home", "blocks": b.fitted(blocks, most=b.VIEW_BLOCKS)}


def closed(text: str) -> dict[str, object]:
    """The tab of somebody who may not use Signalbox; `text` already escaped."""
    return {"type": "home", "blocks": [b.header("🚦 Signalbox"), b.section(text)]}


def _reviews(changes: Sequence[ChangeView], now: float, person: str) -> list[b.Block]:
    """Reviews that are open: those that wait for this person first, with the button."""
    found = [(c, r) for c in changes for r in c.reviews if r.state == "open"]
    found.sort(key=lambda pair: person not in _awaited(pair[1]))
    blocks: list[b.Block] = []
    for change, review in found[:10]:
        title = f"{clip(escape(change.title), 300)} · open since {day(review.created_at)}"
        if person in _awaited(review):
            blocks.append(b.section(f"🔎 *{of_what(change).capitalize()} waits for your review*\n{title}"))
            blocks += b.actions(review.options or (CLOSE,), value_of(review.id, needed=True))
        else:
            closers = sum(v.choice == CLOSE.action for v in review.votes)
            blocks.append(
                b.section(
                    f"🔎 *Review of {of_what(change)}*, closed by {closers} of {review.quorum}\n{title}"
                )
            )
    return [b.DIVIDER, *blocks] if blocks else []


def _awaited(review: DecisionView) -> list[str]:
    """Who has not closed it, of those who may."""
    had = {v.person for v in review.votes if v.choice == CLOSE.action}
    return [p for p in review.deciders if p not in had]


def _status(estate: Estate, running: Sequence[ChangeView]) -> str:
    asked = sum(c.state == "proposed" for c in running)
    watched = sum(c.state == "standing" for c in running)
    moving = len(running) - asked - watched
    now = "Nothing is moving." if not running else f"*{moving} running*, *{asked} waiting for approval*."
    if watched:
        now = f"{now[:-1]}, *{watched} moved and still on watch*."
    rto, rpo = span(estate.objectives.rto_seconds), span(estate.objectives.rpo_seconds)
    goals = f"recover within {rto}, lose at most {rpo}"
    return f"{now}\nEstate *{escape(estate.estate)}*: {' and '.join(estate.regions)}. Objectives: {goals}."


def _open(change: ChangeView, now: float) -> str:
    held = sum(h.state == "open" for h in change.holds)
    lines = [f"*{clip(escape(change.title), 300)}*", state_line(change)]
    if change.run is not None and change.run.state == "standing":
        lines += ["*On watch*", *standing.lines(change, change.run, settled=True)]
    elif change.run is not None:
        done = sum(s.state == "done" for s in change.run.steps)
        since = change.clock_started or change.run.started_at
        lines.append(f"{done} of {len(change.run.steps)} steps done, {span(now - since)} so far")
    if held:
        lines.append("✋ *It waits for a person to decide.*")
    where = f"in <#{change.channel}>" if change.thread and change.channel.startswith("C") else ""
    lines.append(f"Asked for by {mention(change.requester)} {where}".rstrip())
    return "\n".join(lines)


def _past(change: ChangeView) -> str:
    sign = state_line(change).split(" ", 1)[0]
    rto = f", {span(change.report.rto_seconds)}" if change.report and change.state == "done" else ""
    title = clip(escape(change.title), 200)
    return f"{sign} {title}{rto} · {mention(change.requester)} · {day(change.created_at)}"
