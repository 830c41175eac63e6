"""Settings from the environment, `SIGNALBOX_*` and Slack's own names."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Everything that is configured outside the estate."""

    model_config = SettingsConfigDict(env_prefix="SIGNALBOX_", frozen=True, extra="ignore")

    estate: Path = Path("estate.yaml")
    database_url: str = "sqlite:///signalbox.db"
    state: Path = Path()
    log_name: str = Field(default="", pattern=r"^[^\s+]{0,100}$")
    archive: str = Field(default="", pattern=r"^(s3://[^/]+(/.*)?)?$")
    archive_region: str = ""
    archive_late_seconds: float = Field(default=300.0, gt=0)
    archive_limit_seconds: float = Field(default=3600.0, gt=0)
    disclosure_days: float = Field(default=90.0, gt=0)
    signing_key: Path | None = None
    kms_key: str = ""
    kms_key_before: str = ""
    signing_key_before: Path | None = None
    lost_key: str = Field(default="", pattern=r"^([0-9a-f]{8})?$")
    clock: Path | None = None
    resolver: str | None = None
    dns_port: int = 53
    health_host: str = "127.0.0.1"
    health_port: int = 8080
    http_host: str = "127.0.0.1"
    http_port: int = 3000
    lease_seconds: float = Field(default=15.0, gt=9.0)
    impersonate: bool = False
    role_arn: str = Field(default="", pattern=r"^(arn:[^\s]+:role/[^\s]+)?$")
    workers: int = 12
    log_level: str = "info"
    kubeconfig: str | None = Field(default=None, validation_alias=AliasChoices("KUBECONFIG"))
    slack_bot_token: SecretStr | None = Field(default=None, validation_alias=AliasChoices("SLACK_BOT_TOKEN"))
    slack_app_token: SecretStr | None = Field(default=None, validation_alias=AliasChoices("SLACK_APP_TOKEN"))
    slack_signing_secret: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("SLACK_SIGNING_SECRET")
    )
    slack_api_url: str = Field(
        default="https://slack.com/api/", validation_alias=AliasChoices("SLACK_API_URL")
    )


TERMINAL = "terminal-"
"""How the name of a replica begins that somebody has on a terminal: it goes when its command ends."""


def replica_name(*, terminal: bool = False) -> str:
    """A name for this process that no other process ever has."""
    kind = TERMINAL if terminal else ""
    return f"{kind}{os.uname().nodename}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
