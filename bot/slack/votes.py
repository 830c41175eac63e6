"""How an answer is told: what was said, by whom, when, with which reason, and where it was given."""

from __future__ import annotations

from bot.changes.views import DecisionView, VoteView
from bot.slack.mrkdwn import clip, escape, mention, moment

_CHOSEN = {
    "approve": "approved",
    "deny": "denied",
    "cancel": "cancelled",
    "break_glass": "started by break-glass",
    "close": "closed",
    "acknowledge": "acknowledged",
    "recover": "signed",
}


def chosen(choice: str) -> str:
    """The choice as a past word."""
    return _CHOSEN.get(choice, escape(choice.replace("_", " ")) or "decided")


def cast(vote: VoteView) -> str:
    """`approved by @lead 03:12:40 (at a terminal, by key)`."""
    return f"{chosen(vote.choice)} by {giver(vote)}"


def giver(vote: VoteView) -> str:
    """Who and when, and how it is known that it was them."""
    return f"{mention(vote.person)} {moment(vote.at)}{where(vote)}"


def where(vote: VoteView) -> str:
    """Empty for Slack, where everybody is; otherwise the other place."""
    if vote.face == "slack":
        return ""
    return " (at a terminal, by key)" if vote.face == "terminal" else f" (through {escape(vote.face)})"


def because(vote: VoteView) -> str:
    """The reason as a quoted line of its own; empty without one."""
    said = " ".join(vote.reason.split())
    return f"\n> {clip(escape(said), 1000)}" if said else ""


def for_outcome(decision: DecisionView) -> list[VoteView]:
    """The votes that made the outcome."""
    return [vote for vote in decision.votes if vote.choice == decision.outcome]
