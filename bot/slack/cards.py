"""The approval card: what would be done, what it costs, who may say yes. Worst things first."""

from __future__ import annotations

from bot.changes.views import ChangeView, DecisionView, Option, StepView
from bot.clock import span
from bot.slack import blocks as b
from bot.slack import glass, recovery_card
from bot.slack.lists import grouped, told
from bot.slack.mrkdwn import MESSAGE, bullets, clip, day, escape, mention, mentions, moment, words
from bot.slack.votes import because, cast, chosen

SHOW_PLAN = Option("show_plan", "Show plan")

_STATE = {
    "proposed": ("❓", "waits for approval"),
    "running": ("🔄", "is running"),
    "recovering": ("✍️", "waits for signatures"),
    "standing": ("🟢", "has moved production and stays open: something is still on watch"),
    "preempted": ("🛑", "was pre-empted: another change took its place"),
    "done": ("✅", "is done"),
    "denied": ("⛔", "was denied"),
    "expired": ("⌛", "expired: nobody decided in time"),
    "cancelled": ("🚫", "was cancelled"),
    "void": ("⚠️", "is void: what was approved no longer fits"),
    "rolled_back": ("↩️", "was rolled back"),
    "aborted": ("🛑", "was aborted"),
    "dry_run": ("🧪", "was only looked at"),
}


def state_line(view: ChangeView) -> str:
    """How a change stands, in words with a sign; not escaped, has no outside text."""
    mark, words = _STATE.get(view.state, ("▫️", escape(view.state)))
    return f"{mark} This change *{words}*."


def card(view: ChangeView, now: float) -> b.Body:
    """The message in the channel. Buttons only while the question is open; afterwards who and when."""
    if view.kind == recovery_card.KIND:
        return recovery_card.card(view)
    if asked(view) and view.approval is not None:
        return {"text": clip(summary(view), MESSAGE), "blocks": b.fitted(_open(view, view.approval, now))}
    return {"text": clip(summary(view), MESSAGE), "blocks": b.fitted(_settled(view))}


def asked(view: ChangeView) -> bool:
    """Whether its approval is still open."""
    return view.approval is not None and view.approval.state == "open" and view.state == "proposed"


def _open(view: ChangeView, decision: DecisionView, now: float) -> list[b.Block]:
    blocks = [b.header(f"❓ {view.title}"), *_stops(view), b.section(_question(view, decision))]
    blocks += _order(view, "What happens")
    blocks += _worst_first(view)
    covers = [told("", "The approval covers", view.bounds)] if view.bounds else []
    blocks += b.sections([*_tight(view), *covers])
    may_start_alone = glass.small_line(decision, now)
    if may_start_alone and glass.may_break(decision, now):
        blocks.append(b.section(may_start_alone))
    blocks += b.actions(_options(decision, now), decision.id)
    small = [may_start_alone] if may_start_alone and not glass.may_break(decision, now) else []
    # Below the buttons: who is in a hurry has what decides above them.
    notes = b.sections(["*How it is made sure, and what stays*", *bullets(view.notes).split("\n")])
    return [*blocks, *(notes if view.notes else []), b.context(*small, _small_print(view))]


def _settled(view: ChangeView) -> list[b.Block]:
    """Short: how it stands and who decided. The thread has the rest."""
    mark = _STATE.get(view.state, ("▫️", ""))[0]
    broken = glass.broken(view)
    loud = "🔨 Break-glass " if broken else ""
    blocks = [b.header(f"{loud}{mark} {view.title}"), b.section(_outcome(view))]
    if broken:
        blocks.append(b.section(_review_line(view)))
    blocks += _stops(view)
    if view.state in {"running", "standing"} and any(h.state == "open" for h in view.holds):
        held = "It is held: a person must decide" if view.state == "running" else "A question is open"
        blocks.append(b.section(f"✋ *{held}, in the thread.*"))
    if view.report is not None:
        blocks.append(b.section(f"{words(view.report.outcome)} The report is in the thread."))
    if view.blockers:
        blocks.append(b.section(f"🛑 *It could not start*\n{bullets(view.blockers)}"))
    blocks.append(b.fields(_facts(view)[:3] if view.state == "running" else _facts(view)[:2]))
    if view.run is not None and (view.losses or view.bounds):
        covered = "What it was planned to cost" if broken else "What was approved with it"
        blocks.append(b.section(f"*{covered}*\n{bullets([*grouped(view.losses), *view.bounds])}"))
    return [*blocks, b.context(_small_print(view))]


