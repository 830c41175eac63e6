"""The Web API's door: arguments in any shape, tokens, scopes, limits, and a log of every call."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from bot.sandbox.slack.errors import RateLimited, Refusal, invalid_arguments
from bot.sandbox.slack.rates import MESSAGE_BURST, MESSAGES_PER_MINUTE, Rates
from bot.sandbox.slack.troubles import Troubles, reset

KEPT_CALLS = 5_000


@dataclass
class Call:
    """One request, its arguments merged from query, form and JSON body.

    `flags` collects what Slack tolerates but a careful app avoids; they end in the log.
    """

    method: str
    args: dict[str, Any]
    flags: list[str] = field(default_factory=list)

    def text(self, name: str) -> str | None:
        """An optional string; an empty one counts as absent. Raises Refusal for a list or an object."""
        value = self.args.get(name)
        if isinstance(value, (list, dict)):
            raise invalid_arguments(f"must be a string: {name} [json-pointer:/{name}]")
        return None if value is None or value == "" else str(value)

    def required(self, name: str) -> str:
        """A string that must be there. Raises Refusal `invalid_arguments`."""
        value = self.text(name)
        if value is None:
            raise invalid_arguments(f"missing required field: {name}")
        return value

    def flag(self, name: str) -> bool:
        """A boolean in any of the shapes in which clients send it."""
        return str(self.args.get(name, "")).lower() in {"1", "true"}

    def number(self, name: str, default: int) -> int:
        """An integer. Raises Refusal `invalid_arguments`."""
        value = self.text(name)
        try:
            return default if value is None else int(value)
        except ValueError:
            raise invalid_arguments(f"must be an integer: {name}") from None

    def data(self, name: str, error: str = "invalid_arguments") -> Any:
        """An object or list, given as such or as a JSON string; None when absent. Raises Refusal `error`."""
        value = self.args.get(name)
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value) if value else None
        except ValueError:
            raise invalid_arguments(f"not JSON [json-pointer:/{name}]", error=error) from None


@dataclass(frozen=True)
class Method:
    """A Web API method: what it does, its scope, its rate, and whose token it takes (bot or app)."""

    run: Callable[[Call], dict[str, Any]]
    scope: str | None
    per_minute: int
    caller: str = "bot"


class WebApi:
    """Dispatches `/api/<method>`."""

    def __init__(
        self,
        methods: Mapping[str, Method],
        *,
        tokens: Mapping[str, str],
        scopes: frozenset[str],
        rates: Rates,
        troubles: Troubles,
        now: Callable[[], float],
    ) -> None:
        self._methods = methods
        self._tokens = tokens
        self._scopes = scopes
        self._rates = rates
        self._troubles = troubles
        self._now = now
        self.calls: deque[dict[str, Any]] = deque(maxlen=KEPT_CALLS)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One call, with the faults that are on."""
        name = request.match_info["method"]
        if self._troubles.down():
            self._note(Call(name, {}), ok=False, error="slack-down")
            return reset(request)
        await self._troubles.delay()
        call = Call(name, await _arguments(request))
        bearer = request.headers.get("Authorization", "").removeprefix("Bearer ").strip()
        token = bearer or str(call.args.get("token", ""))
        call.args.pop("token", None)
        try:
            answer = self._run(call, token)
        except RateLimited as limit:
            self._note(call, ok=False, error="ratelimited")
            headers = {"Retry-After": str(limit.retry_after)}
            return web.json_response({"ok": False, "error": "ratelimited"}, status=429, headers=headers)
        except Refusal as refusal:
            answer = refusal.answer()
        self._note(call, ok=bool(answer["ok"]), error=answer.get("error"))
        return reset(request) if self._troubles.loses_answer(name) else web.json_response(answer)

    def _run(self, call: Call, token: str) -> dict[str, Any]:
        method = self._methods.get(call.method)
        if method is None:
            raise Refusal("unknown_method", req_method=call.method)
        if not token:
            raise Refusal("not_authed")
        kind = self._tokens.get(token)
        if kind is None:
            raise Refusal("invalid_auth")
        if kind != method.caller:
            raise Refusal("not_allowed_token_type")
        if method.scope and method.scope not in self._scopes:
            provided = ",".join(sorted(self._scopes))
            raise Refusal("missing_scope", needed=method.scope, provided=provided)
        self._troubles.throttled(call.method)
        if call.method == "chat.postMessage":
            self._rates.spend(
                call.method, MESSAGES_PER_MINUTE, key=call.text("channel") or "", burst=MESSAGE_BURST
            )
        else:
            self._rates.spend(call.method, method.per_minute)
        return {"ok": True, **method.run(call)}

    def _note(self, call: Call, *, ok: bool, error: str | None) -> None:
        self.calls.append(
            {
                "method": call.method,
                "at": self._now(),
                "ok": ok,
                "error": error,
                "args": call.args,
                "flags": call.flags,
            }
        )


async def _arguments(request: web.Request) -> dict[str, Any]:
    """Query, form and JSON merged. `auth.test` of the sync client declares JSON and sends an empty body."""
    merged: dict[str, Any] = dict(request.query)
    body = await request.read()
    if not body:
        return merged
    if request.content_type == "application/json":
        try:
            parsed = json.loads(body)
        except ValueError:
            return merged
        if isinstance(parsed, dict):
            merged |= parsed
    else:
        merged |= {name: value for name, value in (await request.post()).items() if isinstance(value, str)}
    return merged
