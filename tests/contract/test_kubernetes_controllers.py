"""What happens behind the API: rollouts, autoscalers, jobs, nodes, evictions, leases."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from kubernetes_place import MERGE_PATCH, PLACES, Place, deployment, place, refused, until

DEPLOYMENTS = "/apis/apps/v1/namespaces/{ns}/deployments"
RESTART = "kubectl.kubernetes.io/restartedAt"


@pytest.fixture(params=PLACES, scope="module")
def at(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with place(request.param, tmp_path_factory.mktemp("clock")) as found:
        yield found


def scale(at: Place, name: str, replicas: int) -> None:
    body = {"spec": {"replicas": replicas}}
    at.apps.patch_namespaced_deployment_scale(name=name, namespace=at.namespace, body=body)


def autoscale(at: Place, name: str, low: int, high: int = 10) -> None:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
    body = {
        "metadata": {"name": name},
        "spec": {"minReplicas": low, "maxReplicas": high, "scaleTargetRef": target},
    }
    at.scaling.create_namespaced_horizontal_pod_autoscaler(namespace=at.namespace, body=body)


def replicas(at: Place, name: str) -> int:
    return int(at.apps.read_namespaced_deployment(name=name, namespace=at.namespace).spec.replicas)


def test_autoscaler_raises_to_its_minimum(at: Place) -> None:
    """A raised minReplicas raises the Deployment, and a manual scale-down is undone."""
    at.deploy("bounded", 1)
    autoscale(at, "bounded", 1)
    where = {"name": "bounded", "namespace": at.namespace}
    body = {"spec": {"minReplicas": 3, "behavior": {"scaleDown": {"selectPolicy": "Disabled"}}}}
    found = at.scaling.patch_namespaced_horizontal_pod_autoscaler(**where, body=body)
    assert found.spec.behavior.scale_down.policies
    at.settled("bounded", 3)
    scale(at, "bounded", 2)
    until(lambda: replicas(at, "bounded") == 3)
    code, status = refused(
        at.scaling.patch_namespaced_horizontal_pod_autoscaler, **where, body={"spec": {"maxReplicas": 2}}
    )
    assert (code, status["details"]["causes"][0]["field"]) == (422, "spec.maxReplicas")


def test_zero_replicas_switch_the_autoscaler_off(at: Place) -> None:
    """A Deployment scaled to zero stays there; the autoscaler says ScalingDisabled."""
    at.deploy("off", 1)
    autoscale(at, "off", 1)
    at.settled("off", 1)
    scale(at, "off", 0)

    def disabled() -> bool:
        found = at.scaling.read_namespaced_horizontal_pod_autoscaler(name="off", namespace=at.namespace)
        conditions = {c.type: (c.status, c.reason) for c in found.status.conditions or []}
        return conditions.get("ScalingActive") == ("False", "ScalingDisabled")

    until(disabled)
    assert replicas(at, "off") == 0
    scale(at, "off", 1)
    at.settled("off", 1)


def test_rollout_shows_the_old_status_first(at: Place) -> None:
    """A new template is seen with the old observedGeneration first; then no pod too few is ever available."""
    at.deploy("rolled", 3)
    at.settled("rolled", 3)
    since = at.raw("GET", DEPLOYMENTS).body["metadata"]["resourceVersion"]
    notes = {"metadata": {"annotations": {RESTART: "2026-01-01T00:00:00Z"}}}
    at.apps.patch_namespaced_deployment(
        name="rolled", namespace=at.namespace, body={"spec": {"template": notes}}
    )
    at.settled("rolled", 3)
    query = f"watch=1&timeoutSeconds=1&resourceVersion={since}&fieldSelector=metadata.name%3Drolled"
    lines = at.raw("GET", f"{DEPLOYMENTS}?{query}").text.splitlines()
    seen = [tuple_of(json.loads(line)["object"]) for line in lines]
    assert seen[0] == (2, 1, 3, 3, 3, 0)
    assert {(2, 2, 4, 1, 3, 1), (2, 2, 4, 1, 4, 0)} <= set(seen)
    assert seen[-1] == (2, 2, 3, 3, 3, 0)
    assert min(ready for _, _, _, _, ready, _ in seen) == 3
    found = at.apps.read_namespaced_deployment(name="rolled", namespace=at.namespace)
    assert found.metadata.annotations["deployment.kubernetes.io/revision"] == "2"
    conditions = {c.type: c.reason for c in found.status.conditions}
    assert conditions == {"Available": "MinimumReplicasAvailable", "Progressing": "NewReplicaSetAvailable"}


def tuple_of(found: dict[str, Any]) -> tuple[int, ...]:
    status = found["status"]
    fields = ("observedGeneration", "replicas", "updatedReplicas", "readyReplicas", "unavailableReplicas")
    return (found["metadata"]["generation"], *(status.get(field, 0) for field in fields))


def test_rollout_past_its_deadline(at: Place) -> None:
    """A rollout that makes no progress says ProgressDeadlineExceeded and keeps the old pods."""
    at.deploy("stuck", 1, progressDeadlineSeconds=5)
    at.settled("stuck", 1)
    image = {"name": "main", "image": "registry.invalid/pause:missing"}
    body = {"spec": {"template": {"spec": {"containers": [image]}}}}
    at.apps.patch_namespaced_deployment(name="stuck", namespace=at.namespace, body=body)

    def late() -> bool:
        found = at.apps.read_namespaced_deployment(name="stuck", namespace=at.namespace)
        conditions = {c.type: c.reason for c in found.status.conditions or []}
        return conditions.get("Progressing") == "ProgressDeadlineExceeded"

    until(late)
    assert replicas_ready(at, "stuck") == 1


def test_pod_that_fits_nowhere(at: Place) -> None:
    """A pod larger than every node stays Pending, Unschedulable, with an event that says why."""
    body = deployment("huge", 1)
    body["spec"]["template"]["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "500"}}
    at.apps.create_namespaced_deployment(namespace=at.namespace, body=body)

    def unschedulable() -> str:
        for pod in at.core.list_namespaced_pod(namespace=at.namespace, label_selector="app=huge").items:
            for condition in pod.status.conditions or []:
                if condition.reason == "Unschedulable":
                    return str(condition.message)
        return ""

    assert "Insufficient cpu" in until(unschedulable)
    query = "involvedObject.kind=Pod,reason=FailedScheduling"
    until(lambda: at.core.list_namespaced_event(namespace=at.namespace, field_selector=query).items)
    at.apps.delete_namespaced_deployment(name="huge", namespace=at.namespace)


def test_eviction_asks_the_budget(at: Place) -> None:
    """An eviction is done while the budget allows it, and answers 429 when it does not."""
    at.deploy("guarded", 2)
    at.settled("guarded", 2)
    body: dict[str, Any] = {
        "metadata": {"name": "guarded"},
        "spec": {"minAvailable": 2, "selector": {"matchLabels": {"app": "guarded"}}},
    }
    at.policy.create_namespaced_pod_disruption_budget(namespace=at.namespace, body=body)
    where = {"name": "guarded", "namespace": at.namespace}

    def judged(allowed: int) -> bool:
        status = at.policy.read_namespaced_pod_disruption_budget(**where).status
        return (status.expected_pods or 0) > 0 and status.disruptions_allowed == allowed

    until(lambda: judged(0))
    pods = at.core.list_namespaced_pod(namespace=at.namespace, label_selector="app=guarded").items
    path = f"/api/v1/namespaces/{{ns}}/pods/{pods[0].metadata.name}/eviction"
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pods[0].metadata.name, "namespace": at.namespace},
    }
    answer = at.raw("POST", path, eviction)
    assert (answer.code, answer.body["reason"]) == (429, "TooManyRequests")
    [cause] = answer.body["details"]["causes"]
    assert cause["message"] == "The disruption budget guarded needs 2 healthy pods and has 2 currently"
    at.policy.patch_namespaced_pod_disruption_budget(**where, body={"spec": {"minAvailable": 1}})
    until(lambda: judged(1))
    answer = at.raw("POST", path, eviction)
    assert (answer.code, answer.body["status"]) == (201, "Success")


def job(name: str, *args: str, **spec: Any) -> dict[str, Any]:
    container = {
        "name": "main",
        "image": "registry.k8s.io/busybox:1.27",
        "command": ["sh", "-c", "test $(ANSWER) = 42 && echo $1 && test $1 != fail"],
        "args": ["probe", *args],
        "env": [{"name": "ANSWER", "value": "42"}],
    }
    pod = {"restartPolicy": "Never", "containers": [container]}
    return {"metadata": {"name": name}, "spec": {"template": {"spec": pod}, **spec}}


def finished(at: Place, name: str) -> dict[str, str]:
    found = at.batch.read_namespaced_job(name=name, namespace=at.namespace)
    conditions = {c.type: c.reason for c in found.status.conditions or []}
    return conditions if {"Complete", "Failed"} & set(conditions) else {}


def test_job_completes(at: Place) -> None:
    """A Job runs its container once, with its variables, and says CompletionsReached."""
    at.batch.create_namespaced_job(namespace=at.namespace, body=job("good", "well"))
    conditions = until(lambda: finished(at, "good"))
    assert conditions["Complete"] == conditions["SuccessCriteriaMet"] == "CompletionsReached"
    [pod] = at.core.list_namespaced_pod(namespace=at.namespace, label_selector="job-name=good").items
    assert pod.status.phase == "Succeeded"
    log = at.core.read_namespaced_pod_log(name=pod.metadata.name, namespace=at.namespace)
    if at.cluster:
        [run] = [run for run in at.ran if run.pod == pod.metadata.name]
        assert run.command[2].startswith("test 42 = 42")
        assert run.env == {"ANSWER": "42"}
        assert pod.status.container_statuses[0].state.terminated.message == log == "wrote row 1"
    path = "/apis/batch/v1/namespaces/{ns}/jobs/good?propagationPolicy=Background"
    at.raw("DELETE", path)
    until(
        lambda: not at.core.list_namespaced_pod(namespace=at.namespace, label_selector="job-name=good").items
    )


def test_job_that_fails(at: Place) -> None:
    """A Job whose container fails too often says BackoffLimitExceeded."""
    at.batch.create_namespaced_job(namespace=at.namespace, body=job("bad", "fail", backoffLimit=0))
    assert until(lambda: finished(at, "bad"))["Failed"] == "BackoffLimitExceeded"


def test_deleting_a_job_warns_and_keeps_its_pods(at: Place) -> None:
    """A raw DELETE of a Job orphans its pods and says so in a Warning header."""
    at.batch.create_namespaced_job(namespace=at.namespace, body=job("left", "well"))
    until(lambda: finished(at, "left"))
    answer = at.raw("DELETE", "/apis/batch/v1/namespaces/{ns}/jobs/left")
    assert answer.headers["Warning"].startswith("299")
    assert at.core.list_namespaced_pod(namespace=at.namespace, label_selector="job-name=left").items


def lease(holder: str, version: str = "", **spec: Any) -> dict[str, Any]:
    meta = {"name": "engine"} | ({"resourceVersion": version} if version else {})
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": meta,
        "spec": {"holderIdentity": holder, "renewTime": "2026-01-01T00:00:00.000001Z", **spec},
    }


def test_lease_has_one_holder(at: Place) -> None:
    """Of two writers that read the same version one gets the lease, the other 409."""
    path = "/apis/coordination.k8s.io/v1/namespaces/{ns}/leases/engine"
    assert at.raw("PUT", path, lease("nobody")).code == 201
    version = at.raw("GET", path).body["metadata"]["resourceVersion"]
    assert at.raw("PUT", path, lease("one", version)).code == 200
    assert at.raw("PUT", path, lease("two", version)).code == 409
    assert at.raw("GET", path).body["spec"]["holderIdentity"] == "one"


def test_cron_job_is_suspended(at: Place) -> None:
    """A CronJob keeps what was written to suspend."""
    body = {
        "metadata": {"name": "nightly"},
        "spec": {"schedule": "0 3 * * *", "jobTemplate": {"spec": job("x")["spec"]}},
    }
    where = {"name": "nightly", "namespace": at.namespace}
    assert at.batch.create_namespaced_cron_job(namespace=at.namespace, body=body).spec.suspend is False
    found = at.batch.patch_namespaced_cron_job(**where, body={"spec": {"suspend": True}})
    assert (found.spec.suspend, found.metadata.generation) == (True, 2)


def test_service_names_its_pods(at: Place) -> None:
    """A Service's EndpointSlice holds the addresses of its ready pods."""
    at.deploy("served", 2)
    body = {"metadata": {"name": "served"}, "spec": {"selector": {"app": "served"}, "ports": [{"port": 80}]}}
    at.core.create_namespaced_service(namespace=at.namespace, body=body)
    path = "/apis/discovery.k8s.io/v1/namespaces/{ns}/endpointslices"
    query = "?labelSelector=kubernetes.io%2Fservice-name%3Dserved"

    def addresses() -> int:
        slices = at.raw("GET", path + query).body["items"]
        return sum(e["conditions"]["ready"] for s in slices for e in s["endpoints"] or [])

    until(lambda: addresses() == 2)


