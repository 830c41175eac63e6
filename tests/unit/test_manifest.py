"""The app's manifest, within what Slack's manifest schema 2.0.0 allows."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from bot.slack.manifest import SCOPES, manifest

KNOWN_SCOPES = {
    "app_mentions:read", "channels:history", "channels:read", "chat:write", "commands", "files:write",
    "groups:history", "groups:read", "im:write", "users:read",
}  # fmt: skip


@dataclass(frozen=True)
class Declared:
    name: str
    summary: str
    usage: str


COMMANDS = [
    Declared("/failover", "Move production to another Region.", "/failover REGION [--planned] --reason TEXT"),
    Declared("/runs", "What runs.", ""),
]


@pytest.mark.parametrize("url", [None, "https://signalbox.example/slack/events"])
def test_the_manifest_is_within_slacks_limits(url):
    """Names, lengths and counts are what Slack takes, for Socket Mode and for HTTP."""
    made = manifest(COMMANDS, url)
    shown, features = made["display_information"], made["features"]

    assert set(made) == {"_metadata", "display_information", "features", "oauth_config", "settings"}
    assert len(shown["name"]) <= 35
    assert len(shown["description"]) <= 140
    assert len(features["bot_user"]["display_name"]) <= 80
    assert features["app_home"]["home_tab_enabled"]
    for command in features["slash_commands"]:
        assert command["command"].startswith("/")
        assert len(command["command"]) <= 32
        assert 0 < len(command["description"]) <= 2000
        assert 0 < len(command.get("usage_hint", "x")) <= 1000
        assert command.get("url") == url
    assert made["settings"]["socket_mode_enabled"] is (url is None)
    assert made["settings"]["interactivity"] == {"is_enabled": True, **({"request_url": url} if url else {})}
    assert json.loads(json.dumps(made)) == made


def test_it_asks_for_no_scope_that_it_does_not_use():
    """Posting under other names, or where the bot is no member, is not asked for."""
    assert set(SCOPES) == KNOWN_SCOPES
    assert list(SCOPES) == sorted(SCOPES)


def test_hints_do_not_repeat_the_command():
    """Slack writes the command's name before its hint."""
    hints = {c["command"]: c.get("usage_hint") for c in manifest(COMMANDS)["features"]["slash_commands"]}

    assert hints == {"/failover": "REGION [--planned] --reason TEXT", "/runs": None}
