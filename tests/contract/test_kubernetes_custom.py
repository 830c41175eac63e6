"""VirtualServices and Applications: custom objects, with and without a status subresource."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from kubernetes_place import (
    APPLICATIONS,
    JSON_PATCH,
    MERGE_PATCH,
    PLACES,
    VIRTUAL_SERVICES,
    Place,
    place,
    refused,
    route,
    until,
)

ROUTES = "/apis/networking.istio.io/v1/namespaces/{ns}/virtualservices"
APPS = "/apis/argoproj.io/v1alpha1/namespaces/{ns}/applications"
TRACKING = "argocd.argoproj.io/tracking-id"


@pytest.fixture(params=PLACES, scope="module")
def at(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with place(request.param, tmp_path_factory.mktemp("clock")) as found:
        if found.raw("GET", ROUTES).code == 404 or found.raw("GET", APPS).code == 404:
            pytest.skip("neither Istio nor Argo CD here")
        yield found


def shift(old: int, new: int) -> list[dict[str, Any]]:
    path = "/spec/http/0/route/{}/weight"
    return [
        {"op": "test", "path": "/spec/http/0/name", "value": "primary"},
        {"op": "test", "path": path.format(0), "value": old},
        {"op": "test", "path": path.format(1), "value": 100 - old},
        {"op": "replace", "path": path.format(0), "value": new},
        {"op": "replace", "path": path.format(1), "value": 100 - new},
    ]


def test_weights_move_once(at: Place) -> None:
    """A tested shift from 100/0 to 90/10 counts one generation; the same shift again answers 422."""
    at.custom.create_namespaced_custom_object(**VIRTUAL_SERVICES, namespace=at.namespace, body=route("shift"))
    where = {**VIRTUAL_SERVICES, "namespace": at.namespace, "name": "shift", "_content_type": JSON_PATCH}
    found = at.custom.patch_namespaced_custom_object(**where, body=shift(100, 90))
    assert [d["weight"] for d in found["spec"]["http"][0]["route"]] == [90, 10]
    assert found["metadata"]["generation"] == 2
    code, status = refused(at.custom.patch_namespaced_custom_object, **where, body=shift(100, 90))
    assert (code, status["reason"]) == (422, "Invalid")


def test_merge_patch_replaces_the_routes(at: Place) -> None:
    """A merge patch of a custom object replaces lists whole."""
    at.raw("POST", ROUTES, route("merge"))
    body = {"spec": {"http": [{"name": "only"}]}}
    found = at.raw("PATCH", ROUTES + "/merge", body, MERGE_PATCH).body
    assert found["spec"]["http"] == [{"name": "only"}]


def test_status_is_apart_from_spec(at: Place) -> None:
    """/status leaves the spec alone and the main path leaves the status alone."""
    at.deploy("apart", 0)
    path = "/apis/apps/v1/namespaces/{ns}/deployments/apart"
    main = at.raw("PATCH", path, {"status": {"collisionCount": 9}}, MERGE_PATCH).body
    assert "collisionCount" not in main.get("status", {})
    body = {"spec": {"replicas": 5}, "status": {"collisionCount": 9}}
    side = at.raw("PATCH", path + "/status", body, MERGE_PATCH).body
    assert (side["spec"]["replicas"], side["metadata"]["generation"]) == (0, 1)


def test_application_status_is_a_plain_field(at: Place) -> None:
    """An Application has no /status; writing its status raises the generation."""
    body = application("plain")
    at.custom.create_namespaced_custom_object(**APPLICATIONS, namespace=at.namespace, body=body)
    until(lambda: at.raw("GET", APPS + "/plain").body.get("status"))
    assert at.raw("GET", APPS + "/plain/status").code == 404
    before = at.raw("GET", APPS + "/plain").body["metadata"]["generation"]
    found = at.raw("PATCH", APPS + "/plain", {"status": {"sourceType": "Kustomize"}}, MERGE_PATCH).body
    assert found["metadata"]["generation"] > before
    assert found["status"]["sourceType"] == "Kustomize"


def application(name: str, **spec: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "project": "default",
        "source": {"repoURL": "https://git.fintech.example/m.git", "path": name},
        "destination": {"server": "https://kubernetes.default.svc"},
        "syncPolicy": {"automated": {"selfHeal": True}},
    }
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": name},
        "spec": base | spec,
    }


@pytest.fixture
def healed(at: Place) -> Place:
    """A VirtualService that Argo CD keeps at 100/0, in the stand-in."""
    tracked = route("kept")
    tracked["metadata"] |= {"namespace": at.namespace, "annotations": {TRACKING: "kept:x"}}
    app, project = application("kept"), {"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject"}
    app["metadata"]["namespace"] = at.namespace
    project |= {"metadata": {"name": "default", "namespace": at.namespace}, "spec": {"syncWindows": []}}
    at.stand_in.seed([tracked, app, project])
    return at


def weights(at: Place) -> list[int]:
    return [d["weight"] for d in at.raw("GET", ROUTES + "/kept").body["spec"]["http"][0]["route"]]


def test_self_heal_puts_back_what_the_bot_wrote(healed: Place) -> None:
    """A shift outside Git is undone after five seconds, and the last manager says by whom."""
    healed.raw("PATCH", ROUTES + "/kept", shift(100, 90), JSON_PATCH)
    assert weights(healed) == [90, 10]
    until(lambda: weights(healed) == [100, 0])
    entries = healed.raw("GET", ROUTES + "/kept").body["metadata"]["managedFields"]
    assert entries[-1]["manager"] == "argocd-controller"
    until(lambda: healed.raw("GET", APPS + "/kept").body["status"]["sync"]["status"] == "Synced")


def test_deny_window_holds_self_heal_off(healed: Place) -> None:
    """While a deny window is open a shift stays and shows as OutOfSync; afterwards it is undone."""
    path = "/apis/argoproj.io/v1alpha1/namespaces/{ns}/appprojects/default"
    window = {"kind": "deny", "schedule": "* * * * *", "duration": "1h", "applications": ["*"]}
    healed.raw("PATCH", path, {"spec": {"syncWindows": [window]}}, MERGE_PATCH)
    healed.raw("PATCH", ROUTES + "/kept", shift(100, 50), JSON_PATCH)
    until(lambda: healed.raw("GET", APPS + "/kept").body["status"]["sync"]["status"] == "OutOfSync")
    assert healed.clock is not None
    healed.clock.advance(120)
    assert weights(healed) == [50, 50]
    healed.raw("PATCH", path, {"spec": {"syncWindows": []}}, MERGE_PATCH)
    until(lambda: weights(healed) == [100, 0])


def test_sync_operation(healed: Place) -> None:
    """An operation that is asked for is done, removed, and told in operationState."""
    body = {"operation": {"sync": {"revision": "main"}, "initiatedBy": {"username": "lead"}}}
    healed.raw("PATCH", APPS + "/kept", body, MERGE_PATCH)

    def done() -> dict[str, Any] | None:
        found = healed.raw("GET", APPS + "/kept").body
        state = found["status"].get("operationState") or {}
        who = state.get("operation", {}).get("initiatedBy", {})
        return found if who.get("username") == "lead" else None

    found = until(done)
    assert "operation" not in found
    assert found["status"]["operationState"]["phase"] == "Succeeded"
