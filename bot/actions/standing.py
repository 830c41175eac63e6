"""The standing fence: waits for a Region that did not answer, and closes it the moment it does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from bot.action import Action, Args, Seen
from bot.actions import fence, inventory, sync
from bot.errors import OutsideError, Rejected
from bot.patience import together
from bot.ports import Ports
from bot.verdict import Kind, Verdict, failed, passed, unknown, waiting

_PATIENCE_SECONDS = 5.0  # wall; a look at a Region that does not answer must not pin a worker


def _observe(ports: Ports, args: Args) -> Seen:
    region = args["region"]
    asked: dict[str, Callable[[], Any]] = {
        "network": lambda: fence.denied(ports, args),
        "argocd": lambda: sync.quiet(ports.clusters.sync_windows(region)),
        "workloads": lambda: fence.running(ports, args),
        "writes": lambda: fence.refusals(ports, args, args["confirm_steps"], _PATIENCE_SECONDS),
    }
    found = together(asked, _PATIENCE_SECONDS)
    silent = {part: answer.what for part, answer in found.items() if isinstance(answer, OutsideError)}
    return {"silent": silent, **{part: None if part in silent else found[part] for part in asked}}


def _open(args: Args, seen: Seen) -> Iterator[str]:
    """What is seen not closed, in words."""
    region, workloads = args["region"], seen["workloads"]
    if seen["network"] is False:
        yield f"the database subnets of {region} are open"
    if seen["argocd"] is False:
        yield f"Argo CD may start what writes in {region}"
    if workloads is not None and workloads["wanted"]:
        yield f"still wanted in {region}: {inventory.listed(workloads['wanted'])}"
    refusals = fence.judge_refusals(region, seen["writes"] or {})
    if refusals.kind == Kind.FAIL:
        yield refusals.why


def _judge(args: Args, seen: Seen) -> Verdict:
    region, silent = args["region"], seen["silent"]
    if found := list(_open(args, seen)):
        return failed("; ".join(found))
    if len(silent) == 4:
        return unknown(f"waiting for {region} to answer")
    if silent:
        return unknown(f"waiting for {region} to answer whole: {', '.join(sorted(silent))} cannot be seen")
    if running := seen["workloads"]["running"]:
        return waiting(f"still stopping in {region}: {inventory.listed(running)}")
    refusals = fence.judge_refusals(region, seen["writes"])
    if refusals.kind != Kind.PASS:
        return refusals
    return passed(
        f"{region} is fenced: network cut off, nothing writes, a write was refused", **refusals.evidence
    )


def _close(ports: Ports, args: Args) -> None:
    """The network first: one call, and it stops every writer at once, those included that nobody knows of."""
    trouble: OutsideError | None = None
    try:
        _cut(ports, args)
    except OutsideError as error:
        # A half that does not answer must not keep the other half open.
        trouble = error
    for deed in (_hold, fence.stop_workloads, fence.try_writes):
        try:
            deed(ports, args)
        except Rejected as error:
            trouble = trouble or error
    if trouble is not None:
        raise trouble


def _cut(ports: Ports, args: Args) -> None:
    if not fence.denied(ports, args):
        ports.network.deny(args["region"], args["subnets"])


def _hold(ports: Ports, args: Args) -> None:
    apply = sync.HOLD.apply
    assert apply is not None
    apply(ports, {"region": args["region"]})


def _describe(args: Args) -> str:
    return f"Keep watch on {args['region']}, and close it for writes the moment it answers, for as long as it takes"


def _observe_lift(ports: Ports, args: Args) -> Seen:
    found = inventory.find(ports, args["region"], args["workloads"])
    return {
        "denied": fence.denied(ports, args),
        "held": any(sync.ours(w) for w in ports.clusters.sync_windows(args["region"]) or ()),
        "wanted": {name: w.wanted for name, w in found.items()},
    }


def _off(args: Args, wanted: dict[str, int]) -> list[dict[str, Any]]:
    return [i for i in args["workloads"] if wanted.get(inventory.key(i), i["replicas"]) < i["replicas"]]


def _judge_lift(args: Args, seen: Seen) -> Verdict:
    region = args["region"]
    off = [i["name"] for i in _off(args, seen["wanted"])]
    parts = (
        (seen["denied"], "its database subnets are cut off"),
        (seen["held"] and args["release"], "Argo CD is held"),
        (bool(off), f"off: {inventory.listed(off)}"),
    )
    if closed := [words for shut, words in parts if shut]:
        return failed(f"{region} is still closed: {'; '.join(closed)}")
    return passed(f"{region} is open for writes again")


def _lift(ports: Ports, args: Args) -> None:
    if fence.denied(ports, args):
        ports.network.allow(args["region"], args["subnets"])
    found = inventory.find(ports, args["region"], args["workloads"])
    for item in _off(args, {name: w.wanted for name, w in found.items()}):
        ports.clusters.scale(args["region"], item["namespace"], item["name"], item["replicas"])
    release = sync.RELEASE.apply
    if args["release"] and release is not None:
        release(ports, {"region": args["region"]})


def _describe_lift(args: Args) -> str:
    return f"Open {args['region']} for writes again: network, workloads, Argo CD"


STANDING = Action(
    kind="fence.standing@1",
    observe=_observe,
    judge=_judge,
    describe=_describe,
    apply=_close,
    timeout=86_400,
    poll=5,
    grace=5,
)
LIFT = Action(
    kind="fence.lift@1",
    observe=_observe_lift,
    judge=_judge_lift,
    describe=_describe_lift,
    apply=_lift,
    timeout=300,
    grace=5,
)
