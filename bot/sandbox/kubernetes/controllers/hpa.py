"""HorizontalPodAutoscalers under a light load: up to minReplicas at once, back down to it in time."""

from __future__ import annotations

from bot.sandbox.kubernetes import kinds
from bot.sandbox.kubernetes.controllers.plane import Controller, Plane, without_zeros
from bot.sandbox.kubernetes.meta import Obj, copied, key_of, set_condition, stamp
from bot.sandbox.kubernetes.objects import STATUS, Writer
from bot.sandbox.kubernetes.store import Change

_SCALE = Writer(subresource="scale")
_WINDOW = 300


class Autoscalers(Controller):
    """Keeps Deployments within the bounds of their autoscaler."""

    name = "hpa"

    def __init__(self, plane: Plane) -> None:
        super().__init__(plane)
        self._above: dict[tuple[str, str], float] = {}

    def notice(self, change: Change) -> None:
        wait = self.plane.worker.wait(self.plane.timings.hpa_sync)
        if change.kind == kinds.HPA and change.new is not None:
            if change.old is None or change.old["spec"] != change.new["spec"]:
                self.wake(*key_of(change.new), after=wait)
        elif change.kind == kinds.DEPLOYMENT and change.new is not None:
            old, new = change.old or {}, change.new
            numbers = [
                (d.get("spec", {}).get("replicas"), d.get("status", {}).get("replicas")) for d in (old, new)
            ]
            if numbers[0] == numbers[1]:
                return
            for hpa in self.plane.store.list(kinds.HPA, new["metadata"]["namespace"]):
                target = hpa["spec"]["scaleTargetRef"]
                if (target["kind"], target["name"]) == ("Deployment", new["metadata"]["name"]):
                    self.wake(*key_of(hpa), after=wait)

    def reconcile(self, namespace: str, name: str) -> None:
        hpa = self.plane.store.get(kinds.HPA, namespace, name)
        if hpa is None or hpa["metadata"].get("deletionTimestamp"):
            self._above.pop((namespace, name), None)
            return
        target, now = hpa["spec"]["scaleTargetRef"]["name"], self.plane.now()
        found = self.plane.store.get(kinds.DEPLOYMENT, namespace, target)
        status: Obj = copied(hpa.get("status") or {})
        if found is None:
            why = "the HPA controller was unable to get the target's current scale: "
            why += f'deployments.apps "{target}" not found'
            set_condition(status, "AbleToScale", "False", "FailedGetScale", why, now)
            self._report(hpa, status, 0, 0)
            return
        current = found["spec"].get("replicas", 0)
        said = "the HPA controller was able to get the target's current scale"
        set_condition(status, "AbleToScale", "True", "SucceededGetScale", said, now)
        if current == 0:
            said = "scaling is disabled since the replica count of the target is zero"
            set_condition(status, "ScalingActive", "False", "ScalingDisabled", said, now)
            self._report(hpa, status, 0, 0)
            return
        wanted = self._wanted(hpa, current)
        said = "the HPA was able to successfully calculate a replica count from cpu resource utilization"
        set_condition(status, "ScalingActive", "True", "ValidMetricFound", said, now)
        if wanted <= hpa["spec"]["minReplicas"]:
            limit = (
                "True",
                "TooFewReplicas",
                "the desired replica count is less than the minimum replica count",
            )
        else:
            limit = ("False", "DesiredWithinRange", "the desired count is within the acceptable range")
        set_condition(status, "ScalingLimited", *limit, now)
        if wanted != current:
            self.plane.objects.change(
                kinds.DEPLOYMENT, namespace, target, lambda new: new["spec"].update(replicas=wanted), _SCALE
            )
            status["lastScaleTime"] = stamp(now)
        self._report(hpa, status, found.get("status", {}).get("replicas", 0), wanted)

    def _wanted(self, hpa: Obj, current: int) -> int:
        """Replicas now: inside the bounds, and at the minimum once the stabilization window is over."""
        spec, key = hpa["spec"], key_of(hpa)
        low, high = spec["minReplicas"], spec["maxReplicas"]
        if not low < current <= high:
            self._above.pop(key, None)
            return int(max(low, min(current, high)))
        rules = (spec.get("behavior") or {}).get("scaleDown") or {}
        if rules.get("selectPolicy") == "Disabled":
            return current
        since = self._above.setdefault(key, self.plane.now())
        due = since + rules.get("stabilizationWindowSeconds", _WINDOW)
        if self.plane.now() < due:
            self.wake(*key, after=due - self.plane.now())
            return current
        del self._above[key]
        return int(low)

    def _report(self, hpa: Obj, status: Obj, current: int, desired: int) -> None:
        status |= {"currentReplicas": current, "desiredReplicas": desired}
        status["observedGeneration"] = 1
        status.setdefault("currentMetrics", None)
        fresh = without_zeros(status) | {
            "desiredReplicas": desired,
            "currentMetrics": status["currentMetrics"],
        }
        self.plane.objects.change(kinds.HPA, *key_of(hpa), lambda new: new.update(status=fresh), STATUS)
