"""What this process was configured with that must never be told: read once, so that it is found in any text."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml

from bot.scrub import learn
from bot.settings import Settings

_ENVIRONMENT = {
    "AWS_SECRET_ACCESS_KEY": "aws-secret",
    "AWS_SESSION_TOKEN": "aws-session-token",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN": "aws-container-token",
    "PGPASSWORD": "database-password",
}
_CLUSTER = ("token", "password", "client-key-data")


def learn_secrets(settings: Settings, environment: Mapping[str, str]) -> None:
    """Make the settings' secrets known, so that none of them passes into rows, logs or messages."""
    known = {environment[name]: kind for name, kind in _ENVIRONMENT.items() if environment.get(name)}
    for secret, kind in (
        (settings.slack_bot_token, "slack-token"),
        (settings.slack_app_token, "slack-token"),
        (settings.slack_signing_secret, "slack-signing-secret"),
    ):
        if secret is not None:
            known[secret.get_secret_value()] = kind
    if password := _password(settings.database_url):
        known |= {password: "database-password", unquote(password): "database-password"}
    known |= dict.fromkeys(_of_kubeconfig(settings.kubeconfig), "cluster-token")
    learn(known)


def _password(url: str) -> str:
    try:
        return urlsplit(url).password or ""
    except ValueError:
        return ""


def _of_kubeconfig(paths: str | None) -> list[str]:
    """Tokens and keys in these files; one that cannot be read is told of where it is used."""
    found: list[str] = []
    for path in filter(None, (paths or "").split(":")):
        try:
            whole: Any = yaml.safe_load(Path(path).read_text())
            users = [one["user"] for one in whole["users"]]
            found += [str(user[name]) for user in users for name in _CLUSTER if user.get(name)]
        except (OSError, ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError):
            continue
    return found
