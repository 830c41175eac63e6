"""`signalbox` and `python -m bot`."""

from __future__ import annotations

import sys
from functools import partial

from bot.compose import assumed, build, records
from bot.serve import serve
from bot.slack.manifest import manifest
from bot.terminal import cli
from bot.terminal.app import Wiring
from bot.world.signing import KmsKey
from bot.world.vault import open_archive


def main() -> int:
    """The command line; returns the exit code."""
    wiring = Wiring(partial(build, terminal=True), serve, manifest, open_archive, records, assumed, KmsKey)
    return cli.main(wiring, sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
