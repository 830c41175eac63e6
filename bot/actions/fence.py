"""Close the old Region for writes: stop who writes, cut the network off, and see a write refused."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from bot import act
from bot.action import Action, Args, Seen
from bot.actions import inventory, jobs
from bot.errors import OutsideError, Rejected
from bot.patience import together, within
from bot.ports import Ports
from bot.verdict import Kind, Verdict, failed, passed, unknown, waiting

_GONE_AFTER = 4
"""Calls in a row without an answer."""

_PATIENCE_SECONDS = 5.0  # wall; a look at a dark Region must not outlast the step's own time


def running(ports: Ports, args: Args) -> dict[str, list[str]]:
    """Which of the named workloads still run or are still wanted, and which do not exist."""
    found = inventory.find(ports, args["region"], args["workloads"])
    return {
        "wanted": [name for name, w in found.items() if w.wanted > 0],
        "running": [name for name, w in found.items() if w.total > 0],
        "missing": sorted({inventory.key(w) for w in args["workloads"]} - found.keys()),
    }


def _observe_workloads(ports: Ports, args: Args) -> Seen:
    return dict(within(_PATIENCE_SECONDS, lambda: running(ports, args)))


def _judge_workloads(args: Args, seen: Seen) -> Verdict:
    if seen["wanted"]:
        return failed(f"still wanted in {args['region']}: {inventory.listed(seen['wanted'])}{way_on(args)}")
    if seen["running"]:
        return waiting(
            f"still stopping in {args['region']}: {inventory.listed(seen['running'])}{way_on(args)}"
        )
    absent = f"; not deployed there: {inventory.listed(seen['missing'])}" if seen["missing"] else ""
    return passed(
        f"nothing that writes runs in {args['region']}{absent}",
        stopped=len(args["workloads"]) - len(seen["missing"]),
    )


def way_on(args: Args) -> str:
    """What people can do when the Region cannot be fenced, where the plan knows a way."""
    return f"; {args['way_on']}" if args.get("way_on") else ""


def stop_workloads(ports: Ports, args: Args) -> None:
    """Everything that may write, to zero. Raises the last trouble when some were not stopped.

    One that refuses, or a call that is lost, must not leave the others writing; only a Region that answers
    nothing any more is left for the next try, since every call to it costs its whole time.
    """
    trouble: OutsideError | None = None
    unanswered = 0
    for name, workload in inventory.find(ports, args["region"], args["workloads"]).items():
        if workload.wanted == 0:
            continue
        try:
            ports.clusters.scale(args["region"], workload.namespace, workload.name, 0)
            unanswered = 0
        except OutsideError as error:
            trouble = error
            trouble.then = trouble.then or f"{name} may still run."
            unanswered = 0 if isinstance(error, Rejected) else unanswered + 1
            if unanswered == _GONE_AFTER:
                break
    if trouble is not None:
        raise trouble


def _describe_workloads(args: Args) -> str:
    return (
        f"Stop the {inventory.count(len(args['workloads']), 'workload')} that may write in {args['region']}"
    )


def denied(ports: Ports, args: Args) -> bool:
    """Whether the Region's database subnets are cut off."""
    return ports.network.denied(args["region"], args["subnets"])


def _observe_network(ports: Ports, args: Args) -> Seen:
    return {"denied": within(_PATIENCE_SECONDS, lambda: denied(ports, args))}


def _judge_denied(args: Args, seen: Seen) -> Verdict:
    if seen["denied"]:
        return passed(f"the database subnets of {args['region']} are cut off", denied=True)
    return failed(f"the database subnets of {args['region']} are open{way_on(args)}")


def _judge_open(args: Args, seen: Seen) -> Verdict:
    if seen["denied"]:
        return failed(f"the database subnets of {args['region']} are cut off")
    return passed(f"the database subnets of {args['region']} are open", denied=False)


def _deny(ports: Ports, args: Args) -> None:
    ports.network.deny(args["region"], args["subnets"])


def _allow(ports: Ports, args: Args) -> None:
    ports.network.allow(args["region"], args["subnets"])


