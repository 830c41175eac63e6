"""Other people's logs over real HTTP: what CloudTrail and the API servers wrote down of the same calls."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from world_clusters import SPACE, deployment
from world_outside import ACT, EAST, WEST, Outside, Recorded, outside

from bot.act import acting
from bot.clock import FileClock
from bot.errors import TrailError, Unreachable
from bot.evidence.ask import ask
from bot.evidence.calls import Call
from bot.evidence.corroborate import Own, corroborate
from bot.evidence.corroboration import Bin, Identity
from bot.records import CLOUDTRAIL, KUBERNETES, Records, Told
from bot.sandbox.clock import SimClock
from bot.sandbox.faults import Faults
from bot.sandbox.kubernetes import Cluster
from bot.world import open_records

ROLE = "arn:aws:iam::123456789012:role/signalbox"
NAMES = {EAST: "east", WEST: "west"}


class Journal(Recorded):
    """A register that keeps each call as the trail does, with ids of the trail's shape."""

    def __init__(self, now: Any) -> None:
        super().__init__()
        self.now = now
        self.calls: dict[str, Call] = {}

    def intent(self, service: str, operation: str, region: str, params: Mapping[str, Any]) -> str:
        super().intent(service, operation, region, params)
        token = uuid.uuid4().hex
        place = {name: str(params.get(name, "")) for name in ("namespace", "name")}
        self.calls[token] = Call(
            len(self.calls), token, self.now(), service, operation, region, ACT.person, "c1", ACT.run, **place
        )
        return token

    def outcome(self, intent: str, *, ok: bool | None, request_id: str, error: str = "") -> None:
        super().outcome(intent, ok=ok, request_id=request_id, error=error)
        self.calls[intent] = Call(
            **(vars(self.calls[intent]) | {"ok": ok, "request_id": request_id, "until": self.now()})
        )


@dataclass
class Place:
    """AWS and two clusters, the world opened onto them, and the logs of others."""

    world: Outside
    clusters: dict[str, Cluster]
    journal: Journal
    records: Records
    began: float

    def now(self) -> float:
        return float(self.world.clock.now())

    def told(self) -> list[Told]:
        return ask(self.records, self.journal.calls.values(), NAMES, self.began, self.now() + 60)

    def compared(self) -> Any:
        return corroborate(
            list(self.journal.calls.values()),
            self.told(),
            since=self.began,
            until=self.now() + 60,
            own=Own(role_arn=ROLE),
        )

    def deny(self, region: str = WEST) -> None:
        with acting(ACT):
            self.world.ports.network.deny(region, self.world.ids["subnets"][region])

    def scale(self, region: str = WEST) -> None:
        with acting(ACT):
            self.world.ports.clusters.scale(region, SPACE, "web", 5)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with ExitStack() as ending:
        clock, faults = SimClock(tmp_path / "clusters.json"), Faults()
        clusters = {region: Cluster(name, region, clock, faults, hang=0.4) for region, name in NAMES.items()}
        for cluster in clusters.values():
            cluster.start()
            ending.callback(cluster.stop)
            namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE}}
            cluster.seed([namespace, deployment("web")])
        world = ending.enter_context(outside(tmp_path, clusters, speed=1, role_arn=ROLE, impersonate=True))
        journal = Journal(world.clock.now)
        watched = FileClock(tmp_path / "clock.json")
        world.register.intent = journal.intent  # type: ignore[method-assign]
        world.register.outcome = journal.outcome  # type: ignore[method-assign]
        yield Place(world, clusters, journal, open_records(clock=watched, clusters=NAMES), watched.now() - 60)


def test_what_was_done_is_in_both_and_names_the_same_person(place: Place) -> None:
    """A fence and a scaling, found under AWS's request id and under the intent's own id as Audit-ID."""
    place.deny()
    place.scale()
    found = place.compared()

    assert {(f.call.service, f.bin, f.identity) for f in found.calls} == {
        ("ec2", Bin.MATCHED, Identity.AGREES),
        ("kubernetes", Bin.MATCHED, Identity.AGREES),
    }
    assert found.outside == ()


def test_a_change_carries_its_intent_s_id_to_the_api_server(place: Place) -> None:
    """The audit log has the id before any answer came back, and the outcome has what the server answered."""
    place.scale()

    (call,) = place.journal.calls.values()
    (record,) = place.records.kubernetes(WEST, place.began, place.now() + 60).kubernetes
    assert record.audit_id == call.request_id == str(uuid.UUID(call.intent))
    assert (record.as_user, record.verb, record.resource) == (ACT.person, "patch", "deployments/scale")


