"""Route 53's health checkers: they look at what the checks name and tell the AWS stand-in what they found."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from bot.sandbox.faults import Faults

BELIEVED_SHARE = 0.18
_BUCKET = re.compile(r"^(?P<bucket>[a-z0-9.-]+?)\.s3[.-](?P<region>[a-z0-9-]+)\.amazonaws\.com\.?$")


class Cloud(Protocol):
    """What the checkers need of the AWS stand-in."""

    def checkers(self) -> Sequence[Mapping[str, Any]]: ...
    def set_health(self, check_id: str, healthy: bool) -> None: ...
    def object_exists(self, bucket: str, key: str) -> bool: ...


class HealthCheckers:
    """Evaluates every check once per its RequestInterval, in simulated seconds.

    A check changes its mind after FailureThreshold equal looks in a row, whichever the direction.
    `set_health` is told the outcome with Inverted applied. Only checks of S3 objects are looked at:
    calculated, alarm and disabled ones are derived by the AWS stand-in itself.
    """

    def __init__(self, cloud: Cloud, faults: Faults) -> None:
        self._cloud = cloud
        self._faults = faults
        self._due: dict[str, float] = {}
        self._streak: dict[str, tuple[bool, int]] = {}
        self._state: dict[str, bool] = {}

    def look(self, now: float) -> None:
        """Make the looks that are due at simulated `now`."""
        checks = {check["id"]: check["config"] for check in self._cloud.checkers()}
        for check_id, config in checks.items():
            if not config.get("Disabled") and now >= self._due.get(check_id, now):
                self._due[check_id] = now + float(config.get("RequestInterval", 30))
                found = self._fetch(check_id, config)
                if found is not None:
                    self._count(check_id, config, found)
        for gone in self._state.keys() - checks.keys():
            self._state.pop(gone), self._streak.pop(gone, None), self._due.pop(gone, None)

    def _fetch(self, check_id: str, config: Mapping[str, Any]) -> bool | None:
        place = _BUCKET.match(config.get("FullyQualifiedDomainName", ""))
        if not place or not str(config.get("Type", "")).startswith("HTTP"):
            return None
        if self._faults.dark(place["region"]):
            return False
        there = self._cloud.object_exists(place["bucket"], str(config.get("ResourcePath", "/")).lstrip("/"))
        return there and self._seen_by_enough(check_id, place["region"])

    def _seen_by_enough(self, check_id: str, region: str) -> bool:
        """Whether Route 53 believes what is there: more than 18 % of its checkers must have seen it.

        Those who do not see the truth get no answer, which is as bad as a wrong one.
        """
        fault = self._faults.find("checkers-disagree", check=check_id, region=region)
        return fault is None or float(fault.params["share"]) > BELIEVED_SHARE

    def _count(self, check_id: str, config: Mapping[str, Any], found: bool) -> None:
        last, streak = self._streak.get(check_id, (found, 0))
        streak = streak + 1 if last == found else 1
        self._streak[check_id] = found, streak
        # A new check has no history to overcome: its first look decides.
        if check_id not in self._state or streak >= int(config.get("FailureThreshold", 3)):
            self._state[check_id] = found
        self._cloud.set_health(check_id, self._state[check_id] != bool(config.get("Inverted")))