def test_cordon_keeps_new_pods_off(at: Place) -> None:
    """A cordoned node carries the taint and takes no new pod."""
    at.stand_in.set_nodes("spare", 1, "m5.large")
    node = until(lambda: at.core.list_node(label_selector="eks.amazonaws.com/nodegroup=spare").items)[0]
    name = node.metadata.name
    at.core.patch_node(name=name, body={"spec": {"unschedulable": True}})
    until(lambda: at.core.read_node(name=name).spec.taints)
    assert at.core.read_node(name=name).spec.taints[0].key == "node.kubernetes.io/unschedulable"
    body = deployment("elsewhere", 1)
    body["spec"]["template"]["spec"]["nodeSelector"] = {"kubernetes.io/hostname": name}
    at.apps.create_namespaced_deployment(namespace=at.namespace, body=body)
    where = {"namespace": at.namespace, "label_selector": "app=elsewhere"}
    until(lambda: at.core.list_namespaced_pod(**where, field_selector="status.phase=Pending").items)
    until(lambda: at.core.list_namespaced_event(namespace=at.namespace).items)
    at.core.patch_node(name=name, body={"spec": {"unschedulable": None}})
    at.settled("elsewhere", 1)


def test_nodes_join_and_take_what_waits(at: Place) -> None:
    """Pods without room run once the group has grown; short capacity keeps the nodes away."""
    cluster = at.stand_in
    body = deployment("wide", 2)
    container = body["spec"]["template"]["spec"]["containers"][0]
    container["resources"] = {"requests": {"cpu": "1500m"}}
    body["spec"]["template"]["spec"]["nodeSelector"] = {"eks.amazonaws.com/nodegroup": "grown"}
    cluster.set_nodes("grown", 1, "m5.large")
    at.apps.create_namespaced_deployment(namespace=at.namespace, body=body)
    until(lambda: replicas_ready(at, "wide") == 1)
    short = at.faults.add("capacity-short", region=cluster.region)
    cluster.set_nodes("grown", 2, "m5.large")
    assert at.clock is not None
    at.clock.advance(120)
    assert replicas_ready(at, "wide") == 1
    at.faults.remove(short)
    at.settled("wide", 2)


