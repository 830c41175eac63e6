"""Argo CD's brake: deny windows of the AppProject `default`, which keep self-heal from undoing a change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bot.errors import Rejected
from bot.world.kubernetes_session import KubernetesSession

_PROJECT = "/apis/argoproj.io/v1alpha1/namespaces/argocd/appprojects/default"
_WINDOWS = "/spec/syncWindows"


def windows(session: KubernetesSession) -> tuple[dict[str, Any], ...]:
    """The project's deny windows; none when there is no Argo CD here."""
    project = session.find(_PROJECT)
    return tuple(one for one in _all(project) if one.get("kind") == "deny") if project else ()


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


def _all(project: Mapping[str, Any]) -> list[dict[str, Any]]:
    return list(project.get("spec", {}).get("syncWindows") or [])