def summary(view: ChangeView) -> str:
    """One line for notifications and screen readers."""
    words = _STATE.get(view.state, ("", escape(view.state)))[1]
    loud = f" {glass.statement(found)}" if (found := glass.broken(view)) else ""
    return f"{escape(view.title)} {words}.{loud} Asked for by {mention(view.requester)}."


def call_to_decide(view: ChangeView, decision: DecisionView) -> b.Body:
    """The thread's first message: the only one that calls the deciders by name."""
    if view.kind == recovery_card.KIND:
        return recovery_card.call_to_sign(decision)
    people = [p for p in decision.deciders if p != view.requester] or list(decision.deciders)
    need = f"{decision.quorum} of you" if decision.quorum > 1 else "one of you"
    until = f" It expires at {moment(decision.expires_at)}." if decision.expires_at else ""
    anew = f"{words(view.note)}\n" if view.note else ""
    text = (
        f"{anew}{mentions(people)}: {need} must decide. Press *Approve* or *Deny* on the card above.{until}"
    )
    return {"text": clip(text, MESSAGE), "blocks": [b.section(text)]}


def decided_line(view: ChangeView) -> b.Body | None:
    """The thread's note that the question is closed; None while it is open or was never asked."""
    if view.approval is None or view.approval.state == "open":
        return None
    text = _outcome(view)
    return {"text": clip(text, MESSAGE), "blocks": [b.section(text)]}


def preempted_line(view: ChangeView) -> b.Body | None:
    """The thread's note that another change stopped this one; None for all others."""
    if view.state != "preempted":
        return None
    said = words(view.note) or "Another change stopped it."
    text = (
        f"🛑 *{said}*\nNo question of it counts any more. Whoever needs the rest of it asks for a new plan."
    )
    return {"text": clip(text, MESSAGE), "blocks": [b.section(text)]}


def dry_run(view: ChangeView) -> b.Body:
    """What `--dry-run` shows to the one who asked; nothing to press but the plan."""
    blocks = [b.header(f"🧪 Dry run: {view.title}"), b.section("*Nothing was changed and nobody was asked.*")]
    blocks += [*_stops(view), *_order(view, "What would happen"), *_worst_first(view)]
    covers = [told("", "An approval would cover", view.bounds)] if view.bounds else []
    blocks += b.sections([*_tight(view), *covers])
    blocks += b.actions([SHOW_PLAN], f"change:{view.id}")
    return {
        "text": clip(f"Dry run: {escape(view.title)}. Nothing was changed.", MESSAGE),
        "blocks": b.fitted(blocks),
    }


def _question(view: ChangeView, decision: DecisionView) -> str:
    need = f"*{decision.quorum} approvals are needed*" if decision.quorum > 1 else "*One approval is needed*"
    roles = " or ".join(escape(r) for r in decision.roles)
    lines = [f"⚠️ *{words(view.note)}*"] if view.note else []
    until = f" by {moment(decision.expires_at)}" if decision.expires_at else ""
    lines += [
        f"{need}{until} from {mentions(decision.deciders)}"
        + (f" ({roles})" if roles else "")
        + ". *Nothing happens until it is approved.*"
    ]
    if decision.votes:
        given = ", ".join(cast(v) for v in decision.votes)
        yes = sum(v.choice == "approve" for v in decision.votes)
        lines.append(f"*{yes} of {decision.quorum} so far:* {given}")
    return "\n".join(lines)


