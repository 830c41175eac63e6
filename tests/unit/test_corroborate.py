"""The trail against other people's logs: nothing is lost on either side, and silence is never agreement."""

from __future__ import annotations

import gzip
import json
import uuid
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.clock import iso
from bot.errors import UsageError
from bot.evidence.calls import Call, calls_of
from bot.evidence.corroborate import EARLY_SECONDS, Own, corroborate
from bot.evidence.corroboration import Bin, Corroboration, Identity
from bot.evidence.exports import cloudtrail_files, kubernetes_file
from bot.records import CLOUDTRAIL, KUBERNETES, AwsRecord, BadRecord, KubernetesRecord, Told, aws_record
from bot.terminal.corroborate import lines, moment

EAST, WEST = "us-east-1", "us-west-2"
T = 1_790_000_000.0
ROLE = "arn:aws:iam::123456789012:role/signalbox-changes"
ANNA, BEN = "U0000ANNA01", "U0000BEN001"


def rds(number: int, **other: Any) -> Call:
    given: dict[str, Any] = {
        "seq": number, "intent": uuid.UUID(int=number).hex, "at": T + number, "service": "rds",
        "operation": "FailoverGlobalCluster", "region": WEST, "person": ANNA, "change": "c1", "run": "r1",
        "until": T + number + 1, "ok": True, "request_id": f"req-{number}",
    }  # fmt: skip
    return Call(**(given | other))


def scale(number: int, **other: Any) -> Call:
    kubernetes = {
        "service": "kubernetes", "operation": "patch deployments/scale", "namespace": "production", "name": "web",
    }  # fmt: skip
    return rds(number, **(kubernetes | {"request_id": str(uuid.UUID(int=number))} | other))


def event(call: Call, **other: Any) -> AwsRecord:
    """What CloudTrail has of a call."""
    given: dict[str, Any] = {
        "event_id": f"event-{call.seq}", "request_id": call.request_id, "at": call.at + 0.5,
        "service": call.service, "operation": call.operation, "region": call.region, "reads": False,
        "kind": "AssumedRole", "principal": ROLE, "session": "signalbox-r1", "person": call.person,
    }  # fmt: skip
    return AwsRecord(**(given | other))


def request(call: Call, **other: Any) -> KubernetesRecord:
    """What an API server's audit log has of a call."""
    given: dict[str, Any] = {
        "audit_id": call.audit_id, "at": call.at + 0.5, "region": call.region, "verb": "patch",
        "resource": "deployments/scale", "namespace": "production", "name": "web", "user": "aws:signalbox",
        "as_user": call.person, "code": 200, "reads": False,
    }  # fmt: skip
    return KubernetesRecord(**(given | other))


def told(*records: AwsRecord | KubernetesRecord, **other: Any) -> list[Told]:
    """Both logs of both Regions, complete, an hour after."""
    found = []
    for region in (EAST, WEST):
        aws = tuple(r for r in records if isinstance(r, AwsRecord) and r.region == region)
        kubernetes = tuple(r for r in records if isinstance(r, KubernetesRecord) and r.region == region)
        given: dict[str, Any] = {"since": T - 200, "until": T + 4000, "asked_at": T + 8000} | other
        found += [
            Told(CLOUDTRAIL, region, aws=aws, **given),
            Told(KUBERNETES, region, kubernetes=kubernetes, **given),
        ]
    return found


def compared(calls: list[Call], logs: list[Told], own: Own | None = None) -> Corroboration:
    return corroborate(calls, logs, since=T, until=T + 3600, own=own)


def one(found: Corroboration) -> tuple[Bin, str]:
    (call,) = found.calls
    return call.bin, call.why


