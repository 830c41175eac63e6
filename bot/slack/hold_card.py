"""The question of a hold: what is wrong, what can be done about it, as buttons."""

from __future__ import annotations

from bot.changes.views import ChangeView, DecisionView, StepView
from bot.slack import blocks as b
from bot.slack.mrkdwn import MESSAGE, clip, escape, mention, mentions, moment, words

_MEANING = {
    "retry": "try the same step again",
    "skip": "leave this step out and go on",
    "rollback": "undo everything done so far, traffic first",
    "go_on": "accept it as it is and go on",
    "abort": "stop here, undo nothing",
    "promote": "make the new writer now, on a named person's word",
}


def hold(view: ChangeView, decision: DecisionView) -> b.Body:
    """Open: the question with its options. Closed: who chose what, no buttons."""
    step = _step(view, decision.step)
    if decision.state == "open":
        return _open(view, decision, step)
    return _closed(decision, step)


def _open(view: ChangeView, decision: DecisionView, step: StepView | None) -> b.Body:
    blocks = [
        b.header("✋ Held: a person must decide"),
        b.section(f"*{clip(words(decision.question), 2900)}*"),
    ]
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
    blocks.append(b.section(f"{asked} *The run waits for the answer.*"))
    blocks += b.actions(decision.options, decision.id)
    text = f"{mentions(decision.deciders)} Held: {words(decision.question)}"
    return {"text": clip(text, MESSAGE), "blocks": b.fitted(blocks)}


def _closed(decision: DecisionView, step: StepView | None) -> b.Body:
    label = next((o.label for o in decision.options if o.action == decision.outcome), decision.outcome)
    who = [v.person for v in decision.votes if v.choice == decision.outcome] or (
        [decision.by] if decision.by else []
    )
    at = f" {moment(decision.decided_at)}" if decision.decided_at else ""
    if decision.state == "decided":
        said = (
            f"*{escape(label) or 'Decided'}*"
            + (f", by {' and '.join(map(mention, who))}" if who else "")
            + at
        )
    else:
        said = f"*No longer asked* ({escape(decision.state)}){at}"
    text = f"▫️ {clip(words(decision.question), 2000)}\n{said}"
    name = f" · step {escape(step.title or step.id)}" if step is not None else ""
    return {
        "text": clip(text, MESSAGE),
        "blocks": [b.section(text), b.context(f"A hold, closed{clip(name, 300)}")],
    }


def _step(view: ChangeView, step_id: str) -> StepView | None:
    steps = [*view.run.steps, *view.run.back] if view.run else []
    return next((s for s in steps if s.id == step_id), None)
