"""What Slack takes as blocks and views."""

from __future__ import annotations

from typing import Any

import pytest
from slack_sdk.models.blocks import Block
from slack_world import (
    LEAD,
    actions,
    button,
    modal,
    mrkdwn,
    plain,
    section,
    text_input,
)

from bot.sandbox.slack.blocks import check_message, check_view


def option(text: str = "a", value: str = "a") -> dict[str, Any]:
    return {"text": plain(text), "value": value}


def select(**more: Any) -> dict[str, Any]:
    return actions({"type": "static_select", "action_id": "pick", **more})


BAD_BLOCKS = {
    "unknown key": section(colour="red"),
    "no text at all": {"type": "section"},
    "empty text": section(""),
    "field 2001": {"type": "section", "fields": [mrkdwn("x" * 2001)]},
    "header 151": {"type": "header", "text": plain("x" * 151)},
    "26 actions": actions(*[button(f"b{n}") for n in range(26)]),
    "11 in context": {"type": "context", "elements": [mrkdwn("x")] * 11},
    "button in context": {"type": "context", "elements": [button()]},
    "block_id 256": section(block_id="x" * 256),
    "action_id 256": actions(button("x" * 256)),
    "url 3001": actions(button(url="https://example.com/" + "x" * 3000)),
    "confirm without title": actions(
        button(confirm={"text": plain("x"), "confirm": plain("y"), "deny": plain("n")})
    ),
    "confirm text 301": actions(
        button(
            confirm={"title": plain("t"), "text": plain("x" * 301), "confirm": plain("y"), "deny": plain("n")}
        )
    ),
    "101 options": select(options=[option(value=str(n)) for n in range(101)]),
    "no options": select(options=[]),
    "option value 151": select(options=[option(value="x" * 151)]),
    "option text 76": select(options=[option(text="x" * 76)]),
    "initial not an option": select(options=[option()], initial_option=option("b", "b")),
    "overflow of 6": section(
        accessory={"type": "overflow", "action_id": "o", "options": [option(value=str(n)) for n in range(6)]}
    ),
    "11 radio buttons": actions(
        {"type": "radio_buttons", "action_id": "r", "options": [option(value=str(n)) for n in range(11)]}
    ),
    "label 2001": text_input(label=plain("x" * 2001)),
    "button as input": {"type": "input", "label": plain("x"), "element": button()},
    "markdown 12001": {"type": "markdown", "text": "x" * 12_001},
    "table of 21 columns": {"type": "table", "rows": [[{"type": "raw_text", "text": "x"}] * 21]},
    "image without alt": {"type": "image", "image_url": "https://example.com/a.png"},
    "image of two sources": {
        "type": "image",
        "alt_text": "x",
        "image_url": "https://example.com/a.png",
        "slack_file": {"id": "F1"},
    },
    "alert 201": {"type": "alert", "text": plain("x" * 201)},
    "task state": {"type": "task_card", "task_id": "1", "title": "x", "status": "done"},
    "nested mistake": {"type": "container", "title": plain("x"), "child_blocks": [section("x" * 3001)]},
    "text as a number": section(text={"type": "mrkdwn", "text": 5}),
    "list as a block": [],
}


@pytest.mark.parametrize("block", BAD_BLOCKS.values(), ids=BAD_BLOCKS.keys())
def test_bad_block(block):
    """A block beyond Slack's limits or shapes is found wrong, whatever surrounds it."""
    assert check_message([section(), block])


GOOD_BLOCKS = [
    section("x" * 3000, block_id="x" * 255),
    {"type": "section", "fields": [mrkdwn("x" * 2000)] * 10},
    section(accessory=button("more", value="")),
    {"type": "header", "text": plain("x" * 150)},
    {"type": "divider"},
    {"type": "context", "elements": [mrkdwn("x")] * 10},
    actions(*[button(f"b{n}", text="x" * 75, value="x" * 2000, style="danger") for n in range(25)]),
    actions(
        button(
            "sure",
            confirm={
                "title": plain("t"),
                "text": mrkdwn("x" * 300),
                "confirm": plain("y"),
                "deny": plain("n"),
            },
        )
    ),
    select(options=[option(value=str(n)) for n in range(100)]),
    {"type": "image", "alt_text": "x", "image_url": "https://example.com/a.png", "title": plain("t")},
    text_input(hint=plain("h"), optional=True),
    {"type": "markdown", "text": "x" * 12_000},
    {
        "type": "rich_text",
        "elements": [
            {
                "type": "rich_text_section",
                "elements": [{"type": "text", "text": "x"}, {"type": "user", "user_id": LEAD}],
            }
        ],
    },
    {
        "type": "table",
        "rows": [[{"type": "raw_text", "text": "x"}] * 20],
        "column_settings": [{"align": "right"}],
    },
    {"type": "alert", "text": mrkdwn("x"), "level": "warning"},
    {"type": "task_card", "task_id": "1", "title": "x", "status": "complete"},
    {"type": "container", "title": plain("x"), "child_blocks": [section(), actions(button("inner"))]},
    {"type": "card", "title": plain("x"), "actions": [button("c")]},
]


def test_good_blocks():
    """Everything within the limits is accepted, and the SDK's own models parse and pass it too."""
    assert check_message(GOOD_BLOCKS) == []
    for block in Block.parse_all(GOOD_BLOCKS):
        block.validate_json()


BAD_VIEWS = {
    "no title": {"type": "modal", "blocks": []},
    "title 25": modal(title=plain("x" * 25)),
    "input without submit": {"type": "modal", "title": plain("x"), "blocks": [text_input()]},
    "submit 25": modal(submit=plain("x" * 25)),
    "private_metadata 3001": modal(private_metadata="x" * 3001),
    "callback_id 256": modal(callback_id="x" * 256),
    "101 blocks": modal(*[section()] * 101),
    "home with a title": {"type": "home", "title": plain("x"), "blocks": []},
    "unknown kind": {"type": "sheet", "title": plain("x"), "blocks": []},
    "block_id twice": modal(text_input(), text_input()),
    "not an object": [],
}


@pytest.mark.parametrize("view", BAD_VIEWS.values(), ids=BAD_VIEWS.keys())
def test_bad_view(view):
    """A view that Slack would not open is found wrong."""
    assert check_view(view)
