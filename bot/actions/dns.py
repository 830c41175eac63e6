"""Where customers are sent: STOP objects on the data plane, weights on the control plane, what is seen."""

from __future__ import annotations

from bot.action import Action, Args, Seen
from bot.errors import OutsideError
from bot.patience import within
from bot.ports import Ports
from bot.routers import answers as route
from bot.routers.share import measured
from bot.verdict import Verdict, failed, passed, unknown, waiting

_PATIENCE_SECONDS = 1.5  # wall; the bucket of the other STOP object lies in the Region that is being left


def _stopped(ports: Ports, place: Args) -> bool:
    return ports.dns.stopped(place["bucket_region"], place["bucket"], place["key"])


def _observe_stop(ports: Ports, args: Args) -> Seen:
    if _stopped(ports, args["stop"]):
        return {"stopped": True, "target_stopped": None}
    try:
        other = bool(within(_PATIENCE_SECONDS, lambda: _stopped(ports, args["never"])))
    except OutsideError:
        return {"stopped": False, "target_stopped": None}
    return {"stopped": False, "target_stopped": other}


def _judge_stop(args: Args, seen: Seen) -> Verdict:
    if seen["stopped"]:
        return passed(f"health checks are told that {args['region']} is stopped", stopped=args["region"])
    if seen["target_stopped"]:
        return unknown(f"{args['to']} is stopped too: with both stopped, Route 53 answers both")
    return failed(f"{args['region']} is not stopped")


def _stop(ports: Ports, args: Args) -> None:
    place = args["stop"]
    ports.dns.stop(place["bucket_region"], place["bucket"], place["key"], f"traffic moves to {args['to']}")


def _describe_stop(args: Args) -> str:
    names = ", ".join(args["names"])
    return f"Send customers of {names} away from {args['region']} (STOP object, records untouched)"


def _observe_unstop(ports: Ports, args: Args) -> Seen:
    return {"stopped": _stopped(ports, args["stop"])}


def _judge_unstop(args: Args, seen: Seen) -> Verdict:
    if seen["stopped"]:
        return failed(f"{args['region']} is stopped")
    return passed(f"{args['region']} is not stopped")


def _unstop(ports: Ports, args: Args) -> None:
    place = args["stop"]
    ports.dns.unstop(place["bucket_region"], place["bucket"], place["key"])


def _describe_unstop(args: Args) -> str:
    return f"Let customers into {args['region']} again (remove the STOP object)"


def _observe_weights(ports: Ports, args: Args) -> Seen:
    return {"weights": {r.set_id: r.weight for r in ports.dns.records(args["zone_id"], args["name"])}}


def _judge_weights(args: Args, seen: Seen) -> Verdict:
    found = seen["weights"]
    if found == args["weights"]:
        return passed(f"{args['name']} is weighted {_told(found)}", weights=found)
    if found == args["before"]:
        return failed(f"{args['name']} is weighted {_told(found)}")
    return unknown(f"someone else changed {args['name']}: it is weighted {_told(found)}")


def _told(weights: dict[str, int]) -> str:
    return " · ".join(f"{region} {weight}" for region, weight in sorted(weights.items())) or "nowhere"


def _set_weights(ports: Ports, args: Args) -> None:
    ports.dns.set_weights(args["zone_id"], ports.dns.records(args["zone_id"], args["name"]), args["weights"])


def _describe_weights(args: Args) -> str:
    return f"Weights of {args['name']}: {_told(args['before'])} → {_told(args['weights'])}"


def _observe_answers(ports: Ports, args: Args) -> Seen:
    return {"answers": route.read(ports.dns, args["names"], args["name_servers"])}


def _judge_answers(args: Args, seen: Seen) -> Verdict:
    found = seen["answers"]
    silent = route.silent(found)
    if away := route.elsewhere(found, args["addresses"]):
        return waiting(f"{len(away)} answers do not yet lead to {args['to']} alone ({away[0]})")
    if not route.only(found, args["addresses"]):
        return unknown("no name server answers for every name")
    if silent and args["all"]:
        return unknown(f"no answer from {', '.join(silent)}")
    heard = len(args["name_servers"]) - len(silent)
    return passed(
        f"{heard} of {len(args['name_servers'])} name servers answer {args['to']} alone", silent=silent
    )


def _describe_answers(args: Args) -> str:
    servers = "all authoritative name servers" if args["all"] else "all name servers that can be reached"
    return f"See {servers} send {', '.join(args['names'])} to {args['to']}"


def _observe_drained(ports: Ports, args: Args) -> Seen:
    share = measured(ports.metrics, args["share_query"])
    return {"permille": share.permille.get(args["region"]), "why": share.why}


def _judge_drained(args: Args, seen: Seen) -> Verdict:
    permille = seen["permille"]
    if permille is None:
        return unknown(f"the share of {args['region']} is not measured: {seen['why'] or 'no series'}")
    if permille > 10 * args["limit_percent"]:
        return waiting(f"{args['region']} still receives {permille / 10:g} % of requests", permille=permille)
    return passed(f"{args['region']} receives {permille / 10:g} % of requests", permille=permille)


def _describe_drained(args: Args) -> str:
    return f"See requests to {args['region']} fall to {args['limit_percent']} % or less"


STOP = Action(
    kind="traffic.stop@1",
    observe=_observe_stop,
    judge=_judge_stop,
    describe=_describe_stop,
    apply=_stop,
    timeout=120,
    grace=5,
)
UNSTOP = Action(
    kind="traffic.unstop@1",
    observe=_observe_unstop,
    judge=_judge_unstop,
    describe=_describe_unstop,
    apply=_unstop,
    timeout=120,
    grace=5,
)
WEIGHTS = Action(
    kind="traffic.weights@1",
    observe=_observe_weights,
    judge=_judge_weights,
    describe=_describe_weights,
    apply=_set_weights,
    timeout=180,
    grace=10,
)
ANSWERS = Action(
    kind="traffic.answers@1",
    observe=_observe_answers,
    judge=_judge_answers,
    describe=_describe_answers,
    timeout=300,
)
DRAINED = Action(
    kind="traffic.drained@1",
    observe=_observe_drained,
    judge=_judge_drained,
    describe=_describe_drained,
    timeout=420,
    poll=5,
)
