"""Argo CD's brake: deny windows of the AppProject `default`, which keep self-heal from undoing a change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bot.errors import Rejected
from bot.world.kubernetes_session import KubernetesSession

_PROJECT = "/apis/argoproj.io/v1alpha1/namespaces/argocd/appprojects/default"
_WINDOWS = "/spec/syncWindows"
_APPLICATIONS = "/apis/argoproj.io/v1alpha1/namespaces/argocd/applications"


def windows(session: KubernetesSession) -> tuple[dict[str, Any], ...] | None:
    """The project's deny windows; None when there is no Argo CD here, and so nothing to hold."""
    project = session.find(_PROJECT)
    if project is None:
        return None
    return tuple(one for one in _all(project) if one.get("kind") == "deny")


def set_windows(session: KubernetesSession, wanted: Sequence[Mapping[str, Any]]) -> None:
    """Make `wanted` the deny windows and leave the others; Conflict when they changed meanwhile."""
    project = session.find(_PROJECT)
    if project is None:
        if wanted:
            raise Rejected(f"There is no Argo CD in {session.region}.", not_done="No window was set.")
        return
    now = _all(project)
    then = [one for one in now if one.get("kind") != "deny"] + [dict(one) for one in wanted]
    if then == now:
        return
    held = project["spec"].get("syncWindows")
    session.patch(
        _PROJECT,
        [
            {"op": "test", "path": _WINDOWS, "value": held},
            {"op": "add", "path": _WINDOWS, "value": then},
        ],
    )


def out_of_sync(session: KubernetesSession) -> tuple[str, ...]:
    """Applications of the project that Argo CD would sync by itself and does not report as Synced, sorted.

    `Unknown`, or no status yet, is as good as OutOfSync: nobody has seen that Git agrees.
    """
    listed = session.find(_APPLICATIONS) or {}
    found = [one for one in listed.get("items") or [] if _automated(one.get("spec") or {})]
    return tuple(sorted(one["metadata"]["name"] for one in found if _status(one) != "Synced"))


def _automated(spec: Mapping[str, Any]) -> bool:
    automated = (spec.get("syncPolicy") or {}).get("automated")
    return spec.get("project", "default") == "default" and automated is not None and _enabled(automated)


def _enabled(automated: Mapping[str, Any]) -> bool:
    """Argo CD 3.1 and later: `enabled: false` keeps the settings and switches automated syncs off."""
    return automated.get("enabled") is not False


def _status(application: Mapping[str, Any]) -> str:
    return str(((application.get("status") or {}).get("sync") or {}).get("status", ""))


def _all(project: Mapping[str, Any]) -> list[dict[str, Any]]:
    return list(project.get("spec", {}).get("syncWindows") or [])
