"""Scenarios: a story told to the sandbox step by step, and whether what was expected came true."""

from bot.sandbox.play.player import Result, play
from bot.sandbox.play.scenario import Scenario, ScenarioError, load

__all__ = ["Result", "Scenario", "ScenarioError", "load", "play"]
