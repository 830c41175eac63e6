"""Signalbox in Slack: commands, cards, boards, reports. `SlackFace` is all that the rest needs to know."""

from bot.slack.face import SlackFace

__all__ = ["SlackFace"]
