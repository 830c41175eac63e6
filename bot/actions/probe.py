"""What a service itself would see of its database: a write that is accepted, the newest row that survived."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from bot import act
from bot.action import Action, Args, Seen
from bot.actions import jobs
from bot.clock import iso
from bot.ports import Ports
from bot.routers.last_write import written
from bot.verdict import Verdict, failed, passed, waiting


def _observe(ports: Ports, args: Args) -> Seen:
    return {**jobs.look(ports, args["region"], args, act.current().step)}


def _judge_write(args: Args, seen: Seen) -> Verdict:
    name, region = args["database"], args["region"]
    if seen["state"] == "succeeded":
        return passed(f"{name} accepted a write from {region}", wrote=seen["message"])
    if seen["state"] == "running":
        return waiting(f"writing to {name} from {region}")
    if seen["state"] == "failed":
        return failed(f"{name} refused a write from {region}: {seen['message'] or 'without a word'}")
    return failed(f"no write to {name} has been tried from {region}")


def _write(ports: Ports, args: Args) -> None:
    jobs.again(ports, args["region"], args, args["image"], [jobs.insert(args["region"])])


def _describe_write(args: Args) -> str:
    return f"Write to {args['database']} from {args['region']} with the service's own credentials"


def survived_at_ms(message: str) -> int | None:
    """Epoch milliseconds in psql's answer, None when there is no row or no number."""
    for line in message.splitlines():
        try:
            seconds = Decimal(line.strip())
        except InvalidOperation:
            continue
        if seconds.is_finite():
            return int(seconds * 1000)
    return None


def _observe_heartbeat(ports: Ports, args: Args) -> Seen:
    seen = _observe(ports, args)
    if seen["state"] == "succeeded":
        # When customers last had a write accepted in the Region that was left.
        seen["last_write_ms"] = written(ports.metrics, args["last_write_query"]).at_ms.get(args["from"])
    return seen


def _judge_heartbeat(args: Args, seen: Seen) -> Verdict:
    name = args["database"]
    if seen["state"] == "running":
        return waiting(f"reading the newest heartbeat of {name}")
    if seen["state"] == "failed":
        return failed(f"the heartbeat of {name} could not be read: {seen['message'] or 'without a word'}")
    if seen["state"] == "absent":
        return failed(f"the heartbeat of {name} has not been read")
    at = survived_at_ms(seen["message"])
    if at is None:
        return passed(
            f"no heartbeat of {args['from']} was found in {name}: data loss unknown", survived_at_ms=None
        )
    last = seen["last_write_ms"]
    if last is None:
        newest = f"{name}: the newest heartbeat is from {iso(at // 1000)[11:19]} UTC"
        return passed(f"{newest}; when the last write was accepted is not known", survived_at_ms=at)
    lost = max(0, last - at)
    return passed(
        f"{name} lost at most {lost / 1000:.1f} s of writes",
        survived_at_ms=at,
        last_served_ms=last,
        loss_ms=lost,
    )


def _read_heartbeat(ports: Ports, args: Args) -> None:
    sql = jobs.newest_heartbeat(args["table"], args["from"])
    jobs.again(ports, args["region"], args, args["image"], [sql])


def _describe_heartbeat(args: Args) -> str:
    return f"Read how far {args['database']} got before {args['from']} was left (measures data loss)"


WRITE = Action(
    kind="probe.write@1",
    observe=_observe,
    judge=_judge_write,
    describe=_describe_write,
    apply=_write,
    timeout=240,
    tries=5,
    grace=5,
)
HEARTBEAT = Action(
    kind="probe.heartbeat@1",
    observe=_observe_heartbeat,
    judge=_judge_heartbeat,
    describe=_describe_heartbeat,
    apply=_read_heartbeat,
    timeout=120,
    tries=3,
    grace=5,
)
