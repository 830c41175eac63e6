"""What a failover loses: told for each database, and bounded for all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bot.clock import span
from bot.estate import Estate
from bot.facts.survey import Survey
from bot.plan import Plan
from runbooks.order import writing
from runbooks.request import Request
from runbooks.written import apart

BOUND = "data_loss_seconds"
SILENT_MS = 10_000
"""A reading above it, with the old Region silent, tells more of the silence than of the writes."""


def losses(moving: Sequence[str], survey: Survey, estate: Estate, request: Request) -> Iterator[str]:
    """One sentence for each database whose writer moves."""
    if request.planned:
        yield "No data is lost. Writes pause while the writers move."
        return
    old = estate.other(request.to)
    parted = apart(estate, survey, request.to)
    for name in moving:
        if name in parted:
            yield (
                f"{name}: unknown: {old} is not seen to follow {request.to}, and what {old} wrote since it was "
                f"detached is not in {request.to}."
            )
            continue
        lag_ms = survey.databases[name].lag_ms.get(request.to)
        if lag_ms is None:
            yield f"{name}: unknown: at most what was written since the last replicated write."
        elif not survey.regions[old].reachable and lag_ms > SILENT_MS:
            most = span(_seconds(lag_ms))
            yield f"{name}: loses what had not arrived when {old} fell silent, at most {most}."
        else:
            reading = "lag now" if survey.regions[old].reachable else f"the last reading; {old} is silent"
            yield f"{name}: may lose {max(1, lag_ms) / 1000:.1f} s of writes ({reading})."
    left = survey.regions[old]
    if moving and not left.reachable and writing(left):
        yield (
            f"{old} may still take payments: what it acknowledges after the last write that reaches {request.to} "
            "is lost there and must be reconciled by hand."
        )


def bound_seconds(
    moving: Sequence[str], survey: Survey, estate: Estate, request: Request, like: Plan | None
) -> int:
    """The largest loss that is approved, seconds: the objective, or what is to be expected where that is more.

    While the old Region is silent the reading grows by a second a second and nothing more is lost, so the
    bound of `like`, the plan that was approved, stands.
    """
    parted = apart(estate, survey, request.to)
    lags = [survey.databases[name].lag_ms.get(request.to) for name in moving if name not in parted]
    bound = max([estate.objectives.rpo_seconds, *(_seconds(lag) for lag in lags if lag is not None)])
    if like is None or BOUND not in like.bounds or like.estate_digest != estate.digest:
        return bound
    silence = 0
    if not survey.regions[estate.other(request.to)].reachable:
        # A metric's newest datapoint may be a minute old (CloudWatch).
        silence = 60 + max(0, _seconds(survey.at_ms - int(like.facts.get("at_ms", survey.at_ms))))
    return like.bounds[BOUND] if bound <= like.bounds[BOUND] + silence else bound


def _seconds(ms: int) -> int:
    return -(-ms // 1000)
