"""What `signalbox doctor` looks at."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bot.errors import SignalboxError
from bot.estate_file import read_estate
from bot.settings import Settings
from bot.terminal.doctor_trail import Check, archive_check, signing_check
from bot.trail.verify import verify_database
from bot.vault import Archive, Signer


def examine(
    settings: Settings, archive: Callable[[str, str], Archive], kms_key: Callable[[str], Signer]
) -> list[Check]:
    """Look at everything that can be looked at without changing anything.

    `archive` opens one by its URL and Region, `kms_key` a key by its ARN.
    """
    found = [
        _estate(settings),
        _keys(settings),
        _database(settings),
        archive_check(settings, archive),
        signing_check(settings, kms_key),
        _slack(settings),
    ]
    if settings.clock is not None:
        found.append(Check("clock", ok=True, says=f"simulated, from {settings.clock}: never in production"))
    return found


def role(settings: Settings, assumed: Callable[[Settings], Mapping[str, str]]) -> list[Check]:
    """Whether the role of changes can be assumed in every Region: the night is the wrong time to find out."""
    if not settings.role_arn:
        return []
    try:
        refused = {region: why for region, why in assumed(settings).items() if why}
    except SignalboxError as error:
        refused = {"": str(error)}
    words = "; ".join(f"{region}: {why}".removeprefix(": ") for region, why in refused.items())
    good = f"{settings.role_arn} can be assumed in a person's name in every Region"
    return [Check("role", ok=not refused, says=words or good)]


def _estate(settings: Settings) -> Check:
    try:
        estate = read_estate(settings.estate)
    except SignalboxError as error:
        return Check("estate", ok=False, says=str(error))
    return Check(
        "estate",
        ok=True,
        says=f"{estate.estate}, {len(estate.services)} services, digest {estate.digest[:12]}",
    )


def _keys(settings: Settings) -> Check:
    """Who can answer when Slack is away; that nobody can is no mistake, and worth knowing."""
    try:
        estate = read_estate(settings.estate)
    except SignalboxError:
        return Check("keys", ok=False, says="not looked at: the estate cannot be read")
    able = [person for person, role in estate.people.items() if role != "auditor" and person in estate.keys]
    if not any(estate.role(person) == "lead" for person in able):
        return Check(
            "keys", ok=True, says="no lead has a key in the estate: without Slack nobody could approve"
        )
    return Check("keys", ok=True, says=f"{len(able)} people can answer at a terminal: {', '.join(able)}")


def _database(settings: Settings) -> Check:
    try:
        report = verify_database(settings.database_url)
    except (SignalboxError, ValueError) as error:
        return Check(
            "database",
            ok=False,
            says=f"{error} (a new database gets its tables when `signalbox serve` starts)",
        )
    return Check("database", ok=report.sound, says=report.words())


def _slack(settings: Settings) -> Check:
    if settings.slack_bot_token is None:
        return Check("slack", ok=False, says="SLACK_BOT_TOKEN is not set")
    if settings.slack_app_token is None and settings.slack_signing_secret is None:
        return Check(
            "slack", ok=False, says="set SLACK_APP_TOKEN (Socket Mode) or SLACK_SIGNING_SECRET (HTTP)"
        )
    mode = "Socket Mode" if settings.slack_app_token else "HTTP"
    return Check("slack", ok=True, says=f"tokens are set, {mode}")
