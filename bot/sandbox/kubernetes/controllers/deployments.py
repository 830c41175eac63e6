"""Deployments: one ReplicaSet per template, moved over step by step; and the status that tells of it."""

from __future__ import annotations

from bot.sandbox.kubernetes import kinds
from bot.sandbox.kubernetes.controllers.plane import Controller, owned, share, without_zeros
from bot.sandbox.kubernetes.meta import (
    Obj,
    condition,
    controller_of,
    copied,
    epoch,
    labels,
    notes_of,
    owner_reference,
    set_condition,
    template_hash,
)
from bot.sandbox.kubernetes.objects import STATUS
from bot.sandbox.kubernetes.store import Change

HASH = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"


class Deployments(Controller):
    """Keeps the ReplicaSets of Deployments."""

    name = "deployments"

    def notice(self, change: Change) -> None:
        obj = change.object
        if change.kind == kinds.DEPLOYMENT and change.new is not None:
            wanted = change.old is None or change.old["spec"] != change.new["spec"]
            # The reaction time is what lets a client see the old status beside the new generation.
            wait = self.plane.worker.wait(self.plane.timings.reaction) if wanted else 0.0
            self.wake(obj["metadata"]["namespace"], obj["metadata"]["name"], wait)
        elif change.kind == kinds.REPLICA_SET and (owner := controller_of(obj)):
            self.wake(obj["metadata"]["namespace"], owner["name"])

    def reconcile(self, namespace: str, name: str) -> None:
        deployment = self.plane.store.get(kinds.DEPLOYMENT, namespace, name)
        if deployment is None or deployment["metadata"].get("deletionTimestamp"):
            return
        sets = owned(self.plane.store, kinds.REPLICA_SET, deployment)
        current = next(
            (s for s in sets if labels(s)[HASH] == template_hash(deployment["spec"]["template"])), None
        )
        paused = bool(deployment["spec"].get("paused"))
        if current is None and not paused:
            current = self._new_set(deployment, sets)
            sets = [*sets, current]
        if current is not None:
            if not paused or len(sets) == 1:
                self._move(deployment, current, [s for s in sets if s is not current])
            self._number(deployment, current, sets)
        self._report(namespace, name)
        self._forget(deployment, current)

    def _new_set(self, deployment: Obj, sets: list[Obj]) -> Obj:
        meta, template = deployment["metadata"], copied(deployment["spec"]["template"])
        mark = template_hash(deployment["spec"]["template"])
        template["metadata"]["labels"] = template["metadata"].get("labels", {}) | {HASH: mark}
        chosen = copied(deployment["spec"]["selector"])
        chosen["matchLabels"] = chosen.get("matchLabels", {}) | {HASH: mark}
        body: Obj = {
            "metadata": {
                "name": f"{meta['name']}-{mark}",
                "labels": template["metadata"]["labels"],
                "annotations": {REVISION: str(_last_revision(sets) + 1)},
                "ownerReferences": [owner_reference(deployment, "apps/v1", "Deployment")],
            },
            "spec": {"replicas": 0, "selector": chosen, "template": template},
        }
        return self.plane.objects.create(kinds.REPLICA_SET, meta["namespace"], body)

    def _move(self, deployment: Obj, current: Obj, others: list[Obj]) -> None:
        """One step of the rollout: first the new set up, else the old ones down."""
        spec = deployment["spec"]
        wanted, have = spec.get("replicas", 1), current["spec"].get("replicas", 0)
        olds = [s for s in others if s["spec"].get("replicas", 0) or s.get("status", {}).get("replicas", 0)]
        if spec["strategy"]["type"] == "Recreate" and olds:
            for old in olds:
                self._scale(old, 0)
            if any(s.get("status", {}).get("terminatingReplicas") for s in olds):
                return
        rolling = spec["strategy"].get("rollingUpdate") or {}
        surge = share(rolling.get("maxSurge"), wanted, up=True)
        unavailable = share(rolling.get("maxUnavailable"), wanted, up=False)
        if not surge and not unavailable:
            unavailable = 1
        total = have + sum(s["spec"].get("replicas", 0) for s in olds)
        if have > wanted or not olds:
            self._scale(current, wanted)
        elif have < wanted and (room := min(wanted + surge - total, wanted - have)) > 0:
            self._scale(current, have + room)
        else:
            waiting = have - current.get("status", {}).get("availableReplicas", 0)
            least = max(wanted - unavailable, 0)
            self._shrink(olds, current, total - least - waiting, least)

    def _shrink(self, olds: list[Obj], current: Obj, room: int, least: int) -> None:
        """Take old pods away: those that do not serve first, then as many as the others can do without."""
        available = sum(s.get("status", {}).get("availableReplicas", 0) for s in [*olds, current])
        spare = max(available - least, 0)
        for old in sorted(olds, key=lambda s: str(s["metadata"]["creationTimestamp"])):
            if room <= 0:
                return
            have = old["spec"].get("replicas", 0)
            dead = min(have - old.get("status", {}).get("availableReplicas", 0), room)
            dead = max(dead, 0)
            live = min(have - dead, spare, room - dead)
            room, spare = room - dead - live, spare - live
            self._scale(old, have - dead - live)

    def _scale(self, replica_set: Obj, count: int) -> None:
        if replica_set["spec"].get("replicas", 0) != count:
            namespace, name = replica_set["metadata"]["namespace"], replica_set["metadata"]["name"]
            self.plane.objects.change(
                kinds.REPLICA_SET, namespace, name, lambda new: new["spec"].update(replicas=count)
            )

    def _number(self, deployment: Obj, current: Obj, sets: list[Obj]) -> None:
        """Give the current set the newest revision, and the Deployment the same."""
        revision = notes_of(current).get(REVISION, "1")
        if (last := _last_revision([s for s in sets if s is not current])) >= int(revision):
            revision = str(last + 1)
        for kind, obj in ((kinds.REPLICA_SET, current), (kinds.DEPLOYMENT, deployment)):
            if notes_of(obj).get(REVISION) != revision:
                namespace, name = obj["metadata"]["namespace"], obj["metadata"]["name"]
                self.plane.objects.change(
                    kind,
                    namespace,
                    name,
                    lambda new: new["metadata"].setdefault("annotations", {}).update({REVISION: revision}),
                )

    def _report(self, namespace: str, name: str) -> None:
        deployment = self.plane.objects.need(kinds.DEPLOYMENT, namespace, name)
        sets = owned(self.plane.store, kinds.REPLICA_SET, deployment)
        mark = template_hash(deployment["spec"]["template"])
        current = next((s for s in sets if labels(s)[HASH] == mark), None)

        def total(field: str) -> int:
            return sum(s.get("status", {}).get(field, 0) for s in sets)

        available, old = total("availableReplicas"), deployment.get("status", {})
        status: Obj = {
            "observedGeneration": deployment["metadata"]["generation"],
            "replicas": total("replicas"),
            "updatedReplicas": (current or {}).get("status", {}).get("replicas", 0),
            "readyReplicas": total("readyReplicas"),
            "availableReplicas": available,
            "unavailableReplicas": max(sum(s["spec"].get("replicas", 0) for s in sets) - available, 0),
            "terminatingReplicas": total("terminatingReplicas"),
            "conditions": copied(old.get("conditions") or []),
        }
        self._judge(deployment, status, current)
        self.plane.objects.change(
            kinds.DEPLOYMENT, namespace, name, lambda new: new.update(status=without_zeros(status)), STATUS
        )

    def _judge(self, deployment: Obj, status: Obj, current: Obj | None) -> None:
        """Conditions Available and Progressing."""
        spec, now = deployment["spec"], self.plane.now()
        wanted = spec.get("replicas", 1)
        rolling = spec["strategy"].get("rollingUpdate") or {}
        least = wanted - share(rolling.get("maxUnavailable"), wanted, up=False)
        if status["availableReplicas"] >= least:
            said = ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
        else:
            said = ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
        set_condition(status, "Available", *said, now, updates=True)
        if spec.get("paused"):
            said = ("Unknown", "DeploymentPaused", "Deployment is paused")
            set_condition(status, "Progressing", *said, now, updates=True)
            return
        if current is None:
            return
        named, old = f'ReplicaSet "{current["metadata"]["name"]}"', deployment.get("status", {})
        progress = condition(deployment, "Progressing")
        numbers = [status[k] for k in ("updatedReplicas", "replicas", "availableReplicas")]
        if numbers == [wanted] * 3:
            said = ("True", "NewReplicaSetAvailable", f"{named} has successfully progressed.")
        elif progress and progress["reason"] == "NewReplicaSetAvailable" and named in progress["message"]:
            return
        else:
            watched = ("updatedReplicas", "replicas", "readyReplicas", "availableReplicas")
            moved = any(status[k] != old.get(k, 0) for k in watched)
            since = epoch(progress["lastUpdateTime"]) if progress and not moved else now
            left = since + spec.get("progressDeadlineSeconds", 600) - now
            late = progress is not None and not moved and left < 0
            if late or (progress and not moved and progress["reason"] == "ProgressDeadlineExceeded"):
                said = ("False", "ProgressDeadlineExceeded", f"{named} has timed out progressing.")
            else:
                said = ("True", "ReplicaSetUpdated", f"{named} is progressing.")
                self.wake(*_key(deployment), after=max(left, 0) + 1)
                if moved:
                    status["conditions"] = [c for c in status["conditions"] if c["type"] != "Progressing"]
        set_condition(status, "Progressing", *said, now, updates=True)
        fresh = next(c for c in status["conditions"] if c["type"] == "Progressing")
        if progress and progress["status"] == fresh["status"]:
            fresh["lastTransitionTime"] = progress["lastTransitionTime"]

    def _forget(self, deployment: Obj, current: Obj | None) -> None:
        """Drop empty old sets past the history limit."""
        sets = [
            s
            for s in owned(self.plane.store, kinds.REPLICA_SET, deployment)
            if not s["spec"].get("replicas", 0)
            and not s.get("status", {}).get("replicas", 0)
            and (current is None or s["metadata"]["uid"] != current["metadata"]["uid"])
        ]
        sets.sort(key=lambda s: int(notes_of(s).get(REVISION, "0")))
        for old in sets[: max(len(sets) - deployment["spec"].get("revisionHistoryLimit", 10), 0)]:
            self.plane.objects.delete(
                kinds.REPLICA_SET, old["metadata"]["namespace"], old["metadata"]["name"]
            )


def _key(obj: Obj) -> tuple[str, str]:
    return obj["metadata"]["namespace"], obj["metadata"]["name"]


def _last_revision(sets: list[Obj]) -> int:
    return max((int(notes_of(s).get(REVISION, "0")) for s in sets), default=0)
