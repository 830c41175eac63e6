"""The review that a break-glass owes: asked at once, again every day, until the leads have closed it."""

from __future__ import annotations

from bot.changes.views import ChangeView, DecisionView, Option, VoteView
from bot.slack import blocks as b
from bot.slack.glass import broken, who_broke
from bot.slack.mrkdwn import MESSAGE, clip, day, escape, mention, mentions, words
from bot.slack.reason_form import value_of
from bot.slack.recovery_card import KIND
from bot.slack.standing import days
from bot.slack.votes import because, where

CLOSE = Option("close", "Close the review", "primary")


def review(view: ChangeView, decision: DecisionView, link: str) -> b.Body:
    """Open: who must close it, who has, the button. Closed: who closed it and why."""
    if decision.state == "open":
        return _open(view, decision, link)
    return _closed(view, decision, link)


def reminder(view: ChangeView, decision: DecisionView, link: str, now: float) -> b.Body:
    """Once a day, for those who have not closed it."""
    left = missing(decision)
    open_for = _days(days(decision.created_at, now))
    press = f"<{link}|Close the review>" if link else "Press *Close the review* above"
    given = len(_closers(decision))
    said = f" {given} of {decision.quorum} have closed it." if given else ""
    text = (
        f"🔔 {mentions(left)}: the review of {of_what(view)} has been open for *{open_for}*: "
        f"{clip(escape(view.title), 300)}.{said}\n{press}, with a reason. It is asked every day until then."
    )
    return {"text": clip(text, MESSAGE), "blocks": [b.section(text)]}


def closed_line(view: ChangeView, decision: DecisionView) -> b.Body:
    """The thread's note that the review has come to its end."""
    ended = "closed" if decision.state == "decided" else escape(decision.state)
    who = mentions(v.person for v in _closers(decision))
    what = of_what(view).partition(" ")[2]
    text = f"✅ The review of the {what} is {ended}, by {who}: {clip(escape(view.title), 300)}."
    return {"text": clip(text, MESSAGE), "blocks": [b.section(text)]}


def of_what(view: ChangeView) -> str:
    """What the review is of, as people call it."""
    return "an emergency recovery" if view.kind == KIND else "a break-glass"


def missing(decision: DecisionView) -> list[str]:
    """The deciders who have not closed it."""
    had = {v.person for v in _closers(decision)}
    return [p for p in decision.deciders if p not in had] or list(decision.deciders)


def _open(view: ChangeView, decision: DecisionView, link: str) -> b.Body:
    need = f"{decision.quorum} of you" if decision.quorum > 1 else "one of you"
    blocks = [b.header(f"🔎 Review of {of_what(view)}: {view.title}")]
    ask = f"*{mentions(decision.deciders)}: {need} must close this review, each with a reason.*"
    blocks.append(b.section(clip(ask, 2900)))
    blocks.append(b.section("\n".join(_what_happened(view, link))))
    blocks.append(b.section("\n".join(_so_far(decision))))
    blocks += b.actions(_options(decision), value_of(decision.id, needed=True))
    blocks.append(b.context(f"It is asked again every day until it is closed. · change `{escape(view.id)}`"))
    text = f"Review of {of_what(view)}: {escape(view.title)}. {mentions(decision.deciders)}: {need} must close it."
    return {"text": clip(text, MESSAGE), "blocks": b.fitted(blocks)}


def _closed(view: ChangeView, decision: DecisionView, link: str) -> b.Body:
    closed = decision.state == "decided"
    head = "✅ Review closed" if closed else "▫️ No longer asked"
    blocks = [b.header(f"{head}: {view.title}"), b.section("\n".join(_what_happened(view, link)))]
    blocks.append(b.section("\n".join(_so_far(decision))))
    blocks.append(
        b.context(f"Review of {of_what(view)}, {escape(decision.state)} · change `{escape(view.id)}`")
    )
    text = f"{head}: {escape(view.title)}. Closed by {mentions(v.person for v in _closers(decision))}."
    return {"text": clip(text, MESSAGE), "blocks": b.fitted(blocks)}


def _what_happened(view: ChangeView, link: str) -> list[str]:
    found = broken(view)
    who = f"{who_broke(found)} started it alone, without approval" if found else "It ran without approval"
    if view.kind == KIND:
        who = f"{mention(view.requester)} recovered the trail alone"
    lines = [f"🔨 {who}. Why: {clip(escape(view.reason), 500) or '_no reason given_'}"]
    if view.report is not None:
        lines.append(f"What came of it: {clip(words(view.report.outcome), 1000)}")
    if link:
        lines.append(f"<{link}|The card, its thread and its report>")
    return lines


def _so_far(decision: DecisionView) -> list[str]:
    closers = _closers(decision)
    lines = [f"*Closed by {len(closers)} of {decision.quorum} so far*"]
    if decision.state != "open":
        lines = [
            f"*Closed by {len(closers)}*" + (f", {day(decision.decided_at)}" if decision.decided_at else "")
        ]
    return [*lines, *(f"• {mention(v.person)} {day(v.at)}{where(v)}{because(v)}" for v in closers[:20])]


def _closers(decision: DecisionView) -> list[VoteView]:
    return [v for v in decision.votes if v.choice == CLOSE.action]


def _options(decision: DecisionView) -> list[Option]:
    return list(decision.options) or [CLOSE]


def _days(count: int) -> str:
    return f"{count} days" if count != 1 else "a day"
