"""How long an unplanned failover takes, against its own plan and against what no bot can make faster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.bench.figures import Detail, Figure, Form, seconds
from tests.bench.night import Night, play
from tests.bench.way import Way, counted, longest

TARGET_RATIO, TARGET_SECONDS = 1.05, 360.0
_EVERY = ("Step", "Began after", "Took", "Physical limit", "Ratio", "")
_HEADINGS = ("Wait", "Took", "Share", "Physical limit", "Ratio")


def measure(folder: Path, form: Form) -> list[Figure]:
    """Play a dark Region and read what the bot wrote down. Targets are judged at speed 1 only."""
    night = play(folder, form.speed)
    judged = form.speed == 1
    way = longest(night.plan, night.took)
    run = night.settled - night.approved
    total, served = night.settled - night.asked, night.served - night.asked
    to_served = longest(night.plan, night.took, _serving(night))
    limit = sum(sum(night.limits.of(night.plan, step).values()) for step in to_served.steps)
    told = f"`/failover {night.plan.request['to']}` with the other Region dark, at speed {form.speed:g}"
    return [
        Figure(
            "Run time of an unplanned failover",
            seconds(run),
            f"≤ {TARGET_RATIO} × its critical path",
            run <= TARGET_RATIO * way.seconds if judged else None,
            f"{seconds(way.seconds)} critical path",
            run / way.seconds,
            how=f"{told}; from the approval until all but standing steps had ended, against the longest way through"
            f" the plan by what its steps took in this run; {night.plan.critical_path_seconds()} s had been expected;"
            f" {_asked(night)}",
            detail=_table(night, "What the whole run waits for", way, night.settled),
        ),
        Figure(
            "Failover of a dark Region, command → customers served",
            seconds(served),
            floor=f"{seconds(limit)} of physical limits",
            ratio=served / limit,
            how="from the command to the first second from which 95 of 100 payments succeed for 30 s; the card is"
            " approved at once. Floor: the physical limits on the way there; a health check's first look may fall"
            " anywhere within its interval, so it can take one interval less than its limit",
            detail=_table(
                night, "What customers wait for", to_served, night.took[to_served.steps[-1].id].ended
            ),
        ),
        Figure(
            "Failover of a dark Region, command → settled",
            seconds(total),
            f"≤ {seconds(TARGET_SECONDS)}",
            total <= TARGET_SECONDS if judged else None,
            how="the same run, until nothing was left to do but what may stand; customers:"
            f" {night.customers['payments_lost']} payments lost,"
            f" {night.customers['acknowledged_by_two_writers']} acknowledged by two writers",
            detail=_every(night, way),
        ),
    ]


def _asked(night: Night) -> str:
    if not night.held:
        return "no step asked people anything"
    return f"answered at once by a person: {', '.join(night.held)}"


def _serving(night: Night) -> list[str]:
    """Steps without which no customer can pay."""
    kinds = ("workload.restart", "traffic.answers", "database.failover")
    return [
        step.id for step in night.plan.steps if step.do.partition("@")[0] in kinds and step.id in night.took
    ]


def _table(night: Night, title: str, way: Way, until: float) -> Detail:
    return Detail(title, _HEADINGS, tuple(_rows(night, way, until)))


def _every(night: Night, way: Way) -> Detail:
    """Every step that ended, on the critical path or beside it, by when it began."""
    on_path = {step.id for step in way.steps}
    alone = {step.id for step in night.plan.steps} - {step.id for step in counted(night.plan)}
    rows = []
    for step_id, took in sorted(night.took.items(), key=lambda item: item[1].started):
        limit = night.limits.of(night.plan, night.plan.step(step_id))
        mark = "critical path" if step_id in on_path else "stands" if step_id in alone else ""
        began = seconds(took.started - night.asked)
        rows.append(
            (f"`{step_id}`", began, seconds(took.seconds), _told(limit), _over(took.seconds, limit), mark)
        )
    return Detail("Every wait against its limit", _EVERY, tuple(rows))


def _told(limit: Mapping[str, float]) -> str:
    return " + ".join(f"{name} {value:g} s" for name, value in limit.items()) or "none: ours"


def _over(took: float, limit: Mapping[str, float]) -> str:
    return f"{took / sum(limit.values()):.2f} ×" if limit else ""


def _rows(night: Night, way: Way, until: float) -> Iterator[tuple[str, ...]]:
    whole = until - night.asked
    between = until - night.approved - way.seconds

    def row(what: str, took: float, limit: Mapping[str, float]) -> tuple[str, ...]:
        return (what, seconds(took), f"{took / whole:.0%}", _told(limit), _over(took, limit))

    yield row("command → approved, clicked at once", night.approved - night.asked, {})
    for step in way.steps:
        took = night.took[step.id].seconds if step.id in night.took else 0.0
        yield row(f"`{step.id}`", took, night.limits.of(night.plan, step))
    yield row(f"between these {len(way.steps)} steps", between, {})
    most = sum(sum(night.limits.of(night.plan, step).values()) for step in way.steps)
    yield ("together", seconds(whole), "100%", seconds(most), f"{whole / most:.2f} ×" if most else "")
