"""Endpoints and EndpointSlices: which pods a Service reaches."""

from __future__ import annotations

from bot.sandbox.kubernetes import kinds
from bot.sandbox.kubernetes.controllers.plane import Controller, is_ready
from bot.sandbox.kubernetes.meta import Obj, key_of, labels
from bot.sandbox.kubernetes.selectors import matches
from bot.sandbox.kubernetes.store import Change


class Endpoints(Controller):
    """Keeps one Endpoints object and one EndpointSlice per Service with a selector."""

    name = "endpoints"

    def notice(self, change: Change) -> None:
        if change.kind == kinds.SERVICE:
            self.wake(*key_of(change.object))
        elif change.kind == kinds.POD:
            was = change.old is not None and change.new is not None and is_ready(change.old)
            if change.new is not None and was == is_ready(change.new):
                return
            for service in self.plane.store.list(kinds.SERVICE, change.object["metadata"]["namespace"]):
                if matches(_selector(service), labels(change.object)):
                    self.wake(*key_of(service))

    def reconcile(self, namespace: str, name: str) -> None:
        service = self.plane.store.get(kinds.SERVICE, namespace, name)
        slice_name = f"{name}-slice"
        if service is None:
            for kind, gone in ((kinds.ENDPOINTS, name), (kinds.ENDPOINT_SLICE, slice_name)):
                if self.plane.store.get(kind, namespace, gone):
                    self.plane.objects.delete(kind, namespace, gone)
            return
        if not _selector(service):
            return
        pods = [
            p
            for p in self.plane.store.list(kinds.POD, namespace)
            if matches(_selector(service), labels(p)) and p["status"].get("podIP") and is_ready(p)
        ]
        ports = [
            {"name": p.get("name", ""), "port": _number(p.get("targetPort")), "protocol": "TCP"}
            for p in service["spec"].get("ports") or []
        ]
        addresses = [
            {"ip": p["status"]["podIP"], "nodeName": p["spec"]["nodeName"], "targetRef": _ref(p)}
            for p in pods
        ]
        subsets = [{"addresses": addresses, "ports": ports}] if addresses else []
        self._write(kinds.ENDPOINTS, namespace, name, {"subsets": subsets})
        found = [
            {
                "addresses": [p["status"]["podIP"]],
                "conditions": {"ready": True, "serving": True, "terminating": False},
                "nodeName": p["spec"]["nodeName"],
                "targetRef": _ref(p),
            }
            for p in pods
        ]
        body = {"addressType": "IPv4", "endpoints": found, "ports": ports}
        self._write(kinds.ENDPOINT_SLICE, namespace, slice_name, body, {"kubernetes.io/service-name": name})

    def _write(
        self, kind: kinds.Kind, namespace: str, name: str, body: Obj, marks: dict[str, str] | None = None
    ) -> None:
        if self.plane.store.get(kind, namespace, name):
            self.plane.objects.change(kind, namespace, name, lambda new: new.update(body))
            return
        holder = self.plane.store.get(kinds.NAMESPACE, "", namespace)
        if holder and not holder["metadata"].get("deletionTimestamp"):
            meta: Obj = {"name": name} | ({"labels": marks} if marks else {})
            self.plane.objects.create(kind, namespace, {"metadata": meta} | body)


def _selector(service: Obj) -> Obj | None:
    chosen = service["spec"].get("selector")
    return {"matchLabels": chosen} if chosen else None


def _number(port: object) -> int:
    return port if isinstance(port, int) else 8080


def _ref(pod: Obj) -> Obj:
    namespace, name = key_of(pod)
    return {"kind": "Pod", "namespace": namespace, "name": name, "uid": pod["metadata"]["uid"]}
