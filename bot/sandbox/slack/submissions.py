"""A person fills a modal in, sends it, or closes it."""

from __future__ import annotations

from typing import Any

from bot.sandbox.slack import elements, payloads
from bot.sandbox.slack.blocks import require_view
from bot.sandbox.slack.desk import Desk, Impossible
from bot.sandbox.slack.errors import Refusal
from bot.sandbox.slack.views import View

TROUBLE = "We had some trouble connecting. Try again?"
REQUIRED = "Please complete this required field."


async def submit(desk: Desk, user: str, view_id: str, values: dict[str, Any]) -> dict[str, Any]:
    """Fill in and send the modal in front.

    `values` is `{block_id: {action_id: value}}` or `{action_id: value}`; what it leaves out stays as it was.
    Empty required inputs, and what does not fit an input, are stopped here as Slack's client does.
    """
    persona = desk.who(user)
    view = desk.views.top(persona.id)
    if view is None or view.id != view_id:
        raise Impossible("no_such_view")
    if "submit" not in view.body:
        raise Impossible("nothing_to_submit")
    _fill(view, values)
    if wrong := _wrong(view):
        view.errors = wrong
        raise Impossible("invalid_input", errors=wrong)
    view.errors, view.notice = {}, None
    payload = payloads.submission(persona, view, desk.triggers.new(persona.id))
    ack = await desk.deliveries.interact("interactive", payload)
    if not ack.ok:
        return _trouble(desk, view, ack.ms, str(ack.error))
    try:
        outcome = _apply(desk, view, ack.payload)
    except Refusal as refusal:
        return _trouble(desk, view, ack.ms, refusal.error)
    return {"ok": not view.errors, "ack_ms": round(ack.ms, 3), **outcome}


async def close(desk: Desk, user: str, view_id: str, *, everything: bool = False) -> dict[str, Any]:
    """Close the modal in front, or the whole stack; the app hears of it if it asked (`notify_on_close`)."""
    persona = desk.who(user)
    view = desk.views.top(persona.id)
    if view is None or view.id != view_id:
        raise Impossible("no_such_view")
    closed = list(desk.views.stacks[persona.id]) if everything else [view]
    if everything:
        desk.views.clear(persona.id)
    else:
        desk.views.pop(persona.id)
    ms = 0.0
    for one in reversed(closed):
        if one.body.get("notify_on_close"):
            payload = payloads.closed(persona, one, is_cleared=everything)
            ms = (await desk.deliveries.interact("interactive", payload)).ms
    return {"ok": True, "ack_ms": round(ms, 3)}


def _fill(view: View, values: dict[str, Any]) -> None:
    unused = set(values)
    for placed in elements.interactive(view.body["blocks"]):
        of_block = values.get(placed.block_id)
        if isinstance(of_block, dict) and placed.action_id in of_block:
            unused.discard(placed.block_id)
            value = of_block[placed.action_id]
        elif placed.action_id in values:
            unused.discard(placed.action_id)
            value = values[placed.action_id]
        else:
            continue
        try:
            entry = elements.chosen(placed.element, value)
        except elements.NoSuchOption as error:
            raise Impossible("no_such_option", message=str(error)) from None
        view.values.setdefault(placed.block_id, {})[placed.action_id] = entry
    if unused:
        raise Impossible("no_such_input", message=f"not in this modal: {', '.join(sorted(unused))}")


def _wrong(view: View) -> dict[str, str]:
    """Complaints of Slack's client, by block id."""
    state = elements.state_of(view.body["blocks"], view.values)
    wrong: dict[str, str] = {}
    for placed in elements.interactive(view.body["blocks"]):
        if placed.block["type"] != "input":
            continue
        entry = state[placed.block_id][placed.action_id]
        if elements.is_empty(entry):
            if not placed.block.get("optional"):
                wrong[placed.block_id] = REQUIRED
        elif complaint := _misfit(placed.element, entry.get("value")):
            wrong[placed.block_id] = complaint
    return wrong


def _misfit(element: dict[str, Any], value: Any) -> str | None:
    """Why a typed value does not fit its input."""
    if not isinstance(value, str):
        return None
    kind = element["type"]
    if kind == "number_input":
        try:
            amount = float(value)
        except ValueError:
            return "Please enter a number."
        if not element["is_decimal_allowed"] and "." in value:
            return "Please enter a whole number."
        if "min_value" in element and amount < float(element["min_value"]):
            return f"Must be {element['min_value']} or more."
        if "max_value" in element and amount > float(element["max_value"]):
            return f"Must be {element['max_value']} or less."
    if kind == "email_text_input" and "@" not in value:
        return "Please enter an e-mail address."
    if kind == "url_text_input" and "://" not in value:
        return "Please enter a URL."
    if len(value) < element.get("min_length", 0):
        return f"Must be {element['min_length']} characters or more."
    if len(value) > element.get("max_length", 3000):
        return f"Must be {element.get('max_length', 3000)} characters or less."
    return None


def _apply(desk: Desk, view: View, body: Any) -> dict[str, Any]:
    """Do what the acknowledgement says. Raises Refusal for one that Slack does not understand."""
    if body in (None, "", {}):
        desk.views.pop(view.user)
        return {"response_action": "close"}
    action = body.get("response_action") if isinstance(body, dict) else None
    if action == "clear":
        desk.views.clear(view.user)
    elif action == "errors":
        errors = body.get("errors")
        inputs = {b["block_id"] for b in view.body["blocks"] if b["type"] == "input"}
        if not isinstance(errors, dict) or not errors or set(errors) - inputs:
            raise Refusal("invalid_acknowledgement")
        view.errors = {block: str(text) for block, text in errors.items()}
        desk.views.changed("views", None)
        return {"response_action": "errors", "errors": view.errors}
    elif action in {"update", "push"}:
        sent = require_view(body.get("view"))
        if sent["type"] != "modal":
            raise Refusal("invalid_acknowledgement")
        if action == "update":
            desk.views.update(view, sent)
        else:
            desk.views.push(view.user, sent)
    else:
        raise Refusal("invalid_acknowledgement")
    return {"response_action": action}


def _trouble(desk: Desk, view: View, ms: float, error: str) -> dict[str, Any]:
    view.notice = TROUBLE
    desk.views.changed("views", None)
    return {"ok": False, "ack_ms": round(ms, 3), "error": error, "response": TROUBLE}
