"""The report that ends a run: what happened, how long, what was lost, and the proof."""

from __future__ import annotations

from bot.changes.views import ChangeView, Figure, ReportView
from bot.clock import span
from bot.slack import blocks as b
from bot.slack import glass, standing
from bot.slack.mrkdwn import MESSAGE, bullets, clip, escape, mention, words
from bot.slack.votes import where


def report(view: ChangeView, found: ReportView) -> b.Body:
    """The thread's last message. What missed its objective comes first."""
    blocks: list[b.Block] = [b.header(f"📋 Report: {view.title}"), b.section(f"*{words(found.outcome)}*")]
    if view.run is not None and view.run.state == "standing":
        watched = standing.lines(view, view.run, settled=True)
        blocks += b.sections(["*Still on watch; this report is completed when it ends*", *watched])
    # What missed its objective first, then what has no objective, then what is well.
    figures = sorted(found.figures, key=lambda f: (f.met is True, f.met is None))
    if figures:
        blocks.append(b.fields([(escape(f.label), f"{_mark(f)} *{words(f.value)}*") for f in figures[:10]]))
    blocks += b.sections(f"{_mark(f)} {escape(f.label)}: *{words(f.value)}*" for f in figures[10:])
    if found.rto_parts:
        parts = " → ".join(f"{escape(name)} *{span(seconds)}*" for name, seconds in found.rto_parts)
        blocks.append(b.section(f"*Where the time went*\n{parts}"))
    if found.notes:
        blocks += b.sections(["*Still to know*", *bullets(found.notes).split("\n")])
    who = f"Asked for by {mention(view.requester)}"
    if broken := glass.broken(view):
        who += f", started by break-glass by {glass.who_broke(broken)}, without approval"
    elif view.approval and (yes := [v for v in view.approval.votes if v.choice == "approve"]):
        who += f", approved by {' and '.join(f'{mention(v.person)}{where(v)}' for v in yes)}"
    blocks.append(
        b.section(f"🔏 {words(found.trail)}") if found.trail else b.section("⚠️ The trail was not checked.")
    )
    blocks.append(b.context(f"{who} · change `{escape(view.id)}`"))
    text = f"Report: {escape(view.title)}. {words(found.outcome)}"
    return {"text": clip(text, MESSAGE), "blocks": b.fitted(blocks)}


def _mark(figure: Figure) -> str:
    return "▫️" if figure.met is None else "✅" if figure.met else "❌"
