"""What a command answers to the person alone: words and tables; files are sent by themselves."""

from __future__ import annotations

from bot.reply import Table, Text
from bot.slack import blocks as b
from bot.slack import mrkdwn
from bot.slack.mrkdwn import MESSAGE, clip, escape

WIDEST = 38
"""Characters of a column: three or four columns fit on a telephone laid on its side."""


def words(text: str) -> b.Body:
    """Plain words from us; outside parts must be escaped already."""
    return {"text": clip(text, MESSAGE), "blocks": b.fitted(b.sections(text.split("\n")))}


def text(reply: Text) -> b.Body:
    """A command's words. They are mrkdwn without mentions, so angle brackets are only ever text."""
    return words(mrkdwn.words(reply.text))


def table(reply: Table) -> b.Body:
    """Aligned columns in fixed-width type, in as many blocks as needed."""
    rows = [reply.headings, *reply.rows]
    columns = max((len(r) for r in rows), default=0)
    widths = [min(WIDEST, max((len(r[i]) for r in rows if i < len(r)), default=0)) for i in range(columns)]
    lines = [_row(r, widths) for r in rows]
    blocks: list[b.Block] = [b.section(f"*{escape(reply.title)}*")]
    if not reply.rows:
        blocks.append(b.section("_Nothing to show._"))
    else:
        blocks += [_fixed(block["text"]["text"]) for block in b.sections(lines, limit=2900)]
    if reply.note:
        blocks.append(b.context(escape(reply.note)))
    return {"text": clip(escape(reply.title), MESSAGE), "blocks": b.fitted(blocks)}


def _row(row: tuple[str, ...], widths: list[int]) -> str:
    cells = [_cell(cell, width) for cell, width in zip(row, widths, strict=False)]
    return escape("  ".join(cells).rstrip()) or " "


def _cell(cell: str, width: int) -> str:
    flat = " ".join(cell.replace("`", "'").split())
    return (flat if len(flat) <= width else flat[: width - 1] + "…").ljust(width)


def _fixed(lines: str) -> b.Block:
    return b.section(f"```{lines}```")
