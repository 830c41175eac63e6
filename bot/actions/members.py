"""A database's cluster in the target, seen back in its global database and caught up."""

from __future__ import annotations

from bot.action import Action, Args, Seen
from bot.clock import span
from bot.errors import OutsideError
from bot.ports import Ports
from bot.verdict import Verdict, passed, unknown, waiting


def _observe(ports: Ports, args: Args) -> Seen:
    # The writer's Region knows its members; the target's own view may be from before it was left.
    database = ports.databases.global_database(args["from"], args["global_cluster"])
    target = database.member(args["to"])
    seen: Seen = {
        "writer": database.writer.region if database.writer else "",
        "moving": database.moving,
        "sync": target.sync if target else "absent",
        "lag_ms": None,
        "why": "",
    }
    if target is None or seen["writer"] == args["to"]:
        return seen
    try:
        lag = ports.databases.lag_seconds(args["to"], args["target_cluster"])
    except OutsideError as error:
        return {**seen, "why": error.what}
    return {**seen, "lag_ms": None if lag is None else round(lag * 1000), "why": "no figure"}


def _judge(args: Args, seen: Seen) -> Verdict:
    name, target = args["database"], args["to"]
    if seen["writer"] == target and not seen["moving"]:
        return passed(f"{name} is written in {target}")
    if seen["writer"] != args["from"]:
        return unknown(f"{name} is written in {seen['writer'] or 'no single Region'}, not in {args['from']}")
    if seen["sync"] == "absent":
        return waiting(f"{name} has no cluster in {target} yet")
    if seen["sync"] not in ("connected", ""):
        return waiting(f"{name} in {target} is {seen['sync']}")
    if seen["lag_ms"] is None:
        return unknown(f"how far {name} in {target} lags is unknown ({seen['why']})")
    told, most = f"{seen['lag_ms'] / 1000:.1f} s", args["most_lag_ms"]
    if seen["lag_ms"] > most:
        return waiting(f"{name} in {target} lags {told}, {span(most / 1000)} are allowed")
    return passed(f"{name} in {target} is connected and lags {told}", lag_ms=seen["lag_ms"])


def _describe(args: Args) -> str:
    most = span(args["most_lag_ms"] / 1000)
    return f"See {args['database']} in {args['to']} connected and less than {most} behind"


CONNECTED = Action(
    kind="database.connected@1", observe=_observe, judge=_judge, describe=_describe, timeout=900, poll=10
)
