"""ARC routing controls: their states behind five Regional endpoints, and a safety rule over all of them."""

from __future__ import annotations

import json
import secrets
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bot.sandbox.aws import wire
from bot.sandbox.aws.cloud import ACCOUNT, Cloud

SERVICE = "route53-recovery-cluster"
ENDPOINT_REGIONS = ("us-east-1", "us-west-2", "eu-west-1", "ap-northeast-1", "ap-southeast-2")
"""Where AWS puts the endpoints of every cluster."""
CHANGES_A_SECOND = 3
MOST_CONTROLS = 10
_PREFIX = "/arc/"
_PANEL = f"arn:aws:route53-recovery-control::{ACCOUNT}:controlpanel/0a1b2c3d4e5f60718293a4b5c6d7e8f9"
RULE = f"{_PANEL}/safetyrule/5a3e0f7b9c1d2468"


class _No(Exception):
    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


class RoutingControls:
    """One cluster with a control for each Region; at least one of them stays on. Changes need the cloud's lock."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._names: dict[str, str] = {}
        self._on: dict[str, bool] = {}
        self._changed: dict[str, deque[float]] = {}
        self._operations: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
            "GetRoutingControlState": self._get,
            "ListRoutingControls": self._list,
            "UpdateRoutingControlState": self._update_one,
            "UpdateRoutingControlStates": self._update,
        }

    def plant(self, regions: Sequence[str], url: str) -> dict[str, dict[str, str]]:
        """Create a control for each Region, on. Returns what an estate names: endpoints and controls."""
        for region in regions:
            arn = f"{_PANEL}/routingcontrol/{secrets.token_hex(8)}"
            self._names[arn], self._on[arn] = region, True
        return {
            "endpoints": {region: f"{url}{_PREFIX}{region}" for region in ENDPOINT_REGIONS},
            "controls": {name: arn for arn, name in self._names.items()},
        }

    def on(self, arn: str) -> bool:
        """Whether a control is on; one that is not there is off. Takes no lock."""
        return self._on.get(arn, False)

    def states(self) -> dict[str, bool]:
        """On or off by the Region that a control is for. Takes no lock."""
        return {self._names[arn]: on for arn, on in self._on.items()}

    def serve(self, call: wire.Call, environ: Mapping[str, Any]) -> wire.Reply:
        """Answer a call that has reached an endpoint."""
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        try:
            self._admit(call, endpoint(environ))
            answer = self._operations[call.operation](json.loads(body or b"{}"))
        except _No as no:
            return wire.refusal(call, no.status, no.code, str(no))
        data = json.dumps(answer).encode()
        headers = {
            "x-amzn-RequestId": secrets.token_hex(16),
            "Content-Type": "application/x-amz-json-1.0",
            "Content-Length": str(len(data)),
        }
        return 200, headers, data

    def _admit(self, call: wire.Call, at: str | None) -> None:
        if at is None or call.operation not in self._operations:
            raise _No(400, "ValidationException", f"No endpoint serves {call.operation} here.")
        # AWS's own examples sign for the endpoint's Region; what it says to others is not known.
        if at != call.region:
            message = f"Credential should be scoped to a valid region, not '{call.region}'."
            raise _No(403, "InvalidSignatureException", message)
        if not call.mutates:
            return
        now, recent = self._cloud.clock.now(), self._changed.setdefault(at, deque())
        while recent and recent[0] <= now - 1:
            recent.popleft()
        if len(recent) >= CHANGES_A_SECOND:
            raise _No(429, "ThrottlingException", "Rate exceeded")
        recent.append(now)

    def _get(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        return self._shape(self._known(asked["RoutingControlArn"]))

    def _list(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        panel = asked.get("ControlPanelArn", _PANEL)
        return {"RoutingControls": [self._shape(arn) for arn in sorted(self._on) if arn.startswith(panel)]}

    def _update_one(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        entry = {name: asked[name] for name in ("RoutingControlArn", "RoutingControlState")}
        overridden = asked.get("SafetyRulesToOverride", [])
        return self._update(
            {"UpdateRoutingControlStateEntries": [entry], "SafetyRulesToOverride": overridden}
        )

    def _update(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """All or none: the rule is asked of what would be."""
        entries = asked["UpdateRoutingControlStateEntries"]
        if len(entries) > MOST_CONTROLS:
            raise _No(402, "ServiceLimitExceededException", f"{MOST_CONTROLS} routing controls at most.")
        wanted = dict(self._on)
        for entry in entries:
            if entry["RoutingControlState"] not in ("On", "Off"):
                raise _No(400, "ValidationException", "RoutingControlState is On or Off.")
            wanted[self._known(entry["RoutingControlArn"])] = entry["RoutingControlState"] == "On"
        if not any(wanted.values()) and RULE not in asked.get("SafetyRulesToOverride", []):
            message = f"The request would violate safety rule {RULE}: ATLEAST 1 of {len(wanted)} must be On."
            raise _No(409, "ConflictException", message)
        self._on = wanted
        return {}

    def _known(self, arn: str) -> str:
        if arn not in self._on:
            raise _No(404, "ResourceNotFoundException", f"No routing control {arn}.")
        return arn

    def _shape(self, arn: str) -> dict[str, str]:
        return {
            "RoutingControlArn": arn,
            "RoutingControlName": self._names[arn],
            "RoutingControlState": "On" if self._on[arn] else "Off",
        }


def endpoint(environ: Mapping[str, Any]) -> str | None:
    """The AWS Region of the endpoint that a request was sent to; None for any other place."""
    path = str(environ.get("PATH_INFO", ""))
    return path.removeprefix(_PREFIX).strip("/") if path.startswith(_PREFIX) else None