def test_pods_that_fail_their_readiness_probe_run_and_are_not_ready(at: Place) -> None:
    """They say why, their Deployment never gets available, and they are ready once the probe succeeds."""
    assert at.clock is not None
    sick = at.faults.add("service-never-ready", service="sickly")
    at.deploy("sickly")
    at.deploy("well")
    at.settled("well", 1)

    def running() -> Any:
        pods = at.core.list_namespaced_pod(namespace=at.namespace, label_selector="app=sickly").items
        return next((pod for pod in pods if pod.status.phase == "Running"), None)

    pod = until(running)
    ready = next(c for c in pod.status.conditions if c.type == "Ready")
    assert (ready.status, ready.reason) == ("False", "ContainersNotReady")
    assert ready.message == "containers with unready status: [main]"
    assert not pod.status.container_statuses[0].ready
    assert pod.status.container_statuses[0].state.running
    at.clock.advance(60)
    said = [e.message for e in at.core.list_namespaced_event(namespace=at.namespace).items]
    assert "Readiness probe failed: HTTP probe failed with statuscode: 503" in said
    assert replicas_ready(at, "sickly") == 0
    at.faults.remove(sick)
    at.settled("sickly", 1)


def test_api_server_that_is_too_busy_says_when_to_come_back(at: Place) -> None:
    """429 with Retry-After, for a share of the calls when told so."""
    busy = at.faults.add("kubernetes-throttle", rate=1.0)
    answer = at.raw("GET", "/api/v1/namespaces/{ns}/pods")
    at.faults.remove(busy)

    assert (answer.code, answer.headers["Retry-After"]) == (429, "1")
    assert answer.body["reason"] == "TooManyRequests"


