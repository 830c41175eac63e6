"""In whose name AWS is changed: credentials of one role, assumed with the person as their SourceIdentity.

CloudTrail then names the person beside every change, whatever the role does with its session. Credentials of
any Region's STS are good in every Region, so a Region whose STS is lost or busy stops no change elsewhere.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from botocore.credentials import Credentials

from bot.act import Act
from bot.clock import Clock
from bot.errors import OutsideError, Rejected, Throttled, Unreachable
from bot.patience import within
from bot.records import fit_for_sts

LASTS_SECONDS = 3600
"""What is asked for: the longest that a role gives to a role."""
RENEW_SECONDS = 600.0
"""New credentials are asked for when the old ones last no longer than this."""
SPARE_SECONDS = 60.0
"""Old credentials are used until this long before their end when there are no new ones."""
FIRST_SECONDS = 1.5
"""Wall seconds that one Region's STS may take while there is another one to ask."""
SILENT_SECONDS = 60.0
"""A Region's STS that gave no credentials is asked after the others for so long."""

Ask = Callable[[str, Mapping[str, Any]], Mapping[str, Any]]


@dataclass(frozen=True)
class _Held:
    credentials: Credentials
    until: float


class People:
    """Credentials for each act, kept by person and run, and renewed before they end. Thread-safe.

    `ask(region, params)` is AssumeRole of that Region's STS; it raises OutsideError. The call's own Region is
    asked, and then the other `regions`; those alone for a service that is in no Region of theirs. What a run
    has is used in every Region: a change in a Region that is gone need not wait for its STS, too.
    """

    def __init__(self, ask: Ask, role_arn: str, regions: Iterable[str], clock: Clock) -> None:
        self._ask = ask
        self._role = role_arn
        self._regions = tuple(regions)
        self._clock = clock
        self._held: dict[tuple[str, str], _Held] = {}
        self._silent: dict[str, float] = {}
        self._asking: dict[tuple[str, str], threading.Lock] = {}
        self._failed: dict[tuple[str, str], tuple[float, OutsideError]] = {}
        self._lock = threading.Lock()

    def credentials(self, act: Act, region: str) -> Credentials:
        """What to sign a change in this Region with.

        When no STS gives any and nothing good is kept, raises Rejected where the role may not be assumed, else
        Throttled or Unreachable: in each case nothing was sent, so nothing was changed.
        """
        held = self._kept(act)
        if held is None:
            key, since = (act.person, act.run), self._clock.monotonic()
            with self._lock:
                asking = self._asking.setdefault(key, threading.Lock())
            # One asks, the others of this run wait for what it gets, be it nothing.
            with asking:
                at, found = self._failed.get(key, (since, None))
                if found is not None and at > since and self._kept(act) is None:
                    raise type(found)(found.what, not_done=found.not_done)
                try:
                    held = self._kept(act) or self._new(act, region)
                except OutsideError as error:
                    self._failed[key] = (self._clock.monotonic(), error)
                    raise
                self._failed.pop(key, None)
        return held.credentials

    def forget(self, credentials: Credentials) -> None:
        """AWS does not take these any more."""
        with self._lock:
            self._held = {k: h for k, h in self._held.items() if h.credentials is not credentials}

    def _new(self, act: Act, region: str) -> _Held:
        failed: list[OutsideError] = []
        places = self._places(region)
        for place in places:
            # Asking costs seconds where nobody answers, so with good ones at hand a silent Region is let be.
            if self._is_silent(place) and (kept := self._any(act)) is not None:
                return kept
            began = self._clock.monotonic()
            try:
                ask = partial(self._ask, place, self._asked(act))
                answer = ask() if place == places[-1] else within(FIRST_SECONDS, ask)
            except OutsideError as error:
                # One Region may refuse what another one gives: its STS may be switched off, or lag behind IAM.
                failed.append(error)
                with self._lock:
                    self._silent[place] = self._clock.monotonic() + SILENT_SECONDS
                continue
            held = _Held(_credentials(answer), began + LASTS_SECONDS)
            with self._lock:
                self._silent.pop(place, None)
                self._held = {k: h for k, h in self._held.items() if h.until > began}
                self._held[act.person, act.run] = held
                self._asking = {k: lock for k, lock in self._asking.items() if k in self._held}
            return held
        if (kept := self._any(act)) is not None:
            return kept
        for no in failed:
            if isinstance(no, Rejected) and not isinstance(no, Throttled):
                raise Rejected(no.what, not_done="Nothing was changed.") from no
        what = f"STS gives no credentials in the name of {act.person}: {failed[-1].what}"
        kind = Throttled if all(isinstance(error, Throttled) for error in failed) else Unreachable
        raise kind(what, not_done="No call was made, so nothing was changed by it.") from failed[-1]

    def _places(self, region: str) -> Sequence[str]:
        """Whose STS to ask: the call's own Region first, unless it was silent a moment ago or is none of ours."""
        places = list(dict.fromkeys([region, *self._regions] if region in self._regions else self._regions))
        return sorted(places or [region], key=self._is_silent)

    def _is_silent(self, region: str) -> bool:
        return self._silent.get(region, float("-inf")) > self._clock.monotonic()

    def _kept(self, act: Act) -> _Held | None:
        held = self._held.get((act.person, act.run))
        return held if held is not None and held.until - self._clock.monotonic() > RENEW_SECONDS else None

    def _any(self, act: Act) -> _Held | None:
        """Whatever of this person's is good still, of this run if possible: it names the same person."""
        now = self._clock.monotonic()
        with self._lock:
            good = [
                (run == act.run, held.until, held)
                for (person, run), held in self._held.items()
                if person == act.person and held.until - now > SPARE_SECONDS
            ]
        return max(good, key=lambda one: one[:2])[2] if good else None

    def _asked(self, act: Act) -> dict[str, Any]:
        return {
            "RoleArn": self._role,
            "RoleSessionName": fit_for_sts(f"signalbox-{act.run}"),
            "SourceIdentity": fit_for_sts(act.person),
            "DurationSeconds": LASTS_SECONDS,
        }


def _credentials(answer: Mapping[str, Any]) -> Credentials:
    given = answer["Credentials"]
    return Credentials(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
