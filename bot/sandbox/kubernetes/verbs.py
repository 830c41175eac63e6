"""The verbs of the API: what a decoded request does to the objects, and what it is answered."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

import orjson

from bot.sandbox.kubernetes import eviction, paging, scale, watch
from bot.sandbox.kubernetes.errors import (
    ApiError,
    Cause,
    bad_request,
    forbidden,
    invalid,
    not_allowed,
)
from bot.sandbox.kubernetes.kinds import Kind
from bot.sandbox.kubernetes.meta import Obj
from bot.sandbox.kubernetes.objects import Objects, Removal, Writer
from bot.sandbox.kubernetes.routes import Target
from bot.sandbox.kubernetes.selectors import Match, by_fields, by_labels

_OPTIONS = {
    "POST": "CreateOptions",
    "PUT": "UpdateOptions",
    "PATCH": "PatchOptions",
    "DELETE": "DeleteOptions",
}
_VERB = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_TRUE = ("1", "true", "True")


@dataclass(frozen=True)
class Call:
    """One request on a resource, decoded."""

    target: Target
    method: str
    query: dict[str, str]
    body: Any
    media: str
    accept: str
    agent: str
    user: str

    @property
    def watching(self) -> bool:
        return self.method == "GET" and self.query.get("watch") in _TRUE

    @property
    def writer(self) -> Writer:
        """Field manager, as named or from the client's agent; raises 422 for a dryRun that is not All."""
        named = self.query.get("fieldManager") or self.agent.partition("/")[0] or "unknown"
        return Writer(named, self.target.subresource, self.dry_run)

    @property
    def dry_run(self) -> bool:
        asked = self.query.get("dryRun", "")
        if self.method == "DELETE" and isinstance(self.body, dict) and self.body.get("dryRun"):
            asked = str(self.body["dryRun"][0])
        if asked not in ("", "All"):
            options = Kind("meta.k8s.io", "v1", _OPTIONS[self.method], "")
            shown = orjson.dumps([asked]).decode()
            raise invalid(
                options, "", [Cause("dryRun", f'Unsupported value: {shown}: supported values: "All"')]
            )
        return bool(asked)


@dataclass(frozen=True)
class Verbs:
    """Verbs over one cluster's objects. Users in `nobody` may do nothing."""

    objects: Objects
    logs: dict[str, str]
    nobody: frozenset[str]

    def answer(self, call: Call) -> tuple[int, Obj | str]:
        """Status code and body. Raises ApiError."""
        target = call.target
        self._may(call)
        if call.method == "GET":
            return 200, self._get(call) if target.name else self._list(call)
        if call.method == "POST":
            return self._post(call)
        if call.method == "DELETE":
            return 200, self._delete(call) if target.name else self._delete_all(call)
        if not target.name:
            raise not_allowed()
        if call.method == "PUT":
            return self._put(call)
        if call.method == "PATCH":
            return 200, self._patch(call)
        raise not_allowed()

    def watch(self, call: Call) -> AsyncGenerator[Obj, None]:
        """Events of a watch. Raises 500 for a version that is no number."""
        self._may(call)
        version = call.query.get("resourceVersion", "")
        if version and not version.isdigit():
            raise ApiError(500, "", f'strconv.ParseUint: parsing "{version}": invalid syntax')
        initial = call.query.get("sendInitialEvents") in _TRUE
        return watch.events(
            self.objects.store,
            watch.Watching(
                kind=call.target.kind,
                namespace=call.target.namespace,
                match=_match(call),
                shape=lambda obj: _shaped(call, obj, named=True),
                version=version,
                seconds=float(call.query.get("timeoutSeconds") or 1800),
                bookmarks=call.query.get("allowWatchBookmarks") in _TRUE,
                initial=initial,
            ),
        )

    def review(self, body: Any, user: str) -> Obj:
        """SelfSubjectAccessReview."""
        spec = body.get("spec", {}) if isinstance(body, dict) else {}
        return {
            "kind": "SelfSubjectAccessReview",
            "apiVersion": "authorization.k8s.io/v1",
            "metadata": {"creationTimestamp": None},
            "spec": spec,
            "status": {"allowed": user not in self.nobody},
        }

    def _may(self, call: Call) -> None:
        target = call.target
        if call.user in self.nobody:
            verb = _VERB.get(call.method) or ("watch" if call.watching else "get" if target.name else "list")
            if verb == "delete" and not target.name:
                verb = "deletecollection"
            raise forbidden(target.kind, target.name, call.user, verb, target.subresource, target.namespace)

    def _get(self, call: Call) -> Obj | str:
        target = call.target
        found = self.objects.need(target.kind, target.namespace, target.name)
        if target.subresource == "scale":
            return scale.of(found)
        if target.subresource == "log":
            return self.logs.get(found["metadata"]["uid"], "")
        if target.subresource == "eviction":
            raise not_allowed()
        return _shaped(call, found, named=True)

    def _list(self, call: Call) -> Obj:
        kind, store = call.target.kind, self.objects.store
        match, found = _match(call), store.list(kind, call.target.namespace)
        chosen = [obj for obj in found if match(obj)]
        page, meta = paging.page(
            store, chosen, int(call.query.get("limit") or 0), call.query.get("continue", "")
        )
        if call.query.get("labelSelector") or call.query.get("fieldSelector"):
            meta.pop("remainingItemCount", None)
        name, api_version = f"{kind.name}List", call.target.api_version
        if _metadata_only(call):
            name, api_version = "PartialObjectMetadataList", "meta.k8s.io/v1"
        items = [_shaped(call, obj, named=kind.custom) for obj in page]
        return {"kind": name, "apiVersion": api_version, "metadata": meta, "items": items}

    def _post(self, call: Call) -> tuple[int, Obj]:
        target = call.target
        if target.subresource == "eviction":
            return 201, eviction.evict(self.objects, target.namespace, target.name, call.dry_run)
        if target.name:
            raise not_allowed()
        body = _body(call)
        if target.kind.namespaced and not target.namespace:
            raise not_allowed()
        return 201, _shaped(
            call, self.objects.create(target.kind, target.namespace, body, call.writer), named=True
        )

    def _put(self, call: Call) -> tuple[int, Obj]:
        target, body = call.target, _body(call)
        args = (target.kind, target.namespace, target.name)
        if target.subresource == "scale":
            return 200, scale.replace(self.objects, *args, body, call.writer)
        if target.subresource not in ("", "status"):
            raise not_allowed()
        fresh = self.objects.store.get(*args) is None
        return (201 if fresh else 200), _shaped(
            call, self.objects.replace(*args, body, call.writer), named=True
        )

    def _patch(self, call: Call) -> Obj:
        target = call.target
        args = (target.kind, target.namespace, target.name, call.media, call.body, call.writer)
        if target.subresource == "scale":
            return scale.patch(self.objects, *args)
        if target.subresource not in ("", "status"):
            raise not_allowed()
        return _shaped(call, self.objects.patch(*args), named=True)

    def _delete(self, call: Call) -> Obj:
        target = call.target
        if target.subresource:
            raise not_allowed()
        found = self.objects.delete(target.kind, target.namespace, target.name, _removal(call))
        return found if found["kind"] == "Status" else _shaped(call, found, named=True)

    def _delete_all(self, call: Call) -> Obj:
        target, match = call.target, _match(call)
        if target.kind.namespaced and not target.namespace:
            raise not_allowed()
        chosen = [o for o in self.objects.store.list(target.kind, target.namespace) if match(o)]
        for obj in chosen:
            self.objects.delete(target.kind, target.namespace, obj["metadata"]["name"], _removal(call))
        items = [_shaped(call, obj, named=target.kind.custom) for obj in chosen]
        meta = {"resourceVersion": str(self.objects.store.version)}
        return {
            "kind": f"{target.kind.name}List",
            "apiVersion": target.api_version,
            "metadata": meta,
            "items": items,
        }


