"""Which messages a change should have in Slack now: a pure answer that the poster makes true."""

from __future__ import annotations

from dataclasses import dataclass

from bot.changes.views import ChangeView
from bot.slack import blocks as b
from bot.slack.board import board
from bot.slack.cards import call_to_decide, card, decided_line
from bot.slack.hold_card import hold
from bot.slack.report_card import report


@dataclass(frozen=True)
class Wanted:
    """A message. `follows` = updated whenever its body changes; others are posted once and left alone.

    `picture` = an image instead of a message, drawn when it is posted.
    """

    key: str
    body: b.Body
    thread: bool = True
    follows: bool = True
    picture: bool = False


def wanted(view: ChangeView, now: float) -> list[Wanted]:
    """The change's messages in the order in which people should get them; nothing without its card."""
    if view.state == "dry_run":
        return []
    found = [Wanted(f"card:{view.id}", card(view), thread=False)]
    if view.approval is not None:
        if view.approval.state == "open":
            found.append(
                Wanted(f"ask:{view.approval.id}", call_to_decide(view, view.approval), follows=False)
            )
        elif line := decided_line(view):
            found.append(Wanted(f"decided:{view.approval.id}", line, follows=False))
    # A question is posted before the board's progress: somebody is waited for.
    found += [Wanted(f"hold:{h.id}", hold(view, h)) for h in view.holds]
    if view.run is not None:
        found.append(Wanted(f"board:{view.id}", board(view, view.run, now)))
    if view.report is not None:
        found.append(Wanted(f"report:{view.id}", report(view, view.report)))
        picture = {"text": f"Where the time went: {view.title}"}
        found.append(Wanted(f"chart:{view.id}", picture, follows=False, picture=True))
    return found
