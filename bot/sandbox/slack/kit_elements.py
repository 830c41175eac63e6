"""Block Kit's text objects and elements, with the limits of Slack's reference."""

from __future__ import annotations

from collections.abc import Mapping

from bot.sandbox.slack.kit import (
    ID_LENGTH,
    URL_LENGTH,
    Check,
    both,
    by_type,
    exactly_one,
    flag,
    items,
    number,
    one_of,
    shape,
    string,
)

ACTION_ID = string(ID_LENGTH)
URL = string(URL_LENGTH)


def plain(limit: int) -> Check:
    """A `plain_text` object."""
    return by_type(
        {"plain_text": shape({"type": string(20), "text": string(limit)}, {"emoji": flag()})}, "plain_text"
    )


def text(limit: int) -> Check:
    """A `plain_text` or `mrkdwn` object."""
    return by_type(
        {
            "plain_text": shape({"type": string(20), "text": string(limit)}, {"emoji": flag()}),
            "mrkdwn": shape({"type": string(20), "text": string(limit)}, {"verbatim": flag()}),
        },
        "plain_text, mrkdwn",
    )


STYLE = one_of("primary", "danger")
CONFIRM = shape(
    {"title": plain(100), "text": text(300), "confirm": plain(30), "deny": plain(30)}, {"style": STYLE}
)
OPTION = shape({"text": plain(75), "value": string(150)}, {"description": plain(75), "url": URL})
MARKED_OPTION = shape({"text": text(75), "value": string(150)}, {"description": text(75)})
OPTION_GROUP = shape({"label": plain(75), "options": items(OPTION, 1, 100, plural="options")})
SLACK_FILE = both(shape({}, {"id": string(ID_LENGTH), "url": URL}), exactly_one("id", "url"))
FILTER = shape(
    {},
    {
        "include": items(one_of("im", "mpim", "private", "public"), 1, 4),
        "exclude_external_shared_channels": flag(),
        "exclude_bot_users": flag(),
    },
)
DISPATCH = shape({}, {"trigger_actions_on": items(one_of("on_enter_pressed", "on_character_entered"), 1, 2)})
IDS = items(string(ID_LENGTH), 0, 100)


def _bare(required: Mapping[str, Check], /, **optional: Check) -> Check:
    return shape({"type": string(50), **required}, {"action_id": ACTION_ID, **optional})


def _element(**optional: Check) -> Check:
    return _bare({}, confirm=CONFIRM, focus_on_load=flag(), placeholder=plain(150), **optional)


_OPTIONS = {"options": items(OPTION, 1, 100, plural="options"), "option_groups": items(OPTION_GROUP, 1, 100)}
_MOST = number(1, 100)
_FEEDBACK = shape({"text": plain(75), "value": string(2000)}, {"accessibility_label": string(75)})
_RESPONSE_URL = flag()

BUTTON = _bare(
    {"text": plain(75)},
    url=URL,
    value=string(2000, least=0),
    style=STYLE,
    confirm=CONFIRM,
    accessibility_label=string(75),
)
SELECTS: dict[str, Check] = {
    "static_select": both(
        _element(**_OPTIONS, initial_option=OPTION), exactly_one("options", "option_groups")
    ),
    "external_select": _element(min_query_length=number(0, 1000), initial_option=OPTION),
    "users_select": _element(initial_user=string(ID_LENGTH)),
    "channels_select": _element(initial_channel=string(ID_LENGTH), response_url_enabled=_RESPONSE_URL),
    "conversations_select": _element(
        initial_conversation=string(ID_LENGTH),
        default_to_current_conversation=flag(),
        response_url_enabled=_RESPONSE_URL,
        filter=FILTER,
    ),
    "multi_static_select": both(
        _element(**_OPTIONS, initial_options=items(OPTION, 1, 100), max_selected_items=_MOST),
        exactly_one("options", "option_groups"),
    ),
    "multi_external_select": _element(
        min_query_length=number(0, 1000), initial_options=items(OPTION, 1, 100), max_selected_items=_MOST
    ),
    "multi_users_select": _element(initial_users=IDS, max_selected_items=_MOST),
    "multi_channels_select": _element(initial_channels=IDS, max_selected_items=_MOST),
    "multi_conversations_select": _element(
        initial_conversations=IDS,
        default_to_current_conversation=flag(),
        max_selected_items=_MOST,
        filter=FILTER,
    ),
}
PICKERS: dict[str, Check] = {
    "datepicker": _element(initial_date=string(10)),
    "timepicker": _element(initial_time=string(5), timezone=string(100)),
    "datetimepicker": _bare(
        {}, initial_date_time=number(1_000_000_000, 9_999_999_999), confirm=CONFIRM, focus_on_load=flag()
    ),
    "checkboxes": _bare(
        {"options": items(MARKED_OPTION, 1, 10, plural="options")},
        initial_options=items(MARKED_OPTION, 1, 10),
        confirm=CONFIRM,
        focus_on_load=flag(),
    ),
    "radio_buttons": _bare(
        {"options": items(MARKED_OPTION, 1, 10, plural="options")},
        initial_option=MARKED_OPTION,
        confirm=CONFIRM,
        focus_on_load=flag(),
    ),
}
_TYPED = {"placeholder": plain(150), "dispatch_action_config": DISPATCH, "focus_on_load": flag()}
INPUTS: dict[str, Check] = {
    "plain_text_input": _bare(
        {},
        initial_value=string(3000, least=0),
        multiline=flag(),
        min_length=number(0, 3000),
        max_length=number(1, 3000),
        **_TYPED,
    ),
    "email_text_input": _bare({}, initial_value=string(3000), **_TYPED),
    "url_text_input": _bare({}, initial_value=string(3000), **_TYPED),
    "number_input": _bare(
        {"is_decimal_allowed": flag()},
        initial_value=string(100),
        min_value=string(100),
        max_value=string(100),
        **_TYPED,
    ),
    "rich_text_input": _bare({}, initial_value=shape({}, {}), **_TYPED),
    "file_input": _bare({}, filetypes=items(string(20), 1, 100), max_files=number(1, 10)),
}
IMAGE_ELEMENT = both(
    shape({"type": string(20), "alt_text": string(2000)}, {"image_url": URL, "slack_file": SLACK_FILE}),
    exactly_one("image_url", "slack_file"),
)
OVERFLOW = _bare({"options": items(OPTION, 1, 5, plural="options")}, confirm=CONFIRM)
ICON_BUTTON = _bare(
    {"icon": one_of("trash"), "text": plain(75)},
    value=string(2000, least=0),
    confirm=CONFIRM,
    accessibility_label=string(75),
    visible_to_user_ids=items(string(ID_LENGTH), 0, 10),
)
FEEDBACK_BUTTONS = _bare({"positive_button": _FEEDBACK, "negative_button": _FEEDBACK})

IN_ACTIONS = by_type({"button": BUTTON, "overflow": OVERFLOW, **SELECTS, **PICKERS}, "element of actions")
IN_SECTION = by_type(
    {"button": BUTTON, "overflow": OVERFLOW, "image": IMAGE_ELEMENT, **SELECTS, **PICKERS}, "accessory"
)
IN_INPUT = by_type({**SELECTS, **PICKERS, **INPUTS}, "element of input")
IN_CONTEXT_ACTIONS = by_type(
    {"feedback_buttons": FEEDBACK_BUTTONS, "icon_button": ICON_BUTTON}, "element of context_actions"
)

INTERACTIVE = {"button", "overflow", "feedback_buttons", "icon_button", *SELECTS, *PICKERS, *INPUTS}
