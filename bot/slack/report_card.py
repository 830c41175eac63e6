"""The report that ends a run: what happened, how long, what was lost, and the proof."""

from __future__ import annotations

from bot.changes.views import ChangeView, Figure, ReportView
from bot.clock import span
from bot.slack import blocks as b
from bot.slack.mrkdwn import MESSAGE, bullets, clip, escape, mention, words

_GOOD, _BAD, _NO_SAY = "✅", "❌", "▫️"


def report(view: ChangeView, found: ReportView) -> b.Body:
    """The thread's last message. What missed its objective comes first."""
    blocks: list[b.Block] = [b.header(f"📋 Report: {view.title}"), b.section(f"*{words(found.outcome)}*")]
    missed = [f for f in found.figures if f.met is False]
    if missed:
        blocks.append(b.section("*Missed*\n" + "\n".join(_figure(f) for f in missed)))
    blocks.append(
        b.fields(
            [
                ("Time to recover", _rto(found)),
                ("Data lost", _rpo(found)),
                ("Payments lost", words(found.payments_lost)),
            ]
        )
    )
    if found.rto_parts:
        parts = " → ".join(f"{escape(name)} *{span(seconds)}*" for name, seconds in found.rto_parts)
        blocks.append(b.section(f"*Where the time went*\n{parts}"))
    if rest := [f for f in found.figures if f.met is not False]:
        blocks += b.sections(_figure(f) for f in rest)
    if found.notes:
        blocks += b.sections(["*Still to know*", *bullets(found.notes).split("\n")])
    who = f"Asked for by {mention(view.requester)}"
    if view.approval and (yes := [v.person for v in view.approval.votes if v.choice == "approve"]):
        who += f", approved by {' and '.join(map(mention, yes))}"
    blocks.append(
        b.section(f"🔏 {words(found.trail)}") if found.trail else b.section("⚠️ The trail was not checked.")
    )
    blocks.append(b.context(f"{who} · change `{escape(view.id)}`"))
    text = f"Report: {escape(view.title)}. {words(found.outcome)}"
    return {"text": clip(text, MESSAGE), "blocks": b.fitted(blocks)}


def _rto(found: ReportView) -> str:
    met = found.rto_seconds <= found.rto_objective
    return f"{_GOOD if met else _BAD} *{span(found.rto_seconds)}* (objective {span(found.rto_objective)})"


def _rpo(found: ReportView) -> str:
    lines = []
    for name, seconds in found.rpo:
        if seconds is None:
            lines.append(f"⚠️ {escape(name)}: not known")
        else:
            mark = _GOOD if seconds <= found.rpo_objective else _BAD
            lines.append(f"{mark} {escape(name)}: *{_fine(seconds)}*")
    lines.append(f"(objective {span(found.rpo_objective)})")
    return "\n".join(lines)


def _fine(seconds: float) -> str:
    return f"{seconds:.1f} s" if 0 < seconds < 10 else span(seconds)


def _figure(figure: Figure) -> str:
    mark = _NO_SAY if figure.met is None else _GOOD if figure.met else _BAD
    return f"{mark} {escape(figure.label)}: *{words(figure.value)}*"
