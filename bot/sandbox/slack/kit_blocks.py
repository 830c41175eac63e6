"""Block Kit's blocks, classic and new, with the limits of Slack's reference."""

from __future__ import annotations

from bot.sandbox.slack.kit import (
    ID_LENGTH,
    URL_LENGTH,
    Check,
    at_least_one,
    both,
    by_type,
    exactly_one,
    flag,
    items,
    later,
    number,
    one_of,
    shape,
    string,
)
from bot.sandbox.slack.kit_elements import (
    BUTTON,
    IMAGE_ELEMENT,
    IN_ACTIONS,
    IN_CONTEXT_ACTIONS,
    IN_INPUT,
    IN_SECTION,
    SLACK_FILE,
    URL,
    plain,
    text,
)

_TYPE = string(50)
_RICH_STYLE = shape({}, dict.fromkeys(("bold", "italic", "strike", "code", "underline", "highlight"), flag()))
_SPAN = by_type(
    {
        "text": shape({"type": _TYPE, "text": string(40_000)}, {"style": _RICH_STYLE}),
        "link": shape(
            {"type": _TYPE, "url": URL},
            {"text": string(3000, least=0), "unsafe": flag(), "style": _RICH_STYLE},
        ),
        "user": shape({"type": _TYPE, "user_id": string(ID_LENGTH)}, {"style": _RICH_STYLE}),
        "usergroup": shape({"type": _TYPE, "usergroup_id": string(ID_LENGTH)}, {"style": _RICH_STYLE}),
        "channel": shape({"type": _TYPE, "channel_id": string(ID_LENGTH)}, {"style": _RICH_STYLE}),
        "team": shape({"type": _TYPE, "team_id": string(ID_LENGTH)}, {"style": _RICH_STYLE}),
        "emoji": shape(
            {"type": _TYPE, "name": string(ID_LENGTH)}, {"unicode": string(100), "skin_tone": number(1, 6)}
        ),
        "broadcast": shape({"type": _TYPE, "range": one_of("here", "channel", "everyone")}),
        "color": shape({"type": _TYPE, "value": string(20)}),
        "date": shape(
            {"type": _TYPE, "timestamp": number(0, 1e12), "format": string(200)},
            {"url": URL, "fallback": string(200), "style": _RICH_STYLE},
        ),
    },
    "rich text",
)
_SPANS = items(_SPAN, 0, 1000)
_RICH_SECTION = shape({"type": _TYPE, "elements": _SPANS})
_RICH = by_type(
    {
        "rich_text_section": _RICH_SECTION,
        "rich_text_list": shape(
            {
                "type": _TYPE,
                "style": one_of("bullet", "ordered"),
                "elements": items(by_type({"rich_text_section": _RICH_SECTION}, "list item"), 0, 1000),
            },
            {"indent": number(0, 8), "offset": number(0, 10_000), "border": number(0, 1)},
        ),
        "rich_text_preformatted": shape(
            {"type": _TYPE, "elements": _SPANS}, {"border": number(0, 1), "language": string(50)}
        ),
        "rich_text_quote": shape({"type": _TYPE, "elements": _SPANS}, {"border": number(0, 1)}),
    },
    "element of rich_text",
)


def _block(required: dict[str, Check] | None = None, **optional: Check) -> Check:
    return shape({"type": _TYPE, **(required or {})}, {"block_id": string(ID_LENGTH), **optional})


RICH_TEXT = _block({"elements": items(_RICH, 1, 1000)})
_CELL = by_type(
    {
        "raw_text": shape({"type": _TYPE, "text": string(20_000, least=0)}),
        "raw_number": shape({"type": _TYPE, "value": number(-1e18, 1e18)}, {"text": string(100)}),
        "rich_text": RICH_TEXT,
    },
    "cell",
)
_COLUMN = shape({}, {"align": one_of("left", "center", "right"), "is_wrapped": flag()})
_URL_SOURCE = shape({"type": _TYPE, "url": URL, "text": string(3000)})
TASK_CARD = _block(
    {
        "task_id": string(ID_LENGTH),
        "title": string(3000),
        "status": one_of("pending", "in_progress", "complete", "error"),
    },
    details=RICH_TEXT,
    output=RICH_TEXT,
    sources=items(_URL_SOURCE, 0, 100),
)
CARD = both(
    _block(
        hero_image=IMAGE_ELEMENT,
        icon=IMAGE_ELEMENT,
        title=text(150),
        subtitle=text(150),
        body=text(200),
        actions=items(by_type({"button": BUTTON}, "action of card"), 1, 3, plural="actions"),
    ),
    at_least_one("hero_image", "title", "body", "actions"),
)
_IN_CONTEXT = by_type(
    {
        "image": IMAGE_ELEMENT,
        "plain_text": text(2000),
        "mrkdwn": text(2000),
    },
    "element of context",
)

BLOCKS: dict[str, Check] = {
    "section": both(
        _block(
            text=text(3000),
            fields=items(text(2000), 1, 10, plural="fields"),
            accessory=IN_SECTION,
            expand=flag(),
        ),
        at_least_one("text", "fields"),
    ),
    "header": _block({"text": plain(150)}),
    "divider": _block(),
    "context": _block({"elements": items(_IN_CONTEXT, 1, 10, plural="elements")}),
    "actions": _block({"elements": items(IN_ACTIONS, 1, 25, plural="elements")}),
    "context_actions": _block({"elements": items(IN_CONTEXT_ACTIONS, 1, 5, plural="elements")}),
    "image": both(
        _block({"alt_text": string(2000)}, image_url=URL, slack_file=SLACK_FILE, title=plain(2000)),
        exactly_one("image_url", "slack_file"),
    ),
    "input": _block(
        {"label": plain(2000), "element": IN_INPUT},
        hint=plain(2000),
        dispatch_action=flag(),
        optional=flag(),
    ),
    "markdown": _block({"text": string(12_000)}),
    "rich_text": RICH_TEXT,
    "video": _block(
        {"alt_text": string(2000), "title": plain(200), "thumbnail_url": URL, "video_url": URL},
        title_url=URL,
        description=plain(200),
        provider_icon_url=URL,
        provider_name=string(50),
        author_name=string(50),
    ),
    "table": _block(
        {"rows": items(items(_CELL, 1, 20, plural="cells"), 1, 100, plural="rows")},
        column_settings=items(_COLUMN, 0, 20),
    ),
    "alert": _block({"text": text(200)}, level=one_of("default", "info", "warning", "error", "success")),
    "card": CARD,
    "carousel": _block({"elements": items(by_type({"card": CARD}, "carousel"), 1, 10, plural="cards")}),
    "container": both(
        _block(
            {"child_blocks": items(later(lambda: BLOCKS, "block"), 1, 10, plural="blocks")},
            title=plain(150),
            rich_text_title=RICH_TEXT,
            subtitle=text(150),
            width=one_of("narrow", "standard", "wide", "full"),
            icon=IMAGE_ELEMENT,
            is_collapsible=flag(),
            default_collapsed=flag(),
            has_header_divider=flag(),
        ),
        at_least_one("title", "rich_text_title"),
    ),
    "task_card": TASK_CARD,
    "plan": _block(
        {"title": string(URL_LENGTH)}, tasks=items(by_type({"task_card": TASK_CARD}, "plan"), 0, 50)
    ),
}
ANY_BLOCK = by_type(BLOCKS, "block")
