"""What the bot is sent: the keys of each payload as Slack fills them."""

from __future__ import annotations

from typing import Any

from bot.sandbox.personas import APP, BOT_USER, TEAM, Persona
from bot.sandbox.slack.elements import Placed, chosen, state_of
from bot.sandbox.slack.members import DOMAIN
from bot.sandbox.slack.message import Message
from bot.sandbox.slack.views import View
from bot.sandbox.slack.workspace import Room, new_id

VERIFICATION = "deprecated in favour of signatures"


def slash_command(
    persona: Persona, room: Room, command: str, text: str, *, response_url: str, trigger_id: str
) -> dict[str, Any]:
    """A slash command; sent as JSON in Socket Mode, as form fields over HTTP."""
    return {
        "token": VERIFICATION,
        "team_id": TEAM,
        "team_domain": DOMAIN,
        "channel_id": room.id,
        "channel_name": "directmessage" if room.direct else room.name,
        "user_id": persona.id,
        "user_name": persona.name,
        "command": command,
        "text": text,
        "api_app_id": APP,
        "is_enterprise_install": "false",
        "response_url": response_url,
        "trigger_id": trigger_id,
    }


def action(placed: Placed, value: Any, ts: str) -> dict[str, Any]:
    """An entry of `actions`; a button's value is the stored one, never the caller's."""
    element = placed.element
    body: dict[str, Any] = {
        "type": element["type"],
        "action_id": placed.action_id,
        "block_id": placed.block_id,
        "action_ts": ts,
    }
    if element["type"] in {"button", "icon_button", "workflow_button"}:
        body |= {key: element[key] for key in ("text", "value", "style", "url") if key in element}
        return body
    return {**body, **chosen(element, value)}


def click_on_message(
    persona: Persona,
    room: Room,
    message: Message,
    actions: list[dict[str, Any]],
    *,
    response_url: str,
    trigger_id: str,
) -> dict[str, Any]:
    """`block_actions` from a message; an ephemeral one is not in the payload."""
    container: dict[str, Any] = {
        "type": "message",
        "message_ts": message.ts,
        "channel_id": room.id,
        "is_ephemeral": message.ephemeral_to is not None,
    }
    if message.thread_ts:
        container["thread_ts"] = message.thread_ts
    payload = {
        **_interaction(persona, "block_actions", trigger_id),
        "container": container,
        "channel": {"id": room.id, "name": "directmessage" if room.direct else room.name},
        "state": {"values": state_of(message.blocks, message.state)},
        "response_url": response_url,
        "actions": actions,
    }
    if message.ephemeral_to is None:
        payload["message"] = message.as_slack()
    return payload


def click_in_view(
    persona: Persona, view: View, actions: list[dict[str, Any]], trigger_id: str
) -> dict[str, Any]:
    """`block_actions` from a modal or Home tab."""
    return {
        **_interaction(persona, "block_actions", trigger_id),
        "container": {"type": "view", "view_id": view.id},
        "view": view.as_slack(),
        "actions": actions,
    }


def submission(persona: Persona, view: View, trigger_id: str) -> dict[str, Any]:
    """`view_submission`."""
    return {
        **_interaction(persona, "view_submission", trigger_id),
        "view": view.as_slack(),
        "response_urls": [],
    }


def closed(persona: Persona, view: View, *, is_cleared: bool) -> dict[str, Any]:
    """`view_closed`, which has no trigger."""
    body = _interaction(persona, "view_closed", "")
    del body["trigger_id"]
    return {**body, "view": view.as_slack(), "is_cleared": is_cleared}


def event(inner: dict[str, Any], at: float, *, external: bool = False) -> dict[str, Any]:
    """An `event_callback` around an event."""
    return {
        "token": VERIFICATION,
        "team_id": TEAM,
        "api_app_id": APP,
        "type": "event_callback",
        "event": inner,
        "event_id": new_id("Ev"),
        "event_time": int(at),
        "authorizations": [
            {
                "enterprise_id": None,
                "team_id": TEAM,
                "user_id": BOT_USER,
                "is_bot": True,
                "is_enterprise_install": False,
            }
        ],
        "is_ext_shared_channel": external,
        "event_context": new_id("EC"),
    }


def _interaction(persona: Persona, kind: str, trigger_id: str) -> dict[str, Any]:
    return {
        "type": kind,
        "team": {"id": TEAM, "domain": DOMAIN},
        "enterprise": None,
        "is_enterprise_install": False,
        "user": {
            "id": persona.id,
            "username": persona.name,
            "name": persona.name,
            "team_id": persona.team,
        },
        "api_app_id": APP,
        "token": VERIFICATION,
        "trigger_id": trigger_id,
    }
