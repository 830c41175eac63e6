"""The classic blocks, each within its own limit; newer ones are not in every workspace yet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from bot.changes.views import Option
from bot.slack.mrkdwn import SECTION, clip

Block = dict[str, Any]
Body = dict[str, Any]
"""`{"text", "blocks"}` of a message."""

MESSAGE_BLOCKS = 50
VIEW_BLOCKS = 100
TOTAL = 12_000
"""Characters in all blocks of a message; Slack names no figure for `msg_blocks_too_long`."""

DIVIDER: Block = {"type": "divider"}


def header(text: str) -> Block:
    """Large plain words."""
    return {"type": "header", "text": {"type": "plain_text", "text": clip(text, 150) or "…", "emoji": True}}


def section(text: str) -> Block:
    """A paragraph of mrkdwn, already escaped."""
    return {"type": "section", "text": {"type": "mrkdwn", "text": clip(text, SECTION) or "…"}}


def fields(pairs: Sequence[tuple[str, str]]) -> Block:
    """Up to ten labelled values, two in a row; values already escaped."""
    return {
        "type": "section",
        "fields": [
            {"type": "mrkdwn", "text": clip(f"*{label}*\n{value}", 2000)} for label, value in pairs[:10]
        ],
    }


def context(*texts: str) -> Block:
    """Small print, already escaped."""
    return {
        "type": "context",
        "elements": [{"type": "mrkdwn", "text": clip(t, 2000) or "…"} for t in texts[:10]],
    }


def button(option: Option, value: str) -> Block:
    """A button with the option's action id; asks first where the option says so."""
    made: Block = {
        "type": "button",
        "action_id": option.action,
        "text": {"type": "plain_text", "text": clip(option.label, 75) or option.action, "emoji": True},
        "value": value,
    }
    if option.style in {"primary", "danger"}:
        made["style"] = option.style
    if option.confirm:
        made["confirm"] = {
            "title": {"type": "plain_text", "text": clip(option.label, 100) or "Sure?"},
            "text": {"type": "plain_text", "text": clip(option.confirm, 300)},
            "confirm": {"type": "plain_text", "text": clip(option.label, 30) or "Yes"},
            "deny": {"type": "plain_text", "text": "Go back"},
        }
        if option.style in {"primary", "danger"}:
            made["confirm"]["style"] = option.style
    return made


def actions(options: Iterable[Option], value: str) -> list[Block]:
    """A row of buttons that all carry `value`; no block at all without options."""
    unique = list({o.action: o for o in options}.values())[:25]
    if not unique:
        return []
    # A new decision gets a new block: a click on what a slow client still shows never counts for another one.
    block_id = f"{unique[0].action}:{value}"[:255]
    return [{"type": "actions", "block_id": block_id, "elements": [button(o, value) for o in unique]}]


def sections(lines: Iterable[str], *, limit: int = SECTION) -> list[Block]:
    """Lines packed into as few sections as hold them."""
    packed: list[str] = []
    for line in lines:
        line = clip(line, limit)
        if packed and len(packed[-1]) + 1 + len(line) <= limit:
            packed[-1] += "\n" + line
        else:
            packed.append(line)
    return [section(text) for text in packed]


def fitted(blocks: Sequence[Block], *, most: int = MESSAGE_BLOCKS, total: int = TOTAL) -> list[Block]:
    """The blocks within a message's limits: what stands in the middle goes first, buttons never."""
    kept = list(blocks)
    cut = False
    while len(kept) > most - 1 or sum(map(_length, kept)) > total:
        last = max((i for i, b in enumerate(kept) if i > 0 and b["type"] != "actions"), default=None)
        if last is None:
            break
        del kept[last]
        cut = True
    if cut:
        end = max((i + 1 for i, b in enumerate(kept) if b["type"] != "actions"), default=0)
        kept.insert(
            end, context("There is more than fits here; *Show plan* and `/runs show` have all of it.")
        )
    return kept


def _length(block: Block) -> int:
    texts = [block.get("text"), *block.get("fields", ()), *block.get("elements", ())]
    return sum(len(str(t.get("text", ""))) for t in texts if isinstance(t, dict))
