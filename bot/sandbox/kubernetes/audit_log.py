"""How a request looks in an API server's audit log at level Metadata: who, what, when, and no bodies."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bot.sandbox.kubernetes import routes
from bot.sandbox.kubernetes.errors import ApiError, PageNotFoundError
from bot.sandbox.kubernetes.meta import Obj

if TYPE_CHECKING:
    from bot.sandbox.kubernetes.server import AuditEntry

_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


def event(entry: AuditEntry) -> Obj:
    """An audit event of stage ResponseComplete. Controllers act without HTTP here, so they have none."""
    at = datetime.fromtimestamp(entry.at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    thing = _thing(urlsplit(entry.path).path)
    verb = _VERBS.get(entry.verb, entry.verb.lower())
    found: Obj = {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": "Metadata",
        "auditID": entry.audit_id,
        "stage": "ResponseComplete",
        "requestURI": entry.path,
        "verb": "deletecollection" if verb == "delete" and thing and "name" not in thing else verb,
        "user": {"username": entry.user or "system:anonymous", "groups": ["system:authenticated"]},
        "sourceIPs": ["127.0.0.1"],
        "userAgent": entry.agent,
        "responseStatus": {"metadata": {}, "code": entry.code},
        "requestReceivedTimestamp": at,
        "stageTimestamp": at,
    }
    if entry.as_user:
        found["impersonatedUser"] = {"username": entry.as_user, "groups": ["system:authenticated"]}
    if thing:
        found["objectRef"] = thing
    return found


def _thing(path: str) -> Obj:
    try:
        target = routes.target(path)
    except (ApiError, PageNotFoundError):
        return {}
    group, slash, version = target.api_version.rpartition("/")
    thing = {
        "resource": target.kind.plural,
        "namespace": target.namespace,
        "name": target.name,
        "apiGroup": group if slash else "",
        "apiVersion": version,
        "subresource": target.subresource,
    }
    return {name: value for name, value in thing.items() if value}
