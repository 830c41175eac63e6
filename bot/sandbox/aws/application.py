"""moto's Flask application per service, with our handlers in the places of moto's."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask, request
from moto.backends import get_backend
from moto.core.utils import convert_to_flask_response
from moto.moto_server.utilities import RegexConverter
from moto.moto_server.werkzeug_app import HTTP_METHODS, BackendRequest, DomainDispatcherApplication
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map

from bot.sandbox.aws import wire
from bot.sandbox.aws.cloud import ACCOUNT, Cloud
from bot.sandbox.aws.refusals import UnmodeledRefusal

_log = logging.getLogger(__name__)


def build(cloud: Cloud, handlers: Iterable[type[Any]]) -> Any:
    """Return a WSGI application for all of AWS, in which `handlers` replace their base classes.

    Each handler becomes a class of its own that knows this cloud, so nothing in moto is patched.
    A handler may have `more_paths`, regular expressions of paths that moto does not serve.
    """
    bound = [type(handler.__name__, (handler,), {"cloud": cloud}) for handler in handlers]
    return DomainDispatcherApplication(lambda service: _service(str(service), bound))


def _service(service: str, handlers: list[Any]) -> Flask:
    app = Flask("aws")
    app.request_class = BackendRequest
    app.url_map = Map()
    app.url_map.converters["regex"] = RegexConverter
    for number, (path, view) in enumerate(_views(service, handlers)):
        app.add_url_rule(
            path, endpoint=str(number), methods=HTTP_METHODS, view_func=view, strict_slashes=False
        )
    app.register_error_handler(Exception, _failed)
    return app


def _views(service: str, handlers: list[Any]) -> Iterable[tuple[str, Any]]:
    regions = get_backend(service)[ACCOUNT]
    backend = regions["us-east-1" if "us-east-1" in regions else "aws"]
    for path, view in backend.flask_paths.items():
        if path:
            yield path, convert_to_flask_response(_replaced(view, handlers))
    for handler in handlers:
        if handler.__module__.startswith("bot.") and getattr(handler, "serves", None) == service:
            for path in handler.more_paths:
                yield path, convert_to_flask_response(handler.dispatch)


def _replaced(view: Callable[..., Any], handlers: list[Any]) -> Callable[..., Any]:
    owner = getattr(view, "__self__", None)
    for handler in handlers:
        if isinstance(owner, type) and issubclass(handler, owner):
            return getattr(handler, view.__name__)  # type: ignore[no-any-return]
    return view


def _failed(error: Exception) -> Any:
    """Answer in AWS's words; moto's own HTML page makes botocore fail in ways that AWS never causes."""
    call = wire.read(dict(request.environ))
    if isinstance(error, UnmodeledRefusal):
        return wire_response(wire.refusal(call, error.status, error.code, str(error)))
    if isinstance(error, HTTPException):
        return wire_response(wire.refusal(call, error.code or 500, error.name.replace(" ", ""), str(error)))
    if isinstance(error, NotImplementedError):
        return wire_response(wire.refusal(call, 501, "NotImplemented", str(error)))
    _log.error("the AWS stand-in failed at %s %s", call.service, call.operation, exc_info=error)
    return wire_response(wire.refusal(call, 500, "InternalFailure", repr(error)))


def wire_response(reply: wire.Reply) -> tuple[bytes, int, dict[str, str]]:
    """Turn our reply into Flask's order of the same three things."""
    status, headers, body = reply
    return body, status, headers
