"""`/signalbox`: help, and how Signalbox itself is."""

from __future__ import annotations

from typing import Literal

from bot.command import COMMANDS, Here, command
from bot.reply import Reply, Text


@command("/signalbox", usage="[help | status]", examples=("/signalbox help", "/signalbox status"))
def signalbox(verb: Literal["help", "status"] = "help", *, call: Here) -> Reply:
    """What Signalbox can do, and how it is."""
    if verb == "status":
        return Text(call.desk.status())
    lines = ["*Signalbox moves production between Regions.*"]
    for spec in sorted(COMMANDS.values(), key=lambda s: s.name):
        lines.append(f"`{spec.name} {spec.usage}` {spec.summary}")
        lines += [f"    e.g. `{example}`" for example in spec.examples]
    lines.append(
        'Leads approve on the card. The same commands work on a terminal: `signalbox run "/failover …"`.'
    )
    return Text("\n".join(lines))
