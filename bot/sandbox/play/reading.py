"""What a person reads in a Slack message: its text, blocks included, and the buttons on it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any


def text_of(message: Mapping[str, Any]) -> str:
    """Every text of a message, its blocks and attachments included, in one string."""
    return "\n".join(_texts(message))


def _texts(part: Any) -> Iterator[str]:
    if isinstance(part, Mapping):
        for key, value in part.items():
            if key in {"text", "alt_text", "title"} and isinstance(value, str):
                yield value
            else:
                yield from _texts(value)
    elif isinstance(part, list):
        for each in part:
            yield from _texts(each)


def buttons_of(message: Mapping[str, Any]) -> set[str]:
    """The action_ids on a message."""
    return set(_actions(message.get("blocks", [])))


def _actions(part: Any) -> Iterator[str]:
    if isinstance(part, Mapping):
        if isinstance(part.get("action_id"), str):
            yield part["action_id"]
        for value in part.values():
            yield from _actions(value)
    elif isinstance(part, list):
        for each in part:
            yield from _actions(each)


def fits(message: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether a message is what a `wait_for` describes."""
    buttons = buttons_of(message)
    return (
        re.search(str(wanted.get("text", "")), text_of(message)) is not None
        and ("button" not in wanted or wanted["button"] in buttons)
        and ("without" not in wanted or wanted["without"] not in buttons)
        and (("to" in wanted) == bool(message.get("ephemeral_to")))
    )


_DATE = re.compile(r"<!date\^[^|>]*\|([^>]*)>")
_PERSON = re.compile(r"<@([A-Z0-9]+)>")
_BOLD = re.compile(r"(?<![\w*])\*([^*\n]+)\*(?![\w*])")


def plain(text: str) -> str:
    """Slack's markup as people see it on its page: dates as text, people by their id, bold without stars."""
    return _BOLD.sub(r"\1", _PERSON.sub(r"@\1", _DATE.sub(r"\1", text)))


def short(message: Mapping[str, Any], width: int = 160) -> str:
    """A message's beginning on one line."""
    text = " ".join(plain(str(message.get("text") or text_of(message))).split())
    return text if len(text) <= width else f"{text[: width - 1]}…"