def replicas_ready(at: Place, name: str) -> int:
    status = at.apps.read_namespaced_deployment(name=name, namespace=at.namespace).status
    return int(status.ready_replicas or 0)


def test_lost_node(at: Place) -> None:
    """A silent node becomes Unknown after 48 seconds, and its pods are replaced after 300 more."""
    cluster = at.stand_in
    cluster.set_nodes("doomed", 1, "m5.large")
    [node] = at.core.list_node(label_selector="eks.amazonaws.com/nodegroup=doomed").items
    name = node.metadata.name
    body = deployment("moved", 1)
    body["spec"]["template"]["spec"]["nodeSelector"] = {"kubernetes.io/hostname": name}
    at.apps.create_namespaced_deployment(namespace=at.namespace, body=body)
    at.settled("moved", 1)
    cluster.lose_node(name)

    def ready() -> tuple[str, str]:
        conditions = at.core.read_node(name=name).status.conditions
        return next((c.status, c.reason) for c in conditions if c.type == "Ready")

    until(lambda: ready() == ("Unknown", "NodeStatusUnknown"))
    effects = {t.effect for t in at.core.read_node(name=name).spec.taints}
    assert effects == {"NoSchedule", "NoExecute"}
    assert not cluster.ready_pods(at.namespace, "moved")
    where = {"namespace": at.namespace, "label_selector": "app=moved"}
    until(lambda: len(at.core.list_namespaced_pod(**where).items) == 2)


