"""The window for answers that count only with words: why, in at least a sentence."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.slack import blocks as b
from bot.slack.mrkdwn import clip, escape, words

View = dict[str, object]

CALLBACK = "reason"
BLOCK, FIELD = "reason", "reason"
SHORTEST = 10
"""Characters of a reason that says anything."""

_WHY = "why:"
"""Before a decision's id in a button's value: the answer is asked for its reason first."""


def value_of(decision: str, *, needed: bool) -> str:
    """What a button of this decision carries."""
    return f"{_WHY}{decision}" if needed else decision


def decision_in(value: str) -> str:
    """The decision's id in a button's value."""
    return value.removeprefix(_WHY)


def asks_why(value: str) -> bool:
    """Whether a click on this button opens the window instead of counting."""
    return value.startswith(_WHY)


@dataclass(frozen=True)
class Form:
    """What is being answered, and where the button was; kept in the window itself, so any replica may go on."""

    decision: str
    choice: str
    label: str
    question: str
    channel: str = ""
    thread: str = ""
    message: str = ""
    reason: str = ""
    view: str = ""

    @staticmethod
    def sent(body: Mapping[str, Any]) -> Form:
        """The form as a person sent it. Raises ValueError for one that is not ours."""
        view = body.get("view") or {}
        kept = json.loads(str(view.get("private_metadata") or "{}"))
        typed = ((view.get("state") or {}).get("values") or {}).get(BLOCK, {}).get(FIELD, {}).get("value")
        if not isinstance(kept, dict) or not kept.get("decision"):
            raise ValueError("a form without a decision")
        names = ("decision", "choice", "label", "question", "channel", "thread", "message")
        return Form(
            **{name: str(kept.get(name, "")) for name in names},
            reason=" ".join(str(typed or "").split()),
            view=str(view.get("id", "")),
        )

    def too_short(self) -> dict[str, str]:
        """Complaints by block, as an acknowledgement takes them; empty when the reason may be sent on."""
        if len(self.reason) >= SHORTEST:
            return {}
        return {BLOCK: f"Please give a reason of at least {SHORTEST} characters."}


def form(asked: Form, refused: str = "") -> View:
    """The window. `refused` are the words of an answer that did not count; the reason typed then stays."""
    blocks = [b.section(f"⛔ {words(refused)}")] if refused else []
    blocks.append(b.section(f"*{clip(words(asked.question), 2900)}*"))
    field: dict[str, object] = {
        "type": "plain_text_input",
        "action_id": FIELD,
        "multiline": True,
        "min_length": SHORTEST,
        "max_length": 2000,
        "focus_on_load": True,
    }
    if asked.reason:
        field["initial_value"] = clip(asked.reason, 2000)
    blocks.append(
        {
            "type": "input",
            "block_id": BLOCK,
            "label": {"type": "plain_text", "text": "Reason"},
            "hint": {
                "type": "plain_text",
                "text": "Everyone can read it in the thread; it goes into the audit trail.",
            },
            "element": field,
        }
    )
    kept = {
        "decision": asked.decision,
        "choice": asked.choice,
        "label": clip(asked.label, 75),
        "question": clip(asked.question, 1000),
        "channel": asked.channel,
        "thread": asked.thread,
        "message": asked.message,
    }
    return {
        "type": "modal",
        "callback_id": CALLBACK,
        "private_metadata": json.dumps(kept, ensure_ascii=False),
        "title": {"type": "plain_text", "text": clip(asked.label, 24) or "Your answer"},
        "submit": {"type": "plain_text", "text": "Send"},
        "close": {"type": "plain_text", "text": "Go back"},
        "blocks": blocks,
    }


def sending(asked: Form) -> View:
    """Shown between the click on Send and the answer."""
    return said(asked, f"Sending your answer…\n> {clip(escape(asked.reason), 2000)}")


def said(asked: Form, text: str) -> View:
    """The end of it; `text` already escaped."""
    return {
        "type": "modal",
        "title": {"type": "plain_text", "text": clip(asked.label, 24) or "Your answer"},
        "close": {"type": "plain_text", "text": "Close"},
        "blocks": [b.section(text)],
    }
