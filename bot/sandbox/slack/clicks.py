"""A person presses a button or picks from a menu, in a message, a modal or the Home tab."""

from __future__ import annotations

from typing import Any

from bot.sandbox.personas import Persona
from bot.sandbox.slack import elements, payloads
from bot.sandbox.slack.deliver import Ack
from bot.sandbox.slack.desk import Desk, Impossible
from bot.sandbox.slack.views import View


async def click(
    desk: Desk,
    user: str,
    channel: str,
    ts: str,
    action: str,
    *,
    block_id: str | None = None,
    value: Any = None,
) -> dict[str, Any]:
    """Act on the element with this action id, or the button with this text. A `confirm` dialog is confirmed.

    `ts` is a message's, a view's id, or `home`. What a button carries comes from the stored message; `value`
    is the choice in a menu. Somebody who does not see the message cannot click in it.
    """
    persona = desk.who(user)
    view = desk.views.homes.get(persona.id) if ts == "home" else desk.views.find(view_id=ts)
    if view is not None:
        return await _in_view(desk, persona, view, action, block_id, value)
    if ts == "home" or ts.startswith("V"):
        raise Impossible("no_such_view")
    return await _in_message(desk, persona, channel, ts, action, block_id, value)


async def _in_message(
    desk: Desk, persona: Persona, channel: str, ts: str, action: str, block_id: str | None, value: Any
) -> dict[str, Any]:
    room = desk.where(persona, channel)
    message = room.messages.get(ts)
    if message is None or not message.seen_by(persona.id):
        raise Impossible("no_such_message")
    placed = _placed(message.blocks, action, block_id)
    entry = _entry(desk, placed, value)
    if elements.stateful(placed.element):
        message.state.setdefault(placed.block_id, {})[placed.action_id] = elements.chosen(
            placed.element, value
        )
    payload = payloads.click_on_message(
        persona,
        room,
        message,
        [entry],
        response_url=desk.responses.new(room, persona.id, message.ts),
        trigger_id=desk.triggers.new(persona.id),
    )
    ack = await desk.deliveries.interact("interactive", payload)
    failed = [one for one in message.failed.get(persona.id, []) if one != placed.action_id]
    message.failed[persona.id] = failed if ack.ok else [*failed, placed.action_id]
    desk.workspace.changed("messages", room.id)
    return _answer(ack)


async def _in_view(
    desk: Desk, persona: Persona, view: View, action: str, block_id: str | None, value: Any
) -> dict[str, Any]:
    if view.user != persona.id:
        raise Impossible("no_such_view")
    placed = _placed(view.body["blocks"], action, block_id)
    entry = _entry(desk, placed, value)
    if elements.stateful(placed.element):
        view.values.setdefault(placed.block_id, {})[placed.action_id] = elements.chosen(placed.element, value)
    if placed.block["type"] == "input" and not placed.block.get("dispatch_action"):
        return {"ok": True, "ack_ms": 0.0}  # Slack's client keeps such a choice to itself until submission
    payload = payloads.click_in_view(persona, view, [entry], desk.triggers.new(persona.id))
    return _answer(await desk.deliveries.interact("interactive", payload))


def _placed(blocks: list[dict[str, Any]], action: str, block_id: str | None) -> elements.Placed:
    placed = elements.find(blocks, action, block_id)
    if placed is None:
        here = [{"action_id": p.action_id, "text": p.label} for p in elements.interactive(blocks)]
        raise Impossible("no_such_action", available=here)
    return placed


def _entry(desk: Desk, placed: elements.Placed, value: Any) -> dict[str, Any]:
    try:
        return payloads.action(placed, value, f"{desk.workspace.now():.6f}")
    except elements.NoSuchOption as error:
        raise Impossible("no_such_option", message=str(error)) from None


def _answer(ack: Ack) -> dict[str, Any]:
    answer: dict[str, Any] = {"ok": ack.ok, "ack_ms": round(ack.ms, 3)}
    if ack.error:
        answer["error"] = ack.error
    if ack.payload:
        answer["response"] = ack.payload
    return answer
