"""The question of a hold: what is wrong, what can be done about it, as buttons."""

from __future__ import annotations

from bot.changes.views import ChangeView, DecisionView, StepView
from bot.slack import blocks as b
from bot.slack import glass
from bot.slack.mrkdwn import MESSAGE, clip, escape, mention, mentions, moment, words
from bot.slack.reason_form import value_of
from bot.slack.votes import because, for_outcome, where

_MEANING = {
    "retry": "try the same step again",
    "skip": "leave this step out and go on",
    "rollback": "undo everything done so far, traffic first",
    "go_on": "accept it as it is and go on",
    "abort": "stop here, undo nothing",
    "promote": "make the new writer now, on a named person's word",
    "instead": "reach the same end the other way, which was planned and approved with the rest",
    "acknowledge": "sign off with your name that this is known and accepted",
}
_DEAD = {"done", "rolled_back", "aborted", "preempted"}


def hold(view: ChangeView, decision: DecisionView) -> b.Body:
    """Open: the question with its options. Closed: who chose what, no buttons."""
    step = _step(view, decision.step)
    if decision.state == "open" and view.state not in _DEAD:
        return _open(view, decision, step)
    return _closed(decision, step)


def _open(view: ChangeView, decision: DecisionView, step: StepView | None) -> b.Body:
    signing = any(o.action == "acknowledge" for o in decision.options)
    head = "✍️ Somebody must sign this off" if signing else "✋ Held: a person must decide"
    blocks = [b.header(head), b.section(f"*{clip(words(decision.question), 2900)}*")]
    if glass.broken(view):
        blocks.append(b.section("🔨 This run was started by break-glass, without approval."))
    if step is not None and step.why and step.why not in decision.question:
        blocks.append(b.section(f"*Why*\n{clip(words(step.why), 2900)}"))
    meanings = [
        f"*{escape(o.label)}*: {_MEANING[o.action]}" for o in decision.options if o.action in _MEANING
    ]
    if meanings:
        blocks.append(b.section("\n".join(meanings)))
    need = f"{decision.quorum} of " if decision.quorum > 1 else ""
    until = f" until {moment(decision.expires_at)}" if decision.expires_at else ""
    asked = f"{need}{mentions(decision.deciders)} may decide{until}."
    meanwhile = (
        "Signalbox goes on looking until somebody answers; what needs this step waits."
        if step is not None and step.standing
        else "The run waits for the answer."
    )
    blocks.append(b.section(f"{asked} *{meanwhile}*"))
    if decision.votes:
        given = " · ".join(
            f"{_label(decision, v.choice)} by {mention(v.person)}{where(v)}" for v in decision.votes
        )
        blocks.append(b.section(f"*So far:* {given}"))
    blocks += b.actions(decision.options, value_of(decision.id, needed=decision.reason_needed))
    text = f"{mentions(decision.deciders)} {'To sign off' if signing else 'Held'}: {words(decision.question)}"
    return {"text": clip(text, MESSAGE), "blocks": b.fitted(blocks)}


def _closed(decision: DecisionView, step: StepView | None) -> b.Body:
    label = _label(decision, decision.outcome)
    votes = for_outcome(decision)
    who = [f"{mention(v.person)}{where(v)}" for v in votes] or ([mention(decision.by)] if decision.by else [])
    at = f" {moment(decision.decided_at)}" if decision.decided_at else ""
    if decision.state == "decided":
        said = (
            f"*{label or 'Decided'}*"
            + (f", by {' and '.join(who)}" if who else "")
            + at
            + (", in a run started by break-glass 🔨" if decision.emergency else "")
            + "".join(map(because, votes))
        )
    else:
        state = "void" if decision.state == "open" else decision.state
        said = f"*No longer asked* ({escape(state)}){at}"
    text = f"▫️ {clip(words(decision.question), 2000)}\n{said}"
    name = f" · step {escape(step.title or step.id)}" if step is not None else ""
    return {
        "text": clip(text, MESSAGE),
        "blocks": [b.section(text), b.context(f"A hold, closed{clip(name, 300)}")],
    }


def _label(decision: DecisionView, choice: str) -> str:
    """The words of the button, escaped."""
    return escape(next((o.label for o in decision.options if o.action == choice), choice))


def _step(view: ChangeView, step_id: str) -> StepView | None:
    steps = [*view.run.steps, *view.run.back] if view.run else []
    return next((s for s in steps if s.id == step_id), None)
