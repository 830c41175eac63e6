"""HTTP face of one cluster: who may come in, what is recorded, and how answers look on the wire."""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web

from bot.sandbox.faults import Faults, befalls
from bot.sandbox.kubernetes import errors, routes
from bot.sandbox.kubernetes.meta import Obj
from bot.sandbox.kubernetes.objects import Objects
from bot.sandbox.kubernetes.verbs import Call, Verbs

HANG = 2.0
PERSON = "kubernetes-admin"
"""Whoever uses the cluster past the bot, `kubectl` in hand."""
_POLL = 0.1


@dataclass(frozen=True)
class AuditEntry:
    """One request, as the API server's audit log would have it. `as_user` is whom it was made for."""

    audit_id: str
    at: float
    verb: str
    path: str
    user: str
    as_user: str
    code: int
    agent: str = ""


@dataclass
class Server:
    """Requests in, answers out. An unreachable Region keeps silent for `hang` real seconds."""

    region: str
    faults: Faults
    token: str
    objects: Objects
    logs: dict[str, str]
    nobody: frozenset[str]
    hang: float = HANG
    audit: deque[AuditEntry] = field(default_factory=lambda: deque(maxlen=5000))
    changes: deque[AuditEntry] = field(default_factory=lambda: deque(maxlen=20_000))
    person_token: str = ""
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    def app(self) -> web.Application:
        """The application; one handler, because the API is regular."""
        app = web.Application(client_max_size=8 * 1024**2)
        app.router.add_route("*", "/{path:.*}", self.handle)
        return app

    async def handle(self, request: web.Request) -> web.StreamResponse:
        audit_id = request.headers.get("Audit-ID") or str(uuid.uuid4())
        if slow := self.faults.find("latency", target="kubernetes"):
            await asyncio.sleep(float(slow.params["seconds"]))
        await self._reachable(request, swallowed=self.faults.swallows(self.region))
        user = self._user(request)
        as_user = request.headers.get("Impersonate-User", "")
        code = 0
        try:
            if not user:
                raise errors.unauthorized()
            if (busy := self.faults.find("kubernetes-throttle", region=self.region)) and befalls(busy):
                raise errors.too_many_requests()
            response = await self._answer(request, as_user or user, audit_id)
        except errors.PageNotFoundError:
            response = web.Response(status=404, text="404 page not found\n")
        except errors.ApiError as refusal:
            response = _json(refusal.status(), refusal.code)
            if refusal.code == 429 and refusal.details:
                response.headers["Retry-After"] = str(refusal.details.get("retryAfterSeconds", 1))
        finally:
            self.objects.warnings.clear()
        code = response.status
        if not response.prepared:
            response.headers["Audit-Id"] = audit_id
        now = self.objects.now()
        agent = request.headers.get("User-Agent", "")
        entry = AuditEntry(audit_id, now, request.method, request.path_qs, user, as_user, code, agent)
        self.audit.append(entry)
        if request.method not in ("GET", "HEAD", "OPTIONS"):
            self.changes.append(entry)
        return response

    async def _answer(self, request: web.Request, user: str, audit_id: str) -> web.StreamResponse:
        if request.path in ("/healthz", "/livez", "/readyz"):
            return web.Response(text="ok")
        if (found := routes.discovery(request.path)) is not None:
            return _json(found)
        raw = await request.read()
        body = _decoded(request, raw)
        verbs = Verbs(self.objects, self.logs, self.nobody)
        if request.path == "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews":
            return _json(verbs.review(body, user), 201)
        call = Call(
            target=routes.target(request.path),
            method=request.method,
            query=dict(request.query),
            body=body,
            media=request.content_type,
            accept=request.headers.get("Accept", ""),
            agent=request.headers.get("User-Agent", ""),
            user=user,
        )
        if call.watching:
            return await self._watch(request, verbs, call, audit_id)
        code, answer = verbs.answer(call)
        if isinstance(answer, str):
            return web.Response(text=answer, status=code)
        said = "; ".join(self.objects.warnings)
        headers = {"Warning": f'299 - "{said}"'} if said else {}
        return _json(answer, code, headers)

    async def _watch(
        self, request: web.Request, verbs: Verbs, call: Call, audit_id: str
    ) -> web.StreamResponse:
        stream = verbs.watch(call)
        headers = {"Content-Type": "application/json", "Audit-Id": audit_id}
        response = web.StreamResponse(headers=headers)
        response.enable_chunked_encoding()
        await response.prepare(request)
        stopping = asyncio.ensure_future(self.stopping.wait())
        try:
            while True:
                coming = asyncio.ensure_future(anext(stream, None))
                await asyncio.wait({coming, stopping}, return_when=asyncio.FIRST_COMPLETED)
                if not coming.done():
                    coming.cancel()
                    await asyncio.gather(coming, return_exceptions=True)
                    break
                event = coming.result()
                if event is None:
                    break
                await self._reachable(request)
                await response.write(orjson.dumps(event) + b"\n")
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            stopping.cancel()
            await stream.aclose()
        return response

    async def _reachable(self, request: web.Request, *, swallowed: bool = False) -> None:
        """Silence while the Region cannot be reached, then a reset, as a client of a dark Region sees it."""
        loop = asyncio.get_running_loop()
        ends = loop.time() + self.hang
        while swallowed or self.faults.unreachable(self.region):
            if loop.time() >= ends or self.stopping.is_set():
                if request.transport is not None:
                    request.transport.abort()
                raise ConnectionResetError
            await asyncio.sleep(_POLL)

    def _user(self, request: web.Request) -> str:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return ""
        if token == self.token:
            return "signalbox"
        if self.person_token and token == self.person_token:
            return PERSON
        # EKS tokens carry a presigned STS call; which identity it proves is AWS's business.
        return "eks:signalbox" if token.startswith("k8s-aws-v1.") else ""


def _decoded(request: web.Request, raw: bytes) -> Any:
    if not raw:
        return None
    json_types = ("application/json", "application/octet-stream")
    patches = ("application/json-patch+json", "application/merge-patch+json")
    known = (*json_types, *patches, "application/strategic-merge-patch+json")
    if request.content_type not in known:
        try:
            found = routes.target(request.path)
        except errors.PageNotFoundError:
            found = None
        raise errors.unsupported_media_type(found.kind if found else None)
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise errors.bad_request(f"couldn't get version/kind; json parse error: {error}") from error


def _json(body: Obj, code: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    data = orjson.dumps(body)
    return web.Response(body=data, status=code, content_type="application/json", headers=headers)
