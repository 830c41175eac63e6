"""Promote an Aurora global database's cluster in another Region."""

from __future__ import annotations

from typing import Any

from bot.action import Action, Args, Seen
from bot.clock import span
from bot.errors import OutsideError
from bot.ports import GlobalDatabase, Ports
from bot.verdict import Kind, Verdict, failed, passed, unknown, waiting

DETACH_LABEL = "Detach and promote alone"
"""The words on the button that `database.detach@1` is chosen with."""


def _view(database: GlobalDatabase, args: Args) -> dict[str, Any]:
    target = database.member(args["to"])
    return {
        "writer": database.writer.region if database.writer else "",
        "target_is_member": target is not None,
        "target_is_writer": bool(target and target.writer and database.writer),
        "moving": database.moving,
        "moving_to": database.moving_to,
        "lossy": database.data_loss_allowed,
    }


def _observe_failover(ports: Ports, args: Args) -> Seen:
    seen = _view(ports.databases.global_database(args["to"], args["global_cluster"]), args)
    seen["target_status"] = ports.databases.cluster(args["to"], args["target_cluster"]).status
    if "max_loss_ms" in args and not seen["target_is_writer"]:
        lag = ports.databases.lag_seconds(args["to"], args["target_cluster"])
        seen["lag_ms"] = None if lag is None else round(lag * 1000)
    return seen


def _observe_switchover(ports: Ports, args: Args) -> Seen:
    seen = _observe_failover(ports, args)
    try:
        old = _view(ports.databases.global_database(args["from"], args["global_cluster"]), args)
    except OutsideError:
        # The target's word is enough to see it done; the writer's Region only knows of a move earlier.
        return seen
    if old["moving"] and not seen["moving"]:
        seen |= {"moving": old["moving"], "moving_to": old["moving_to"]}
    return seen


def _judge_failover(args: Args, seen: Seen) -> Verdict:
    name, target = args["database"], args["to"]
    if not seen["target_is_member"]:
        return _alone(args, seen)
    if seen["moving"] and seen["moving_to"] not in ("", args["target_arn"]):
        where = _region(seen["moving_to"])
        why = f"{name} is being moved to {where} by someone else; waiting until it is at rest"
        return waiting(f"{why}; {_if_it_stays_so(args)}")
    verdict = _judge(args, seen)
    if verdict.kind == Kind.UNKNOWN and not seen["moving"]:
        verdict = failed(verdict.why)  # whoever writes it now, it is promoted from there
    switching = seen["moving"] in ("pending", "switching-over") and not seen["lossy"]
    if switching and seen["moving_to"] == args["target_arn"]:
        # A switchover waits for ever for an old writer that is dead; a failover takes its place.
        verdict = failed(
            f"{name} is {seen['moving']} to {target} by a switchover, which needs {args['from']}"
        )
    elif verdict.kind == Kind.FAIL and (beyond := _beyond(args, seen)):
        return unknown(beyond)
    if verdict.kind == Kind.FAIL or seen["moving"]:
        return verdict.model_copy(update={"reasons": (f"{verdict.why}; {_if_it_stays_so(args)}",)})
    return verdict


def _alone(args: Args, seen: Seen) -> Verdict:
    """Detached it takes writes alone; the write that is tried next proves it."""
    if seen["target_status"] == "available":
        return passed(
            f"{args['database']} was detached from its global database and stands alone in {args['to']}"
        )
    return waiting(f"{args['target_cluster']} is {seen['target_status'] or 'in no known state'}")


def _beyond(args: Args, seen: Seen) -> str:
    """In words, when more would be lost than was approved; empty when not, or when nothing bounds it."""
    if "max_loss_ms" not in args:
        return ""
    name, lag_ms, most = args["database"], seen["lag_ms"], args["max_loss_ms"]
    if lag_ms is None:
        return f"how far {name} lags is unknown, approved were at most {span(most / 1000)}"
    if lag_ms > most:
        return f"{name} lags {span(lag_ms / 1000)}, approved were at most {span(most / 1000)}"
    return ""


def _if_it_stays_so(args: Args) -> str:
    return f"if it stays so, “{DETACH_LABEL}” takes {args['to']} out of the global database"


def _region(arn: str) -> str:
    """The Region in a cluster's ARN, or what is there instead."""
    parts = arn.split(":")
    return parts[3] if len(parts) > 3 else arn


def _judge_detach(args: Args, seen: Seen) -> Verdict:
    name, target = args["database"], args["to"]
    if not seen["target_is_member"]:
        return _alone(args, seen)
    if seen["target_is_writer"] and not seen["moving"]:
        if seen["target_status"] == "available":
            return passed(f"{name} is written in {target}, within its global database", writer=target)
        return waiting(f"{args['target_cluster']} is {seen['target_status'] or 'in no known state'}")
    if beyond := _beyond(args, seen):
        return unknown(beyond)
    moving = f" ({seen['moving']})" if seen["moving"] else ""
    return failed(f"{name} in {target} is still a member of its global database{moving}")


def _judge(args: Args, seen: Seen) -> Verdict:
    name, target = args["database"], args["to"]
    if not seen["target_is_member"]:
        return unknown(f"{name} has no cluster in {target} any more")
    if seen["moving"]:
        if seen["moving_to"] in ("", args["target_arn"]):
            return waiting(f"{name} is {seen['moving']}")
        return unknown(f"someone else is moving {name} to {seen['moving_to']}")
    if seen["target_is_writer"] and seen["target_status"] == "available":
        return passed(f"{name} is written in {target}", writer=target)
    if seen["target_status"] != "available":
        return waiting(f"{args['target_cluster']} is {seen['target_status'] or 'in no known state'}")
    if seen["writer"] not in (args["from"], ""):
        return unknown(f"{name} is written in {seen['writer']}, neither {args['from']} nor {target}")
    return failed(f"{name} is written in {seen['writer'] or 'no Region'}")


def _detach(ports: Ports, args: Args) -> None:
    ports.databases.detach(args["to"], args["global_cluster"], args["target_arn"])


def _describe_detach(args: Args) -> str:
    return (
        f"Detach {args['database']} in {args['to']} and promote it alone: writes that have not arrived are lost, "
        f"Aurora does not fence {args['from']}, and the global database must be rebuilt later"
    )


def _failover(ports: Ports, args: Args) -> None:
    ports.databases.failover(args["to"], args["global_cluster"], args["target_arn"])


def _switchover(ports: Ports, args: Args) -> None:
    ports.databases.switchover(args["from"], args["global_cluster"], args["target_arn"])


def _describe_failover(args: Args) -> str:
    return f"Promote {args['database']} in {args['to']}; writes that have not arrived there are lost"


def _describe_switchover(args: Args) -> str:
    return f"Move the writer of {args['database']} from {args['from']} to {args['to']} without losing a write"


FAILOVER = Action(
    kind="database.failover@1",
    observe=_observe_failover,
    judge=_judge_failover,
    describe=_describe_failover,
    apply=_failover,
    timeout=600,
    tries=2,
    grace=60,
)
SWITCHOVER = Action(
    kind="database.switchover@1",
    observe=_observe_switchover,
    judge=_judge,
    describe=_describe_switchover,
    apply=_switchover,
    timeout=300,
    tries=2,
    grace=60,
)
DETACH = Action(
    kind="database.detach@1",
    observe=_observe_failover,
    judge=_judge_detach,
    describe=_describe_detach,
    apply=_detach,
    timeout=300,
    tries=3,
    grace=30,
)
