"""Who is in the sandbox's Slack workspace, and where they talk."""

from __future__ import annotations

from dataclasses import dataclass

TEAM = "T0000SIGNAL"
OTHER_TEAM = "T0000OTHERS"
APP = "A0000SIGNAL"
BOT_USER = "U000SIGNALB"
BOT = "B000SIGNALB"


@dataclass(frozen=True)
class Persona:
    """A member of the workspace, as `users.info` tells it."""

    name: str
    id: str
    real_name: str
    team: str = TEAM
    guest: bool = False
    channels: tuple[str, ...] = ("ops", "drills", "random")


@dataclass(frozen=True)
class Channel:
    """A public channel of the workspace."""

    name: str
    id: str


PERSONAS = {
    p.name: p
    for p in (
        Persona("oncall", "U0000ONCALL", "On-call"),
        Persona("oncall2", "U000ONCALL2", "Second on-call"),
        Persona("lead", "U0000LEAD01", "Lead"),
        Persona("lead2", "U0000LEAD02", "Second lead"),
        Persona("lead3", "U0000LEAD03", "Third lead"),
        Persona("dev", "U00000DEV01", "Developer"),
        Persona("guest", "U0000GUEST1", "Guest", guest=True),
        Persona("external", "U000EXTERN1", "External member", team=OTHER_TEAM),
        Persona("auditor", "U0000AUDIT1", "Auditor"),
    )
}
CHANNELS = {
    c.name: c
    for c in (
        Channel("ops", "C0000000OPS"),
        Channel("drills", "C0000DRILLS"),
        Channel("random", "C0000RANDOM"),
    )
}
