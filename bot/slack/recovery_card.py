"""A recovery of the trail: what parted, who has signed, and that it is signed at a terminal and nowhere pressed."""

from __future__ import annotations

from bot.changes.views import ChangeView, DecisionView
from bot.slack import blocks as b
from bot.slack.mrkdwn import MESSAGE, bullets, clip, day, escape, mention, mentions, moment, words
from bot.slack.votes import because, giver

KIND = "trail-recovery"
_HOW = "Look at both heads and sign with `signalbox recover` at a terminal, with a key that the estate pins to you."
_STATE = {
    "recovering": ("✍️", "waits for signatures"),
    "done": ("✅", "is done"),
    "expired": ("⌛", "expired: too few people signed in time"),
    "void": ("▫️", "was withdrawn"),
}


def card(view: ChangeView) -> b.Body:
    """The message in the channel; it has no buttons."""
    mark, state = _STATE.get(view.state, ("▫️", escape(view.state)))
    blocks = [b.header(f"{mark} {view.title}"), b.section(f"{mark} This recovery *{state}*.{_note(view)}")]
    if view.order:
        blocks.append(b.section(words(view.order)))
    if view.warnings:
        blocks.append(b.section(f"⚠️ {bullets(view.warnings)}"))
    if view.approval is not None:
        blocks.append(b.section(_signed(view.approval)))
        if view.approval.state == "open":
            blocks.append(
                b.section(f"👉 *{_HOW}* Planned changes are refused until then; emergencies go ahead.")
            )
    blocks.append(
        b.fields(
            [
                ("Begun by", f"{mention(view.requester)} {moment(view.created_at)}"),
                ("Why", clip(escape(view.reason), 500) or "_no reason given_"),
            ]
        )
    )
    blocks.append(
        b.context(f"`{escape(view.command)}` · change `{escape(view.id)}` · {day(view.created_at)}")
    )
    text = f"{escape(view.title)} {state}. Begun by {mention(view.requester)}."
    return {"text": clip(text, MESSAGE), "blocks": b.fitted(blocks)}


def call_to_sign(decision: DecisionView) -> b.Body:
    """The thread's first message: calls those who may sign by name."""
    had = {vote.person for vote in decision.votes}
    people = [p for p in decision.deciders if p not in had] or list(decision.deciders)
    until = f" It expires at {moment(decision.expires_at)}." if decision.expires_at else ""
    text = f"{mentions(people)}: {decision.quorum} signatures are needed. {_HOW}{until}"
    return {"text": clip(text, MESSAGE), "blocks": [b.section(text)]}


def _signed(decision: DecisionView) -> str:
    lines = [f"*Signed by {len(decision.votes)} of {decision.quorum}*"]
    return "\n".join([*lines, *(f"• {giver(vote)}{because(vote)}" for vote in decision.votes[:20])])


def _note(view: ChangeView) -> str:
    return f" {words(view.note)}" if view.note else ""
