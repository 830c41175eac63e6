"""The console is for this machine: what pages of strangers make a browser send here is refused."""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def only_local(request: web.Request, handler: Handler) -> web.StreamResponse:
    """403 for a foreign Host (a name rebound to loopback) or Origin (another site's page); 415 for its forms."""
    origin = request.headers.get("Origin")
    if not loopback(f"//{request.headers.get('Host', '')}") or (origin is not None and not loopback(origin)):
        return _refusal(403, "the sandbox answers to loopback addresses only")
    # Browsers send an Origin with every POST; programs, which send none, need not name JSON as such.
    controls = request.method == "POST" and request.path.startswith("/control/")
    if controls and origin is not None and request.content_type != "application/json":
        return _refusal(415, "control requests are JSON")
    return await handler(request)


def loopback(url: str) -> bool:
    """Whether a URL's host is this machine by address or as `localhost`; no name is looked up."""
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _refusal(status: int, error: str) -> web.Response:
    return web.json_response({"ok": False, "error": error}, status=status)
