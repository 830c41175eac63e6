"""The question of a hold: what is wrong, what can be done about it, as buttons."""

from __future__ import annotations

from dataclasses import replace

from bot.changes.views import ChangeView, DecisionView, Option, StepView
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
_SIGNING = "You sign with your name that what was lost is known and is being reconciled."
TITLE = 120
"""Longest title of a closed question: it only has to be known again."""

_DEAD = {"done", "rolled_back", "aborted", "preempted"}


def hold(view: ChangeView, decision: DecisionView) -> b.Body:
    """Open: the question with its options. Closed: who chose what, no buttons."""
    step = _step(view, decision.step)
    if decision.state == "open" and view.state not in _DEAD:
        return _open(view, decision, step)
    return _closed(view, decision, step)


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
    blocks += b.actions(
        map(_confirmed, decision.options), value_of(decision.id, needed=decision.reason_needed)
    )
    text = f"{mentions(decision.deciders)} {'To sign off' if signing else 'Held'}: {words(decision.question)}"
    return {"text": clip(text, MESSAGE), "blocks": b.fitted(blocks)}


def _confirmed(option: Option) -> Option:
    """A signature is asked for once more where the desk has no words for it."""
    if option.action == "acknowledge" and not option.confirm:
        return replace(option, confirm=_SIGNING)
    return option


def _closed(view: ChangeView, decision: DecisionView, step: StepView | None) -> b.Body:
    """One line: what it was about, and who decided what or why nobody has to."""
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
    elif decision.state == "void" and not _stopped(view, step):
        said = f"answered by the world itself meanwhile{at}"
    else:
        run = "the run was stopped" if _stopped(view, step) else "the run has ended"
        said = f"No longer asked: {'it expired' if decision.state == 'expired' else run}{at}"
    mark = "☑️" if decision.state == "decided" else "▫️"
    about = words(decision.question) if step is None else escape(step.title or step.id)
    text = f"{mark} {clip(' '.join(about.split()), TITLE)} · {said}"
    return {"text": clip(text, MESSAGE), "blocks": [b.section(text)]}


def _stopped(view: ChangeView, step: StepView | None) -> bool:
    """Whether the question fell with its run; a step that was seen done answered it before that."""
    seen = step is not None and step.state == "done"
    stopping = view.run is not None and bool(view.run.stop)
    return not seen and (stopping or view.state in _DEAD - {"done"})


def _label(decision: DecisionView, choice: str) -> str:
    """The words of the button, escaped."""
    return escape(next((o.label for o in decision.options if o.action == choice), choice))


def _step(view: ChangeView, step_id: str) -> StepView | None:
    steps = [*view.run.steps, *view.run.back] if view.run else []
    return next((s for s in steps if s.id == step_id), None)
