"""What the Kubernetes API refuses, and in which words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from kubernetes_place import JSON_PATCH, MERGE_PATCH, PLACES, STRATEGIC_PATCH, Place, deployment, place, route

DEPLOYMENTS = "/apis/apps/v1/namespaces/{ns}/deployments"
MAPS = "/api/v1/namespaces/{ns}/configmaps"
HPAS = "/apis/autoscaling/v2/namespaces/{ns}/horizontalpodautoscalers"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/{ns}/leases"
ROUTES = "/apis/networking.istio.io/v1/namespaces/{ns}/virtualservices"


@pytest.fixture(params=PLACES, scope="module")
def at(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with place(request.param, tmp_path_factory.mktemp("clock")) as found:
        found.deploy("there", 0)
        found.config_map("there")
        found.raw("POST", ROUTES, route("there"))
        yield found


@dataclass
class Refusal:
    """A request and how it is refused; `kind` is details.kind, `says` a pattern of the message."""

    what: str
    method: str
    path: str
    body: Any
    code: int
    reason: str
    kind: str
    says: str
    media: str = "application/json"


def changed(**spec: Any) -> dict[str, Any]:
    return deployment("fresh", **spec)


def hpa(low: int, high: int) -> dict[str, Any]:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "there"}
    spec = {"minReplicas": low, "maxReplicas": high, "scaleTargetRef": target}
    return {"metadata": {"name": "bounds"}, "spec": spec}


def unlabelled() -> dict[str, Any]:
    body = deployment("fresh")
    body["spec"]["template"]["metadata"]["labels"] = {"app": "other"}
    return body


def without_containers() -> dict[str, Any]:
    body = deployment("fresh")
    body["spec"]["template"]["spec"]["containers"] = []
    return body


STALE = {"metadata": {"name": "there", "resourceVersion": "1"}, "data": {}}
ELSEWHERE = {"metadata": {"name": "x", "namespace": "elsewhere"}}
TIME = {"metadata": {"name": "lease"}, "spec": {"renewTime": "2026-01-01T00:00:00+00:00"}}
REJECTED = "^the server rejected our request due to an error in our request$"
MODIFIED = (
    'Operation cannot be fulfilled on configmaps "there": the object has been modified; please apply your '
    "changes to the latest version and try again$"
)
SELECTOR = {"spec": {"selector": {"matchLabels": {"app": "new"}}}}
IMMUTABLE = "spec.selector: Invalid value: .*: field is immutable"
REFUSALS = [
    Refusal(
        "absent", "GET", MAPS + "/no", None, 404, "NotFound", "configmaps", '^configmaps "no" not found$'
    ),
    Refusal(
        "absent in a group",
        "GET",
        DEPLOYMENTS + "/no",
        None,
        404,
        "NotFound",
        "deployments",
        '^deployments.apps "no" not found$',
    ),
    Refusal(
        "absent namespace",
        "POST",
        "/api/v1/namespaces/no-such/configmaps",
        {"metadata": {"name": "x"}},
        404,
        "NotFound",
        "namespaces",
        '^namespaces "no-such" not found$',
    ),
    Refusal(
        "unknown resource",
        "GET",
        "/apis/apps/v1/namespaces/{ns}/nothings",
        None,
        404,
        "NotFound",
        "",
        "^the server could not find the requested resource$",
    ),
    Refusal(
        "exists",
        "POST",
        MAPS,
        {"metadata": {"name": "there"}},
        409,
        "AlreadyExists",
        "configmaps",
        '^configmaps "there" already exists$',
    ),
    Refusal("stale put", "PUT", MAPS + "/there", STALE, 409, "Conflict", "configmaps", MODIFIED),
    Refusal(
        "stale merge", "PATCH", MAPS + "/there", STALE, 409, "Conflict", "configmaps", MODIFIED, MERGE_PATCH
    ),
    Refusal(
        "labels do not match",
        "POST",
        DEPLOYMENTS,
        unlabelled(),
        422,
        "Invalid",
        "Deployment",
        r'^Deployment.apps "fresh" is invalid: spec.template.metadata.labels: '
        'Invalid value: {"app":"other"}: '
        "`selector` does not match template `labels`$",
    ),
    Refusal(
        "selector changed",
        "PATCH",
        DEPLOYMENTS + "/there",
        SELECTOR,
        422,
        "Invalid",
        "Deployment",
        IMMUTABLE,
        MERGE_PATCH,
    ),
    Refusal(
        "negative replicas",
        "POST",
        DEPLOYMENTS,
        changed(replicas=-1),
        422,
        "Invalid",
        "Deployment",
        "spec.replicas: Invalid value: -1: must be greater than or equal to 0",
    ),
    Refusal(
        "negative scale",
        "PATCH",
        DEPLOYMENTS + "/there/scale",
        {"spec": {"replicas": -1}},
        422,
        "Invalid",
        "Scale",
        '^Scale.autoscaling "there" is invalid: spec.replicas: Invalid value: -1',
        MERGE_PATCH,
    ),
    Refusal(
        "HPA bounds",
        "POST",
        HPAS,
        hpa(5, 2),
        422,
        "Invalid",
        "HorizontalPodAutoscaler",
        "spec.maxReplicas: Invalid value: 2: must be greater than or equal to `minReplicas`",
    ),
    Refusal(
        "no container",
        "POST",
        DEPLOYMENTS,
        without_containers(),
        422,
        "Invalid",
        "Deployment",
        "spec.template.spec.containers: Required value",
    ),
    Refusal(
        "dry run by half",
        "POST",
        MAPS + "?dryRun=Some",
        {"metadata": {"name": "x"}},
        422,
        "Invalid",
        "CreateOptions",
        r'^CreateOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: \["Some"\]: '
        'supported values: "All"$',
    ),
    Refusal(
        "JSON patch test",
        "PATCH",
        MAPS + "/there",
        [{"op": "test", "path": "/data/k", "value": "no"}],
        422,
        "Invalid",
        "",
        REJECTED,
        JSON_PATCH,
    ),
    Refusal(
        "JSON patch no list",
        "PATCH",
        MAPS + "/there",
        {"data": {}},
        400,
        "BadRequest",
        "",
        r"cannot unmarshal object into Go value of type \[\]handlers.jsonPatchOp",
        JSON_PATCH,
    ),
    Refusal(
        "merge patch a list",
        "PATCH",
        MAPS + "/there",
        [{"op": "remove", "path": "/data"}],
        400,
        "BadRequest",
        "",
        r"cannot unmarshal array into Go value of type map\[string\]interface {}",
        MERGE_PATCH,
    ),
    Refusal(
        "unknown patch type",
        "PATCH",
        MAPS + "/there",
        {},
        415,
        "UnsupportedMediaType",
        "",
        "",
        "text/plain",
    ),
    Refusal(
        "wrong type",
        "POST",
        DEPLOYMENTS,
        changed(replicas="two"),
        400,
        "BadRequest",
        "",
        'Deployment in version "v1" cannot be handled as a Deployment: json: cannot unmarshal string into Go '
        r"struct field DeploymentSpec.spec.replicas of type int32",
    ),
    Refusal(
        "lease time",
        "POST",
        LEASES,
        TIME,
        400,
        "BadRequest",
        "",
        'parsing time .* as "2006-01-02T15:04:05.000000Z07:00"',
    ),
    Refusal(
        "other namespace",
        "POST",
        MAPS,
        ELSEWHERE,
        400,
        "BadRequest",
        "",
        "^the namespace of the provided object does not match the namespace sent on the request$",
    ),
    Refusal(
        "other name",
        "PUT",
        MAPS + "/there",
        {"metadata": {"name": "other"}},
        400,
        "BadRequest",
        "",
        r"^the name of the object \(other.*\) does not match the name on the URL \(there.*\)$",
    ),
    Refusal(
        "label selector",
        "GET",
        MAPS + "?labelSelector=a+in+(b",
        None,
        400,
        "BadRequest",
        "",
        r"unable to parse requirement: found '', expected: ',' or '\)'",
    ),
    Refusal(
        "field selector",
        "GET",
        MAPS + "?fieldSelector=data.k%3Dv",
        None,
        400,
        "BadRequest",
        "",
        '"data.k" is not a known field selector: only "metadata.name", "metadata.namespace"',
    ),
    Refusal(
        "pod field selector",
        "GET",
        "/api/v1/namespaces/{ns}/pods?fieldSelector=spec.x%3Dv",
        None,
        400,
        "BadRequest",
        "",
        "field label not supported: spec.x",
    ),
    Refusal(
        "version on create",
        "POST",
        MAPS,
        {"metadata": {"name": "x", "resourceVersion": "5"}},
        500,
        "",
        "",
        "resourceVersion should not be set on objects to be created",
    ),
    Refusal(
        "put on the collection",
        "PUT",
        MAPS,
        {"metadata": {"name": "x"}},
        405,
        "MethodNotAllowed",
        "",
        "^the server does not allow this method on the requested resource$",
    ),
]


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda r: r.what)
def test_refusals(at: Place, refusal: Refusal) -> None:
    """Code, reason, details.kind and message are those clients match on."""
    answer = at.raw(refusal.method, refusal.path, refusal.body, refusal.media)
    status = answer.body
    assert (answer.code, status["code"], status["status"]) == (refusal.code, refusal.code, "Failure")
    assert status.get("reason", "") == refusal.reason
    assert (status.get("details") or {}).get("kind", "") == refusal.kind
    assert re.search(refusal.says, status["message"]), status["message"]


def test_unknown_group_answers_plain_text(at: Place) -> None:
    """A group that is not installed answers 404 with a body that is no JSON."""
    answer = at.raw("GET", "/apis/nothing.example/v1/namespaces/{ns}/things")
    assert (answer.code, answer.text.strip()) == (404, "404 page not found")


def test_several_causes(at: Place) -> None:
    """Several faults come in one answer, each with its field."""
    body = changed(replicas=-1)
    body["spec"]["template"]["spec"]["containers"] = []
    status = at.raw("POST", DEPLOYMENTS, body).body
    fields = {cause["field"] for cause in status["details"]["causes"]}
    assert {"spec.replicas", "spec.template.spec.containers"} <= fields
    assert ": [" in status["message"]


def test_json_without_content_type(at: Place) -> None:
    """A POST without Content-Type is read as JSON, as client 37 sends it; text/plain is refused."""
    assert at.raw("POST", MAPS, {"metadata": {"name": "untyped"}}, media="").code == 201
    assert at.raw("POST", MAPS, {"metadata": {"name": "text"}}, media="text/plain").code == 415


def test_custom_objects_know_no_strategic_patch(at: Place) -> None:
    """A strategic patch of a custom object answers 415 and names the types it takes."""
    if at.raw("GET", ROUTES).code == 404:
        pytest.skip("no Istio here")
    answer = at.raw("PATCH", ROUTES + "/there", {"spec": {}}, STRATEGIC_PATCH)
    assert answer.code == 415
    assert "accepted media types include: application/json-patch+json" in answer.body["message"]


def test_custom_object_needs_its_kind(at: Place) -> None:
    """A custom object without kind answers 400."""
    if at.raw("GET", ROUTES).code == 404:
        pytest.skip("no Istio here")
    answer = at.raw("POST", ROUTES, {"metadata": {"name": "kindless"}, "spec": {}})
    assert answer.code == 400
    assert "Object 'Kind' is missing in" in answer.body["message"]


def test_old_page_token(at: Place) -> None:
    """A continue token from before a compaction answers 410 with a token to go on with."""
    for name in ("page-a", "page-b", "page-c"):
        at.config_map(name, page="yes")
    first = at.raw("GET", MAPS + "?limit=1&labelSelector=page").body
    at.config_map("between")
    at.stand_in.compact()
    at.config_map("page-d", page="yes")
    token = first["metadata"]["continue"]
    answer = at.raw("GET", MAPS + f"?limit=1&labelSelector=page&continue={token}")
    assert (answer.code, answer.body["reason"]) == (410, "Expired")
    assert answer.body["message"].startswith("The provided continue parameter is too old")
    fresh = answer.body["metadata"]["continue"]
    assert at.raw("GET", MAPS + f"?labelSelector=page&continue={fresh}").code == 200
