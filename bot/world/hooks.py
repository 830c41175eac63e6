"""Register before movement: no call that changes something leaves before its intent is committed.

The hooks sit where every call of a library passes, so that a call made in a new way is caught as well, and
they fail closed: what is not known to be a read is a change. If `Register.intent` raises, the call is not
sent; once sent, its outcome is recorded whatever it was: done, refused, or unknown when no answer came.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import httpx

from bot import act
from bot.ports import Register
from bot.scrub import scrub
from bot.world import parameters

_AWS_READS = (
    "Describe",
    "List",
    "Get",
    "Head",
    "LookupEvents",
    "FilterLogEvents",
    "AssumeRole",
    "SelectObject",
)
_KUBERNETES_READS = frozenset({"GET", "HEAD", "OPTIONS"})
# These are GETs on the wire and still act within a pod.
_KUBERNETES_CONNECTS = frozenset({"exec", "attach", "portforward", "proxy"})
_HTTP_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_PARAMS, _INTENT = "signalbox_params", "signalbox_intent"
_LONGEST_ERROR = 300
# Bytes of an answer that are looked through for secrets and told: a call waits for it.
_LONGEST_ANSWER = 16 * 1024
# S3 and EC2 say with a 503 that there are too many calls: nothing was done.
_THROTTLES = frozenset({"SlowDown", "RequestLimitExceeded"})


def changes_aws(operation: str, params: Mapping[str, Any]) -> bool:
    """Whether this AWS operation (`PutObject`) changes something; a dry run does not."""
    return not operation.startswith(_AWS_READS) and params.get("DryRun") is not True


def changes_kubernetes(method: str, url: str) -> bool:
    """Whether this request changes something; a dry run and an access review do not."""
    parts = urlsplit(url)
    last = parts.path.rstrip("/").rpartition("/")[2]
    if method.upper() in _KUBERNETES_READS:
        return not _KUBERNETES_CONNECTS.isdisjoint(parts.path.split("/"))
    return last != "selfsubjectaccessreviews" and parse_qs(parts.query).get("dryRun") != ["All"]


class Hooks:
    """Puts the register before the calls of boto3, the Kubernetes client and httpx."""

    def __init__(self, register: Register) -> None:
        self._register = register

    def before(self, service: str, operation: str, region: str, params: Mapping[str, Any]) -> str:
        """Record the intent, return its id. Raises TrailError without an act, or what the register raises."""
        act.current()
        return self._register.intent(service, operation, region, params)

    def after(self, intent: str, *, ok: bool | None, request_id: str = "", error: str = "") -> None:
        """Record what came of it."""
        self._register.outcome(
            intent, ok=ok, request_id=request_id, error=scrub(error[:_LONGEST_ANSWER])[:_LONGEST_ERROR]
        )

    def attach(self, session: Any) -> None:
        """Watch every client that this boto3 Session makes from now on."""
        session.events.register("before-parameter-build", self._aws_params)
        session.events.register("before-call", self._aws_before)
        session.events.register("after-call", self._aws_answered)
        session.events.register("after-call-error", self._aws_silent)

    def wrap(self, client: Any, region: str) -> Any:
        """Watch a Kubernetes ApiClient: all of its generated methods end in `call_api`."""
        send: Callable[..., Any] = client.call_api

        def call_api(method: str, url: str, *args: Any, **kwargs: Any) -> Any:
            if not changes_kubernetes(method, url):
                return send(method, url, *args, **kwargs)
            body = kwargs.get("body", args[1] if len(args) > 1 else None)
            resource, told = parameters.of_kubernetes(url, body)
            intent = self.before("kubernetes", f"{method.lower()} {resource}", region, told)
            if args:
                args = (_with_audit_id(args[0], intent), *args[1:])
            else:
                kwargs["header_params"] = _with_audit_id(kwargs.get("header_params"), intent)
            try:
                answer = send(method, url, *args, **kwargs)
                text = "" if answer.status < 300 else _first_line(answer.read())
            except BaseException as error:
                self.after(intent, ok=None, error=f"{type(error).__name__}: {error}")
                raise
            audit = str(answer.headers.get("Audit-Id") or "")
            error_text = f"{answer.status} {text}" if text else ""
            self.after(intent, ok=_came(answer.status), request_id=audit, error=error_text)
            return answer

        client.call_api = call_api
        return client

    def _aws_params(self, params: Mapping[str, Any], context: dict[str, Any], **_: Any) -> None:
        context[_PARAMS] = params

    def _aws_before(self, model: Any, context: dict[str, Any], **_: Any) -> None:
        params = context.get(_PARAMS, {})
        if changes_aws(model.name, params):
            context[_INTENT] = self.before(
                model.service_model.service_name,
                model.name,
                context.get("client_region") or "",
                parameters.of_aws(model.name, params),
            )

    def _aws_answered(self, http_response: Any, parsed: Any, context: dict[str, Any], **_: Any) -> None:
        intent = context.pop(_INTENT, None)
        if intent is None:
            return
        found = parsed.get("Error", {})
        code = str(found.get("Code", ""))
        self.after(
            intent,
            ok=_came(http_response.status_code, code),
            request_id=str(parsed.get("ResponseMetadata", {}).get("RequestId", "")),
            error=f"{code}: {found.get('Message', '')}" if code else "",
        )

    def _aws_silent(self, exception: BaseException, context: dict[str, Any], **_: Any) -> None:
        intent = context.pop(_INTENT, None)
        if intent is not None:
            self.after(intent, ok=None, error=f"{type(exception).__name__}: {exception}")


class RecordedTransport(httpx.BaseTransport):
    """An httpx transport with the register before every request that is not a read."""

    def __init__(self, hooks: Hooks, inner: httpx.BaseTransport) -> None:
        self._hooks = hooks
        self._inner = inner

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.method in _HTTP_READS:
            return self._inner.handle_request(request)
        key = request.headers.get("Idempotency-Key", "")
        told = parameters.of_http(str(request.url), request.headers.get("Host", ""), key)
        intent = self._hooks.before("http", request.method.lower(), "", told)
        try:
            answer = self._inner.handle_request(request)
        except BaseException as error:
            self._hooks.after(intent, ok=None, error=f"{type(error).__name__}: {error}")
            raise
        status = answer.status_code
        request_id = answer.headers.get("X-Request-Id", "")
        self._hooks.after(
            intent, ok=_came(status), request_id=request_id, error="" if status < 300 else f"HTTP {status}"
        )
        return answer

    def close(self) -> None:
        self._inner.close()


def _with_audit_id(headers: Mapping[str, str] | None, intent: str) -> dict[str, str]:
    """The headers with the intent's id, by which the API server's audit log then names this request."""
    return {**(headers or {}), "Audit-ID": audit_id(intent)}


def audit_id(intent: str) -> str:
    """An intent's id in the shape that an API server gives its own."""
    try:
        return str(UUID(intent))
    except ValueError:
        return intent[:64]


def _came(status: int, code: str = "") -> bool | None:
    """True: done; False: refused; None: a server that broke while working says nothing of what it did."""
    if status >= 500 and code not in _THROTTLES:
        return None
    return status < 300


def _first_line(body: bytes | None) -> str:
    return (body or b"")[:_LONGEST_ANSWER].decode("utf-8", "replace").strip().partition("\n")[0]