def test_foreground_deletion_waits_for_dependents(at: Place) -> None:
    """With Foreground the owner is still there, deleting, until its dependents are gone."""
    at.deploy("front", 1)
    at.settled("front", 1)
    at.raw("DELETE", DEPLOYMENTS + "/front?propagationPolicy=Foreground")
    until(lambda: at.raw("GET", DEPLOYMENTS + "/front").code == 404)
    pods = at.core.list_namespaced_pod(namespace=at.namespace, label_selector="app=front").items
    assert all(pod.metadata.deletion_timestamp for pod in pods)


def test_paused_rollout(at: Place) -> None:
    """A paused Deployment keeps its pods when the template changes."""
    at.deploy("paused", 1)
    at.settled("paused", 1)
    where = {"name": "paused", "namespace": at.namespace}
    at.apps.patch_namespaced_deployment(**where, body={"spec": {"paused": True}})
    notes = {"metadata": {"annotations": {RESTART: "2026-01-01T00:00:00Z"}}}
    at.raw("PATCH", DEPLOYMENTS + "/paused", {"spec": {"template": notes}}, MERGE_PATCH)

    def told() -> bool:
        found = at.apps.read_namespaced_deployment(**where)
        conditions = {c.type: (c.status, c.reason) for c in found.status.conditions or []}
        seen = found.status.observed_generation == found.metadata.generation
        return seen and conditions.get("Progressing") == ("Unknown", "DeploymentPaused")

    until(told)
    sets = at.apps.list_namespaced_replica_set(namespace=at.namespace, label_selector="app=paused").items
    assert len(sets) == 1
    at.apps.patch_namespaced_deployment(**where, body={"spec": {"paused": False}})
    at.settled("paused", 1)
