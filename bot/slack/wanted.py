"""Which messages a change should have in Slack now: a pure answer that the poster makes true."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from bot.changes.views import ChangeView, DecisionView, RunView
from bot.slack import blocks as b
from bot.slack import glass, review_card, standing
from bot.slack.board import board
from bot.slack.cards import asked, call_to_decide, card, decided_line, preempted_line
from bot.slack.hold_card import hold
from bot.slack.report_card import report


@dataclass(frozen=True)
class Wanted:
    """A message. `follows` = updated whenever its body changes; others are posted once and left alone.

    `picture` = an image instead of a message, drawn when it is posted. `broadcast` = a reply that stands in the
    channel too. `channel` = a message of its own elsewhere, which may fail without stopping the others.
    """

    key: str
    body: b.Body
    thread: bool = True
    follows: bool = True
    picture: bool = False
    broadcast: bool = False
    channel: str = ""


def wanted(
    view: ChangeView, now: float, channels: Collection[str] = (), links: Mapping[str, str] | None = None
) -> list[Wanted]:
    """The change's messages in the order in which people should get them; nothing without its card.

    `channels` are all of the estate's, by id. `links` are addresses of messages that stand already, by key.
    """
    if view.state == "dry_run":
        return []
    links = links or {}
    link = links.get(card_key(view), "")
    found = [Wanted(card_key(view), card(view, now), thread=False)]
    if view.approval is not None:
        if view.approval.state == "open":
            found.append(
                Wanted(f"ask:{view.approval.id}", call_to_decide(view, view.approval), follows=False)
            )
            if asked(view) and glass.may_break(view.approval, now):
                said = glass.open_line(view.approval)
                found.append(Wanted(f"glass-open:{view.approval.id}", said, follows=False))
        elif line := decided_line(view):
            found.append(Wanted(f"decided:{view.approval.id}", line, follows=False))
    if broken := glass.broken(view):
        said = glass.loud(view, broken, link)
        found += [
            Wanted(f"glass:{broken.id}:{channel}", said, thread=False, follows=False, channel=channel)
            for channel in dict.fromkeys(channels)
        ]
    if line := preempted_line(view):
        found.append(Wanted(f"preempted:{view.id}", line, follows=False))
    # A question is posted before the board's progress: somebody is waited for.
    found += [Wanted(f"hold:{h.id}", hold(view, h)) for h in view.holds]
    if view.run is not None:
        found.append(Wanted(f"board:{view.id}", board(view, view.run, now)))
        found += _standing(view, view.run, now)
    if view.report is not None:
        found.append(Wanted(f"report:{view.id}", report(view, view.report)))
        picture = {"text": f"Where the time went: {view.title}"}
        found.append(Wanted(f"chart:{view.id}", picture, follows=False, picture=True))
    for review in view.reviews:
        found += _review(view, review, now, links)
    return found


def card_key(view: ChangeView) -> str:
    """The key of a change's card."""
    return f"card:{view.id}"


def linked(view: ChangeView) -> list[str]:
    """Keys of the messages whose addresses `wanted` needs."""
    if not view.reviews and not glass.broken(view):
        return []
    return [card_key(view), *(f"review:{r.id}" for r in view.reviews)]


def restless(view: ChangeView) -> bool:
    """Whether its messages change by time alone, quickly: a clock runs, or a button is about to appear."""
    if view.run is not None and view.run.state in {"running", "rolling_back"}:
        return True
    return asked(view) and view.approval is not None and view.approval.glass_at is not None


def awake(view: ChangeView) -> bool:
    """Whether it must be looked at again by itself, for days if need be."""
    open_run = view.run is not None and not view.run.ended_at
    return open_run or asked(view) or any(r.state == "open" for r in view.reviews)


def ended_at(view: ChangeView) -> float | None:
    """When nothing of it was open any more; None while something is."""
    if view.closed_at is None or awake(view):
        return None
    return max([view.closed_at, *(r.decided_at or 0.0 for r in view.reviews)])


def _standing(view: ChangeView, run: RunView, now: float) -> list[Wanted]:
    """The daily word that a run is still open, and the one that says what ended."""
    found = [
        Wanted(f"stood:{run.id}:{step.id}", said, follows=False, broadcast=standing.fences(step))
        for step, said in standing.ended(view, run)
    ]
    if run.state == "standing" and (day := standing.day_of(run, now)) >= 1:
        said = standing.reminder(view, run, now)
        found.append(Wanted(f"standing:{run.id}:{day}", said, follows=False, broadcast=True))
    return found


def _review(view: ChangeView, review: DecisionView, now: float, links: Mapping[str, str]) -> list[Wanted]:
    """The review's card, today's reminder while it is open, the note that it is over."""
    key = f"review:{review.id}"
    found = [Wanted(key, review_card.review(view, review, links.get(card_key(view), "")), broadcast=True)]
    if review.state != "open":
        found.append(Wanted(f"reviewed:{review.id}", review_card.closed_line(view, review), follows=False))
    elif (day := standing.days(review.created_at, now)) >= 1:
        said = review_card.reminder(view, review, links.get(key, ""), now)
        found.append(Wanted(f"{key}:{day}", said, follows=False, broadcast=True))
    return found
