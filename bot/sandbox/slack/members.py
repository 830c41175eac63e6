"""Members and user groups as the Web API tells them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.sandbox.personas import BOT, BOT_USER, TEAM, Persona
from bot.sandbox.slack.message import SLACKBOT

DOMAIN = "fintech"
BOT_NAME = "Signalbox"
USER_GROUPS = {"oncall": "S0000ONCALL", "leads": "S00000LEADS"}


def email(persona: Persona) -> str:
    """The address in a member's profile."""
    return f"{persona.name}@fintech.example"


def user_object(persona: Persona, *, with_email: bool) -> dict[str, Any]:
    """The `user` object of `users.info`."""
    profile = {"display_name": persona.name, "real_name": persona.real_name}
    if with_email:
        profile["email"] = email(persona)
    return {
        "id": persona.id,
        "team_id": persona.team,
        "name": persona.name,
        "real_name": persona.real_name,
        "deleted": False,
        "is_bot": False,
        "is_restricted": persona.guest,
        "is_ultra_restricted": False,
        "is_stranger": persona.team != TEAM,
        "profile": profile,
    }


def bot_object() -> dict[str, Any]:
    """The `user` object of the app's own bot user."""
    return {
        "id": BOT_USER,
        "team_id": TEAM,
        "name": BOT_NAME.lower(),
        "real_name": BOT_NAME,
        "deleted": False,
        "is_bot": True,
        "is_restricted": False,
        "is_ultra_restricted": False,
        "is_stranger": False,
        "profile": {"display_name": BOT_NAME.lower(), "real_name": BOT_NAME, "bot_id": BOT},
    }


def display_name(user: str, personas: Mapping[str, Persona]) -> str:
    """What stands above a message of this user id."""
    if user in {BOT_USER, SLACKBOT}:
        return BOT_NAME if user == BOT_USER else "Slackbot"
    return next((p.real_name for p in personas.values() if p.id == user), user)


def groups(personas: Mapping[str, Persona]) -> dict[str, dict[str, Any]]:
    """User groups by id: people on call and leads, recognised by their persona's name."""
    members = {
        "oncall": [p.id for p in personas.values() if p.name.startswith("oncall")],
        "leads": [p.id for p in personas.values() if p.name.startswith("lead")],
    }
    names = {"oncall": "On-call", "leads": "Leads"}
    return {
        group_id: {
            "id": group_id,
            "team_id": TEAM,
            "name": names[handle],
            "handle": handle,
            "is_usergroup": True,
            "date_delete": 0,
            "user_count": len(members[handle]),
            "users": members[handle],
        }
        for handle, group_id in USER_GROUPS.items()
    }
