"""Watches: what they replay, what they tell, and how they end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from kubernetes import watch
from kubernetes.client.exceptions import ApiException
from kubernetes_place import PLACES, Place, place

MAPS = "/api/v1/namespaces/{ns}/configmaps"


@pytest.fixture(params=PLACES, scope="module")
def at(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with place(request.param, tmp_path_factory.mktemp("clock")) as found:
        yield found


def version(at: Place) -> str:
    return str(at.raw("GET", MAPS).body["metadata"]["resourceVersion"])


def told(at: Place, query: str) -> list[dict[str, Any]]:
    """Events of a watch of one second."""
    answer = at.raw("GET", f"{MAPS}?watch=1&timeoutSeconds=1&{query}")
    assert answer.code == 200
    return [json.loads(line) for line in answer.text.splitlines()]


def test_watch_replays_from_a_version(at: Place) -> None:
    """Everything after the version comes in order, with the object's new version; then it ends by itself."""
    since = version(at)
    at.config_map("told")
    at.core.patch_namespaced_config_map(name="told", namespace=at.namespace, body={"data": {"k": "w"}})
    at.core.delete_namespaced_config_map(name="told", namespace=at.namespace)
    events = [e for e in told(at, f"resourceVersion={since}") if e["object"]["metadata"]["name"] == "told"]
    assert [e["type"] for e in events] == ["ADDED", "MODIFIED", "DELETED"]
    versions = [int(e["object"]["metadata"]["resourceVersion"]) for e in events]
    assert versions == sorted(set(versions))


def test_watch_without_version_lists_first(at: Place) -> None:
    """Without a version every object comes as ADDED."""
    at.config_map("already")
    assert "already" in {e["object"]["metadata"]["name"] for e in told(at, "") if e["type"] == "ADDED"}


def test_selector_turns_changes_into_arrivals(at: Place) -> None:
    """An object that starts to match is ADDED, one that stops is DELETED with its old labels."""
    since = version(at)
    at.config_map("mover", color="blue")
    for color in ("red", "blue"):
        body = {"metadata": {"labels": {"color": color}}}
        at.core.patch_namespaced_config_map(name="mover", namespace=at.namespace, body=body)
    events = told(at, f"resourceVersion={since}&labelSelector=color%3Dred")
    assert [e["type"] for e in events] == ["ADDED", "DELETED"]
    assert events[1]["object"]["metadata"]["labels"] == {"color": "red"}
    numbers = [int(e["object"]["metadata"]["resourceVersion"]) for e in events]
    assert numbers[0] < numbers[1]


def test_bookmarks(at: Place) -> None:
    """A bookmark carries a version and no object; the first one can mark the end of the list."""
    events = told(at, "allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan")
    first = next(e for e in events if e["type"] == "BOOKMARK")
    assert first["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert set(first["object"]) <= {"kind", "apiVersion", "metadata", "data"}


def test_live_events_reach_the_client(at: Place) -> None:
    """The Python client's watch sees what happens while it is open."""
    since = version(at)
    at.config_map("live")
    watching = watch.Watch()
    stream = watching.stream(
        at.core.list_namespaced_config_map, namespace=at.namespace, resource_version=since, timeout_seconds=10
    )
    event = next(stream)
    watching.stop()
    stream.close()
    assert (event["type"], event["object"].metadata.name) == ("ADDED", "live")


def test_too_old_version_is_an_error_event(at: Place) -> None:
    """A version that is compacted answers 200 with one ERROR line; the client raises 410."""
    since = version(at)
    at.config_map("before")
    at.stand_in.compact()
    at.config_map("after")
    [event] = told(at, f"resourceVersion={since}")
    assert (event["type"], event["object"]["code"], event["object"]["reason"]) == ("ERROR", 410, "Expired")
    assert event["object"]["message"].startswith(f"too old resource version: {since}")
    with pytest.raises(ApiException) as failure:
        list(
            watch.Watch().stream(
                at.core.list_namespaced_config_map,
                namespace=at.namespace,
                resource_version=since,
                timeout_seconds=1,
            )
        )
    assert failure.value.status == 410


def test_bad_version(at: Place) -> None:
    """A version that is no number answers 500."""
    assert at.raw("GET", MAPS + "?watch=1&timeoutSeconds=1&resourceVersion=soon").code == 500
