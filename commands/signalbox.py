"""`/signalbox`: help, and how Signalbox itself is."""

from __future__ import annotations

from typing import Literal

from bot.command import COMMANDS, Here, command
from bot.errors import NotAllowed, Refused
from bot.reply import Reply, Text


@command(
    "/signalbox",
    usage="[help | status | seal]",
    examples=("/signalbox help", "/signalbox status", "/signalbox seal"),
)
def signalbox(verb: Literal["help", "status", "seal"] = "help", *, call: Here) -> Reply:
    """What Signalbox can do, and how it is; `seal` signs the trail now."""
    if verb == "status":
        return Text(call.desk.status())
    if verb == "seal":
        return _seal(call)
    lines = ["*Signalbox moves production between Regions.*"]
    for spec in sorted(COMMANDS.values(), key=lambda s: s.name):
        lines.append(f"`{spec.name} {spec.usage}` {spec.summary}")
        lines += [f"    e.g. `{example}`" for example in spec.examples]
    lines.append(
        'Leads approve on the card. The same commands work on a terminal: `signalbox run "/failover …"`.'
    )
    return Text("\n".join(lines))


def _seal(call: Here) -> Reply:
    """A checkpoint at once, for whoever wants to keep the signed head of this moment."""
    if call.desk.estate.role(call.caller.person) is None:
        raise NotAllowed("The trail is sealed for people with a role in the estate only.")
    if call.desk.packer is None:
        raise Refused(
            "No key to sign with was given to this process.", then="Ask where `signalbox serve` runs."
        )
    point = call.desk.packer.seal()
    if point is None:
        return Text("The newest checkpoint covers everything already: see /signalbox status.")
    return Text(f"Signed: the first {point.size} rows.\n```\n{point.note.decode().strip()}\n```")
