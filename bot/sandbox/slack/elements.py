"""Interactive elements inside blocks: finding them, and what a person's choice looks like in a payload."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

BUTTONS = {"button", "icon_button", "workflow_button"}
PLAIN_VALUES = {"plain_text_input", "number_input", "email_text_input", "url_text_input"}
SELECTED = {
    "users_select": ("selected_user", "initial_user"),
    "channels_select": ("selected_channel", "initial_channel"),
    "conversations_select": ("selected_conversation", "initial_conversation"),
    "datepicker": ("selected_date", "initial_date"),
    "timepicker": ("selected_time", "initial_time"),
    "datetimepicker": ("selected_date_time", "initial_date_time"),
    "multi_users_select": ("selected_users", "initial_users"),
    "multi_channels_select": ("selected_channels", "initial_channels"),
    "multi_conversations_select": ("selected_conversations", "initial_conversations"),
    "rich_text_input": ("rich_text_value", "initial_value"),
}
ONE_OPTION = {"static_select", "external_select", "radio_buttons", "overflow"}
MANY_OPTIONS = {"multi_static_select", "multi_external_select", "checkboxes"}


Values = dict[str, dict[str, dict[str, Any]]]
"""`state.values`: block id, action id, entry."""


class NoSuchOption(ValueError):
    """The chosen value is not among the element's options."""


@dataclass(frozen=True)
class Placed:
    """An element and the block in which it stands."""

    block: dict[str, Any]
    element: dict[str, Any]

    @property
    def block_id(self) -> str:
        """Id of the block."""
        return str(self.block.get("block_id", ""))

    @property
    def action_id(self) -> str:
        """Id of the element."""
        return str(self.element.get("action_id", ""))

    @property
    def label(self) -> str:
        """The text that a person sees on it."""
        text = self.element.get("text")
        return str(text.get("text", "")) if isinstance(text, dict) else ""


def interactive(blocks: list[dict[str, Any]]) -> Iterator[Placed]:
    """Every element with an action id, also inside cards, carousels and containers."""
    for block in blocks:
        candidates = [block.get("accessory"), block.get("element")]
        for key in ("elements", "actions", "child_blocks"):
            candidates += block.get(key) or []
        for one in candidates:
            if not isinstance(one, dict):
                continue
            if one.get("type") == "feedback_buttons":
                for side in ("positive_button", "negative_button"):
                    yield Placed(block, {"type": "button", "action_id": one.get("action_id"), **one[side]})
            elif "action_id" in one:
                yield Placed(block, one)
            elif one.get("type") in {
                "card",
                "actions",
                "section",
                "input",
                "context_actions",
                "container",
                "carousel",
            }:
                yield from interactive([one])


def find(blocks: list[dict[str, Any]], action: str, block_id: str | None = None) -> Placed | None:
    """The element with this action id, else the button with this visible text."""
    placed = [p for p in interactive(blocks) if block_id in {None, "", p.block_id}]
    by_id = next((p for p in placed if p.action_id == action), None)
    return by_id or next((p for p in placed if p.element["type"] in BUTTONS and p.label == action), None)


def options(element: dict[str, Any]) -> list[dict[str, Any]]:
    """Options of a select, of all its groups."""
    listed = list(element.get("options") or [])
    for group in element.get("option_groups") or []:
        listed += group["options"]
    return listed


def chosen(element: dict[str, Any], value: Any) -> dict[str, Any]:
    """The entry of `state.values` once a person chose `value`.

    `value` is the option's value (a list of them for many), the text typed, the id or date picked; None is
    nothing. Raises NoSuchOption.
    """
    kind = element["type"]
    if kind in ONE_OPTION:
        return {"type": kind, "selected_option": None if value is None else _option(element, value)}
    if kind in MANY_OPTIONS:
        values = [] if value is None else value if isinstance(value, list) else [value]
        return {"type": kind, "selected_options": [_option(element, one) for one in values]}
    if kind in SELECTED:
        many = kind.startswith("multi_")
        picked = [value] if many and value is not None and not isinstance(value, list) else value
        return {"type": kind, SELECTED[kind][0]: [] if many and picked is None else picked}
    return {"type": kind, "value": None if value in {None, ""} else str(value)}


def initial(element: dict[str, Any]) -> dict[str, Any]:
    """The entry of `state.values` of an element that nobody touched."""
    kind = element["type"]
    if kind in ONE_OPTION:
        return {"type": kind, "selected_option": element.get("initial_option")}
    if kind in MANY_OPTIONS:
        return {"type": kind, "selected_options": element.get("initial_options") or []}
    if kind in SELECTED:
        selected, first = SELECTED[kind]
        return {"type": kind, selected: element.get(first, [] if kind.startswith("multi_") else None)}
    return {"type": kind, "value": element.get("initial_value")}


def is_empty(entry: dict[str, Any]) -> bool:
    """Whether an entry of `state.values` holds nothing."""
    return all(value in (None, "", []) for key, value in entry.items() if key != "type")


def stateful(element: dict[str, Any]) -> bool:
    """Whether the element keeps a choice, as everything but buttons and overflow menus does."""
    return element["type"] not in BUTTONS | {"overflow"}


def state_of(blocks: list[dict[str, Any]], values: Values) -> Values:
    """`state.values` of blocks: what was chosen, else what each element began with."""
    state: Values = {}
    for placed in interactive(blocks):
        if stateful(placed.element):
            entry = values.get(placed.block_id, {}).get(placed.action_id) or initial(placed.element)
            state.setdefault(placed.block_id, {})[placed.action_id] = entry
    return state


def _option(element: dict[str, Any], value: Any) -> dict[str, Any]:
    if element["type"] in {"external_select", "multi_external_select"}:
        return (
            value
            if isinstance(value, dict)
            else {"text": {"type": "plain_text", "text": value}, "value": value}
        )
    for option in options(element):
        if value == option or value in (option.get("value"), option["text"]["text"]):
            return option
    raise NoSuchOption(f"{value!r} is not an option of {element.get('action_id')}")
