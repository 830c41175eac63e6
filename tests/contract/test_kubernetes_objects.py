"""How the Kubernetes API stores what it is given: create, replace, patch, scale, list, delete."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from kubernetes import client, dynamic
from kubernetes_place import (
    JSON_PATCH,
    MERGE_PATCH,
    PLACES,
    STRATEGIC_PATCH,
    Place,
    deployment,
    place,
    refused,
    route,
    until,
)


@pytest.fixture(params=PLACES, scope="module")
def at(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    directory: Path = tmp_path_factory.mktemp("clock")
    with place(request.param, directory) as found:
        yield found


def test_discovery_names_the_kinds(at: Place) -> None:
    """/version, /api and /apis answer, and the dynamic client finds Deployments through them."""
    assert at.raw("GET", "/version").body["major"] == "1"
    assert "v1" in at.raw("GET", "/api").body["versions"]
    groups = {g["name"] for g in at.raw("GET", "/apis").body["groups"]}
    assert {"apps", "autoscaling", "batch", "policy", "coordination.k8s.io"} <= groups
    found = dynamic.DynamicClient(at.api).resources.get(api_version="apps/v1", kind="Deployment")
    assert found.name == "deployments"


def test_create_fills_in_defaults_and_drops_status(at: Place) -> None:
    """A new object gets uid, version, time, generation 1 and defaults; a status that was sent is dropped."""
    body = deployment("created", 0) | {"status": {"readyReplicas": 7}}
    found = at.apps.create_namespaced_deployment(namespace=at.namespace, body=body)
    meta, spec = found.metadata, found.spec
    assert meta.uid
    assert int(meta.resource_version) > 0
    assert meta.creation_timestamp.tzinfo
    assert (meta.generation, found.status.ready_replicas) == (1, None)
    rolling = spec.strategy.rolling_update
    assert (rolling.max_surge, rolling.max_unavailable) == ("25%", "25%")
    assert (spec.progress_deadline_seconds, spec.revision_history_limit) == (600, 10)
    pod = spec.template.spec
    assert (pod.restart_policy, pod.containers[0].image_pull_policy) == ("Always", "IfNotPresent")


def test_put_replaces_the_whole_object(at: Place) -> None:
    """A PUT keeps the uid and drops fields left out; a stale one answers 409."""
    first = at.config_map("whole", team="one")
    new = {"metadata": {"name": "whole"}, "data": {"other": "w"}}
    second = at.core.replace_namespaced_config_map(name="whole", namespace=at.namespace, body=new)
    assert (second.metadata.uid, second.data, second.metadata.labels) == (
        first.metadata.uid,
        {"other": "w"},
        None,
    )
    new["metadata"]["resourceVersion"] = first.metadata.resource_version  # type: ignore[index]
    code, status = refused(
        at.core.replace_namespaced_config_map, name="whole", namespace=at.namespace, body=new
    )
    assert (code, status["reason"]) == (409, "Conflict")


def test_generation_counts_spec_changes_only(at: Place) -> None:
    """A label keeps the generation, a spec change raises it, and a change of nothing keeps the version."""
    at.deploy("counted", 0)

    def patch(body: dict[str, object]) -> client.V1ObjectMeta:
        call = at.apps.patch_namespaced_deployment
        return call(name="counted", namespace=at.namespace, body=body).metadata

    assert patch({"metadata": {"labels": {"x": "y"}}}).generation == 1
    assert patch({"spec": {"minReadySeconds": 1}}).generation == 2
    until(lambda: seen(at, "counted"))
    before = patch({"spec": {"minReadySeconds": 1}}).resource_version
    assert patch({"spec": {"minReadySeconds": 1}}).resource_version == before


def seen(at: Place, name: str) -> bool:
    found = at.apps.read_namespaced_deployment(name=name, namespace=at.namespace)
    return bool(found.status.observed_generation == found.metadata.generation and found.status.conditions)


def test_dry_run_stores_nothing(at: Place) -> None:
    """Create, patch, scale and delete answer as if, and leave everything as it was."""
    draft = at.apps.create_namespaced_deployment(
        namespace=at.namespace, body=deployment("draft"), dry_run="All"
    )
    assert draft.metadata.uid
    code, _ = refused(at.apps.read_namespaced_deployment, name="draft", namespace=at.namespace)
    assert code == 404
    at.deploy("dry", 0)
    until(lambda: seen(at, "dry"))
    where = {"name": "dry", "namespace": at.namespace}
    before = at.apps.read_namespaced_deployment(**where)
    patched = at.apps.patch_namespaced_deployment(
        **where, body={"spec": {"minReadySeconds": 9}}, dry_run="All"
    )
    assert patched.metadata.generation == before.metadata.generation + 1
    scaled = at.apps.patch_namespaced_deployment_scale(**where, body={"spec": {"replicas": 3}}, dry_run="All")
    assert scaled.spec.replicas == 3
    at.apps.delete_namespaced_deployment(**where, dry_run="All")
    assert at.apps.read_namespaced_deployment(**where).metadata == before.metadata


def test_json_patch(at: Place) -> None:
    """A JSON patch is all or nothing; a missing leaf is added by replace, a missing index refused."""
    at.config_map("json")

    def patch(*operations: dict[str, object]) -> client.V1ConfigMap:
        return at.core.patch_namespaced_config_map(
            name="json", namespace=at.namespace, body=list(operations), _content_type=JSON_PATCH
        )

    found = patch({"op": "replace", "path": "/data/fresh", "value": "1"})
    assert found.data == {"k": "v", "fresh": "1"}
    assert patch({"op": "test", "path": "/data/absent", "value": None}).data == found.data
    stale = {"op": "test", "path": "/metadata/resourceVersion", "value": "1"}
    change = {"op": "replace", "path": "/data/k", "value": "changed"}
    for refusal in (
        stale,
        {"op": "test", "path": "/data/k", "value": "other"},
        {"op": "remove", "path": "/data/absent"},
        {"op": "replace", "path": "/absent/leaf", "value": 1},
        {"op": "unknown", "path": "/data/k"},
    ):
        code, status = refused(patch_raw, at=at, operations=[change, refusal])
        assert (code, status["reason"], status["details"]) == (422, "Invalid", {})
        assert status["message"] == "the server rejected our request due to an error in our request"
    assert at.core.read_namespaced_config_map(name="json", namespace=at.namespace).data == found.data
    at.deploy("indexed", 0)
    path = "/spec/template/spec/containers/5/image"
    with pytest.raises(client.ApiException) as failure:
        at.apps.patch_namespaced_deployment(
            name="indexed",
            namespace=at.namespace,
            body=[{"op": "replace", "path": path, "value": "x"}],
            _content_type=JSON_PATCH,
        )
    assert failure.value.status == 422


def patch_raw(at: Place, operations: list[dict[str, object]]) -> None:
    at.core.patch_namespaced_config_map(
        name="json", namespace=at.namespace, body=operations, _content_type=JSON_PATCH
    )


def test_merge_patch(at: Place) -> None:
    """null deletes, lists are replaced whole, and a version in the body is a precondition."""
    at.deploy("merged", 0)
    where = {"name": "merged", "namespace": at.namespace}
    env = [{"name": "main", "image": "registry.k8s.io/pause:3.10", "env": [{"name": "C", "value": "3"}]}]
    body = {"metadata": {"labels": {"app": None}}, "spec": {"template": {"spec": {"containers": env}}}}
    found = at.apps.patch_namespaced_deployment(**where, body=body, _content_type=MERGE_PATCH)
    assert not found.metadata.labels
    assert [e.name for e in found.spec.template.spec.containers[0].env] == ["C"]
    stale = {"metadata": {"resourceVersion": "1", "labels": {"a": "b"}}}
    code, _ = refused(at.apps.patch_namespaced_deployment, **where, body=stale, _content_type=MERGE_PATCH)
    assert code == 409


def test_strategic_patch_merges_by_name(at: Place) -> None:
    """Containers and env are merged by name, and `$patch: delete` removes one."""
    at.deploy("strategic", 0)
    env = [{"name": "A", "value": "9"}, {"name": "B", "$patch": "delete"}, {"name": "C", "value": "3"}]
    body = {"spec": {"template": {"spec": {"containers": [{"name": "main", "env": env}]}}}}
    found = at.apps.patch_namespaced_deployment(
        name="strategic", namespace=at.namespace, body=body, _content_type=STRATEGIC_PATCH
    )
    [container] = found.spec.template.spec.containers
    assert {e.name: e.value for e in container.env} == {"A": "9", "C": "3"}
    assert container.image == "registry.k8s.io/pause:3.10"


def test_scale(at: Place) -> None:
    """Scale is read, patched and put; a stale one answers 409 and zero replicas is no field."""
    at.deploy("scaled", 0)
    where = {"name": "scaled", "namespace": at.namespace}
    assert at.apps.read_namespaced_deployment_scale(**where).spec.replicas is None
    found = at.apps.patch_namespaced_deployment_scale(**where, body={"spec": {"replicas": 2}})
    assert found.spec.replicas == 2
    at.settled("scaled", 2)
    body = {"metadata": {**where, "resourceVersion": "1"}, "spec": {"replicas": 1}}
    code, status = refused(at.apps.replace_namespaced_deployment_scale, **where, body=body)
    assert (code, status["reason"]) == (409, "Conflict")
    fresh = at.apps.read_namespaced_deployment_scale(**where)
    body["metadata"]["resourceVersion"] = fresh.metadata.resource_version  # type: ignore[index]
    assert at.apps.replace_namespaced_deployment_scale(**where, body=body).spec.replicas == 1
    assert (
        at.apps.patch_namespaced_deployment_scale(**where, body={"spec": {"replicas": 0}}).spec.replicas
        is None
    )
    at.settled("scaled", 0)


SELECTORS = [
    ("team=red", {"sel-a", "sel-b"}),
    ("team==red,tier", {"sel-a"}),
    ("set=sel,team!=red", {"sel-c", "sel-d", "sel-e"}),
    ("team in (red,blue)", {"sel-a", "sel-b", "sel-c"}),
    ("set=sel,team notin (red,blue)", {"sel-d", "sel-e"}),
    ("set,tier", {"sel-a", "sel-d"}),
    ("set=sel,!tier", {"sel-b", "sel-c", "sel-e"}),
]


@pytest.fixture(scope="module")
def labelled(at: Place) -> Place:
    marks = [("a", "red", "1"), ("b", "red", ""), ("c", "blue", ""), ("d", "", "1"), ("e", "", "")]
    for name, team, tier in marks:
        labels = {"set": "sel"} | ({"team": team} if team else {}) | ({"tier": tier} if tier else {})
        at.config_map(f"sel-{name}", **labels)
    return at


@pytest.mark.parametrize(("selector", "names"), SELECTORS)
def test_label_selectors(labelled: Place, selector: str, names: set[str]) -> None:
    """Each form of a label selector chooses what it should."""
    found = labelled.core.list_namespaced_config_map(namespace=labelled.namespace, label_selector=selector)
    assert {item.metadata.name for item in found.items} == names


def test_pages(labelled: Place) -> None:
    """Five objects in pages of two are three pages, and nothing is told twice."""
    names: list[str] = []
    token, pages = None, 0
    while pages == 0 or token:
        found = labelled.core.list_namespaced_config_map(
            namespace=labelled.namespace, label_selector="set=sel", limit=2, _continue=token
        )
        names += [item.metadata.name for item in found.items]
        token, pages = found.metadata._continue, pages + 1
    assert (pages, names) == (3, ["sel-a", "sel-b", "sel-c", "sel-d", "sel-e"])


def test_lists_name_kinds_of_custom_items_only(at: Place) -> None:
    """Items of built-in lists carry no kind, those of custom ones do; an empty list is []."""
    listed = at.raw("GET", "/api/v1/namespaces/{ns}/configmaps?limit=1").body
    assert listed["kind"] == "ConfigMapList"
    assert all("kind" not in item for item in listed["items"])
    assert at.raw("GET", "/api/v1/namespaces/{ns}/services?labelSelector=no%3Done").body["items"] == []


def test_delete_answers_a_status_or_the_object(at: Place) -> None:
    """What is gone at once answers Success; a finalizer keeps the object until it is removed."""
    at.config_map("gone")
    path = "/api/v1/namespaces/{ns}/configmaps/"
    answer = at.raw("DELETE", path + "gone").body
    assert (answer["status"], answer["details"]["kind"]) == ("Success", "configmaps")
    at.raw("POST", path.rstrip("/"), {"metadata": {"name": "held", "finalizers": ["example.com/hold"]}})
    for _ in range(2):
        assert at.raw("DELETE", path + "held").body["metadata"]["deletionTimestamp"]
    at.raw("PATCH", path + "held", {"metadata": {"finalizers": None}}, MERGE_PATCH)
    assert at.raw("GET", path + "held").code == 404


def test_delete_precondition(at: Place) -> None:
    """A uid that does not match keeps the object and answers 409."""
    at.config_map("precious")
    body = {"preconditions": {"uid": "00000000-0000-0000-0000-000000000000"}}
    code, status = refused(
        at.core.delete_namespaced_config_map, name="precious", namespace=at.namespace, body=body
    )
    assert code == 409
    assert "the UID in the precondition (00000000" in status["message"]


def test_delete_collection(at: Place) -> None:
    """Deleting by label takes what matches and leaves the rest."""
    for name, team in (("bulk-a", "x"), ("bulk-b", "x"), ("bulk-c", "y")):
        at.config_map(name, bulk=team)
    at.core.delete_collection_namespaced_config_map(namespace=at.namespace, label_selector="bulk=x")
    left = at.core.list_namespaced_config_map(namespace=at.namespace, label_selector="bulk").items
    assert [item.metadata.name for item in left] == ["bulk-c"]


def test_owner_takes_its_dependents_along(at: Place) -> None:
    """Deleting a Deployment removes its ReplicaSets and pods."""
    at.deploy("owner", 1)
    at.settled("owner", 1)
    at.apps.delete_namespaced_deployment(name="owner", namespace=at.namespace)
    where = {"namespace": at.namespace, "label_selector": "app=owner"}
    until(lambda: not at.apps.list_namespaced_replica_set(**where).items)
    until(lambda: not at.core.list_namespaced_pod(**where).items)


def test_namespace_goes_with_all_it_holds(at: Place) -> None:
    """A namespace terminates first, refuses new content with 403, and is gone in the end."""
    name = f"{at.namespace}-b"
    at.core.create_namespace(body={"metadata": {"name": name}})
    held = {"metadata": {"name": "held", "finalizers": ["example.com/hold"]}}
    at.core.create_namespaced_config_map(namespace=name, body=held)
    at.core.delete_namespace(name=name)
    assert at.core.read_namespace(name=name).status.phase == "Terminating"
    code, status = refused(
        at.core.create_namespaced_config_map, namespace=name, body={"metadata": {"name": "x"}}
    )
    assert (code, status["details"]["causes"][0]["reason"]) == (403, "NamespaceTerminating")
    at.core.patch_namespaced_config_map(
        name="held", namespace=name, body={"metadata": {"finalizers": None}}, _content_type=MERGE_PATCH
    )
    until(lambda: not [n for n in at.core.list_namespace().items if n.metadata.name == name])


def test_managers_are_told(at: Place) -> None:
    """managedFields name the last writer and the subresource it used."""
    at.deploy("managed", 0)
    where = {"name": "managed", "namespace": at.namespace}
    at.apps.patch_namespaced_deployment_scale(
        **where, body={"spec": {"replicas": 1}}, field_manager="signalbox"
    )
    entries = at.apps.read_namespaced_deployment(**where).metadata.managed_fields
    mine = [e for e in entries if e.manager == "signalbox"]
    assert [(e.operation, e.subresource) for e in mine] == [("Update", "scale")]


def test_audit_id_is_echoed(at: Place) -> None:
    """Every answer names its line in the audit log: ours when we sent an id."""
    assert at.raw("GET", "/version", Audit_ID="run-1-step-2").headers["Audit-Id"] == "run-1-step-2"
    assert at.raw("GET", "/version").headers["Audit-Id"]


def test_custom_put_needs_a_version(at: Place) -> None:
    """A PUT of a custom object without resourceVersion answers 422."""
    path = "/apis/networking.istio.io/v1/namespaces/{ns}/virtualservices"
    if at.raw("GET", path).code == 404:
        pytest.skip("no Istio here")
    at.raw("POST", path, route("put"))
    answer = at.raw("PUT", path + "/put", route("put", 50))
    assert (answer.code, answer.body["reason"]) == (422, "Invalid")
    assert "metadata.resourceVersion: Invalid value: 0" in answer.body["message"]
