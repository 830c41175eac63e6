"""One writer: nothing is promoted unless the old path is closed, or no customer takes it any more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bot import act
from bot.action import Action, Args, Seen
from bot.actions import fence, inventory
from bot.clock import span
from bot.errors import OutsideError
from bot.patience import together
from bot.ports import Ports
from bot.routers import answers as route
from bot.routers.last_write import written
from bot.routers.share import measured
from bot.verdict import Kind, Verdict, passed, unknown, waiting

# Wall seconds for a look at the old Region. Where it is dark, proof comes from its customers, and soon.
_PATIENCE_SECONDS = {"switchover": 5.0, "fenced": 5.0, "emptied": 1.0}
QUIET_SECONDS = 30
"""For how long no write may have been accepted in the Region that is left."""
_REMEMBERED = 1000

_since: dict[str, tuple[float, float]] = {}
"""When it was last looked at, and the seconds that count."""


def _unbroken_seconds(ports: Ports, args: Args, good: bool) -> int:
    """For how long this process has seen it good without a break; a restart only makes it wait longer.

    After half a TTL without a look it starts again: a clock that jumped, a process that was stopped, or one
    that gave the run away for a while has not looked meanwhile.
    """
    current, now = act.current(), ports.clock.now()
    name = f"{current.key('sent')}@{current.epoch}"
    if not good:
        _since.pop(name, None)
        return 0
    if len(_since) > _REMEMBERED:
        _since.clear()
    last, counted = _since.get(name, (now, 0.0))
    gap = now - last
    counted = counted + gap if 0 <= gap <= args["ttl_seconds"] / 2 else 0.0
    _since[name] = (now, counted)
    return int(counted)


def _observe(ports: Ports, args: Args) -> Seen:
    if args["how"] == "switchover":
        return {"fence": _fence(ports, args), "databases": _connected(ports, args)}
    seen: Seen = {"sent": _sent(ports, args), "fence": {}}
    if _judge_sent(args, seen["sent"]).kind != "pass":
        seen["fence"] = _fence(ports, args)
    return seen


def _sent(ports: Ports, args: Args) -> dict[str, Any]:
    try:
        found = route.read(ports.dns, args["names"], args["name_servers"])
    except OutsideError as error:
        return {
            "answers": {},
            "why": error.what,
            "permille": None,
            "quiet_ms": None,
            "seconds": _unbroken_seconds(ports, args, False),
        }
    share = measured(ports.metrics, args["share_query"])
    writes = written(ports.metrics, args["last_write_query"])
    good = route.only(found, args["addresses"])
    return {
        "answers": found,
        "permille": share.permille.get(args["from"]),
        "quiet_ms": writes.quiet_ms.get(args["from"]),
        "why": share.why,
        "seconds": _unbroken_seconds(ports, args, good),
    }


def _fence(ports: Ports, args: Args) -> dict[str, Any]:
    old: Args = {**args, "region": args["from"]}
    seconds = _PATIENCE_SECONDS[args["how"]]
    asked: dict[str, Callable[[], Any]] = {"workloads": lambda: fence.running(ports, old)}
    if args["how"] != "switchover":
        asked["denied"] = lambda: fence.denied(ports, old)
        asked["jobs"] = lambda: fence.refusals(ports, old, args["confirm_steps"], seconds)
    found = together(asked, seconds)
    for answer in found.values():
        if isinstance(answer, OutsideError):
            return {"why": answer.what}
    return {**found, **found["workloads"]}


def _connected(ports: Ports, args: Args) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for item in args["databases"]:
        database = ports.databases.global_database(args["from"], item["global_cluster"])
        target = database.member(args["to"])
        found[item["database"]] = {
            "writer": database.writer.region if database.writer else "",
            "sync": target.sync if target else "absent",
        }
    return found


def _judge_sent(args: Args, sent: dict[str, Any]) -> Verdict:
    """Whether customers are sent to the target, and the old Region is seen to be left.

    Resolvers keep old answers for a TTL, connections stay longer: so both are waited for.
    """
    target, old, ttl = args["to"], args["from"], args["ttl_seconds"]
    if not sent["answers"]:
        return unknown(f"the name servers could not be asked: {sent['why']}")
    if away := route.elsewhere(sent["answers"], args["addresses"]):
        return waiting(f"customers are not yet sent to {target} alone ({'; '.join(away[:2])})")
    if not route.only(sent["answers"], args["addresses"]):
        return unknown("no name server answers for every name")
    permille, quiet_ms, seconds = sent["permille"], sent["quiet_ms"], sent["seconds"]
    if quiet_ms is not None and quiet_ms < 1000 * QUIET_SECONDS:
        return waiting(f"last payment accepted in {old} {quiet_ms // 1000} s ago")
    # Where no write is measured, one request may be one.
    most = 0 if quiet_ms is None else 10 * args["limit_percent"]
    if permille is not None and permille > most:
        return waiting(f"{old} still receives {_percent(permille)} of requests")
    need = 2 * ttl if permille is None else ttl
    if seconds < need:
        expired = "have expired" if permille is not None else "have expired twice"
        return waiting(
            f"every name leads to {target}; waiting until old answers {expired}: {seconds} of {need} s"
        )
    why = f"every name has led to {target} alone for {seconds} s"
    return passed(f"{why}; {_quiet(old, permille, quiet_ms)}", permille=permille, quiet_ms=quiet_ms)


def _quiet(old: str, permille: int | None, quiet_ms: int | None) -> str:
    """What is known of the Region that was left, in words."""
    share = f"the share of {old} is not measured"
    if permille is not None:
        share = f"{old} receives {_percent(permille)} of requests"
    return share if quiet_ms is None else f"{share}; no payment accepted there for {span(quiet_ms / 1000)}"


def _percent(permille: int) -> str:
    return f"{permille / 10:g} %"


def _judge_fence(args: Args, seen: dict[str, Any]) -> Verdict:
    old = args["from"]
    if "wanted" not in seen:
        return unknown(f"{old} could not be looked at: {seen.get('why', '')}")
    if args["databases"] and not seen["denied"]:
        return waiting(f"the database subnets of {old} are not cut off")
    if left := seen["wanted"] or seen["running"]:
        return waiting(f"still running in {old}: {inventory.listed(left)}")
    if not args["databases"]:
        return passed(f"nothing that writes runs in {old}")
    refusals = fence.judge_refusals(old, seen["jobs"])
    if refusals.kind != "pass":
        return waiting(refusals.why)
    return passed(f"{old} is fenced: a write was seen refused", **refusals.evidence)


def _judge_switchover(args: Args, seen: Seen) -> Verdict:
    old, stopped = args["from"], seen["fence"]
    if "wanted" not in stopped:
        return unknown(f"{old} could not be looked at: {stopped.get('why', '')}")
    if left := stopped["wanted"] or stopped["running"]:
        return waiting(f"still running in {old}: {inventory.listed(left)}")
    for name, database in seen["databases"].items():
        if database["writer"] not in (old, args["to"]):
            return unknown(f"{name} is written in {database['writer'] or 'no single Region'}")
        if database["writer"] == old and database["sync"] not in ("connected", ""):
            return waiting(f"{name} in {args['to']} is {database['sync']}")
    return passed(f"nothing that writes runs in {old}, and both Regions agree on the writers")


def _judge(args: Args, seen: Seen) -> Verdict:
    if args["how"] == "switchover":
        return _judge_switchover(args, seen)
    sent = _judge_sent(args, seen["sent"])
    if sent.kind == "pass":
        return sent
    fenced = _judge_fence(args, seen["fence"])
    if fenced.kind == "pass":
        return fenced
    why = f"{sent.why}; {fenced.why}{fence.way_on(args)}"
    return unknown(why) if "unknown" == sent.kind == fenced.kind else waiting(why)


def _describe(args: Args) -> str:
    if args["how"] == "switchover":
        return f"One writer: nothing that writes runs in {args['from']} when the writers move"
    return f"One writer: {args['from']} is seen to refuse writes, or no customer is sent there any more"


def _observe_sure(ports: Ports, args: Args) -> Seen:
    return {"fence": _fence(ports, args)}


def _judge_sure(args: Args, seen: Seen) -> Verdict:
    fenced = _judge_fence(args, seen["fence"])
    if fenced.kind == Kind.PASS:
        return fenced
    why = (
        f"{args['from']} could not be fenced: jobs that must run once may still run there. "
        f"Start {inventory.listed(args['start'])} in {args['to']} anyway? ({fenced.why})"
    )
    return unknown(why) if fenced.kind == Kind.UNKNOWN else waiting(why)


def _describe_sure(args: Args) -> str:
    return f"See {args['from']} fenced before {inventory.listed(args['start'])} start in {args['to']}"


SURE = Action(
    kind="fence.sure@1", observe=_observe_sure, judge=_judge_sure, describe=_describe_sure, timeout=30, poll=5
)
GUARD = Action(kind="fence.guard@1", observe=_observe, judge=_judge, describe=_describe, timeout=600)
