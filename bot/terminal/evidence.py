"""`signalbox evidence`: an evidence pack into a file, with or without Slack."""

from __future__ import annotations

import getpass
import os
import tempfile
from pathlib import Path

from bot.errors import Refused
from bot.evidence.pack import Asked, Packer
from bot.evidence.sample import Sampling
from bot.evidence.window import Days


def write_pack(packer: Packer, days: Days, sampling: Sampling, path: Path, person: str) -> str:
    """Make the pack; the file appears whole or not at all, and never in the place of another one.

    Returns what is in it, in words. Raises SignalboxError.
    """
    if path.exists():
        raise Refused(f"{path} is there already.", not_done="No pack was made.", then="Give another name.")
    asked = Asked(days, sampling, person or f"operating system user {getpass.getuser()}", "terminal")
    try:
        with tempfile.NamedTemporaryFile(dir=path.resolve().parent, prefix=".pack-", delete=False) as out:
            try:
                made = packer.pack(asked, out)
                out.flush()
                os.fsync(out.fileno())
                Path(out.name).replace(path)
            finally:
                Path(out.name).unlink(missing_ok=True)
    except OSError as error:
        raise Refused(f"{path} cannot be written: {error.strerror}.", not_done="There is no pack.") from error
    return made.words
