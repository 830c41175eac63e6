"""Slack on this machine: Web API, Socket Mode, signed HTTP, and a page to click in."""

from __future__ import annotations

from bot.sandbox.slack.desk import SlashCommand
from bot.sandbox.slack.stand_in import SlackStandIn

__all__ = ["SlackStandIn", "SlashCommand"]
