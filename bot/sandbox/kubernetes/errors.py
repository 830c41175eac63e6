"""Failures as the API server words them; clients and people match on these texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bot.sandbox.kubernetes.kinds import Kind
from bot.sandbox.kubernetes.meta import Obj


@dataclass(frozen=True)
class Cause:
    """One field that validation refused."""

    field: str
    message: str
    reason: str = "FieldValueInvalid"


RETRY_AFTER_SECONDS = 1


class ApiError(Exception):
    """A request refused with a `Status` body."""

    def __init__(
        self, code: int, reason: str, message: str, details: Obj | None = None, meta: Obj | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details
        self.meta = meta or {}

    def status(self) -> Obj:
        """The body."""
        body: Obj = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": self.meta,
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            body["reason"] = self.reason
        if self.details is not None:
            body["details"] = self.details
        return body | {"code": self.code}


class PageNotFoundError(Exception):
    """A path outside every known group: the answer is plain text."""


def too_many_requests() -> ApiError:
    """What API Priority and Fairness answers when its queues are full."""
    message = "Too many requests, please try again later."
    return ApiError(429, "TooManyRequests", message, {"retryAfterSeconds": RETRY_AFTER_SECONDS})


def _details(kind: Kind, name: str, **more: Any) -> Obj:
    found: Obj = {"name": name}
    if kind.group:
        found["group"] = kind.group
    return found | {"kind": kind.plural} | more


def not_found(kind: Kind, name: str) -> ApiError:
    return ApiError(404, "NotFound", f'{kind.resource} "{name}" not found', _details(kind, name))


def unknown_resource() -> ApiError:
    return ApiError(404, "NotFound", "the server could not find the requested resource", {})


def already_exists(kind: Kind, name: str) -> ApiError:
    return ApiError(409, "AlreadyExists", f'{kind.resource} "{name}" already exists', _details(kind, name))


def conflict(kind: Kind, name: str, why: str = "") -> ApiError:
    why = why or (
        "the object has been modified; please apply your changes to the latest version and try again"
    )
    text = f'Operation cannot be fulfilled on {kind.resource} "{name}": {why}'
    return ApiError(409, "Conflict", text, _details(kind, name))


def uid_conflict(kind: Kind, name: str, wanted: str, found: str) -> ApiError:
    text = (
        f'Operation cannot be fulfilled on {kind.qualified} "{name}": the UID in the precondition ({wanted}) '
        f"does not match the UID in record ({found}). The object might have been deleted and then recreated"
    )
    details = _details(kind, name) | {"kind": kind.name}
    return ApiError(409, "Conflict", text, details)


def invalid(kind: Kind, name: str, causes: Sequence[Cause], *, qualified: str = "") -> ApiError:
    """422. `qualified` replaces Kind.group, for requests on a subresource with a kind of its own."""
    who = qualified or kind.qualified
    said = [f"{c.field}: {c.message}" for c in causes]
    text = said[0] if len(said) == 1 else f"[{', '.join(said)}]"
    simple, _, group = who.partition(".")
    details: Obj = {"name": name}
    if group:
        details["group"] = group
    details |= {
        "kind": simple,
        "causes": [{"reason": c.reason, "message": c.message, "field": c.field} for c in causes],
    }
    return ApiError(422, "Invalid", f'{who} "{name}" is invalid: {text}', details)


def rejected() -> ApiError:
    """A JSON patch that cannot be applied; the real server does not say which operation either."""
    return ApiError(422, "Invalid", "the server rejected our request due to an error in our request", {})


def bad_request(message: str) -> ApiError:
    return ApiError(400, "BadRequest", message)


def unauthorized() -> ApiError:
    return ApiError(401, "Unauthorized", "Unauthorized")


def not_allowed() -> ApiError:
    text = "the server does not allow this method on the requested resource"
    return ApiError(405, "MethodNotAllowed", text, {})


def unsupported_media_type(kind: Kind | None) -> ApiError:
    text = "415: Unsupported Media Type"
    if kind and kind.custom:
        text = (
            "the body of the request was in an unknown format - accepted media types include: "
            "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml"
        )
    return ApiError(415, "UnsupportedMediaType", text, {})


def forbidden(kind: Kind, name: str, user: str, verb: str, subresource: str, namespace: str) -> ApiError:
    what = f"{kind.plural}/{subresource}" if subresource else kind.plural
    where = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
    subject = f'{kind.resource} "{name}"' if name else kind.resource
    text = (
        f'{subject} is forbidden: User "{user}" cannot {verb} resource "{what}" '
        f'in API group "{kind.group}" {where}'
    )
    return ApiError(403, "Forbidden", text, _details(kind, name))


def terminating(kind: Kind, name: str, namespace: str) -> ApiError:
    said = f"unable to create new content in namespace {namespace} because it is being terminated"
    cause = {
        "reason": "NamespaceTerminating",
        "message": f"namespace {namespace} is being terminated",
        "field": "metadata.namespace",
    }
    text = f'{kind.resource} "{name}" is forbidden: {said}'
    return ApiError(403, "Forbidden", text, _details(kind, name, causes=[cause]))


def expired(message: str, token: str = "") -> ApiError:
    return ApiError(410, "Expired", message, meta={"continue": token} if token else None)
