"""A sampled change on paper, for people who do not read JSON. The same change makes the same bytes."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import Flowable, Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

from bot.evidence.window import Window

MOST_CALLS = 60
"""Calls on paper; the rest are in the JSON beside it."""
_LONGEST = 400
_INK, _GREY, _LINE, _SHADE = (colors.HexColor(c) for c in ("#17202e", "#5b6675", "#d5dbe3", "#f2f5f8"))
_WIDTH = A4[0] - 36 * mm - 12


@lru_cache(maxsize=1)
def _printable() -> frozenset[int]:
    """Register the fonts that come with matplotlib; the characters that all of them have."""
    import matplotlib as mpl

    place = Path(mpl.get_data_path()) / "fonts" / "ttf"
    for name, file in (("Text", "DejaVuSans.ttf"), ("Bold", "DejaVuSans-Bold.ttf")):
        pdfmetrics.registerFont(TTFont(name, str(place / file)))
    return frozenset.intersection(
        *(frozenset(pdfmetrics.getFont(one).face.charToGlyph) for one in ("Text", "Bold"))
    )


def plain(text: object) -> str:
    """Words that the fonts can print: other characters are named by their number, markup is only text."""
    every = _printable()
    shown = "".join(
        one if one.isprintable() and ord(one) in every else " " if one.isspace() else f"[U+{ord(one):04X}]"
        for one in str(text)
    )
    return escape(shown if len(shown) <= _LONGEST else shown[: _LONGEST - 1] + "…")


def _style(name: str, size: float, **more: Any) -> ParagraphStyle:
    usual = {
        "fontName": "Text",
        "fontSize": size,
        "leading": size * 1.38,
        "textColor": _INK,
        "splitLongWords": 1,
    }
    return ParagraphStyle(name, **usual | more)


_TITLE = _style("title", 17, fontName="Bold", spaceAfter=2)
_HEAD = _style("head", 11, fontName="Bold", spaceBefore=11, spaceAfter=4)
_BODY, _SMALL = _style("body", 9), _style("small", 7.2)
_NOTE = _style("note", 8, textColor=_GREY)
_CELL_HEAD = _style("cell", 7.2, fontName="Bold", textColor=_GREY)


def of(told: Mapping[str, Any], window: Window) -> bytes:
    """The PDF of one change, from what `story` tells of it."""
    _printable()
    out = io.BytesIO()
    title = f"Change {told['change']}: {told['kind']}"
    SimpleDocTemplate(
        out,
        pagesize=A4,
        leftMargin=18 * mm,
        rightMargin=18 * mm,
        topMargin=16 * mm,
        bottomMargin=18 * mm,
        title=title,
        author="Signalbox",
        invariant=1,
    ).build(
        [*_top(told, title), *_decided(told), *_ran(told), *_called(told), *_proved(told, window)],
        onFirstPage=_foot(told, window),
        onLaterPages=_foot(told, window),
    )
    return out.getvalue()


def _foot(told: Mapping[str, Any], window: Window) -> Any:
    words = f"{window.chain} · change {told['change']} · {window.days.words} UTC"

    def draw(canvas: Any, document: Any) -> None:
        canvas.setFont("Text", 7)
        canvas.setFillColor(_GREY)
        canvas.drawString(18 * mm, 10 * mm, words)
        canvas.drawRightString(A4[0] - 18 * mm, 10 * mm, f"page {document.page}")

    return draw


def _top(told: Mapping[str, Any], title: str) -> list[Flowable]:
    asked, lost = told["requested"], told["recovery"]
    lines = [
        (
            "Asked",
            f"{_when(asked['at'])} UTC by {asked['by']} (role then: {asked['role_then']}), {asked['where']}",
        ),
        ("In words", told["command"]),
        ("Why", told["reason"]),
        ("Result", str(told["result"]).replace("_", " ") + (f": {told['why']}" if told["why"] else "")),
    ]
    if told["break_glass"]:
        glass = told["break_glass"]
        lines.append(
            (
                "Break-glass",
                f"by {glass['by']} at {_when(glass['at'])}, without an approval; review: {glass['review_state']}",
            )
        )
    if lost["counts"]:
        split = ", ".join(f"{name} {seconds} s" for name, seconds in lost["seconds"].items())
        lines.append(
            ("Recovery", f"{lost['total_seconds']} s of {_or(lost['objective_seconds'])} s ({split})")
        )
    if lost["data_lost_ms"]:
        each = ", ".join(f"{name}: {_or(ms)} ms" for name, ms in lost["data_lost_ms"].items())
        lines.append(("Data lost", f"{each}; payments lost: {_or(lost['payments_lost'])}"))
    return [Paragraph(plain(title), _TITLE), Spacer(1, 4), _pairs(lines)]


def _decided(told: Mapping[str, Any]) -> list[Flowable]:
    duties = told["segregation_of_duties"]
    rows = []
    for question in told["questions"]:
        rows += [
            (question["kind"], question["role_needed"], _or(question["quorum"]), answer["by"], answer["role_then"],
             answer["answer"], _when(answer["at"]), answer["reason"])
            for answer in question["answers"]
        ] or [(question["kind"], question["role_needed"], _or(question["quorum"]), "nobody", "", question["state"],
               question["ended"], question["why"])]  # fmt: skip
    facts = [
        ("Approvals", f"{duties['approvals_given']} given, {_or(duties['approvals_needed'])} needed"),
        ("Requester among the approvers", _yes(duties["requester_is_among_approvers"])),
        ("All approvals before the run", _yes(duties["all_approvals_before_the_run"])),
        ("The approved plan is the one that ran", _yes(duties["approved_plan_is_the_one_that_ran"])),
        ("Plan's digest (SHA-256)", duties["plan_digest_asked_about"] or "none"),
    ]
    heads = ("Question", "Role needed", "Needed", "Who", "Role then", "Answer", "When (UTC)", "Reason")
    return [
        Paragraph("Who decided", _HEAD),
        _table(heads, rows, (13, 14, 9, 18, 13, 13, 17, 20))
        if rows
        else Paragraph("Nobody was asked.", _BODY),
        Spacer(1, 5),
        _pairs(facts),
    ]


def _ran(told: Mapping[str, Any]) -> list[Flowable]:
    steps = told["steps"]
    if not steps:
        return [Paragraph("What ran", _HEAD), Paragraph("Nothing ran.", _BODY)]
    run = told["run"] or {}
    point = run.get("point_of_no_return")
    words = (
        f"Started {_when(run.get('started') or 'before')}, ended {_when(run.get('ended') or 'not yet')}. "
        + (
            f"Point of no return: {_when(point['at'])}, {point['step']}."
            if point
            else "No point of no return was passed."
        )
    )
    rows = [
        (s["step"], s["state"], s["started"][11:19], _or(s["seconds"]), s["attempts"], s["said"])
        for s in steps
    ]
    heads = ("Step", "Ended as", "Began", "Seconds", "Tries", "What was seen")
    return [
        Paragraph("What ran", _HEAD),
        Paragraph(plain(words), _BODY),
        Spacer(1, 4),
        _table(heads, rows, (25, 13, 10, 10, 7, 52)),
    ]


def _called(told: Mapping[str, Any]) -> list[Flowable]:
    calls, counted = told["calls"], told["calls_counted"]
    words = ", ".join(f"{key.replace('_', ' ')} {count}" for key, count in counted.items())
    found: list[Flowable] = [Paragraph("Calls that left", _HEAD), Paragraph(plain(words), _BODY)]
    if not calls:
        return found
    rows = [
        (c["announced"][11:23], c["operation"], c["region"], c["outcome"], c["request_id"] or "none")
        for c in calls[:MOST_CALLS]
    ]
    found += [
        Spacer(1, 4),
        _table(("At", "Call", "Region", "Outcome", "Request id"), rows, (14, 38, 16, 14, 35)),
    ]
    if len(calls) > MOST_CALLS:
        found.append(Paragraph(f"{len(calls) - MOST_CALLS} more are in the JSON beside this.", _NOTE))
    return found


def _proved(told: Mapping[str, Any], window: Window) -> list[Flowable]:
    rows, proof = told["rows"], told["proof"]
    words = (
        f"This change has {len(rows)} rows of the log, {rows[0]['row']} to {rows[-1]['row']}. {proof['file']} shows "
        f"that row {proof['row']}, its last one in this window, is under the checkpoint over {window.size} rows. "
        "Every row is in trail/entries. This page repeats what they say; it is no evidence without them."
    )
    return [Paragraph("Where this is written", _HEAD), Paragraph(plain(words), _BODY)]


def _pairs(lines: Sequence[tuple[str, object]]) -> Table:
    table = Table(
        [[Paragraph(plain(name), _CELL_HEAD), Paragraph(plain(value), _BODY)] for name, value in lines],
        colWidths=[_WIDTH * 0.24, _WIDTH * 0.76],
    )
    table.setStyle(TableStyle([*_PADDING, ("LINEBELOW", (0, 0), (-1, -1), 0.4, _LINE)]))
    return table


_PADDING = [
    ("VALIGN", (0, 0), (-1, -1), "TOP"),
    ("LEFTPADDING", (0, 0), (-1, -1), 3),
    ("RIGHTPADDING", (0, 0), (-1, -1), 3),
    ("TOPPADDING", (0, 0), (-1, -1), 2),
    ("BOTTOMPADDING", (0, 0), (-1, -1), 3),
]


def _table(heads: Sequence[str], rows: Sequence[Sequence[object]], widths: Sequence[float]) -> Table:
    table = Table(
        [[Paragraph(plain(h), _CELL_HEAD) for h in heads]]
        + [[Paragraph(plain(cell), _SMALL) for cell in row] for row in rows],
        colWidths=[_WIDTH * width / sum(widths) for width in widths],
        repeatRows=1,
    )
    lines = [("LINEBELOW", (0, 0), (-1, -1), 0.4, _LINE), ("BACKGROUND", (0, 0), (-1, 0), _SHADE)]
    table.setStyle(TableStyle([*_PADDING, *lines]))
    return table


def _when(told: str) -> str:
    return told[:19].replace("T", " ")


def _or(value: object) -> str:
    return "not known" if value is None else str(value)


def _yes(flag: bool | None) -> str:
    return {True: "yes", False: "no", None: "does not apply"}[flag]
