"""Customers sent to the new side, and seen there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from bot.facts.survey import stop_key
from bot.plan import Call, OnFail, Step
from runbooks.steps import LIMIT_PERCENT, Steps


def stop(make: Steps, needs: Iterable[str]) -> Step:
    """Customers sent away from the old Region, on the data plane and where the old Region is not needed for it."""
    do, args = _stop(make, old=make.old, to=make.to)
    undo = _back(make) if make.estate.dns.routing is not None else _start(make, make.old, other=make.to)
    return make.step("traffic/stop", do, args, "traffic", needs, blocks=make.records(), undo=undo)


def start_again(make: Steps, needs: Iterable[str]) -> Step:
    """Customers let into the target that was left before: the last of all that moves them, weights agreed."""
    start = _start(make, make.to, other=make.old)
    do, args = _stop(make, old=make.to, to=make.old)
    return make.step(
        "traffic/unstop",
        start.do,
        start.args,
        "traffic",
        needs,
        blocks=make.records(),
        undo=Call(do=do, args=args),
    )


def never_both(make: Steps, needs: Iterable[str]) -> list[Step]:
    """The target's own STOP object, which an earlier failover may have left, gone as soon as its keeper answers.

    It lies in the Region that is left, where it may not be seen now: with it the day that Region is back would
    have both stopped. Routing controls are never both off.
    """
    if make.estate.dns.routing is not None:
        return []
    start = _start(make, make.to, other=make.old)
    return [
        make.step(
            "traffic/let-in",
            start.do,
            start.args,
            "standing",
            needs,
            blocks=[f"region/{make.old}"],
            on_fail="go_on",
            standing=True,
        )
    ]


def _stop(make: Steps, *, old: str, to: str) -> tuple[str, dict[str, Any]]:
    if make.estate.dns.routing is not None:
        return "traffic.control@1", _controls(make, {old: False, to: True})
    return "traffic.stop@1", {
        "region": old,
        "to": to,
        "names": make.names,
        "stop": _stop_place(make, to, old),
        "never": _stop_place(make, old, to),
    }


def _start(make: Steps, region: str, *, other: str) -> Call:
    if make.estate.dns.routing is not None:
        return Call(do="traffic.control@1", args=_controls(make, {region: True}))
    args = {"region": region, "stop": _stop_place(make, other, region)}
    return Call(do="traffic.unstop@1", args=args)


def _back(make: Steps) -> Call:
    """Both routing controls as they were seen, since one call has switched both; a target not seen is left.

    Never both off: Route 53 then answers as if both were on, and that is what is gone back to.
    """
    seen = {region: make.survey.regions[region].stopped for region in (make.old, make.to)}
    before = {region: not stopped for region, stopped in seen.items() if stopped is not None}
    # Customers are sent away from where they are thought to be.
    before.setdefault(make.old, True)
    if not any(before.values()):
        before = dict.fromkeys(before, True)
    return Call(do="traffic.control@1", args=_controls(make, before))


def _controls(make: Steps, wanted: dict[str, bool]) -> dict[str, Any]:
    routing = make.estate.dns.routing
    assert routing is not None
    return {
        "names": make.names,
        "endpoints": dict(sorted(routing.endpoints.items())),
        "controls": dict(sorted(routing.controls.items())),
        "wanted": dict(sorted(wanted.items())),
    }


def _stop_place(make: Steps, keeper: str, stopped: str) -> dict[str, str]:
    bucket = make.estate.regions[keeper].stop_bucket
    return {"bucket_region": keeper, "bucket": bucket, "key": stop_key(stopped)}


def weights(make: Steps, needs: Sequence[str]) -> list[Step]:
    """Every name's weight, all at once."""
    steps = []
    for record in make.estate.dns.records:
        before = make.survey.weights[record.name] or {}
        total = sum(before.values()) or 100
        after = {region: total if region == make.to else 0 for region in sorted(before)}
        args = {
            "zone_id": make.estate.dns.zone_id,
            "name": record.name,
            "weights": after,
            "before": dict(sorted(before.items())),
        }
        undo = Call(do="traffic.weights@1", args={**args, "weights": args["before"], "before": after})
        steps.append(
            make.step(
                f"traffic/weights/{record.name}",
                "traffic.weights@1",
                args,
                "traffic",
                needs,
                blocks=[f"traffic/{record.name}"],
                undo=undo,
            )
        )
    return steps


def answers(make: Steps, needs: Iterable[str], *, every: bool) -> Step:
    """What the authoritative name servers answer."""
    args = {
        "to": make.to,
        "names": make.names,
        "name_servers": list(make.estate.dns.name_servers),
        "addresses": make.addresses(),
        "all": every,
    }
    return make.step("traffic/answers", "traffic.answers@1", args, "traffic", needs, blocks=make.records())


def drained(make: Steps, needs: Iterable[str], *, on_fail: OnFail) -> Step:
    """What the old side still receives."""
    args = {
        "region": make.old,
        "share_query": make.estate.metrics.share,
        "limit_percent": LIMIT_PERCENT,
    }
    return make.step("traffic/drained", "traffic.drained@1", args, "traffic", needs, on_fail=on_fail)
