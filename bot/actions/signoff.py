"""What only people can say: that what was lost before is dealt with, or known and accepted."""

from __future__ import annotations

from bot.action import Action, Args, Seen
from bot.ports import Ports
from bot.verdict import Verdict, unknown


def _observe(ports: Ports, args: Args) -> Seen:
    return {}


def _judge(args: Args, seen: Seen) -> Verdict:
    return unknown(f"Not reconciled yet: {' · '.join(args['losses'])}. Is this dealt with, or accepted?")


def _describe(args: Args) -> str:
    return f"Sign off what was lost when {args['region']} was left"


SIGNOFF = Action(kind="people.signoff@1", observe=_observe, judge=_judge, describe=_describe)
