"""Create, update, patch and delete: the rules every write passes, whoever makes it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bot.sandbox.kubernetes import defaults, errors, kinds, patch_json, patch_strategic, validate
from bot.sandbox.kubernetes.kinds import Kind
from bot.sandbox.kubernetes.meta import Obj, copied, epoch, sign, stamp, suffix
from bot.sandbox.kubernetes.store import Store

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
_KEPT = ("uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds")
_NO_DATA = ("kind", "apiVersion", "metadata")


@dataclass(frozen=True)
class Writer:
    """Who writes, through which subresource, and whether only for show."""

    manager: str = "kube-controller-manager"
    subresource: str = ""
    dry_run: bool = False


@dataclass(frozen=True)
class Removal:
    """Options of a DELETE. `grace` is in simulated seconds; None leaves it to the pod."""

    grace: int | None = None
    propagation: str = ""
    uid: str = ""
    version: str = ""
    dry_run: bool = False


CONTROLLER = Writer()
STATUS = Writer(subresource="status")


@dataclass
class Objects:
    """The one way into the store."""

    store: Store
    now: Callable[[], float]
    warnings: list[str] = field(default_factory=list)

    def need(self, kind: Kind, namespace: str, name: str) -> Obj:
        """The stored object; raises 404."""
        found = self.store.get(kind, namespace, name)
        if found is None:
            raise errors.not_found(kind, name)
        return found

    def create(self, kind: Kind, namespace: str, body: Obj, writer: Writer = CONTROLLER) -> Obj:
        """Store a new object, defaults filled in. Raises the ApiErrors of POST."""
        obj = copied(body)
        meta = _meta(obj)
        self._same_place(kind, namespace, meta)
        if meta.get("resourceVersion"):
            text = "resourceVersion should not be set on objects to be created"
            raise errors.ApiError(500, "", text)
        if not meta.get("name") and meta.get("generateName"):
            meta["name"] = meta["generateName"] + suffix()
        self._may_hold(kind, namespace, meta.get("name", ""))
        if kind.namespaced:
            meta["namespace"] = namespace
        else:
            meta.pop("namespace", None)
        meta |= {"uid": str(uuid.uuid4()), "creationTimestamp": stamp(self.now())}
        for gone in ("generation", "deletionTimestamp", "managedFields", "selfLink"):
            meta.pop(gone, None)
        if kind.status:
            obj.pop("status", None)
        if kind.generation:
            meta["generation"] = 1
        obj["apiVersion"], obj["kind"] = kind.api_version, kind.name
        self._admit(kind, obj, None)
        if kind.status and not kind.custom:
            obj.setdefault("status", {})
        if self.store.get(kind, meta.get("namespace", ""), meta["name"]):
            raise errors.already_exists(kind, meta["name"])
        sign(obj, writer.manager, writer.subresource, kind.api_version, self.now())
        return obj if writer.dry_run else self.store.put(kind, obj)

    def replace(self, kind: Kind, namespace: str, name: str, body: Obj, writer: Writer = CONTROLLER) -> Obj:
        """PUT. A Lease that does not exist is created (the caller answers 201)."""
        self._same_place(kind, namespace, _meta(body))
        if (sent := body["metadata"].get("name", "")) != name:
            text = f"the name of the object ({sent}) does not match the name on the URL ({name})"
            raise errors.bad_request(text)
        old = self.store.get(kind, namespace, name)
        if old is None and kind == kinds.LEASE:
            return self.create(kind, namespace, body, writer)
        old = self.need(kind, namespace, name)
        if not body["metadata"].get("resourceVersion") and (kind.custom or kind == kinds.LEASE):
            text = "Invalid value: 0: must be specified for an update"
            cause = errors.Cause("metadata.resourceVersion", text)
            raise errors.invalid(kind, name, [cause], qualified=kind.resource)
        return self.commit(kind, old, copied(body), writer)

    def patch(
        self, kind: Kind, namespace: str, name: str, media: str, patch: Any, writer: Writer = CONTROLLER
    ) -> Obj:
        """PATCH with one of the three types served. Raises 415 for others."""
        old = self.need(kind, namespace, name)
        return self.commit(kind, old, patched(kind, old, media, patch), writer)

    def change(
        self, kind: Kind, namespace: str, name: str, edit: Callable[[Obj], None], writer: Writer = CONTROLLER
    ) -> Obj | None:
        """Edit a copy and commit it; None when the object is gone. For controllers."""
        old = self.store.get(kind, namespace, name)
        if old is None:
            return None
        new = copied(old)
        edit(new)
        return self.commit(kind, old, new, writer)

    def commit(self, kind: Kind, old: Obj, new: Obj, writer: Writer) -> Obj:
        """Turn `old` into `new` under the rules of an update; no change, no new version."""
        meta, before = _meta(new), old["metadata"]
        name = before["name"]
        if (version := meta.get("resourceVersion")) and version != before["resourceVersion"]:
            raise errors.conflict(kind, name)
        if meta.get("uid") and meta["uid"] != before["uid"]:
            raise errors.conflict(kind, name, f"Precondition failed: UID in precondition: {meta['uid']}")
        if kind.status and writer.subresource == "status":
            new = old | {"status": new.get("status", {}), "metadata": dict(before)}
            meta = new["metadata"]
        elif kind.status:
            new["status"] = old.get("status", {})
        for key in _KEPT:
            meta.pop(key, None)
            if key in before:
                meta[key] = before[key]
        for key in ("name", "namespace", "resourceVersion", "managedFields"):
            if key in before:
                meta[key] = before[key]
        if not new.get("status") and "status" in new and "status" not in old:
            del new["status"]
        new["apiVersion"], new["kind"] = kind.api_version, kind.name
        self._admit(kind, new, old)
        if new == old:
            return old
        if kind.generation and _counted(kind, new) != _counted(kind, old):
            meta["generation"] = before.get("generation", 0) + 1
        if writer.dry_run:
            return new
        sign(new, writer.manager, writer.subresource, kind.api_version, self.now())
        if meta.get("deletionTimestamp") and not meta.get("finalizers") and kind not in _SLOW:
            self.store.put(kind, new)
            return self.store.drop(kind, meta.get("namespace", ""), name)
        return self.store.put(kind, new)

    def delete(self, kind: Kind, namespace: str, name: str, removal: Removal | None = None) -> Obj:
        """DELETE: answers a Status when the object is gone, else the object on its way out."""
        removal = removal or Removal(propagation="Background")
        old = self.need(kind, namespace, name)
        meta = old["metadata"]
        if removal.uid and removal.uid != meta["uid"]:
            raise errors.uid_conflict(kind, name, removal.uid, meta["uid"])
        if removal.version and removal.version != meta["resourceVersion"]:
            raise errors.conflict(kind, name)
        policy = removal.propagation
        if kind == kinds.JOB and not policy:
            policy = "Orphan"
            self.warnings.append(
                "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background "
                "to remove them or set propagationPolicy=Orphan to suppress this warning"
            )
        finalizers = list(meta.get("finalizers") or [])
        if policy == "Foreground" and "foregroundDeletion" not in finalizers:
            finalizers.append("foregroundDeletion")
        seconds = self._grace(kind, old, removal)
        if not finalizers and not seconds and kind != kinds.NAMESPACE:
            if not removal.dry_run:
                if policy == "Orphan":
                    self._orphan(meta["uid"])
                self.store.drop(kind, namespace, name)
            return _gone(kind, old)
        new = copied_dict(old)
        if not meta.get("deletionTimestamp") or epoch(meta["deletionTimestamp"]) > self.now() + seconds:
            new["metadata"]["deletionTimestamp"] = stamp(self.now() + seconds)
            new["metadata"]["deletionGracePeriodSeconds"] = seconds
        if finalizers:
            new["metadata"]["finalizers"] = finalizers
        if kind == kinds.NAMESPACE:
            new["status"]["phase"] = "Terminating"
        if new == old or removal.dry_run:
            return new
        return self.store.put(kind, new)

    def _grace(self, kind: Kind, obj: Obj, removal: Removal) -> int:
        if kind != kinds.POD or not obj["spec"].get("nodeName"):
            return 0
        if obj.get("status", {}).get("phase") in ("Succeeded", "Failed"):
            return 0
        default = int(obj["spec"].get("terminationGracePeriodSeconds", 30))
        return default if removal.grace is None else removal.grace

    def _orphan(self, uid: str) -> None:
        for kind, obj in list(self.store.everything()):
            owners = obj["metadata"].get("ownerReferences") or []
            if any(owner.get("uid") == uid for owner in owners):
                new = copied(obj)
                new["metadata"]["ownerReferences"] = [o for o in owners if o.get("uid") != uid]
                self.store.put(kind, new)

    def _may_hold(self, kind: Kind, namespace: str, name: str) -> None:
        if not kind.namespaced:
            return
        holder = self.store.get(kinds.NAMESPACE, "", namespace)
        if holder is None:
            raise errors.not_found(kinds.NAMESPACE, namespace)
        if holder["metadata"].get("deletionTimestamp"):
            raise errors.terminating(kind, name, namespace)

    def _same_place(self, kind: Kind, namespace: str, meta: Obj) -> None:
        if kind.namespaced and meta.get("namespace") and meta["namespace"] != namespace:
            raise errors.bad_request(
                "the namespace of the provided object does not match the namespace sent on the request"
            )

    def _admit(self, kind: Kind, obj: Obj, old: Obj | None) -> None:
        validate.check_types(kind, obj)
        defaults.fill(kind, obj)
        validate.check(kind, obj, old)


_SLOW = (kinds.POD, kinds.NAMESPACE)


def patched(kind: Kind, old: Obj, media: str, patch: Any) -> Obj:
    """The patched copy, not yet committed. Raises 415 and the errors of each patch type."""
    match media:
        case "application/json-patch+json":
            new = patch_json.apply(old, patch)
        case "application/merge-patch+json":
            new = patch_strategic.merge(old, patch)
        case "application/strategic-merge-patch+json" if not kind.custom:
            new = patch_strategic.strategic(old, patch)
        case _:
            raise errors.unsupported_media_type(kind)
    if not isinstance(new, dict) or not isinstance(new.get("metadata"), dict):
        raise errors.rejected()
    if new["metadata"].get("name") != old["metadata"]["name"]:
        sent = new["metadata"].get("name", "")
        text = (
            f"the name of the object ({sent}) does not match the name on the URL ({old['metadata']['name']})"
        )
        raise errors.bad_request(text)
    return copied_dict(new)


def copied_dict(obj: Obj) -> Obj:
    """A deep copy, typed."""
    found: Obj = copied(obj)
    return found


def _meta(obj: Obj) -> Obj:
    meta = obj.setdefault("metadata", {})
    if not isinstance(meta, dict):
        raise errors.bad_request(
            "json: cannot unmarshal into Go struct field .metadata of type v1.ObjectMeta"
        )
    checked: Obj = meta
    return checked


def _counted(kind: Kind, obj: Obj) -> Any:
    if kind.custom:
        hidden = (*_NO_DATA, "status") if kind.status else _NO_DATA
        return {k: v for k, v in obj.items() if k not in hidden}
    return obj.get("spec")


def _gone(kind: Kind, obj: Obj) -> Obj:
    details = {"name": obj["metadata"]["name"], "group": kind.group, "kind": kind.plural}
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {k: v for k, v in details.items() if v} | {"uid": obj["metadata"]["uid"]},
    }
