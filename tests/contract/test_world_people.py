"""In whose name AWS is changed: what CloudTrail reads of each call, and what a lost STS may and may not stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest
from world_outside import ACT, EAST, WEST, Outside, open_ports, outside

from bot.act import Act, acting
from bot.clock import FileClock, SystemClock
from bot.errors import OutsideError, Rejected, Throttled, Unreachable
from bot.records import fit_for_sts
from bot.world import assumable
from bot.world.people import LASTS_SECONDS, RENEW_SECONDS, SILENT_SECONDS, SPARE_SECONDS, People

ROLE = "arn:aws:iam::123456789012:role/signalbox"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Outside]:
    with outside(tmp_path, role_arn=ROLE) as found:
        # What a machine under load takes to load STS is no silence of STS.
        boto3.client("sts", region_name=WEST).get_caller_identity()
        yield found


def stop(world: Outside, act: Act = ACT, region: str = WEST) -> None:
    bucket = {EAST: "stop-east", WEST: "stop-west"}[region]
    with acting(act):
        world.ports.dns.stop(region, bucket, "STOP-us-east-1", "drill")


def changes(world: Outside) -> list[dict[str, Any]]:
    return [event for event in world.aws.events() if not event["readOnly"]]


def test_cloudtrail_names_the_person_of_every_change(world: Outside) -> None:
    """SourceIdentity is the act's person, the session is the run's; each person has credentials of their own."""
    other = Act(person="U0000LEAD01", run="run-2", step="step-1")
    stop(world)
    stop(world, other, EAST)

    told = [event["userIdentity"] for event in changes(world)]
    assert [who["sessionContext"]["sourceIdentity"] for who in told] == [ACT.person, other.person]
    assert [who["arn"].rpartition("/")[2] for who in told] == ["signalbox-run-1", "signalbox-run-2"]
    assert [call["region"] for call in world.asked("AssumeRole")] == [WEST, EAST]


def test_reads_keep_the_process_s_own_credentials(world: Outside) -> None:
    """Looking needs no STS, before a change or after."""
    stop(world)
    world.ports.databases.global_database(WEST, "payments")
    world.ports.dns.stopped(WEST, "stop-west", "STOP-us-east-1")

    reads = [c for c in world.aws.log() if c["operation"] in ("DescribeGlobalClusters", "ListObjectsV2")]
    assert {call["access_key"] for call in reads} == {"test"}
    assert len(world.asked("AssumeRole")) == 1


def test_credentials_are_asked_for_once_a_run(world: Outside) -> None:
    """Changes that leave together and those that follow wear the same, in every Region."""
    threads = [threading.Thread(target=stop, args=(world,)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    stop(world, region=EAST)

    assert len(world.asked("PutObject")) == 7
    assert len(world.asked("AssumeRole")) == 1


def test_a_dark_region_s_sts_stops_no_change_in_the_other(world: Outside) -> None:
    """The target's changes are made through the target's own STS, and nobody waits for the Region that is gone."""
    world.faults.add("region-dark", region=EAST)
    stop(world)

    assert [call["region"] for call in world.asked("AssumeRole")] == [WEST]


def test_a_change_in_a_region_that_is_gone_gets_credentials_elsewhere(world: Outside) -> None:
    """The first change of a run may be one in the dark Region; the next STS gives what all the others need."""
    world.faults.add("region-dark", region=EAST)
    with pytest.raises(Unreachable):
        stop(world, region=EAST)
    stop(world)

    assert [call["region"] for call in world.asked("AssumeRole") if call["outcome"] == "200"] == [WEST]
    assert [o["ok"] for o in world.register.outcomes] == [None, True]


def test_a_throttled_sts_sends_the_change_to_another_region_s(world: Outside) -> None:
    """Each Region's STS has its own rate; the intent comes after credentials are there."""
    world.faults.add("aws-throttle", service="sts", count=1)
    stop(world)

    assert [call["region"] for call in world.asked("AssumeRole")] == [WEST, EAST]
    assert [o["ok"] for o in world.register.outcomes] == [True]