def _describe_network(args: Args) -> str:
    return f"Cut the database subnets of {args['region']} off by network ACL"


def _describe_open(args: Args) -> str:
    return f"Open the database subnets of {args['region']} again"


def _observe_confirm(ports: Ports, args: Args) -> Seen:
    return {"jobs": refusals(ports, args, [act.current().step], _PATIENCE_SECONDS)}


def refusals(ports: Ports, args: Args, steps: Sequence[str], seconds: float) -> dict[str, dict[str, str]]:
    """How the Jobs of these steps ended, by database; of several tries the last one that shows something counts.

    `steps` in the order of doing. Raises OutsideError when a Job cannot be looked at.
    """
    asked = {d["database"]: partial(_tried, ports, args["region"], d, steps) for d in args["databases"]}
    found = together(asked, seconds)
    for answer in found.values():
        if isinstance(answer, OutsideError):
            raise answer
    return found


def _tried(ports: Ports, region: str, database: Args, steps: Sequence[str]) -> dict[str, str]:
    found = [jobs.look(ports, region, database, step) for step in reversed(steps)]
    told = [job for job in found if job["state"] == "succeeded" or jobs.refused(job)]
    tried = [job for job in found if job["state"] != "absent"]
    return [*told, *tried, *found][0]


def judge_refusals(region: str, found: dict[str, dict[str, str]]) -> Verdict:
    """Pass when every database's write through the old path was seen refused."""
    for name, job in found.items():
        if job["state"] == "succeeded":
            return failed(f"{region} still accepts writes to {name}")
        if job["state"] == "failed" and not jobs.refused(job):
            words = job["message"] or "the Job failed without a word"
            return failed(f"a write to {name} in {region} failed for another reason: {words[:200]}")
    if absent := [name for name, job in found.items() if job["state"] == "absent"]:
        return failed(f"no write has been tried in {region} against {', '.join(absent)}")
    if under_way := [name for name, job in found.items() if job["state"] == "running"]:
        return waiting(f"trying a write in {region} against {', '.join(under_way)}")
    if not found:
        return unknown("no database was named")
    return passed(f"{region} refuses writes", refusals={name: job["message"] for name, job in found.items()})


def _judge_confirm(args: Args, seen: Seen) -> Verdict:
    verdict = judge_refusals(args["region"], seen["jobs"])
    if verdict.kind == Kind.PASS:
        return verdict
    return verdict.model_copy(update={"reasons": (f"{verdict.why}{way_on(args)}",)})


def try_writes(ports: Ports, args: Args) -> None:
    """A write into each database that was not yet seen refused by the current step.

    Raises the last trouble; one database that cannot be tried keeps no other from being tried.
    """
    step, trouble = act.current().step, None
    for database in args["databases"]:
        try:
            if not jobs.refused(jobs.look(ports, args["region"], database, step)):
                jobs.again(ports, args["region"], database, args["image"], [jobs.insert(args["region"])])
        except OutsideError as error:
            trouble = error
    if trouble is not None:
        raise trouble


def _describe_confirm(args: Args) -> str:
    names = ", ".join(d["database"] for d in args["databases"])
    return f"Try a write to {names} from inside {args['region']} and see it refused"


WORKLOADS = Action(
    kind="fence.workloads@1",
    observe=_observe_workloads,
    judge=_judge_workloads,
    describe=_describe_workloads,
    apply=stop_workloads,
    timeout=60,
    tries=12,  # each one stops some more where only some calls are answered; the time bounds it
    grace=5,
)
NETWORK = Action(
    kind="fence.network@1",
    observe=_observe_network,
    judge=_judge_denied,
    describe=_describe_network,
    apply=_deny,
    timeout=60,
    grace=5,
)
OPEN = Action(
    kind="fence.open@1",
    observe=_observe_network,
    judge=_judge_open,
    describe=_describe_open,
    apply=_allow,
    timeout=120,
    grace=5,
)
CONFIRM = Action(
    kind="fence.confirm@1",
    observe=_observe_confirm,
    judge=_judge_confirm,
    describe=_describe_confirm,
    apply=try_writes,
    timeout=90,
    tries=12,
    grace=5,
)
