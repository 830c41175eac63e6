"""Pods: scheduled, started, run, stopped; and the list of ready ones for the rest of the sandbox."""

from __future__ import annotations

import re
from collections.abc import Callable

from bot.sandbox.kubernetes import containers, kinds
from bot.sandbox.kubernetes.containers import MissingReferenceError, PodView
from bot.sandbox.kubernetes.controllers import scheduling
from bot.sandbox.kubernetes.controllers.plane import Controller, Plane, is_ready
from bot.sandbox.kubernetes.meta import Obj, controller_of, key_of, labels, set_condition, stamp
from bot.sandbox.kubernetes.objects import STATUS, Removal, Writer
from bot.sandbox.kubernetes.store import Change

KUBELET = Writer("kubelet", "status")
_SCHEDULER = Writer("kube-scheduler")
_ECR = re.compile(r"^\d+\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com/")


class Pods(Controller):
    """Scheduler and kubelets. `launch` runs the container of a Job's pod."""

    name = "pods"

    def __init__(self, plane: Plane, launch: Callable[[Obj], None]) -> None:
        super().__init__(plane)
        self._launch = launch
        self._waiting: dict[tuple[str, str], None] = {}
        self._starts: dict[str, float] = {}
        self._stops: dict[str, float] = {}
        self._ready: dict[tuple[str, str], dict[str, PodView]] = {}
        self._env: dict[str, tuple[float, dict[str, str]]] = {}
        self.views: dict[tuple[str, str], tuple[PodView, ...]] = {}

    def notice(self, change: Change) -> None:
        obj = change.object
        if change.kind == kinds.POD:
            self._show(obj, gone=change.new is None)
            if change.new is None:
                self._end(obj)
            else:
                self.wake(*key_of(obj))
        elif change.kind == kinds.NODE:
            self._retry()

    def reconcile(self, namespace: str, name: str) -> None:
        pod = self.plane.store.get(kinds.POD, namespace, name)
        if pod is None:
            self._waiting.pop((namespace, name), None)
        elif pod["metadata"].get("deletionTimestamp"):
            self._stop(pod)
        elif not pod["spec"].get("nodeName"):
            self._schedule(pod)
        elif pod["status"].get("phase") == "Pending":
            self._start(pod)
        elif _failing(pod):
            self._probe(pod)

    def _schedule(self, pod: Obj) -> None:
        namespace, name = key = key_of(pod)
        node, why = scheduling.place(self.plane.store, pod)
        if node:
            self._waiting.pop(key, None)
            self.plane.objects.change(
                kinds.POD, namespace, name, lambda new: new["spec"].update(nodeName=node), _SCHEDULER
            )
            said = ("PodScheduled", "True", "", "")
        else:
            self._waiting[key] = None
            said = ("PodScheduled", "False", "Unschedulable", why)
            self.plane.event(kinds.POD, pod, "FailedScheduling", why)

        def tell(new: Obj) -> None:
            set_condition(new["status"], *said, self.plane.now())
            if node:
                new["status"]["startTime"] = stamp(self.plane.now())

        self.plane.objects.change(kinds.POD, namespace, name, tell, STATUS)

    def _start(self, pod: Obj) -> None:
        meta, worker = pod["metadata"], self.plane.worker
        due = self._starts.setdefault(
            meta["uid"], self.plane.now() + worker.wait(self.plane.timings.pod_start)
        )
        if not worker.reached(due):
            self.wake(*key_of(pod), after=due - self.plane.now())
            return
        image = pod["spec"]["containers"][0]["image"]
        if why := self._unpullable(image):
            self._hold(pod, "ImagePullBackOff", f'Back-off pulling image "{image}": {why}')
            return
        try:
            env = containers.env_of(self.plane.store, meta["namespace"], pod["spec"]["containers"][0], pod)
        except MissingReferenceError as error:
            self._hold(pod, "CreateContainerConfigError", str(error))
            return
        self._env[meta["uid"]] = (self.plane.now(), env)
        started = self.plane.objects.change(kinds.POD, *key_of(pod), self._running, KUBELET)
        owner = controller_of(pod)
        if started and owner and owner["kind"] == "Job":
            self._launch(started)

    def _probe(self, pod: Obj) -> None:
        """Look again at a pod whose readiness probe failed, as its kubelet does."""
        if self.plane.never_ready(labels(pod).get("app", "")):
            message = "Readiness probe failed: HTTP probe failed with statuscode: 503"
            self.plane.event(kinds.POD, pod, "Unhealthy", message)
            self.wake(*key_of(pod), after=self.plane.timings.probe_period)
            return

        def tell(new: Obj) -> None:
            for type_ in ("ContainersReady", "Ready"):
                set_condition(new["status"], type_, "True", "", "", self.plane.now())
            for container in new["status"]["containerStatuses"]:
                container["ready"] = True

        self.plane.objects.change(kinds.POD, *key_of(pod), tell, KUBELET)

    def _running(self, new: Obj) -> None:
        now, status = self.plane.now(), new["status"]
        status["phase"] = "Running"
        ready = not self.plane.never_ready(labels(new).get("app", ""))
        for type_ in ("PodReadyToStartContainers", "Initialized"):
            set_condition(status, type_, "True", "", "", now)
        for type_ in ("ContainersReady", "Ready"):
            if ready:
                set_condition(status, type_, "True", "", "", now)
            else:
                names = " ".join(c["name"] for c in new["spec"]["containers"])
                why = f"containers with unready status: [{names}]"
                set_condition(status, type_, "False", "ContainersNotReady", why, now)
        number = int(new["metadata"]["uid"][:6], 16)
        status["podIP"] = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
        status["podIPs"] = [{"ip": status["podIP"]}]
        status["containerStatuses"] = [
            {
                "name": c["name"],
                "image": c["image"],
                "imageID": c["image"],
                "containerID": f"containerd://{new['metadata']['uid']}",
                "ready": ready,
                "started": True,
                "restartCount": 0,
                "state": {"running": {"startedAt": stamp(now)}},
            }
            for c in new["spec"]["containers"]
        ]

    def _hold(self, pod: Obj, reason: str, message: str) -> None:
        def tell(new: Obj) -> None:
            now = self.plane.now()
            for type_ in ("ContainersReady", "Ready"):
                set_condition(new["status"], type_, "False", "ContainersNotReady", "", now)
            new["status"]["containerStatuses"] = [
                {
                    "name": c["name"],
                    "image": c["image"],
                    "imageID": "",
                    "ready": False,
                    "started": False,
                    "restartCount": 0,
                    "state": {"waiting": {"reason": reason, "message": message}},
                }
                for c in new["spec"]["containers"]
            ]

        self.plane.event(kinds.POD, pod, "Failed", message)
        self.plane.objects.change(kinds.POD, *key_of(pod), tell, KUBELET)
        self.wake(*key_of(pod), after=self.plane.timings.image_retry)

    def _unpullable(self, image: str) -> str:
        """Why an image cannot be pulled; a registry of a dark Region serves none."""
        if (found := _ECR.match(image)) and self.plane.dark(found[1]):
            return f"dial tcp: lookup of {found[0].rstrip('/')}: i/o timeout"
        if image.endswith((":missing", "/missing")):
            return "not found"
        return ""

    def _stop(self, pod: Obj) -> None:
        meta, worker = pod["metadata"], self.plane.worker
        if node := pod["spec"].get("nodeName"):
            holder = self.plane.store.get(kinds.NODE, "", node)
            taints = (holder or {}).get("spec", {}).get("taints") or []
            if any(t["key"] == "node.kubernetes.io/unreachable" for t in taints):
                return  # Nobody is there to confirm the end: it stays Terminating, as in production.
        asked = float(meta.get("deletionGracePeriodSeconds", 30))
        due = self._stops.setdefault(
            meta["uid"], self.plane.now() + worker.wait(min(asked, self.plane.timings.pod_stop))
        )
        if worker.reached(due):
            self.plane.objects.delete(kinds.POD, *key_of(pod), Removal(grace=0))
        else:
            self.wake(*key_of(pod), after=due - self.plane.now())

    def _show(self, pod: Obj, *, gone: bool) -> None:
        """Keep `views`: whole tuples are swapped, so that other threads read them without a lock."""
        namespace, name = key_of(pod)
        key = (namespace, labels(pod).get("app", ""))
        found = self._ready.setdefault(key, {})
        uid = pod["metadata"]["uid"]
        shown = not gone and is_ready(pod) and uid in self._env
        if shown == (name in found):
            return
        if shown:
            at, env = self._env[uid]
            found[name] = containers.view_of(pod, at, env)
        else:
            del found[name]
        self.views[key] = tuple(found.values())

    def _end(self, pod: Obj) -> None:
        uid = pod["metadata"]["uid"]
        self._starts.pop(uid, None)
        self._stops.pop(uid, None)
        self._env.pop(uid, None)
        self._waiting.pop(key_of(pod), None)
        self._retry()

    def _retry(self) -> None:
        """Room may have come free: look again at what waits for it, the oldest first."""
        for namespace, name in self._waiting:
            self.wake(namespace, name)


def _failing(pod: Obj) -> bool:
    """Whether a pod runs and its own probe says no, rather than its node being silent."""
    return pod["status"].get("phase") == "Running" and any(
        c["type"] == "Ready" and c["status"] == "False" and c.get("reason") == "ContainersNotReady"
        for c in pod["status"].get("conditions") or []
    )
