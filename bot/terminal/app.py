"""The command line's own parts: how commands are wired, and where they are declared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import cyclopts
from cyclopts import Parameter

from bot.records import Records
from bot.settings import Settings
from bot.terminal.live import Replica
from bot.vault import Archive, Signer

USAGE = 3


@dataclass(frozen=True)
class Wiring:
    """How a terminal's replica is built, one that stays is served, an archive is opened; `__main__` knows."""

    build: Callable[[Settings], Replica]
    serve: Callable[[Settings], int]
    manifest: Callable[[], dict[str, Any]]
    archive: Callable[[str, str], Archive]
    """The archive at a URL, `s3://bucket/prefix`, in a Region; raises SignalboxError for what is none."""
    records: Callable[[Settings], Records]
    """The logs that others keep of the same calls."""
    assumed: Callable[[Settings], Mapping[str, str]]
    """By Region, why its STS does not give the role of changes; empty where it does."""
    kms_key: Callable[[str], Signer]
    """The key of an ARN; raises SignalboxError for what is none."""


Wired = Annotated[Wiring, Parameter(parse=False)]
app = cyclopts.App(
    name="signalbox",
    help="Moves production between AWS Regions, with approvals and proof.",
    result_action="return_value",
)
