"""What Slack accepts: its published types for the shapes, its documented limits for lengths and counts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft7Validator

SCHEMA = Path(__file__).parent / "data" / "slack-blocks.schema.json"
TYPES = {
    "section": "SectionBlock",
    "header": "HeaderBlock",
    "divider": "DividerBlock",
    "context": "ContextBlock",
    "actions": "ActionsBlock",
    "image": "ImageBlock",
    "input": "InputBlock",
}
MENTION_OF_ALL = ("<!channel", "<!here", "<!everyone", "<!subteam")


@cache
def _validator(name: str) -> Draft7Validator:
    schema = json.loads(SCHEMA.read_text())
    return Draft7Validator({"$ref": f"#/definitions/{name}", "definitions": schema["definitions"]})


def wrong_with_message(body: dict[str, Any]) -> list[str]:
    """Everything that Slack would refuse or that we promised never to send; empty when all is well."""
    found = list(_blocks(body["blocks"], 50))
    if not body["text"].strip():
        found.append("no text for notifications")
    if len(body["text"]) > 4000:
        found.append(f"text has {len(body['text'])} characters, chat.update takes 4000")
    if sum(len(t) for t in _texts(body["blocks"])) > 13_000:
        found.append("more text in all blocks than Slack takes")
    return found + _pings(body)


def wrong_with_view(view: dict[str, Any]) -> list[str]:
    """The same for a modal or Home tab."""
    name = {"modal": "ModalView", "home": "HomeView"}[view["type"]]
    shape = {**view, "blocks": []}
    found = [f"{e.json_path}: {e.message}" for e in _validator(name).iter_errors(shape)]
    found += _blocks(view["blocks"], 100)
    if not view["blocks"]:
        found.append("no blocks")
    if len(json.dumps(view)) > 250_000:
        found.append("view_too_large")
    for key in ("title", "close", "submit"):
        if key in view and not 0 < len(view[key]["text"]) <= 24:
            found.append(f"{key} is longer than 24")
    if view["type"] == "modal" and "title" not in view:
        found.append("no title")
    return found + _pings(view)


def _blocks(blocks: list[dict[str, Any]], most: int) -> Iterator[str]:
    if len(blocks) > most:
        yield f"{len(blocks)} blocks, at most {most}"
    ids = [b["block_id"] for b in blocks if "block_id" in b]
    if len(ids) != len(set(ids)):
        yield f"a block_id twice: {ids}"
    for index, block in enumerate(blocks):
        name = TYPES.get(block["type"])
        if name is None:
            yield f"block {index}: {block['type']} is not a classic block"
            continue
        for error in _validator(name).iter_errors(block):
            yield f"block {index}: {error.json_path}: {error.message}"
        for complaint in _limits(block):
            yield f"block {index} ({block['type']}): {complaint}"


def _limits(block: dict[str, Any]) -> Iterator[str]:
    yield from _length("block_id", block.get("block_id", "x"), 255)
    if block["type"] == "section":
        if "text" in block:
            yield from _length("text", block["text"]["text"], 3000)
        fields = block.get("fields", [])
        if ("text" not in block and not fields) or len(fields) > 10:
            yield f"{len(fields)} fields"
        for field in fields:
            yield from _length("field", field["text"], 2000)
    elif block["type"] == "header":
        yield from _length("text", block["text"]["text"], 150)
    elif block["type"] == "context":
        if not 1 <= len(block["elements"]) <= 10:
            yield f"{len(block['elements'])} elements"
        for element in block["elements"]:
            yield from _length("element", element.get("text", element.get("alt_text", "x")), 2000)
    elif block["type"] == "actions":
        yield from _actions(block["elements"])


def _actions(elements: list[dict[str, Any]]) -> Iterator[str]:
    if not 1 <= len(elements) <= 25:
        yield f"{len(elements)} elements"
    ids = [e["action_id"] for e in elements]
    if len(ids) != len(set(ids)):
        yield f"an action_id twice: {ids}"
    for button in elements:
        yield from _length("action_id", button["action_id"], 255)
        yield from _length("button", button["text"]["text"], 75)
        yield from _length("value", button["value"], 2000)
        if button.get("style", "primary") not in {"primary", "danger"}:
            yield f"style {button['style']}"
        if confirm := button.get("confirm"):
            for key, most in (("title", 100), ("text", 300), ("confirm", 30), ("deny", 30)):
                yield from _length(f"confirm {key}", confirm[key]["text"], most)


def _length(what: str, text: str, most: int) -> Iterator[str]:
    if not 0 < len(text) <= most:
        yield f"{what} has {len(text)} characters, 1 to {most} are allowed"


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("text"), str):
            yield value["text"]
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


def _pings(value: Any) -> list[str]:
    return [f"pings everybody: {t[:80]}" for t in _markup(value) if any(m in t for m in MENTION_OF_ALL)]


def _markup(value: Any) -> Iterator[str]:
    """Texts in which Slack reads markup: all but `plain_text`."""
    if isinstance(value, dict):
        if isinstance(value.get("text"), str) and value.get("type") != "plain_text":
            yield value["text"]
        for inner in value.values():
            yield from _markup(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _markup(inner)