def test_all_of_it_in_both_is_zero() -> None:
    """Request ids and audit ids match, the persons agree, and the JSON says so."""
    calls = [rds(1), scale(2)]
    found = compared(calls, told(event(calls[0]), request(calls[1])))

    assert [(f.bin, f.identity) for f in found.calls] == [(Bin.MATCHED, Identity.AGREES)] * 2
    assert (found.outside, found.machines, found.exit_code) == ((), (), 0)
    assert json.loads(found.as_json())["counts"]["matched"] == 2
    assert any("2 of 2" in line for line in lines(found))


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ({"person": BEN}, f"names {BEN}"),
        ({"operation": "SwitchoverGlobalCluster"}, "SwitchoverGlobalCluster"),
        ({"error": "AccessDenied"}, "AccessDenied"),
        ({"region": EAST}, EAST),
    ],
)
def test_what_does_not_agree_is_loud(other: dict[str, str], why: str) -> None:
    """Another person, operation, result or Region under a call's request id is a mismatch and exit code 1."""
    found = compared([rds(1)], told(event(rds(1), **other)))

    kind, said = one(found)
    assert kind is Bin.MISMATCHED
    assert why in said
    assert found.exit_code == 1
    assert any(line.startswith("NOT IN BOTH") and why in line for line in lines(found))


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ({"as_user": BEN}, f"names {BEN}"),
        ({"verb": "delete"}, "delete deployments/scale"),
        ({"name": "api"}, "production/api"),
        ({"code": 403}, "403"),
    ],
)
def test_a_cluster_s_log_that_differs_is_loud(other: dict[str, Any], why: str) -> None:
    """The same for Kubernetes: user, verb, object and answer."""
    kind, said = one(compared([scale(1)], told(request(scale(1), **other))))

    assert kind is Bin.MISMATCHED
    assert why in said


def test_a_call_that_only_the_trail_has_is_missing() -> None:
    """The other log was asked, told everything, and has nothing."""
    found = compared([rds(1), scale(2)], told())

    assert [f.bin for f in found.calls] == [Bin.MISSING, Bin.MISSING]
    assert found.exit_code == 1


def test_a_young_call_is_not_there_yet() -> None:
    """Within fifteen minutes nobody is accused, and nothing is called good."""
    found = compared([rds(1)], told(asked_at=T + 1 + EARLY_SECONDS - 1))

    assert one(found)[0] is Bin.EARLY
    assert found.exit_code == 2


@pytest.mark.parametrize(
    "logs",
    [
        [],
        [t for t in told() if t.region == EAST],
        told(lack="AWS does not answer"),
        told(until=T),
        told(since=T + 10),
    ],
    ids=["nothing asked", "Region not asked", "no answer", "ends before", "begins after"],
)
def test_what_could_not_be_asked_is_not_corroborated(logs: list[Told]) -> None:
    """Silence is never agreement: exit code 2, with the reason."""
    found = compared([rds(1), scale(2)], logs)

    assert {f.bin for f in found.calls} == {Bin.UNASKED}
    assert all(f.why for f in found.calls)
    assert found.exit_code == 2


def test_a_found_call_counts_although_its_log_was_cut_short() -> None:
    """What is told is told; the rest of it is still not corroborated."""
    found = compared([rds(1)], told(event(rds(1)), lack="too many events"))

    assert one(found)[0] is Bin.MATCHED
    assert found.exit_code == 2


def test_s3_objects_need_data_events() -> None:
    """Event history never tells of them; a trail's files with data events do, and then a lack of one counts."""
    stop = rds(1, service="s3", operation="PutObject")
    data = event(rds(9, service="s3", operation="PutObject", at=T - 100), data=True, bucket="other")

    assert one(compared([stop], told()))[0] is Bin.UNASKED
    assert "data events" in one(compared([stop], told()))[1]
    assert one(compared([stop], told(event(stop, data=True))))[0] is Bin.MATCHED
    assert one(compared([stop], told(data)))[0] is Bin.MISSING


def test_requests_to_services_are_in_nobody_s_log() -> None:
    """A payments check cannot be corroborated, and is not said to be."""
    assert one(compared([rds(1, service="http", operation="post", region="")], told()))[0] is Bin.UNASKED


def test_route_53_is_looked_for_where_cloudtrail_has_it() -> None:
    """Services that are in no Region are in us-east-1's events."""
    weights = rds(1, service="route53", operation="ChangeResourceRecordSets", region="aws-global")

    assert one(compared([weights], told(event(weights, region=EAST))))[0] is Bin.MATCHED


def test_an_unknown_outcome_is_told_by_the_other_log() -> None:
    """By person, operation, Region and time for AWS; by the intent's own id for Kubernetes."""
    lost, gone = rds(1, ok=None, request_id=""), scale(2, ok=None, request_id="")
    found = compared([lost, gone], told(event(lost, request_id="never-seen"), request(gone, code=409)))

    assert [(f.bin, f.why) for f in found.calls] == [(Bin.RESOLVED, "done"), (Bin.RESOLVED, "refused: 409")]
    assert found.exit_code == 0


def test_another_person_s_event_resolves_nothing() -> None:
    """Somebody else did the same a moment later: the call never arrived, and theirs is outside."""
    lost = rds(1, ok=None, request_id="", until=None)
    found = compared(
        [lost], told(event(lost, request_id="x", person="", principal="arn:aws:iam::1:user/ben"))
    )

    assert one(found)[0] is Bin.NOT_ARRIVED
    assert [o.who for o in found.outside] == ["arn:aws:iam::1:user/ben (signalbox-r1)"]


