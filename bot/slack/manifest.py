"""The app's manifest: what a workspace's administrator pastes to install Signalbox."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from bot.command import COMMANDS

SCOPES = (
    "app_mentions:read",
    "channels:history",
    "channels:read",
    "chat:write",
    "commands",
    "files:write",
    "groups:history",
    "groups:read",
    "im:write",
    "users:read",
)
"""The history scopes serve one purpose: to find our own message again when an answer got lost."""


class Spec(Protocol):
    """A command as the registry declares it."""

    @property
    def name(self) -> str: ...
    @property
    def summary(self) -> str: ...
    @property
    def usage(self) -> str: ...


def manifest(commands: Iterable[Spec] | None = None, request_url: str | None = None) -> dict[str, Any]:
    """The manifest for Socket Mode, or for HTTP with `request_url`; by default of every command."""
    http = {"request_url": request_url} if request_url else {}
    slash = [
        {
            "command": spec.name,
            "description": spec.summary[:2000],
            "should_escape": False,
            **({"usage_hint": hint[:1000]} if (hint := _hint(spec)) else {}),
            **({"url": request_url} if request_url else {}),
        }
        for spec in (COMMANDS.values() if commands is None else commands)
    ]
    return {
        "_metadata": {"major_version": 2, "minor_version": 0},
        "display_information": {
            "name": "Signalbox",
            "description": "Moves production between Regions, after approval, with proof",
            "background_color": "#1f3a2d",
        },
        "features": {
            "app_home": {
                "home_tab_enabled": True,
                "messages_tab_enabled": True,
                "messages_tab_read_only_enabled": True,
            },
            "bot_user": {"display_name": "Signalbox", "always_online": True},
            "slash_commands": slash,
        },
        "oauth_config": {"scopes": {"bot": list(SCOPES)}},
        "settings": {
            "event_subscriptions": {"bot_events": ["app_home_opened", "app_mention"], **http},
            "interactivity": {"is_enabled": True, **http},
            "org_deploy_enabled": False,
            "socket_mode_enabled": request_url is None,
            "token_rotation_enabled": False,
        },
    }


def _hint(spec: Spec) -> str:
    return spec.usage.removeprefix(spec.name).strip()
