"""Whether Slack would take these blocks, and what it fills in when it does."""

from __future__ import annotations

import json
import random
import string as letters
from typing import Any

from bot.sandbox.slack.elements import interactive, options
from bot.sandbox.slack.errors import Refusal
from bot.sandbox.slack.kit import ID_LENGTH, Fault, flag, items, one_of, shape, string
from bot.sandbox.slack.kit_blocks import ANY_BLOCK, BLOCKS
from bot.sandbox.slack.kit_elements import INTERACTIVE, plain

MESSAGE_BLOCKS = 50
VIEW_BLOCKS = 100
MARKDOWN_LENGTH = 12_000
VIEW_BYTES = 250_000
MESSAGE_BYTES = 250_000
"""Slack publishes no number for `msg_blocks_too_long`; this is the one for views."""

_IN_HOME = set(BLOCKS) - {"task_card", "plan", "context_actions", "markdown", "table"}
_VIEW = {
    "callback_id": string(ID_LENGTH, least=0),
    "private_metadata": string(3000, least=0),
    "external_id": string(ID_LENGTH, least=0),
}
_MODAL = shape(
    {"type": one_of("modal"), "title": plain(24), "blocks": items(ANY_BLOCK, 0, VIEW_BLOCKS, plural="items")},
    {
        **_VIEW,
        "submit": plain(24),
        "close": plain(24),
        "clear_on_close": flag(),
        "notify_on_close": flag(),
        "submit_disabled": flag(),
    },
)
_HOME = shape(
    {"type": one_of("home"), "blocks": items(ANY_BLOCK, 0, VIEW_BLOCKS, plural="items")},
    _VIEW,
)


def check_message(blocks: Any) -> list[Fault]:
    """What is wrong with the blocks of a message; an empty list when nothing is."""
    faults: list[Fault] = []
    items(ANY_BLOCK, 0, MESSAGE_BLOCKS, plural="items")(blocks, "/blocks", faults)
    if not faults:
        _across(blocks, "/blocks", faults)
        markdown = sum(len(block["text"]) for block in blocks if block["type"] == "markdown")
        if markdown > MARKDOWN_LENGTH:
            faults.append(Fault(f"markdown must be less than {MARKDOWN_LENGTH + 1} characters", "/blocks"))
        if sum(block["type"] == "table" for block in blocks) > 1:
            faults.append(Fault("only one table is allowed", "/blocks"))
    return faults


def check_view(view: Any) -> list[Fault]:
    """What is wrong with a modal or Home tab."""
    if not isinstance(view, dict):
        return [Fault("must be an object", "/view")]
    faults: list[Fault] = []
    home = view.get("type") == "home"
    (_HOME if home else _MODAL)(view, "/view", faults)
    if faults:
        return faults
    _across(view["blocks"], "/view/blocks", faults)
    if home:
        for index, block in enumerate(view["blocks"]):
            if block["type"] not in _IN_HOME:
                faults.append(Fault(f"unsupported type: {block['type']}", f"/view/blocks/{index}"))
    elif any(block["type"] == "input" for block in view["blocks"]) and "submit" not in view:
        faults.append(Fault("submit is required when a view has an input block", "/view"))
    return faults


def require_message(blocks: Any) -> list[dict[str, Any]]:
    """Blocks ready to be stored. Raises Refusal `invalid_blocks` or `msg_blocks_too_long`."""
    if faults := check_message(blocks):
        errors = [fault.message for fault in faults]
        raise Refusal(
            "invalid_blocks", errors=errors, response_metadata={"messages": [f.line() for f in faults]}
        )
    if len(json.dumps(blocks)) > MESSAGE_BYTES:
        raise Refusal("msg_blocks_too_long")
    return filled(blocks)


def require_view(view: Any) -> dict[str, Any]:
    """A view ready to be stored. Raises Refusal `invalid_arguments` or `view_too_large`."""
    if len(json.dumps(view)) > VIEW_BYTES:
        raise Refusal("view_too_large")
    if faults := check_view(view):
        raise Refusal("invalid_arguments", response_metadata={"messages": [f.line() for f in faults]})
    return {**view, "blocks": filled(view["blocks"])}


def filled(blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A copy with the `block_id`s and `action_id`s that the app left out."""
    copies: list[dict[str, Any]] = json.loads(json.dumps(blocks))
    _fill(copies)
    return copies


def _fill(blocks: list[dict[str, Any]]) -> None:
    for block in blocks:
        block.setdefault("block_id", _short_id())
        for key in ("accessory", "element"):
            _name(block.get(key))
        for key in ("elements", "actions"):
            for one in block.get(key) or []:
                _name(one)
        _fill(block.get("child_blocks") or [])
        if block["type"] == "carousel":
            _fill(block["elements"])


def _name(element: Any) -> None:
    if isinstance(element, dict) and element["type"] in INTERACTIVE:
        element.setdefault("action_id", _short_id())


def _short_id() -> str:
    return "".join(random.choices(letters.ascii_letters + letters.digits, k=5))


def _across(blocks: list[dict[str, Any]], at: str, faults: list[Fault]) -> None:
    """What no block shows alone: ids used twice, a first choice that is no option, focus asked for twice."""
    seen: set[str] = set()
    for index, block in enumerate(blocks):
        here = f"{at}/{index}"
        block_id = block.get("block_id")
        if block_id in seen:
            faults.append(Fault(f"block_id already exists: {block_id}", f"{here}/block_id"))
        elif block_id:
            seen.add(block_id)
        actions: set[str] = set()
        for placed in interactive([block]):
            if placed.action_id in actions:
                faults.append(Fault(f"action_id already exists: {placed.action_id}", here))
            actions.add(placed.action_id)
            first = placed.element.get("initial_option")
            if first and placed.element["type"] != "external_select" and first not in options(placed.element):
                faults.append(Fault("initial_option must exactly match an option", here))