def test_a_refused_call_may_be_in_no_log() -> None:
    """A throttle is not always written down; the trail says that nothing was done."""
    assert one(compared([rds(1, ok=False)], told()))[0] is Bin.REFUSED
    assert one(compared([rds(1, ok=False)], told(event(rds(1), error="Throttling"))))[0] is Bin.MATCHED


def test_actions_outside_the_bot_are_listed_one_by_one() -> None:
    """kubectl, the console, and Signalbox's own identity past the trail, which is the loudest."""
    call = scale(1)
    by_hand = request(rds(50), audit_id="k", user="ben@fintech.example", as_user="", verb="delete")
    console = event(rds(51), person="", principal="arn:aws:iam::1:user/ben", session="", kind="IAMUser")
    forged = request(call, at=call.at + 9)
    found = compared([call], told(request(call), forged, by_hand, console))

    assert {(o.what, o.who, o.ours) for o in found.outside} == {
        ("patch deployments/scale", f"{ANNA} (by aws:signalbox)", True),
        ("delete deployments/scale", "ben@fintech.example", False),
        ("rds FailoverGlobalCluster", "arn:aws:iam::1:user/ben", False),
    }
    assert found.exit_code == 1
    assert sum(line.startswith("OUTSIDE") for line in lines(found)) == 3


def test_the_role_past_the_trail_is_known_without_any_match() -> None:
    """A change with the role's credentials that no intent announced."""
    found = compared([], told(event(rds(1))), Own(role_arn=ROLE))

    (outside,) = found.outside
    assert outside.ours
    assert outside.who == f"{ANNA} (signalbox-r1)"


def test_machines_are_counted_and_do_not_drown_people() -> None:
    """Controllers, services of AWS, instances and the archive's writes, by name; reads are left out."""
    controller = "system:serviceaccount:kube-system:deployment-controller"
    records: list[AwsRecord | KubernetesRecord] = [
        request(rds(n), audit_id=f"a{n}", user=controller, as_user="", resource="replicasets")
        for n in range(40)
    ]
    records += [
        event(rds(60), person="", principal="autoscaling.amazonaws.com", kind="AWSService", session=""),
        event(rds(61), person="", principal="arn:aws:iam::1:role/nodes", session="i-0123456789abcdef0"),
        event(rds(62), operation="PutObject", service="s3", data=True, bucket="locked", person=""),
        event(rds(63), reads=True, person="", principal="arn:aws:iam::1:user/ben"),
    ]
    found = compared([], told(*records), Own(archive_bucket="locked"))

    assert found.outside == ()
    assert sorted(m.changes for m in found.machines) == [1, 1, 1, 40]
    assert found.reads == 1
    assert found.exit_code == 0


def test_what_crosses_the_window_s_ends_finds_its_other_half() -> None:
    """A call before the window whose event is inside claims it, and is not counted."""
    early = rds(1, at=T - 1, until=T + 1)
    found = compared([early], told(event(early, at=T + 0.5)))

    assert (found.calls, found.outside) == ((), ())


def test_the_same_event_twice_is_one() -> None:
    """Files of exports overlap."""
    call = rds(1)
    twice = told(event(call)) + told(event(call))

    assert compared([call], twice).outside == ()


NUMBERS = st.integers(1, 30)
CALLS = st.builds(
    lambda number, kind, changes: kind(number, **changes),
    NUMBERS,
    st.sampled_from([rds, scale]),
    st.sampled_from(
        [{}, {"ok": None, "request_id": "", "until": None}, {"ok": False}, {"region": EAST}, {"person": BEN}]
    ),
)
CHANGED = st.sampled_from([{}, {"at": T + 3}, {"region": EAST}, {"reads": True}, {"at": T - 50}])


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[Call], list[Told], set[AwsRecord | KubernetesRecord]]:
    calls = draw(st.lists(CALLS, max_size=8, unique_by=lambda c: c.intent))
    records: set[AwsRecord | KubernetesRecord] = set()
    for call in [*calls, *draw(st.lists(CALLS, max_size=6))]:
        if draw(st.booleans()):
            record = (request if call.service == "kubernetes" else event)(call)
            records.add(replace(record, **draw(CHANGED)))
    logs = told(*records)
    for index in draw(st.sets(st.integers(0, 3))):
        logs[index] = replace(logs[index], lack="no answer")
    return calls, draw(st.permutations(logs)), records


