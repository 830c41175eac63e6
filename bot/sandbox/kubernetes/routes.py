"""Paths of the API, and the discovery documents that describe them."""

from __future__ import annotations

from dataclasses import dataclass

from bot.sandbox.kubernetes import kinds
from bot.sandbox.kubernetes.errors import PageNotFoundError, unknown_resource
from bot.sandbox.kubernetes.kinds import ALL, BY_PATH, Kind
from bot.sandbox.kubernetes.meta import Obj

VERSION = {
    "major": "1",
    "minor": "36",
    "gitVersion": "v1.36.2-sandbox",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "2026-01-01T00:00:00Z",
    "goVersion": "go1.26",
    "compiler": "gc",
    "platform": "linux/amd64",
}
_VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
_REVIEW = "authorization.k8s.io/v1"


@dataclass(frozen=True)
class Target:
    """What a path names. An empty name is the collection; an empty namespace is all of them."""

    kind: Kind
    api_version: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""


def target(path: str) -> Target:
    """Resolve a resource path. Raises 404: plain text outside known groups, a Status inside them."""
    parts = [part for part in path.split("/") if part]
    if parts[:1] == ["api"] and len(parts) >= 3:
        api_version, rest = parts[1], parts[2:]
    elif parts[:1] == ["apis"] and len(parts) >= 4:
        api_version, rest = f"{parts[1]}/{parts[2]}", parts[3:]
    else:
        raise PageNotFoundError(path)
    if api_version not in kinds.group_versions():
        raise PageNotFoundError(path)
    namespace = ""
    if rest[0] == "namespaces" and len(rest) >= 3 and (api_version, rest[2]) in BY_PATH:
        namespace, rest = rest[1], rest[2:]
    elif rest[0] == "namespaces" and len(rest) >= 3 and rest[2] not in ("status", "finalize"):
        raise unknown_resource()
    kind = BY_PATH.get((api_version, rest[0]))
    if kind is None or len(rest) > 3 or (namespace and not kind.namespaced):
        raise unknown_resource()
    name = rest[1] if len(rest) > 1 else ""
    sub = rest[2] if len(rest) > 2 else ""
    if sub and sub not in subresources(kind):
        raise unknown_resource()
    return Target(kind, api_version, namespace, name, sub)


def subresources(kind: Kind) -> list[str]:
    """Subresources served for a kind."""
    found = ["status"] * kind.status + ["scale"] * kind.scale
    return found + ["log", "eviction"] * (kind == kinds.POD)


def discovery(path: str) -> Obj | None:
    """The discovery document at a path, if there is one."""
    parts = [part for part in path.split("/") if part]
    match parts:
        case ["version"]:
            return dict(VERSION)
        case ["api"]:
            return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
        case ["apis"]:
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": _groups()}
        case ["apis", group]:
            found = next((g for g in _groups() if g["name"] == group), None)
            return {"kind": "APIGroup", "apiVersion": "v1"} | found if found else None
        case ["api", "v1"]:
            return _resources("v1")
        case ["apis", group, version] if f"{group}/{version}" in kinds.group_versions():
            return _resources(f"{group}/{version}")
    return None


def _groups() -> list[Obj]:
    groups: dict[str, list[Obj]] = {}
    for group_version in kinds.group_versions():
        group, slash, version = group_version.partition("/")
        if slash:
            entry = {"groupVersion": group_version, "version": version}
            groups.setdefault(group, []).append(entry)
    return [{"name": g, "versions": v, "preferredVersion": v[0]} for g, v in groups.items()]


def _resources(group_version: str) -> Obj:
    found: list[Obj] = []
    for kind in ALL:
        if group_version not in kind.group_versions:
            continue
        entry: Obj = {
            "name": kind.plural,
            "singularName": kind.name.lower(),
            "namespaced": kind.namespaced,
            "kind": kind.name,
            "verbs": _VERBS,
        }
        found.append(entry | ({"shortNames": list(kind.short)} if kind.short else {}))
        for sub in subresources(kind):
            name = {"scale": "Scale", "eviction": "Eviction"}.get(sub, kind.name)
            verbs = {"eviction": ["create"], "log": ["get"]}.get(sub, ["get", "patch", "update"])
            found.append(
                entry | {"name": f"{kind.plural}/{sub}", "singularName": "", "kind": name, "verbs": verbs}
            )
    if group_version == _REVIEW:
        found.append(
            {
                "name": "selfsubjectaccessreviews",
                "singularName": "selfsubjectaccessreview",
                "namespaced": False,
                "kind": "SelfSubjectAccessReview",
                "verbs": ["create"],
            }
        )
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": found}
