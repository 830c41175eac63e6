"""The steps that failover and switchover are made of, from the estate, the survey and the peaks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from bot.actions.kinds import KINDS
from bot.errors import Refused
from bot.estate import Estate
from bot.facts.survey import Survey
from bot.plan import Ask, Call, OnFail, Step
from runbooks.preflight import Preflight, by_place
from runbooks.request import Request
from runbooks.written import apart, moved

HEALTH_SECONDS = 30
"""Until health checks have noticed a STOP object, or that it is gone: an interval of 10 s, a threshold of 3."""

LIMIT_PERCENT = 1
"""What the old side may still receive when its customers count as gone."""

SECONDS = {
    "sync.hold@1": 2,
    "sync.release@1": 2,
    "people.signoff@1": 60,
    "fence.workloads@1": 30,
    "fence.network@1": 5,
    "fence.open@1": 5,
    "fence.confirm@1": 20,
    "fence.guard@1": 5,
    "fence.sure@1": 5,
    "fence.standing@1": 5,
    "fence.lift@1": 30,
    "capacity.nodes@1": 120,
    "capacity.replicas@1": 90,
    "capacity.restore@1": 10,
    "capacity.standby@1": 60,
    "database.failover@1": 60,
    "database.switchover@1": 60,
    "database.detach@1": 60,
    "database.connected@1": 5,
    "workload.restart@1": 60,
    "workload.activate@1": 30,
    "probe.write@1": 15,
    "probe.heartbeat@1": 15,
    "traffic.stop@1": 3,
    "traffic.unstop@1": 3,
    "traffic.control@1": 3,
    "traffic.weights@1": 30,
    "traffic.answers@1": 60,
    "traffic.drained@1": 90,
    "check.smoke@1": 5,
    "check.payments@1": 5,
    "check.lost@1": 2,
}
"""How long each verb takes where no run has measured it yet."""


__all__ = ["HEALTH_SECONDS", "LIMIT_PERCENT", "SECONDS", "Steps", "by_place", "ids"]


@dataclass(frozen=True)
class Steps:
    """Makes steps for one move. Arguments hold nothing that drifts: the same world gives the same digest."""

    estate: Estate
    survey: Survey
    request: Request
    peaks: Mapping[str, int]
    durations: Mapping[str, float]

    @classmethod
    def of(
        cls,
        estate: Estate,
        survey: Survey,
        request: Request,
        peaks: Mapping[str, int],
        durations: Mapping[str, float],
    ) -> Self:
        """The maker for this request. Raises Refused for a Region that the estate does not have."""
        if request.to not in estate.regions:
            raise Refused(f"{request.to} is not a Region of this estate.")
        return cls(estate, survey, request, peaks, durations)

    @property
    def to(self) -> str:
        """The Region that takes over."""
        return self.request.to

    @property
    def old(self) -> str:
        """The Region that is left."""
        return self.estate.other(self.request.to)

    @property
    def names(self) -> list[str]:
        """The public names."""
        return [record.name for record in self.estate.dns.records]

    @property
    def there(self) -> tuple[str, ...]:
        """Databases that are already written in the target, and seen not to be written elsewhere."""
        return moved(self.estate, self.survey, self.to)

    @property
    def apart(self) -> tuple[str, ...]:
        """Databases that both Regions may write, each its own: the guard decides for them too."""
        return apart(self.estate, self.survey, self.to)

    @property
    def moving(self) -> list[str]:
        """Databases that are not yet written in the target, or perhaps not there alone."""
        there = self.there
        return [name for name in self.estate.databases if name not in there]

    def facts(self, found: Preflight) -> dict[str, Any]:
        """What was seen and judged, shown beside the plan."""
        return {
            "order": found.order,
            "order_why": found.order_why,
            "losses": list(found.losses),
            "warnings": list(found.warnings),
            "blockers": list(found.blockers),
            "at_ms": self.survey.at_ms,
            "share_permille": {name: seen.permille for name, seen in self.survey.regions.items()},
            "lag_ms": {name: seen.lag_ms.get(self.to) for name, seen in self.survey.databases.items()},
            "payments_lost_before": self.survey.payments_lost,
            "unknown": self.survey.unknown,
        }

    def step(
        self,
        step_id: str,
        do: str,
        args: dict[str, Any],
        phase: str,
        needs: Iterable[str] = (),
        *,
        blocks: Iterable[str] = (),
        undo: Call | None = None,
        on_fail: OnFail = "hold",
        commits: bool = False,
        skippable: bool = True,
        expect: float | None = None,
        ask: Ask | None = None,
        standing: bool = False,
        instead: Call | None = None,
    ) -> Step:
        """One step, told in the verb's own words and with the time it usually takes, or `expect` seconds."""
        usual = self.durations.get(step_id, self.durations.get(do, SECONDS.get(do, 10)))
        return Step(
            id=step_id,
            do=do,
            args=args,
            title=KINDS[do].describe(args),
            phase=phase,
            undo=undo,
            needs=tuple(needs),
            blocks=tuple(blocks),
            on_fail=on_fail,
            commits=commits,
            skippable=skippable,
            ask=ask,
            standing=standing,
            instead=instead,
            expect_seconds=round(usual if expect is None else expect),
        )

    def addresses(self) -> list[str]:
        """What name servers answer when the target serves."""
        return [self.estate.regions[self.to].ingress.address]

    def records(self) -> list[str]:
        """The blocks of the public names."""
        return [f"traffic/{name}" for name in self.names]

    def secret(self, name: str) -> dict[str, str]:
        """A database's name and where its probes find its URL."""
        secret = self.estate.databases[name].secret
        return {"database": name, "namespace": secret.namespace, "secret": secret.name, "key": secret.key}


def ids(steps: Iterable[Step]) -> list[str]:
    """The steps' ids."""
    return [step.id for step in steps]
