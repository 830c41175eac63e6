"""Letting the log go on at the terminal: both heads are shown in plain words, signed, and handed to the desk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from bot.changes.desk import Desk
from bot.changes.missing import missing
from bot.changes.recover import Asked
from bot.changes.signed import fingerprint
from bot.errors import NotAllowed, OutsideError, Refused
from bot.terminal.keys import Passphrase, signer
from bot.terminal.words import clean

_SHOWN = 16
"""Characters of a root that are shown; the whole of it is signed."""


@dataclass(frozen=True)
class Signing:
    """Who recovers, why, and with what they sign: a key's file, else the agent at this socket."""

    person: str
    reason: str
    key: Path | None
    socket: str
    ask: Passphrase | None = None
    sure: Callable[[], bool] | None = None
    """Asks once more before it is signed; None where nobody can be asked."""


def recover(console: Console, desk: Desk, signing: Signing | None, *, emergency: bool) -> int:
    """Show what parted; with `signing`, sign it. Returns 0 when it counted, or was only shown, else 1.

    Raises SignalboxError before anything is signed.
    """
    asked = desk.recovery.asked(emergency=emergency)
    for line in _lines(desk, asked, emergency=emergency):
        console.print(clean(line))
    if signing is None:
        console.print("Nothing was signed. To sign it:")
        console.print(f'> signalbox recover --as YOU --reason "…"{" --emergency" if emergency else ""}')
        return 0
    if desk.estate.role(signing.person) is None:
        raise NotAllowed(f"{signing.person} is nobody in this estate.", then="Give your id with --as.")
    reason = signing.reason.strip()
    if not reason:
        raise Refused(
            "A recovery needs a reason: everybody reads it later.", then='Give it with --reason "…".'
        )
    pinned = desk.estate.keys.get(signing.person, ())
    sign = signer(pinned, key=signing.key, socket=signing.socket, ask=signing.ask)
    console.print(clean(f"{signing.person} signs this, because: {reason}"))
    if signing.sure is not None and not signing.sure():
        console.print("Nothing was signed and nothing was changed.")
        return 1
    signed = sign(asked.heads.statement(signing.person, reason, emergency=emergency))
    answer = desk.recover(asked.heads, signing.person, reason, signed, emergency=emergency)
    console.print(f"Signed with {fingerprint(signed.key)}.")
    console.print(clean(answer.text))
    return 0 if answer.counted else 1


def _lines(desk: Desk, asked: Asked, *, emergency: bool) -> Iterator[str]:
    heads = asked.heads
    what = {
        "behind": "This database lacks rows of the trail that are locked in the archive.",
        "forked": "This database holds another trail than the one that is locked in the archive.",
    }
    yield f"{what.get(asked.state, asked.state)} {asked.why}".strip()
    yield f"  Archive: {heads.locked_size} rows of {heads.locked_origin}, root {heads.locked_root[:_SHOWN]}…"
    yield f"  Here:    {heads.local_size} rows, root {heads.local_root[:_SHOWN]}…"
    yield f"  {_only_there(desk, asked)}"
    yield (
        f"Who signs this says: the rows here are the ones to go on with. Every one of them is kept, the log goes on "
        f"as {heads.origin} and is sent to the archive anew. Nothing is brought back into this database, and nothing "
        "is taken from the archive: auditors see both, and these signatures."
    )
    yield "If this is the wrong database, or another Signalbox still writes: sign nothing, stop this one, and look."
    if emergency:
        yield (
            "EMERGENCY: one signature does it at once. Everybody is told, and leads must review it. A failover that "
            "is not planned needs no recovery: it is never refused for this."
        )
    else:
        had = f"; {', '.join(asked.signers)} signed already" if asked.signers else ""
        yield f"It takes {asked.quorum} signatures of different people ({' or '.join(asked.roles)}){had}."


def _only_there(desk: Desk, asked: Asked) -> str:
    if desk.vault is None:
        return "Which rows only the archive has cannot be told here: SIGNALBOX_ARCHIVE is not set."
    try:
        with desk.database.read() as session:
            found = missing(session, desk.vault, asked.heads.locked_origin)
    except OutsideError as error:
        return f"Which rows only the archive has cannot be told now: {error}"
    return found.words() if found else "The archive's segments hold no row that is not here, too."