@settings(max_examples=150, deadline=None)
@given(worlds())
def test_every_call_has_one_bin_and_every_record_one_place(
    world: tuple[list[Call], list[Told], set[AwsRecord | KubernetesRecord]],
) -> None:
    """Calls are neither lost nor counted twice; changes that others saw are claimed, a machine's, or listed."""
    calls, logs, records = world
    found = compared(calls, logs)

    assert Counter(f.call.intent for f in found.calls) == Counter(c.intent for c in calls if c.at >= T)
    assert sum(found.counts.values()) == len(found.calls)
    claimed = {f.record for f in found.calls if f.record}
    listed = {o.id for o in found.outside}
    inside = {
        r.audit_id if isinstance(r, KubernetesRecord) else r.event_id
        for r in records
        if r.at >= T and not r.reads
    }
    assert inside <= claimed | listed
    assert len(found.outside) + sum(m.changes for m in found.machines) <= len(records)
    if any(log.lack for log in logs):
        assert found.exit_code != 0
    assert found.as_json() == compared(calls, list(reversed(logs))).as_json()


@dataclass
class Row:
    """A row of the trail."""

    seq: int
    name: str
    detail: dict[str, Any]
    ok: bool | None = True
    time_ms: int = int(T * 1000)
    actor: str = ANNA
    change: str = "c1"
    run: str = "r1"
    more: dict[str, Any] = field(default_factory=dict)


def test_intents_find_their_outcomes() -> None:
    """An intent without one is unknown; what is redacted is empty, not an error."""
    intent = {
        "intent": "a" * 32,
        "service": "rds",
        "operation": "X",
        "region": WEST,
        "params": {"$c": "sha256"},
    }
    rows = [
        Row(1, "call:outside:intent", intent),
        Row(2, "call:outside:intent", intent | {"intent": "b" * 32}),
        Row(3, "call:outside:outcome", {"intent": "a" * 32, "request_id": "r-1"}, ok=False),
        Row(4, "call:outside:outcome", {"intent": "c" * 32, "request_id": "r-2"}),
    ]
    first, second = calls_of(rows)

    assert (first.ok, first.request_id, first.until) == (False, "r-1", T)
    assert (second.ok, second.request_id, second.until) == (None, "", None)
    assert second.audit_id == str(uuid.UUID("b" * 32))


EVENT: dict[str, Any] = {
    "eventID": "e1", "eventTime": "2026-07-01T03:00:00Z", "eventSource": "rds.amazonaws.com",
    "eventName": "FailoverGlobalCluster", "awsRegion": WEST, "requestID": "req-1", "readOnly": False,
    "userIdentity": {
        "type": "AssumedRole", "principalId": "AROA:signalbox-r1", "arn": "arn:aws:sts::1:assumed-role/x/signalbox-r1",
        "sessionContext": {"sessionIssuer": {"arn": ROLE}, "sourceIdentity": ANNA},
    },
}  # fmt: skip
AUDIT: dict[str, Any] = {
    "kind": "Event", "apiVersion": "audit.k8s.io/v1", "auditID": "k1", "stage": "ResponseComplete", "verb": "patch",
    "requestURI": "/apis/apps/v1/namespaces/production/deployments/web/scale", "user": {"username": "ben"},
    "objectRef": {"resource": "deployments", "subresource": "scale", "namespace": "production", "name": "web"},
    "responseStatus": {"code": 200}, "requestReceivedTimestamp": "2026-07-01T03:00:00.123456Z",
}  # fmt: skip


