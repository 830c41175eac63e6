"""Probes as Jobs, and Argo CD's brake, on the Kubernetes stand-in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from world_clusters import PROBE, PROJECT, SPACE, Clustered, clusters_outside, deployment
from world_outside import ACT, EAST, becomes

from bot.act import acting
from bot.errors import Rejected
from bot.ports import JobSpec


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Clustered]:
    with clusters_outside(tmp_path) as found:
        yield found


def test_no_secret_is_ever_read(world: Clustered) -> None:
    """The bot's requests never touch Secrets, whatever it does."""
    world.port.workloads(EAST, [SPACE])
    with acting(ACT):
        world.port.run_job(EAST, PROBE)
    assert becomes(lambda: world.port.job(EAST, SPACE, PROBE.name).state == "succeeded")

    assert not [e.path for e in world.clusters[EAST].audit() if "secrets" in e.path]


def test_a_probe_runs_once_with_the_services_secret(world: Clustered) -> None:
    """The Job gets the URL from the Secret, its words come back, a second start changes nothing."""
    with acting(ACT):
        assert world.port.job(EAST, SPACE, PROBE.name).state == "absent"
        world.port.run_job(EAST, PROBE)
        world.port.run_job(EAST, PROBE)
        assert becomes(lambda: world.port.job(EAST, SPACE, PROBE.name).state == "succeeded")
        assert world.port.job(EAST, SPACE, PROBE.name).message == "1\nf"
        world.port.remove_job(EAST, SPACE, PROBE.name)
        world.port.remove_job(EAST, SPACE, PROBE.name)

    assert becomes(lambda: world.port.job(EAST, SPACE, PROBE.name).state == "absent")
    (run,) = world.runs
    assert run.command == ("psql",)
    assert run.args == (
        *("postgresql://app:hunter2@db/payments", "-v", "ON_ERROR_STOP=1", "-At"),
        *("-c", "select 1", "-c", "select pg_is_in_recovery()"),
    )
    assert "hunter2" not in str(world.register.intents)
    assert world.register.intents[0]["params"]["containers"][0]["args"][0] == "$(DATABASE_URL)"


def test_a_failed_probe_gives_its_last_words(world: Clustered) -> None:
    """psql's error reaches the reader."""
    spec = JobSpec(**{**PROBE.__dict__, "name": "probe-2", "sql": ("boom",)})
    with acting(ACT):
        world.port.run_job(EAST, spec)

    assert becomes(lambda: world.port.job(EAST, SPACE, "probe-2").state == "failed")
    assert "read-only transaction" in world.port.job(EAST, SPACE, "probe-2").message


def test_a_probe_without_its_secret_says_so(world: Clustered) -> None:
    """A Job whose pod cannot start runs, and tells what keeps it."""
    spec = JobSpec(**{**PROBE.__dict__, "name": "probe-3", "secret": "absent"})
    with acting(ACT):
        world.port.run_job(EAST, spec)

    assert becomes(lambda: "absent" in world.port.job(EAST, SPACE, "probe-3").message)
    assert world.port.job(EAST, SPACE, "probe-3").state == "running"


def test_a_probe_s_proof_outlasts_a_night_on_hold(world: Clustered) -> None:
    """A run that waits for a person until morning still finds the write that was seen refused."""
    with acting(ACT):
        world.port.run_job(EAST, PROBE)
    job = world.session.get(f"/apis/batch/v1/namespaces/{SPACE}/jobs/{PROBE.name}")
    assert job["spec"]["ttlSecondsAfterFinished"] == 24 * 3600


def test_sync_windows_without_argo(world: Clustered) -> None:
    """Without Argo CD the answer is None and not "no window"; setting none is fine, setting one is refused."""
    assert world.port.sync_windows(EAST) is None
    with acting(ACT):
        world.port.set_sync_windows(EAST, [])
        with pytest.raises(Rejected, match="no Argo CD"):
            world.port.set_sync_windows(EAST, [{"kind": "deny"}])


def test_sync_windows_come_and_go(world: Clustered) -> None:
    """Deny windows are set and removed; windows of another kind stay."""
    argocd = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "argocd"}}
    world.clusters[EAST].seed([argocd, PROJECT])
    deny = {"kind": "deny", "schedule": "* * * * *", "duration": "24h", "applications": ["*"]}
    with acting(ACT):
        world.port.set_sync_windows(EAST, [deny])
        world.port.set_sync_windows(EAST, [deny])
        assert world.port.sync_windows(EAST) == (deny,)
        world.port.set_sync_windows(EAST, [])

    assert world.port.sync_windows(EAST) == ()
    project = "/apis/argoproj.io/v1alpha1/namespaces/argocd/appprojects/default"
    assert world.session.get(project)["spec"] == PROJECT["spec"]
    assert world.changes() == ["PATCH", "PATCH"]


def test_applications_that_git_does_not_agree_with(world: Clustered) -> None:
    """What Argo CD would change by itself is named; others' projects and manual applications are not."""
    assert world.port.out_of_sync(EAST) == ()
    argocd = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "argocd"}}
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE}}
    deny = {"kind": "deny", "schedule": "* * * * *", "duration": "24h", "applications": ["*"]}
    held = PROJECT | {"spec": {"syncWindows": [deny]}}
    automated = {"automated": {"selfHeal": True}}
    world.clusters[EAST].seed(
        [
            argocd,
            space,
            held,
            application("drifted", syncPolicy=automated),
            application("agreed", syncPolicy=automated),
            application("manual"),
            application("paused", syncPolicy={"automated": {"enabled": False}}),
            application("foreign", project="other", syncPolicy=automated),
            *(tracked(name) for name in ("drifted", "agreed", "manual", "paused", "foreign")),
        ]
    )
    assert becomes(lambda: world.port.out_of_sync(EAST) == ())
    with acting(ACT):
        for name in ("drifted", "manual", "paused", "foreign"):
            world.port.scale(EAST, SPACE, name, 1)
    assert becomes(lambda: world.port.out_of_sync(EAST) == ("drifted",))


def application(name: str, **spec: Any) -> dict[str, Any]:
    """An Application of Argo CD, in the project `default` unless told otherwise."""
    body = {"project": "default", "source": {}, "destination": {"namespace": SPACE}} | spec
    meta = {"name": name, "namespace": "argocd"}
    return {"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": meta, "spec": body}


def tracked(name: str) -> dict[str, Any]:
    """The Deployment that the Application of this name keeps as Git says."""
    found = deployment(name)
    note = f"{name}:apps/Deployment:{SPACE}/{name}"
    found["metadata"]["annotations"] = {"argocd.argoproj.io/tracking-id": note}
    return found