def test_no_sts_at_all_stops_the_change_before_its_intent(world: Outside) -> None:
    """What cannot be sent is not said to be about to be; it may be tried again."""
    world.faults.add("aws-throttle", service="sts")
    with pytest.raises(Throttled, match="nothing was changed"):
        stop(world)

    assert world.register.intents == []
    assert not world.asked("PutObject")


def test_a_lost_sts_stops_nothing_while_credentials_last(world: Outside) -> None:
    """Credentials at hand need nobody."""
    stop(world)
    world.faults.add("aws-throttle", service="sts")
    stop(world)

    assert len(world.asked("PutObject")) == 2


def test_a_role_that_may_not_be_assumed_is_a_refusal(world: Outside, tmp_path: Path) -> None:
    """AWS's own words, and nothing was changed."""
    ports = open_ports(
        world.register, tmp_path / "clock.json", tmp_path, role_arn="arn:aws:iam::123456789012:role/nobody"
    )
    with acting(ACT), pytest.raises(Rejected, match="AccessDenied"):
        ports.dns.stop(WEST, "stop-west", "STOP-us-east-1", "drill")

    assert world.register.intents == []


def test_route_53_asks_a_region_s_sts_too(world: Outside) -> None:
    """A service that is in no Region is signed with what the run has already."""
    stop(world)
    zone = world.ids["zone_id"]
    records = world.ports.dns.records(zone, "api.fintech.example")
    with acting(ACT):
        world.ports.dns.set_weights(zone, records, {EAST: 0, WEST: 100})

    _, weights = changes(world)
    assert weights["eventName"] == "ChangeResourceRecordSets"
    assert weights["userIdentity"]["sessionContext"]["sourceIdentity"] == ACT.person
    assert {call["region"] for call in world.asked("AssumeRole")} <= {EAST, WEST}


def test_the_doctor_tries_the_role_in_every_region(world: Outside, tmp_path: Path) -> None:
    """Each Region's STS is asked, and says in AWS's words why not."""
    clock = FileClock(tmp_path / "clock.json")
    good = assumable(role_arn=ROLE, regions=(EAST, WEST), clock=clock)
    bad = assumable(role_arn=ROLE.replace("signalbox", "nobody"), regions=(WEST,), clock=clock)

    assert good == {EAST: "", WEST: ""}
    assert "AccessDenied" in bad[WEST]


class HandClock:
    """Time that only moves by hand."""

    seconds = 1000.0

    def now(self) -> float:
        return self.seconds

    def monotonic(self) -> float:
        return self.seconds

    def wait(self, event: threading.Event, seconds: float) -> bool:
        raise AssertionError("nobody waits here")


