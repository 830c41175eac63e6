"""Jobs: pods that run once, tried again until they have succeeded or failed too often."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from bot.sandbox.kubernetes import containers, kinds
from bot.sandbox.kubernetes.containers import ContainerResult, ContainerRun
from bot.sandbox.kubernetes.controllers.plane import (
    Controller,
    Plane,
    is_active,
    is_ready,
    owned,
    without_zeros,
)
from bot.sandbox.kubernetes.meta import (
    Obj,
    condition,
    controller_of,
    copied,
    epoch,
    key_of,
    owner_reference,
    set_condition,
    stamp,
    suffix,
)
from bot.sandbox.kubernetes.objects import STATUS, Writer
from bot.sandbox.kubernetes.store import Change

MESSAGE_BYTES = 4096
RunContainer = Callable[[ContainerRun], Awaitable[ContainerResult]]
_KUBELET = Writer("kubelet", "status")


class Jobs(Controller):
    """Keeps the pods of Jobs and runs their containers with `run_container`."""

    name = "jobs"

    def __init__(self, plane: Plane, run_container: RunContainer | None, logs: dict[str, str]) -> None:
        super().__init__(plane)
        self._run_container = run_container
        self._logs = logs
        self._failed_at: dict[str, float] = {}
        self.running: set[asyncio.Task[None]] = set()

    def notice(self, change: Change) -> None:
        obj = change.object
        if change.kind == kinds.JOB and change.new is not None:
            self.wake(*key_of(obj))
        elif change.kind == kinds.POD and (owner := controller_of(obj)) and owner["kind"] == "Job":
            if change.new is None:
                self._logs.pop(obj["metadata"]["uid"], None)
            self.wake(obj["metadata"]["namespace"], owner["name"])

    def launch(self, pod: Obj) -> None:
        """Run a started pod's container; its end is written to the pod."""
        task = asyncio.get_running_loop().create_task(self._run(pod))
        self.running.add(task)
        task.add_done_callback(self.running.discard)

    def reconcile(self, namespace: str, name: str) -> None:
        job = self.plane.store.get(kinds.JOB, namespace, name)
        if job is None or job["metadata"].get("deletionTimestamp"):
            return
        if condition(job, "Complete") or condition(job, "Failed"):
            self._tidy(job)
            return
        spec, now = job["spec"], self.plane.now()
        pods = owned(self.plane.store, kinds.POD, job)
        active = [p for p in pods if is_active(p)]
        failed = [p for p in pods if p["status"].get("phase") == "Failed"]
        done = sum(p["status"].get("phase") == "Succeeded" for p in pods)
        status: Obj = copied(job.get("status") or {})
        if spec.get("suspend"):
            for pod in active:
                self.plane.objects.delete(kinds.POD, *key_of(pod))
            set_condition(status, "Suspended", "True", "JobSuspended", "Job suspended", now)
            active = []
        elif "startTime" not in status:
            status["startTime"] = stamp(now)
        over = self._over(job, len(failed))
        if done >= spec["completions"]:
            said = ("CompletionsReached", "Reached expected number of succeeded pods")
            for type_ in ("SuccessCriteriaMet", "Complete"):
                set_condition(status, type_, "True", *said, now)
            status["completionTime"] = stamp(now)
        elif over:
            for type_ in ("FailureTarget", "Failed"):
                set_condition(status, type_, "True", *over, now)
            for pod in active:
                self.plane.objects.delete(kinds.POD, *key_of(pod))
            active = []
        elif not spec.get("suspend") and len(active) < min(spec["parallelism"], spec["completions"] - done):
            self._again(job, failed)
            active = [p for p in owned(self.plane.store, kinds.POD, job) if is_active(p)]
        numbers = {
            "active": len(active),
            "ready": sum(is_ready(p) for p in active),
            "succeeded": done,
            "failed": len(failed),
            "uncountedTerminatedPods": {},
        }
        status = without_zeros({**status, **numbers}) | {"uncountedTerminatedPods": {}}
        self.plane.objects.change(kinds.JOB, namespace, name, lambda new: new.update(status=status), STATUS)

    def _over(self, job: Obj, failures: int) -> tuple[str, str] | None:
        """Why a Job is given up, as reason and message."""
        spec, started = job["spec"], job.get("status", {}).get("startTime")
        if failures > spec["backoffLimit"]:
            return "BackoffLimitExceeded", "Job has reached the specified backoff limit"
        if (limit := spec.get("activeDeadlineSeconds")) and started:
            left = epoch(started) + limit - self.plane.now()
            if left <= 0:
                return "DeadlineExceeded", "Job was active longer than specified deadline"
            self.wake(*key_of(job), after=left)
        return None

    def _again(self, job: Obj, failed: list[Obj]) -> None:
        """Start a pod, later after each failure."""
        if failed:
            last = max(self._failed_at.get(p["metadata"]["uid"], 0.0) for p in failed)
            due = last + self.plane.timings.job_backoff * 2 ** (len(failed) - 1)
            if not self.plane.worker.reached(due):
                self.wake(*key_of(job), after=due - self.plane.now())
                return
        meta, template = job["metadata"], copied(job["spec"]["template"])
        body: Obj = {
            "metadata": {
                "name": f"{meta['name']}-{suffix()}",
                "labels": template["metadata"].get("labels", {}),
                "annotations": template["metadata"].get("annotations") or {},
                "ownerReferences": [owner_reference(job, "batch/v1", "Job")],
            },
            "spec": template["spec"],
        }
        self.plane.objects.create(kinds.POD, meta["namespace"], body)

    def _tidy(self, job: Obj) -> None:
        keep = job["spec"].get("ttlSecondsAfterFinished")
        ended = condition(job, "Complete") or condition(job, "Failed")
        if keep is None or ended is None:
            return
        left = epoch(ended["lastTransitionTime"]) + keep - self.plane.now()
        if left <= 0:
            self.plane.objects.delete(kinds.JOB, *key_of(job))
        else:
            self.wake(*key_of(job), after=left)

    async def _run(self, pod: Obj) -> None:
        result = ContainerResult(0, "")
        if self._run_container is not None:
            try:
                result = await self._run_container(containers.run_of(self.plane.store, pod))
            except Exception as error:
                result = ContainerResult(1, f"{type(error).__name__}: {error}")
        self._logs[pod["metadata"]["uid"]] = result.message
        self._failed_at[pod["metadata"]["uid"]] = self.plane.now()
        while self.plane.dark(self.plane.region):  # noqa: ASYNC110 - the registry of faults has no events
            await asyncio.sleep(0.5)

        def ended(new: Obj) -> None:
            now, good = self.plane.now(), result.exit_code == 0
            new["status"]["phase"] = "Succeeded" if good else "Failed"
            for type_ in ("ContainersReady", "Ready"):
                why = "PodCompleted" if good else "PodFailed"
                set_condition(new["status"], type_, "False", why, "", now)
            found = new["status"]["containerStatuses"][0]
            started = found["state"].get("running", {}).get("startedAt", stamp(now))
            terminated = {
                "exitCode": result.exit_code,
                "reason": "Completed" if good else "Error",
                "message": result.message.encode()[:MESSAGE_BYTES].decode(errors="ignore"),
                "startedAt": started,
                "finishedAt": stamp(now),
                "containerID": found["containerID"],
            }
            found |= {"ready": False, "started": False, "state": {"terminated": terminated}}

        self.plane.objects.change(kinds.POD, *key_of(pod), ended, _KUBELET)
