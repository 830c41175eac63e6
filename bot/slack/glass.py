"""Break-glass: from when on somebody may start alone, and the loud message once it happened."""

from __future__ import annotations

from bot.changes.views import ChangeView, DecisionView, Option
from bot.clock import span
from bot.slack import blocks as b
from bot.slack.lists import grouped
from bot.slack.mrkdwn import MESSAGE, bullets, clip, day, escape, mention, mentions, moment
from bot.slack.votes import giver

BREAK_GLASS = Option(
    "break_glass",
    "Break glass",
    "danger",
    "You start this alone, without approval. Every channel is told at once, and it is reviewed afterwards "
    "until the leads have closed it. Do it only if waiting is worse.",
)


def may_break(decision: DecisionView, now: float) -> bool:
    """Whether the button stands on the card by now."""
    return decision.glass_at is not None and now >= decision.glass_at


def offered(decision: DecisionView, now: float) -> list[Option]:
    """The decision's options; break-glass last, and only from its time on."""
    found = [o for o in decision.options if o.action != BREAK_GLASS.action]
    if may_break(decision, now):
        found.append(next((o for o in decision.options if o.action == BREAK_GLASS.action), BREAK_GLASS))
    return found


def small_line(decision: DecisionView, now: float) -> str:
    """From when on, and who; empty where the glass may not be broken."""
    if decision.glass_at is None:
        return ""
    who = _who(decision)
    if may_break(decision, now):
        return (
            f"🔨 *Nobody approved it in time.* {who} may start it alone now with *Break glass*. Every channel is "
            "told, and it is reviewed afterwards."
        )
    return (
        f"If nobody approves by {moment(decision.glass_at)}, {who} may start it alone (break-glass), "
        "reviewed afterwards."
    )


def open_line(decision: DecisionView) -> b.Body:
    """The thread's word, from that time on, to those who may: an edited card notifies nobody."""
    waited = span((decision.glass_at or decision.created_at) - decision.created_at)
    yes = any(v.choice == "approve" for v in decision.votes)
    since = f"Not enough people have approved for {waited}" if yes else f"Nobody has approved for {waited}"
    who = _who(decision)
    text = f"🔨 {since}: {who} may start it alone with *Break glass* on the card, reviewed afterwards."
    return {"text": clip(text, MESSAGE), "blocks": [b.section(text)]}


def _who(decision: DecisionView) -> str:
    return mentions(decision.glass_by).replace(" and ", " or ") if decision.glass_by else "on-call"


def broken(view: ChangeView) -> DecisionView | None:
    """The approval that was never given, when the change was started without one."""
    found = view.approval
    if found is None or found.state != "decided" or found.kind != "approval":
        return None
    by_glass = found.outcome == BREAK_GLASS.action or any(v.choice == BREAK_GLASS.action for v in found.votes)
    return found if by_glass or found.emergency else None


def who_broke(decision: DecisionView) -> str:
    """`@x 03:12:40`, with the place where it was done."""
    vote = next((v for v in decision.votes if v.choice == BREAK_GLASS.action), None)
    if vote is not None:
        return giver(vote)
    return mention(decision.by or "somebody") + (
        f" {moment(decision.decided_at)}" if decision.decided_at else ""
    )


def statement(decision: DecisionView) -> str:
    """The sentence that nobody may overlook."""
    return f"🔨 *Started by break-glass by {who_broke(decision)}, without approval.*"


def loud(view: ChangeView, decision: DecisionView, link: str) -> b.Body:
    """The message of its own in every channel of the estate: who, what, why, when, and where it goes on."""
    waited = span((decision.decided_at or decision.created_at) - decision.created_at)
    running = view.run is None or view.run.state == "running"
    now = "*It is running now.*" if running else "It has run since; the thread tells how it ended."
    lines = [statement(decision), f"Nobody had decided for {waited}. {now}"]
    blocks = [b.header(f"🔨 Break-glass: {view.title}"), b.section("\n".join(lines))]
    about = f"{len(view.plan)} steps" + (
        f", about {span(view.expect_seconds)}" if view.expect_seconds else ""
    )
    blocks.append(
        b.fields(
            [
                ("Asked for by", f"{mention(view.requester)} {moment(view.created_at)}"),
                ("Why", clip(escape(view.reason), 500) or "_no reason given_"),
                ("When", day(decision.decided_at or decision.created_at)),
                ("How much", about if view.plan else "_not known here_"),
            ]
        )
    )
    if view.losses:
        blocks.append(b.section(f"🔥 *What may be lost*\n{bullets(grouped(view.losses))}"))
    # Whoever reads this elsewhere must find the thread in one tap.
    thread = f"<{link}|Follow it in its thread>" if link else "It goes on in its own thread"
    blocks.append(b.section(f"👉 *{thread}.* Leads and on-call can stop it there."))
    blocks.append(b.context(f"It must be reviewed afterwards. · change `{escape(view.id)}`"))
    text = f"Break-glass: {escape(view.title)}. {statement(decision)}"
    return {"text": clip(text, MESSAGE), "blocks": b.fitted(blocks)}