def test_a_lost_answer_is_told_by_the_other_log(place: Place) -> None:
    """The trail does not know whether the fence was set; CloudTrail does."""
    place.world.faults.add("aws-reply-lost", service="ec2", operation="CreateNetworkAclEntry", count=1)
    with pytest.raises(Unreachable):
        place.deny()

    assert [(f.bin, f.why) for f in place.compared().calls] == [(Bin.RESOLVED, "done")]


def test_what_others_did_is_listed(place: Place) -> None:
    """An ACL rule from the console and a `kubectl scale`, each with who did it."""
    place.scale()
    console = boto3.client("ec2", region_name=EAST, aws_access_key_id="AKIABYHAND", aws_secret_access_key="x")
    console.create_tags(Resources=[place.world.ids["network_acls"][EAST]], Tags=[{"Key": "k", "Value": "v"}])
    console.close()
    cluster = place.clusters[WEST]
    httpx.patch(
        f"{cluster.server_url}/apis/apps/v1/namespaces/{SPACE}/deployments/web/scale",
        headers={
            "Authorization": f"Bearer {cluster.person_token}",
            "Content-Type": "application/merge-patch+json",
        },
        content='{"spec": {"replicas": 1}}',
    ).raise_for_status()
    found = place.compared()

    assert [(o.what, o.ours) for o in found.outside] == [
        ("ec2 CreateTags", False),
        ("patch deployments/scale", False),
    ]
    assert [o.who for o in found.outside] == ["arn:aws:iam::123456789012:user/by-hand", "kubernetes-admin"]
    assert found.exit_code == 1


def test_every_page_is_read(place: Place) -> None:
    """More events than fit on one page of CloudTrail, each once."""
    console = boto3.client("ec2", region_name=WEST, aws_access_key_id="AKIABYHAND", aws_secret_access_key="x")
    acl = place.world.ids["network_acls"][WEST]
    for number in range(55):
        console.create_tags(Resources=[acl], Tags=[{"Key": "k", "Value": str(number)}])
    console.close()
    told = place.records.cloudtrail(WEST, place.began, place.now() + 60)

    assert told.lack == ""
    assert len({record.event_id for record in told.aws}) == len(told.aws) == 55


def test_a_dark_region_is_a_lack_and_not_a_silence(place: Place) -> None:
    """What the other Region told counts; of the dark one nothing is called good, and it ends in time."""
    place.deny(WEST)
    place.deny(EAST)
    place.world.faults.add("region-dark", region=EAST)
    began = time.monotonic()
    found = place.compared()

    bins = {f.call.region: f.bin for f in found.calls}
    assert bins == {WEST: Bin.MATCHED, EAST: Bin.UNASKED}
    assert {s.region for s in found.sources if s.lack and s.log == CLOUDTRAIL} == {EAST}
    assert found.exit_code == 2
    assert time.monotonic() - began < 30


def test_an_audit_log_that_is_not_enabled_is_a_lack(place: Place) -> None:
    """No log group, and a group that tells nothing at all, are both said."""
    place.scale()
    silent = place.records.kubernetes(EAST, place.began, place.now() + 60)
    clock = FileClock(place.world.state / "clock.json")
    other = open_records(clock=clock, clusters={WEST: "nobody"}).kubernetes(WEST, place.began, place.now())
    none = open_records(clock=clock, clusters={}).kubernetes(WEST, place.began, place.now())

    assert "not enabled" in silent.lack
    assert "no log group" in other.lack
    assert "no cluster" in none.lack
    assert {one.log for one in (silent, other, none)} == {KUBERNETES}


def test_reading_is_never_recorded_and_never_assumes_the_role(place: Place) -> None:
    """Nobody's name is needed to look."""
    place.told()

    assert place.journal.calls == {}
    assert not place.world.asked("AssumeRole")
    assert place.world.asked("LookupEvents")


def test_the_reader_of_logs_cannot_change_anything(place: Place) -> None:
    """Its clients refuse every change before it is sent."""
    with acting(ACT), pytest.raises(TrailError):
        place.records._aws.call("ec2", WEST, "delete_network_acl", NetworkAclId="acl-1")  # type: ignore[attr-defined]

    assert not place.world.asked("DeleteNetworkAcl")
