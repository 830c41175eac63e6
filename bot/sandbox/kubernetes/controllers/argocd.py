"""Argo CD: what Git says is put back, unless a window or an ignored difference holds it off."""

from __future__ import annotations

import hashlib
from functools import partial

import orjson

from bot.sandbox.kubernetes import kinds
from bot.sandbox.kubernetes.controllers import drift
from bot.sandbox.kubernetes.controllers.plane import Controller, Plane
from bot.sandbox.kubernetes.controllers.sync_windows import denied
from bot.sandbox.kubernetes.meta import Obj, condition, copied, key_of, notes_of, stamp
from bot.sandbox.kubernetes.objects import Writer
from bot.sandbox.kubernetes.store import Change

TRACKING = "argocd.argoproj.io/tracking-id"
REFRESH = "argocd.argoproj.io/refresh"
ARGO = Writer("argocd-controller")


def application_of(manifest: Obj) -> str:
    """The application that tracks an object, "" when none does."""
    tracking: str = notes_of(manifest).get(TRACKING, "")
    return tracking.partition(":")[0]


class Argo(Controller):
    """One key per Application. `git` is what the repository says, by application name."""

    name = "argocd"

    def __init__(self, plane: Plane) -> None:
        super().__init__(plane)
        self.git: dict[str, dict[tuple[kinds.Kind, str, str], Obj]] = {}
        self._drifted: dict[str, float] = {}
        self._where: dict[str, str] = {}

    def commit(self, manifest: Obj) -> None:
        """Put a manifest into the repository, under the application that tracks it."""
        kind = kinds.BY_NAME[manifest["apiVersion"], manifest["kind"]]
        app = application_of(manifest)
        self.git.setdefault(app, {})[(kind, *key_of(manifest))] = copied(manifest)
        if app in self._where:
            self.wake(self._where[app], app, self.plane.timings.argo_resync)

    def notice(self, change: Change) -> None:
        obj = change.object
        if change.kind == kinds.APPLICATION:
            self._where[obj["metadata"]["name"]] = obj["metadata"]["namespace"]
            if change.old is None or change.new is None or _asked(change.old) != _asked(change.new):
                self.wake(*key_of(obj))
        elif change.kind == kinds.APP_PROJECT:
            for app in self.plane.store.list(kinds.APPLICATION, obj["metadata"]["namespace"]):
                self.wake(*key_of(app))
        elif (app_name := application_of(obj)) and app_name in self._where:
            self.wake(self._where[app_name], app_name)

    def reconcile(self, namespace: str, name: str) -> None:
        app = self.plane.store.get(kinds.APPLICATION, namespace, name)
        if app is None:
            self._where.pop(name, None)
            return
        now, project = self.plane.now(), self._project(app)
        differing = self._differing(app)
        if not differing:
            self._drifted.pop(name, None)
        automated = (app["spec"].get("syncPolicy") or {}).get("automated") or {}
        operation = app.get("operation") or {}
        synced = False
        if "sync" in operation and not denied(project, app, now, manual=True):
            self._sync(app)
            synced = True
        elif differing and automated.get("selfHeal"):
            since = self._drifted.setdefault(name, now)
            due = since + self.plane.worker.wait(self.plane.timings.self_heal)
            if not self.plane.worker.reached(due):
                self.wake(namespace, name, due - now)
            elif denied(project, app, now):
                self.wake(namespace, name, 60 - now % 60 + 0.5)
            else:
                self._drifted.pop(name, None)
                self._sync(app)
                synced = True
        self._report(app, synced=synced, operation=operation)

    def _project(self, app: Obj) -> Obj | None:
        name = app["spec"].get("project", "default")
        return self.plane.store.get(kinds.APP_PROJECT, app["metadata"]["namespace"], name)

    def _differing(self, app: Obj) -> list[tuple[kinds.Kind, Obj]]:
        """Wanted objects that are absent or differ in a field that is not ignored."""
        found = []
        for (kind, namespace, name), wanted in self.git.get(app["metadata"]["name"], {}).items():
            live = self.plane.store.get(kind, namespace, name)
            if live is None or drift.differs(wanted, live, drift.ignored(app, wanted)):
                found.append((kind, wanted))
        return found

    def _sync(self, app: Obj) -> None:
        """Write what Git says; ignored fields keep their live value if the option asks for that."""
        options = (app["spec"].get("syncPolicy") or {}).get("syncOptions") or []
        respects = "RespectIgnoreDifferences=true" in options
        for (kind, namespace, name), wanted in self.git.get(app["metadata"]["name"], {}).items():
            live = self.plane.store.get(kind, namespace, name)
            if live is None:
                holder = self.plane.store.get(kinds.NAMESPACE, "", namespace)
                if holder and not holder["metadata"].get("deletionTimestamp"):
                    self.plane.objects.create(kind, namespace, wanted, ARGO)
                continue
            kept = drift.ignored(app, wanted) if respects else []
            edit = partial(drift.lay, wanted=wanted, keep=kept)
            self.plane.objects.change(kind, namespace, name, edit, ARGO)

    def _report(self, app: Obj, *, synced: bool, operation: Obj) -> None:
        name, now = app["metadata"]["name"], stamp(self.plane.now())
        git = self.git.get(name, {})
        revision = hashlib.sha1(orjson.dumps(list(git.values())), usedforsecurity=False).hexdigest()
        state = "OutOfSync" if self._differing(app) else "Synced"
        health = self._health(app)

        def tell(new: Obj) -> None:
            status = new.setdefault("status", {})
            status["sync"] = {"status": state, "revision": revision}
            if (status.get("health") or {}).get("status") != health:
                status["health"] = {"status": health, "lastTransitionTime": now}
            if synced:
                who = {"username": operation.get("initiatedBy", {}).get("username", "")} if operation else {}
                start = {"automated": True} if not operation else who
                status["operationState"] = {
                    "phase": "Succeeded",
                    "message": "successfully synced (all tasks run)",
                    "startedAt": now,
                    "finishedAt": now,
                    "operation": {"sync": {"revision": revision}, "initiatedBy": start},
                    "syncResult": {"revision": revision},
                }
                entry = {"id": len(status.get("history") or []), "revision": revision, "deployedAt": now}
                status["history"] = [*(status.get("history") or []), entry | {"initiatedBy": start}][-10:]
                new.pop("operation", None)
            refreshed = (new["metadata"].get("annotations") or {}).pop(REFRESH, None)
            if refreshed or synced or new.get("status") != app.get("status"):
                status["reconciledAt"] = now

        self.plane.objects.change(kinds.APPLICATION, *key_of(app), tell, ARGO)

    def _health(self, app: Obj) -> str:
        verdict = "Healthy"
        for kind, namespace, name in self.git.get(app["metadata"]["name"], {}):
            live = self.plane.store.get(kind, namespace, name)
            if live is None or kind != kinds.DEPLOYMENT:
                continue
            status, progress = live.get("status", {}), condition(live, "Progressing")
            if progress and progress["reason"] == "ProgressDeadlineExceeded":
                return "Degraded"
            wanted = live["spec"].get("replicas", 1)
            seen = status.get("observedGeneration") == live["metadata"]["generation"]
            if (
                not seen
                or status.get("availableReplicas", 0) < wanted
                or status.get("updatedReplicas", 0) < wanted
            ):
                verdict = "Progressing"
        return verdict


def _asked(app: Obj) -> tuple[object, object, bool]:
    return app.get("spec"), app.get("operation"), REFRESH in notes_of(app)