def test_files_are_read_as_cloudtrail_writes_them(tmp_path: Path) -> None:
    """Folders by Region and day, packed or not; digests are passed over."""
    day = tmp_path / "AWSLogs" / "1" / "CloudTrail" / WEST / "2026" / "07" / "01"
    day.mkdir(parents=True)
    (day / "a.json.gz").write_bytes(gzip.compress(json.dumps({"Records": [EVENT]}).encode()))
    (day / "b.json").write_text(json.dumps({"Records": [EVENT | {"eventID": "e2", "awsRegion": EAST}]}))
    digests = tmp_path / "AWSLogs" / "1" / "CloudTrail-Digest"
    digests.mkdir()
    (digests / "c.json").write_text("{}")

    east, west = cloudtrail_files(tmp_path)
    assert (east.region, west.region) == (EAST, WEST)
    (record,) = west.aws
    assert (record.person, record.principal, record.session) == (ANNA, ROLE, "signalbox-r1")
    assert iso(record.at) == "2026-07-01T03:00:00Z"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"[]", "Records"),
        (b'{"Records": {}}', "Records"),
        (b'{"Records": [3]}', "object is expected"),
        (b'{"Records": [{}]}', "eventID is missing"),
        (b'{"Records": [], "Records": []}', "twice"),
        (b'{"Records": [NaN]}', "NaN"),
        (b"\xff\xfe", "no JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (json.dumps({"Records": [EVENT | {"eventTime": "yesterday"}]}).encode(), "no time"),
        (json.dumps({"Records": [EVENT | {"eventTime": "2026-07-01T03:00:00"}]}).encode(), "no zone"),
        (json.dumps({"Records": [EVENT | {"userIdentity": "ben"}]}).encode(), "userIdentity"),
        (json.dumps({"Records": [EVENT | {"eventName": 7}]}).encode(), "eventName"),
        (json.dumps({"Records": [EVENT | {"readOnly": 1.5}]}).encode(), "readOnly"),
    ],
)
def test_hostile_files_are_refused_with_their_place(tmp_path: Path, content: bytes, why: str) -> None:
    """One record that is none refuses the whole, and says where."""
    (tmp_path / "a.json").write_bytes(content)

    with pytest.raises(BadRecord, match=why) as caught:
        cloudtrail_files(tmp_path)
    assert "a.json" in str(caught.value)


def test_broken_packing_is_refused(tmp_path: Path) -> None:
    """A file that ends in the middle."""
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(json.dumps({"Records": [EVENT]}).encode())[:-9])

    with pytest.raises(BadRecord, match="cannot be read"):
        cloudtrail_files(tmp_path)
    with pytest.raises(BadRecord, match="no directory"):
        cloudtrail_files(tmp_path / "nowhere")


def test_an_audit_log_is_one_request_for_all_its_stages(tmp_path: Path) -> None:
    """Stages are merged; a second end under one id is a second request; a request without an end counts."""
    begun = AUDIT | {"stage": "RequestReceived"}
    lines_of_it = [begun, AUDIT, AUDIT | {"user": {"username": "eve"}}, begun | {"auditID": "k2"}]
    path = tmp_path / "audit.log"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines_of_it) + "\n")
    found = kubernetes_file(WEST, path).kubernetes

    assert sorted((r.audit_id, r.user) for r in found) == [("k1", "ben"), ("k1", "eve"), ("k2", "ben")]
    assert found[0].resource == "deployments/scale"


def test_lines_of_cloudwatch_s_export_are_read(tmp_path: Path) -> None:
    """They begin with the time."""
    path = tmp_path / "000000.gz"
    path.write_bytes(gzip.compress(b"2026-07-01T03:00:00.000Z " + json.dumps(AUDIT).encode() + b"\n"))

    assert len(kubernetes_file(WEST, path).kubernetes) == 1


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{", "line 2"),
        ("hello", "no JSON"),
        (json.dumps({"kind": "Event"}), "no audit event"),
        (json.dumps(AUDIT | {"responseStatus": {"code": "ok"}}), "code is no number"),
        (json.dumps({k: v for k, v in AUDIT.items() if k != "auditID"}), "auditID is missing"),
    ],
)
def test_a_line_that_is_no_audit_event_is_refused(tmp_path: Path, line: str, why: str) -> None:
    """With the number of the line, also when the log ends in the middle of one."""
    path = tmp_path / "audit.log"
    path.write_text(f"{json.dumps(AUDIT)}\n{line}")

    with pytest.raises(BadRecord, match=why):
        kubernetes_file(WEST, path)


@pytest.mark.parametrize(
    ("changed", "reads"),
    [
        ({"readOnly": True}, True),
        ({"readOnly": None}, False),
        ({"errorCode": "Client.DryRunOperation"}, True),
        ({"eventType": "AwsConsoleSignIn"}, True),
        ({}, False),
    ],
)
def test_what_is_not_known_to_read_is_a_change(changed: dict[str, Any], reads: bool) -> None:
    """A dry run and a sign-in change nothing."""
    assert aws_record(EVENT | changed, "here").reads is reads


def test_times_are_days_or_moments() -> None:
    """The last day is a whole one; without a zone it is UTC."""
    assert moment("2026-07-01", end=True) - moment("2026-07-01") == 86_400
    assert moment("2026-07-01T03:00Z") == moment("2026-07-01T03:00") == moment("2026-07-01T05:00+02:00")
    with pytest.raises(UsageError):
        moment("last week")