def _body(call: Call) -> Obj:
    kind, body = call.target.kind, call.body
    if not isinstance(body, dict):
        raise bad_request("the object provided is unrecognized (must be of type object)")
    if kind.custom and not body.get("kind"):
        raise bad_request(f"error decoding: Object 'Kind' is missing in '{orjson.dumps(body).decode()}'")
    wanted = "Scale" if call.target.subresource == "scale" else kind.name
    if body.get("kind", wanted) != wanted:
        sent = f"{body.get('apiVersion', '')}, Kind={body['kind']}"
        raise bad_request(
            f'{body["kind"]} in version "{body.get("apiVersion", "")}" cannot be handled as a {wanted}: '
            f"converting ({sent}) to ({kind.api_version}, Kind={wanted}): unknown conversion"
        )
    if wanted == kind.name and body.get("apiVersion", kind.api_version) not in kind.group_versions:
        raise bad_request(
            f"the API version in the data ({body['apiVersion']}) does not match the expected API version "
            f"({call.target.api_version})"
        )
    return body


def _removal(call: Call) -> Removal:
    body = call.body if isinstance(call.body, dict) else {}
    grace = body.get("gracePeriodSeconds", call.query.get("gracePeriodSeconds"))
    preconditions = body.get("preconditions") or {}
    return Removal(
        grace=None if grace is None else int(grace),
        propagation=body.get("propagationPolicy") or call.query.get("propagationPolicy", ""),
        uid=preconditions.get("uid") or "",
        version=preconditions.get("resourceVersion") or "",
        dry_run=call.dry_run,
    )


def _match(call: Call) -> Match:
    by_label = by_labels(call.query.get("labelSelector", ""))
    by_field = by_fields(call.target.kind, call.query.get("fieldSelector", ""))
    return lambda obj: by_label(obj) and by_field(obj)


def _metadata_only(call: Call) -> bool:
    return "as=PartialObjectMetadata" in call.accept


def _shaped(call: Call, obj: Obj, *, named: bool) -> Obj:
    """The object as this request wants it: metadata alone, another version, without kind inside lists."""
    if _metadata_only(call):
        partial = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"}
        return (partial if named else {}) | {"metadata": obj["metadata"]}
    if not named:
        return {key: value for key, value in obj.items() if key not in ("kind", "apiVersion")}
    if call.target.api_version != obj.get("apiVersion"):
        return obj | {"apiVersion": call.target.api_version}
    return obj