def _outcome(view: ChangeView) -> str:
    lines = [state_line(view)]
    decision = view.approval
    if broken := glass.broken(view):
        lines.append(glass.statement(broken))
    elif decision is not None and decision.votes:
        lines.append(" · ".join(cast(v) + because(v) for v in decision.votes))
    elif decision is not None and decision.by:
        at = f" {moment(decision.decided_at)}" if decision.decided_at else ""
        lines.append(f"{chosen(decision.outcome)} by {mention(decision.by)}{at}")
    if view.note:
        lines.append(f"{'🛑 ' if view.state == 'preempted' else ''}{words(view.note)}")
    return "\n".join(lines)


def _review_line(view: ChangeView) -> str:
    """Where the review of a break-glass stands."""
    waits = [r for r in view.reviews if r.state == "open"]
    if waits:
        had = sum(v.choice == "close" for r in waits for v in r.votes)
        return f"🔎 *Its review is open*: closed by {had} of {waits[0].quorum}, in the thread."
    if view.reviews:
        return "🔎 Its review is closed."
    return "🔎 It must be reviewed afterwards."


def _stops(view: ChangeView) -> list[b.Block]:
    """What a failover pushes aside, before anything else is read."""
    return [b.section(bullets(view.preempts, "🛑 *Stops:*"))] if view.preempts else []


def _order(view: ChangeView, title: str) -> list[b.Block]:
    if not view.order:
        return []
    several = "\n" in view.order
    return [
        b.section(f"*{title}, in order*\n{words(view.order)}" if several else told("", title, [view.order]))
    ]


def _worst_first(view: ChangeView) -> list[b.Block]:
    found: list[str] = []
    if view.blockers:
        found.append(told("🛑", "It cannot start", view.blockers))
    if view.losses:
        found.append(told("🔥", "What is lost if it goes ahead", grouped(view.losses)))
    if view.warnings:
        found.append(told("⚠️", "Know this first", view.warnings))
    return b.sections(found)


def _tight(view: ChangeView) -> list[str]:
    """The facts in two lines: above the buttons every line counts."""
    why = clip(escape(" ".join(view.reason.split())), 500) or "_no reason given_"
    lines = [f"*Why:* {why} · asked for by {mention(view.requester)} {moment(view.created_at)}"]
    if view.plan:
        took = f", about {span(view.expect_seconds)}" if view.expect_seconds else ""
        lines.append(f"*{len(view.plan)} steps*{took} · *way back:* {_way_back(view.plan)}")
    return lines


def _facts(view: ChangeView) -> list[tuple[str, str]]:
    pairs = [("Asked for by", f"{mention(view.requester)} {moment(view.created_at)}")]
    pairs.append(("Why", clip(escape(view.reason), 500) or "_no reason given_"))
    if view.plan:
        took = f", about {span(view.expect_seconds)}" if view.expect_seconds else ""
        pairs.append(("How much", f"{len(view.plan)} steps{took}"))
        pairs.append(("Way back", _way_back(view.plan)))
    return pairs


def _way_back(plan: tuple[StepView, ...]) -> str:
    commit = next((i for i, s in enumerate(plan, 1) if s.commits), None)
    if commit is None:
        return "one click, at any step"
    title = clip(escape(plan[commit - 1].title.partition(";")[0]), 200)
    return f"one click until step {commit} (_{title}_); after it, only forward"


def _options(decision: DecisionView, now: float) -> list[Option]:
    offered = glass.offered(decision, now)
    if all(o.action != SHOW_PLAN.action for o in offered):
        place = next((i for i, o in enumerate(offered) if o.action == "cancel"), len(offered))
        offered.insert(place, SHOW_PLAN)
    return offered


def _small_print(view: ChangeView) -> str:
    digest = f" · plan `{view.digest[:12]}`" if view.digest else ""
    command = clip(escape(view.command).replace("`", ""), 1500)
    return f"`{command}` · change `{escape(view.id)}`{digest} · {day(view.created_at)}"
