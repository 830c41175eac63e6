"""Who may come in, what is recorded, and what a Region in trouble answers."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3
from kubernetes_place import PLACES, REGION, Place, place, until

MAPS = "/api/v1/namespaces/{ns}/configmaps"


@pytest.fixture(params=PLACES, scope="module")
def at(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with place(request.param, tmp_path_factory.mktemp("clock")) as found:
        yield found


def test_deny_all_policy(at: Place) -> None:
    """A NetworkPolicy without rules denies what its policyTypes name, and the default is Ingress."""
    body = {"metadata": {"name": "deny-all"}, "spec": {"podSelector": {}}}
    found = at.networking.create_namespaced_network_policy(namespace=at.namespace, body=body)
    assert (found.spec.policy_types, found.metadata.generation) == (["Ingress"], 1)


def test_secrets_as_metadata(at: Place) -> None:
    """A list of metadata tells names and no data; stringData is stored as base64."""
    body = {"metadata": {"name": "database"}, "stringData": {"url": "postgresql://"}}
    found = at.core.create_namespaced_secret(namespace=at.namespace, body=body)
    assert (found.data, found.string_data, found.type) == ({"url": "cG9zdGdyZXNxbDovLw=="}, None, "Opaque")
    accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
    listed = at.raw("GET", "/api/v1/namespaces/{ns}/secrets", Accept=accept).body
    assert listed["kind"] == "PartialObjectMetadataList"
    assert "database" in {item["metadata"]["name"] for item in listed["items"]}
    assert all("data" not in item for item in listed["items"])


def test_self_subject_access_review(at: Place) -> None:
    """We may patch Deployments; somebody without rights may not."""
    attributes = {"namespace": at.namespace, "verb": "patch", "group": "apps", "resource": "deployments"}
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    answer = at.raw("POST", path, body)
    assert (answer.code, answer.body["status"]["allowed"]) == (201, True)


def test_without_a_good_token(at: Place) -> None:
    """A bad token answers 401."""
    answer = at.raw("GET", MAPS, authorization="Bearer wrong")
    assert (answer.code, answer.body["reason"], answer.body["message"]) == (
        401,
        "Unauthorized",
        "Unauthorized",
    )


def test_eks_token(at: Place) -> None:
    """A token of the form EKS issues is taken."""
    assert at.stand_in
    assert at.raw("GET", MAPS, authorization="Bearer k8s-aws-v1.aHR0cHM6Ly9zdHM").code == 200


FORBIDDEN = [
    (
        "PATCH",
        "/apis/apps/v1/namespaces/{ns}/deployments/x/scale",
        (
            'deployments.apps "x" is forbidden: User "nobody" cannot patch resource "deployments/scale" '
            'in API group "apps" in the namespace "{ns}"'
        ),
    ),
    (
        "GET",
        "/api/v1/nodes",
        'nodes is forbidden: User "nobody" cannot list resource "nodes" in API group "" at the cluster scope',
    ),
]


@pytest.mark.parametrize(("method", "path", "says"), FORBIDDEN)
def test_user_without_rights(at: Place, method: str, path: str, says: str) -> None:
    """A request for a person without rights answers 403 and names person, verb and place."""
    body = {"spec": {"replicas": 1}} if method == "PATCH" else None
    media = "application/merge-patch+json"
    answer = at.raw(method, path, body, media, Impersonate_User="nobody")
    assert (answer.code, answer.body["reason"]) == (403, "Forbidden")
    assert answer.body["message"] == says.format(ns=at.namespace)


def test_the_audit_log_names_the_person(at: Place) -> None:
    """A request made for a person is recorded under our id with that person."""
    at.raw("GET", MAPS, Audit_ID="event-7", Impersonate_User="U0000LEAD01")
    entry = next(e for e in at.stand_in.audit() if e.audit_id == "event-7")
    assert (entry.as_user, entry.user, entry.code) == ("U0000LEAD01", "signalbox", 200)


@pytest.mark.parametrize("kind", ["region-dark", "region-partitioned"])
def test_unreachable_region_is_silent_until_it_is_back(at: Place, kind: str) -> None:
    """A request into an unreachable Region hangs, and is answered when the fault is lifted meanwhile."""
    assert at.stand_in
    fault = at.faults.add(kind, region=REGION)
    answers: list[int] = []
    asking = threading.Thread(target=lambda: answers.append(at.raw("GET", MAPS).code))
    asking.start()
    time.sleep(0.3)
    assert answers == []
    at.faults.remove(fault)
    asking.join(5)
    assert answers == [200]


def test_unreachable_region_resets(tmp_path: Path) -> None:
    """A Region that stays unreachable resets the connection in the end."""
    with place("stand-in", tmp_path, hang=0.2) as found:
        found.faults.add("region-dark", region=REGION)
        with pytest.raises(urllib3.exceptions.ProtocolError):
            found.raw("GET", MAPS)


def test_dark_region_stands_still(at: Place) -> None:
    """Nothing starts in a dark Region, and what was asked for happens when it is back."""
    cluster = at.stand_in
    at.deploy("night", 1)
    fault = at.faults.add("region-dark", region=REGION)
    assert at.clock is not None
    at.clock.advance(600)
    time.sleep(0.3)
    assert cluster.ready_pods(at.namespace, "night") == []
    at.faults.remove(fault)
    until(lambda: cluster.ready_pods(at.namespace, "night"))


def test_stop_ends_open_watches(tmp_path: Path) -> None:
    """A cluster stops at once though a watch is open."""
    with place("stand-in", tmp_path) as found:
        query = "?watch=1&timeoutSeconds=60"
        watching = threading.Thread(target=lambda: found.raw("GET", MAPS + query))
        watching.start()
        time.sleep(0.1)
        began = time.monotonic()
        found.stand_in.stop()
        watching.join(5)
    assert time.monotonic() - began < 2
    assert not watching.is_alive()
