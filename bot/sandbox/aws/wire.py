"""How a request names its service, Region and operation, and how each protocol says no."""

from __future__ import annotations

import io
import json
import re
import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote_plus
from xml.sax.saxutils import escape

_SCOPE = re.compile(r"Credential=([^/]+)/\d{8}/([^/]+)/([^/]+)/aws4_request")
_CLIENT_NAME = {"monitoring": "cloudwatch", "elasticloadbalancing": "elbv2"}
"""Signing name -> boto3's name, where they differ."""
_QUERY = ("rds", "sts", "iam", "elbv2", "autoscaling")
_REST_XML = ("route53", "s3")
_REST_JSON = ("eks", "fis", "arc-zonal-shift")
_LOOKS = re.compile(r"(Describe|Get|List|Head|Test|Lookup|Batch(Get|Describe))[A-Z]")
Reply = tuple[int, dict[str, str], bytes]


@dataclass(frozen=True)
class Call:
    """One request, as its signature and its shape tell. `service` is boto3's name for it."""

    service: str
    region: str
    operation: str
    access_key: str
    bucket: str | None = None

    @property
    def mutates(self) -> bool:
        """Whether something may have changed once it was served."""
        return not _LOOKS.match(self.operation)


def read(environ: dict[str, Any]) -> Call:
    """Read a WSGI environment; a form body is put back for the application."""
    query = environ.get("QUERY_STRING", "")
    signed = environ.get("HTTP_AUTHORIZATION") or _presigned(query)
    match = _SCOPE.search(signed)
    key, region, service = match.groups() if match else ("", "us-east-1", "s3")
    service = _CLIENT_NAME.get(service, service)
    bucket = environ.get("PATH_INFO", "/").split("/")[1] or None if service == "s3" else None
    return Call(service, region, _operation(service, environ), key, bucket)


def _presigned(query: str) -> str:
    return "Credential=" + parse_qs(query).get("X-Amz-Credential", [""])[0]


def _operation(service: str, environ: dict[str, Any]) -> str:
    if target := environ.get("HTTP_X_AMZ_TARGET"):
        return str(target).rpartition(".")[2]
    if "x-www-form-urlencoded" in environ.get("CONTENT_TYPE", ""):
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        if found := re.search(rb"(?:^|&)Action=([^&]+)", body):
            return unquote_plus(found[1].decode())
    if found_text := re.search(r"(?:^|&)Action=([^&]+)", environ.get("QUERY_STRING", "")):
        return found_text[1]
    return _routed(service, environ)


def _routed(service: str, environ: dict[str, Any]) -> str:
    from moto.core.request import Request
    from moto.core.routing import get_service_router
    from werkzeug.exceptions import HTTPException

    try:
        operation, _ = get_service_router(service).match(Request({**environ, "wsgi.input": io.BytesIO()}))
    except (HTTPException, LookupError, ValueError):
        return str(environ.get("REQUEST_METHOD", "GET")).title()
    return str(operation.name)


def throttled(call: Call) -> Reply:
    """Return what this service says when it is called too often."""
    if call.service == "s3":
        return refusal(call, 503, "SlowDown", "Please reduce your request rate.")
    if call.service == "ec2":
        return refusal(call, 503, "RequestLimitExceeded", "Request limit exceeded.")
    if call.service in ("eks", "route53-recovery-cluster"):
        return refusal(call, 429, "ThrottlingException", "Rate exceeded")
    code = "Throttling" if call.service in (*_QUERY, "route53", "cloudwatch") else "ThrottlingException"
    return refusal(call, 400, code, "Rate exceeded")


def refusal(call: Call, status: int, code: str, message: str) -> Reply:
    """Return an error in the service's own wire format."""
    request_id = secrets.token_hex(16)
    headers = {"x-amzn-RequestId": request_id, "Content-Type": "text/xml"}
    text, blame = escape(message), "Sender" if status < 500 else "Receiver"
    error = f"<Code>{code}</Code><Message>{text}</Message>"
    if call.service == "s3":
        body = f"<Error>{error}<RequestId>{request_id}</RequestId></Error>"
    elif call.service == "ec2":
        body = (
            f"<Response><Errors><Error>{error}</Error></Errors><RequestID>{request_id}</RequestID></Response>"
        )
    elif call.service in (*_QUERY, *_REST_XML):
        body = (
            f"<ErrorResponse><Error><Type>{blame}</Type>{error}</Error>"
            f"<RequestId>{request_id}</RequestId></ErrorResponse>"
        )
    else:
        headers |= {"Content-Type": "application/x-amz-json-1.0", "x-amzn-ErrorType": code}
        if call.service == "cloudwatch":
            headers["x-amzn-query-error"] = f"{code};{blame}"
        body = json.dumps({"__type": code, "message": message})
    data = body.encode()
    return status, {**headers, "Content-Length": str(len(data))}, data
