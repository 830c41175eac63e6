"""Requests to one Region's cluster, and what its errors mean.

Plain JSON over the client's transport: the generated models refuse answers with fields left out, and their
default patch types differ between built-in and custom resources.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import urllib3
from kubernetes.client.exceptions import ApiException

from bot import act
from bot.errors import Busy, Conflict, OutsideError, Rejected, Throttled, Unreachable
from bot.world.hooks import changes_kubernetes
from bot.world.patience import Reads

TIMEOUT_SECONDS = (2, 6)  # connect, read
_MANAGER = "signalbox"
_PATCH = "application/json-patch+json"


class Answer:
    """An answer of the API server: `body` is JSON or, where the server sends none, text."""

    def __init__(self, status: int, data: bytes) -> None:
        self.status = status
        self.text = data.decode("utf-8", "replace")
        try:
            self.body: Any = json.loads(self.text)
        except ValueError:
            self.body = self.text

    def status_field(self, name: str) -> str:
        """A field of a Status object; empty when the body is something else."""
        return str(self.body.get(name, "")) if isinstance(self.body, dict) else ""

    @property
    def causes(self) -> bool:
        """Whether fields are named as the reason: then the request is wrong, not late."""
        details = self.body.get("details") if isinstance(self.body, dict) else None
        return bool(isinstance(details, dict) and details.get("causes"))


class KubernetesSession:
    """One Region's cluster. With `impersonate`, changes are made under the act's person."""

    def __init__(self, region: str, client: Any, *, impersonate: bool = False) -> None:
        self.region = region
        self._client = client
        self._impersonate = impersonate

    def get(self, path: str, **query: str | int) -> dict[str, Any]:
        """Read an object or a list."""
        body: dict[str, Any] = self._read(path, query).body
        return body

    def find(self, path: str, **query: str | int) -> dict[str, Any] | None:
        """Read an object; None when it, or its kind, is not there."""
        answer = self._read(path, query, missing_ok=True)
        return None if answer.status == 404 else answer.body

    def items(self, path: str, **query: str | int) -> list[dict[str, Any]]:
        """Every object of a list, in one call and not from the API server's cache."""
        found: list[dict[str, Any]] = self.get(path, **query).get("items") or []
        return found

    def text(self, path: str, **query: str | int) -> str:
        """Read plain text, such as a log."""
        return self._read(path, query).text

    def patch(self, path: str, operations: Sequence[dict[str, Any]]) -> None:
        """Apply a JSON patch, atomically. Raises Conflict when one of its tests does not hold."""
        self._send("PATCH", path, {"fieldManager": _MANAGER}, list(operations), _PATCH)

    def create(self, path: str, body: dict[str, Any]) -> bool:
        """Create an object; False when one of this name is there already."""
        answer = self._send(
            "POST", path, {"fieldManager": _MANAGER}, body, "application/json", accepted=(409,)
        )
        if answer.status == 409 and answer.status_field("reason") != "AlreadyExists":
            raise self._refusal("POST", path, answer)
        return answer.status != 409

    def delete(self, path: str) -> bool:
        """Delete an object with everything it owns; False when it is not there."""
        body = {"propagationPolicy": "Background"}
        return self._send("DELETE", path, {}, body, "application/json", accepted=(404,)).status != 404

    def _read(self, path: str, query: dict[str, str | int], *, missing_ok: bool = False) -> Answer:
        accepted = (404,) if missing_ok else ()
        answer: Answer | None = None
        for attempt in Reads(_passing):
            with attempt:
                answer = self._send("GET", path, query, None, None, accepted=accepted)
        assert answer is not None
        return answer

    def _send(
        self,
        method: str,
        path: str,
        query: dict[str, str | int],
        body: Any,
        content_type: str | None,
        *,
        accepted: Sequence[int] = (),
    ) -> Answer:
        headers = {"Accept": "application/json"}
        if content_type is not None:
            headers["Content-Type"] = content_type
            if self._impersonate:
                headers["Impersonate-User"] = act.current().person
        request = self._client.param_serialize(
            method,
            path,
            query_params=list(query.items()),
            header_params=headers,
            body=body,
            auth_settings=["BearerToken"],
        )
        lost = "Whether it was done is not known." if changes_kubernetes(method, request[1]) else ""
        try:
            raw = self._client.call_api(*request, _request_timeout=TIMEOUT_SECONDS)
            answer = Answer(raw.status, raw.read() or b"")
        except (urllib3.exceptions.HTTPError, OSError, ApiException) as error:
            what = f"The cluster in {self.region} does not answer."
            raise Unreachable(what, not_done=lost) from error
        if answer.status < 300 or answer.status in accepted:
            return answer
        raise self._refusal(method, path, answer)

    def _refusal(self, method: str, path: str, answer: Answer) -> OutsideError:
        """The error for an answer that is not a success.

        A JSON patch whose `test` fails is a 422 without details; a 422 that names fields is a bad request.
        """
        said = answer.status_field("message") or answer.text.strip().partition("\n")[0][:200]
        what = f"Kubernetes in {self.region}: {method} {path}: {answer.status}: {said}"
        read = method == "GET"
        if answer.status == 429:
            return Busy(what) if read else Throttled(what, not_done="Nothing was changed by it.")
        if answer.status >= 500:
            return Unreachable(what, not_done="" if read else "Whether it was done is not known.")
        late = answer.status == 409 or (answer.status == 422 and not answer.causes)
        return (Conflict if late else Rejected)(what, not_done="" if read else "Nothing was changed by it.")


def _passing(error: Exception) -> bool:
    """Whether a read may be tried again at once; a time-out has cost its seconds already."""
    if not isinstance(error, Unreachable):
        return False
    cause = error.__cause__
    return not isinstance(cause, urllib3.exceptions.ReadTimeoutError)