class Desk:
    """STS of each Region as a function; `lost` Regions do not answer."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.lost: dict[str, OutsideError] = {}

    def __call__(self, region: str, params: Mapping[str, Any]) -> dict[str, Any]:
        self.asked.append(region)
        if region in self.lost:
            raise self.lost[region]
        key = f"{params['SourceIdentity']}-{len(self.asked)}"
        return {"Credentials": {"AccessKeyId": key, "SecretAccessKey": "s", "SessionToken": "t"}}


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def people(desk: Desk, clock: HandClock) -> People:
    return People(desk, ROLE, (EAST, WEST), clock)


def test_credentials_are_renewed_before_they_end(people: People, desk: Desk, clock: HandClock) -> None:
    """New ones ten minutes ahead, the old ones until then."""
    first = people.credentials(ACT, WEST)
    clock.seconds += LASTS_SECONDS - RENEW_SECONDS - 1
    assert people.credentials(ACT, WEST) is first
    clock.seconds += 2
    assert people.credentials(ACT, WEST) is not first
    assert desk.asked == [WEST, WEST]


def test_old_credentials_serve_when_there_are_no_new_ones(
    people: People, desk: Desk, clock: HandClock
) -> None:
    """A lost STS is asked once a minute at most while they are good, and never after they have ended in vain."""
    first = people.credentials(ACT, WEST)
    desk.lost = {EAST: Unreachable("silent"), WEST: Unreachable("silent")}
    clock.seconds += LASTS_SECONDS - RENEW_SECONDS + 1
    for _ in range(5):
        assert people.credentials(ACT, WEST) is first
    assert desk.asked == [WEST, WEST, EAST]
    clock.seconds += SILENT_SECONDS + 1
    assert people.credentials(ACT, WEST) is first
    assert len(desk.asked) == 5
    clock.seconds += RENEW_SECONDS - SPARE_SECONDS
    with pytest.raises(Unreachable, match="nothing was changed"):
        people.credentials(ACT, WEST)


def test_a_refusal_stops_nothing_while_there_is_a_way(people: People, desk: Desk, clock: HandClock) -> None:
    """A Region whose STS is switched off is passed over; a role taken away stops nobody whose hour is not over."""
    desk.lost = {WEST: Rejected("sts assume_role in us-west-2: RegionDisabledException")}
    first = people.credentials(ACT, WEST)
    assert desk.asked == [WEST, EAST]
    desk.lost = {EAST: Rejected("AccessDenied"), WEST: Rejected("AccessDenied")}
    clock.seconds += LASTS_SECONDS - RENEW_SECONDS + 1
    assert people.credentials(ACT, WEST) is first
    clock.seconds += RENEW_SECONDS - SPARE_SECONDS
    with pytest.raises(Rejected, match="AccessDenied"):
        people.credentials(ACT, WEST)


def test_many_changes_wait_for_one_silence_and_not_one_after_the_other() -> None:
    """When no STS answers, those that wait for whoever asks hear the same."""
    asked: list[str] = []

    def silent(region: str, _: Mapping[str, Any]) -> Mapping[str, Any]:
        asked.append(region)
        time.sleep(0.2)
        raise Unreachable("silent")

    people = People(silent, ROLE, (EAST, WEST), SystemClock())

    def change() -> None:
        with pytest.raises(Unreachable):
            people.credentials(ACT, WEST)

    threads = [threading.Thread(target=change) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(asked) <= 4


def test_a_silent_region_is_asked_last(people: People, desk: Desk, clock: HandClock) -> None:
    """One silence costs one time-out, not one for every change and every person."""
    desk.lost = {EAST: Unreachable("silent")}
    people.credentials(ACT, EAST)
    people.credentials(Act(person="U0000LEAD01", run="run-2", step="step-1"), EAST)
    assert desk.asked == [EAST, WEST, WEST]
    clock.seconds += SILENT_SECONDS + 1
    people.credentials(Act(person="U0000LEAD01", run="run-3", step="step-1"), EAST)
    assert desk.asked == [EAST, WEST, WEST, EAST, WEST]


def test_a_run_takes_what_it_has_into_a_region_that_is_gone(people: People, desk: Desk) -> None:
    """The fence in a dark Region is tried without waiting for that Region's STS."""
    people.credentials(ACT, WEST)
    people.credentials(ACT, EAST)

    assert desk.asked == [WEST]


def test_nobody_acts_with_another_s_credentials(people: People, desk: Desk) -> None:
    """A person without credentials of their own gets none, however good the others' are."""
    people.credentials(ACT, WEST)
    desk.lost = {EAST: Unreachable("silent"), WEST: Unreachable("silent")}
    with pytest.raises(Unreachable):
        people.credentials(Act(person="U0000LEAD01", run=ACT.run, step="step-1"), WEST)


def test_forgotten_credentials_are_not_used_again(people: People, desk: Desk) -> None:
    """What AWS calls expired is asked for anew at the next call."""
    first = people.credentials(ACT, WEST)
    people.forget(first)

    assert people.credentials(ACT, WEST) is not first


@pytest.mark.parametrize("name", ["U0000LEAD01", "anna@fintech.example", "run_1-a=b,c.d+e"])
def test_good_names_stay(name: str) -> None:
    """An id that STS takes is what CloudTrail shows."""
    assert fit_for_sts(name) == name


@pytest.mark.parametrize("name", ["", "x", "On call", "Ünal", "a" * 65, "slack:U1/T2"])
def test_other_names_are_made_fit_and_stay_apart(name: str) -> None:
    """Within the alphabet and 64 characters, and no two the same."""
    made = fit_for_sts(name)

    assert fit_for_sts(made) == made
    assert made != fit_for_sts(name + " ")
