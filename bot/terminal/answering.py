"""What people answer with at a terminal: decide, recover."""

from __future__ import annotations

import getpass
import os
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from bot.logs import configure
from bot.settings import Settings
from bot.terminal.app import Wired, app
from bot.terminal.decide import Voter
from bot.terminal.decide import decide as answer
from bot.terminal.words import console


@app.command(usage="Usage: signalbox decide [CHANGE] CHOICE --as PERSON [OPTIONS]")
def decide(
    *words: str,
    person: Annotated[str, Parameter(name="--as", env_var="SIGNALBOX_PERSON")],
    key: Path | None = None,
    reason: str = "",
    yes: Annotated[bool, Parameter(negative="")] = False,
    wiring: Wired,
) -> int:
    """Answer an open question, or end a run, signed with your key. Exit code: 0 when it counted, else 1.

    Answers: approve, deny, cancel, break_glass, retry, skip, instead, acknowledge, close; rollback and abort.

    Args:
        words: the id of a change or of a question, unless only one is open; and the answer.
        person: who you are: your id under `people:` in the estate.
        key: file of your private Ed25519 key; unless told, the SSH agent signs (SSH_AUTH_SOCK).
        reason: why; everyone reads it, and it is kept.
        yes: do not ask once more.
    """
    configure("error")
    tty = sys.stdin.isatty()
    voter = Voter(
        person,
        key,
        os.environ.get("SSH_AUTH_SOCK", ""),
        ask=getpass.getpass if tty else None,
        sure=_sure if tty and not yes else None,
    )
    desk = wiring.build(Settings()).desk
    try:
        return answer(console(), desk, words, voter, reason)
    finally:
        desk.database.close()


@app.command
def recover(
    *,
    person: Annotated[str, Parameter(name="--as", env_var="SIGNALBOX_PERSON")] = "",
    key: Path | None = None,
    reason: str = "",
    emergency: Annotated[bool, Parameter(negative="")] = False,
    yes: Annotated[bool, Parameter(negative="")] = False,
    wiring: Wired,
) -> int:
    """Let the trail go on where database and archive differ, signed by two leads. Without --as and --reason: show it.

    Args:
        person: who you are: your id under `people:` in the estate.
        key: file of your private Ed25519 key; unless told, the SSH agent signs (SSH_AUTH_SOCK).
        reason: what happened to the database; everyone reads it, and it is kept.
        emergency: on call or lead, you do it alone and at once; everybody is told, and it is reviewed.
        yes: do not ask once more.
    """
    from bot.terminal.recover import Signing
    from bot.terminal.recover import recover as sign

    configure("error")
    tty = sys.stdin.isatty()
    signing = Signing(
        person,
        reason,
        key,
        os.environ.get("SSH_AUTH_SOCK", ""),
        ask=getpass.getpass if tty else None,
        sure=_sure if tty and not yes else None,
    )
    desk = wiring.build(Settings()).desk
    try:
        return sign(console(), desk, signing if person and (reason or key) else None, emergency=emergency)
    finally:
        desk.database.close()


def _sure() -> bool:
    return input("  Sign and send it? [y/N] ").strip().lower() in ("y", "yes")
