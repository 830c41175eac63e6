"""What the rows of a trail say, followed from the first to the last: who approved what, what ran, what was called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_ssh_public_key

from bot.trail.finding import Finding

_TERMINAL = "terminal"


class Meaning:
    """Reads one record after the other; what contradicts the rules becomes a finding."""

    def __init__(self, findings: list[Finding]) -> None:
        self._findings = findings
        self._requester: dict[str, str] = {}
        self._asked: dict[str, dict[str, Any]] = {}
        self._votes: dict[str, set[str]] = {}
        self._approved: dict[str, str] = {}
        self._broken: dict[str, str] = {}
        self._breakers: dict[str, set[str]] = {}
        self._runs: set[str] = set()
        self.intents: set[str] = set()
        """Calls whose outcome has not been read yet"""
        self.reviews: set[str] = set()
        """Reviews of a break-glass that nobody has closed yet"""

    def read(self, seq: int, record: Mapping[str, Any]) -> None:
        """Take in one record. Raises KeyError, TypeError, ValueError… for what is not of our shape."""
        name = record.get("api", {}).get("operation")
        unmapped = record.get("unmapped", {})
        change, detail = unmapped.get("change", {}), unmapped.get("detail", {})
        approval = unmapped.get("approval", {})
        actor = record.get("actor", {}).get("user", {}).get("uid", "")
        uid, run = change.get("uid", ""), change.get("run", "")
        match name:
            case "change:plan:proposed":
                self._requester[uid] = actor
            case "decision:question:opened" if approval:
                self._asked[approval["decision"]] = approval
            case "decision:vote:cast":
                self._signed(seq, record, actor, approval, "decision")
                self._voted(seq, uid, actor, approval)
            case "decision:glass:broken":
                self._glass(seq, int(record.get("time", 0)), uid, actor, approval)
            case "decision:question:decided":
                self._decided(seq, approval)
            case "run:stop:asked":
                self._signed(seq, record, actor, approval, "change")
            case "run:plan:started":
                self._started(seq, run, approval, detail)
            case "call:outside:intent":
                if run not in self._runs:
                    self._say(seq, "call-without-run", "a call was made for a run that was never started")
                self.intents.add(detail["intent"])
            case "call:outside:outcome":
                if detail["intent"] not in self.intents:
                    self._say(seq, "outcome-without-intent", "the outcome of a call that was never announced")
                self.intents.discard(detail["intent"])

    def _voted(self, seq: int, change: str, actor: str, approval: Mapping[str, Any]) -> None:
        choice = approval.get("choice")
        if choice == "approve" and actor == self._requester.get(change):
            self._say(seq, "self-approval", f"{actor} approved a change that they asked for")
        elif choice == "close" and actor in self._breakers.get(change, ()):
            self._say(seq, "self-review", f"{actor} reviewed a break-glass of their own")
        elif choice in ("approve", "close"):
            self._votes.setdefault(approval["decision"], set()).add(actor)

    def _signed(
        self, seq: int, record: Mapping[str, Any], actor: str, approval: Mapping[str, Any], about: str
    ) -> None:
        """A terminal vouches for nobody: an answer given there stands on its signature alone."""
        if record.get("src_endpoint", {}).get("name") != _TERMINAL:
            return
        statement = {"signalbox": "decision/1", "person": actor, "reason": approval.get("reason", "")}
        statement |= {key: approval.get(key, "") for key in (about, "choice", "digest")}
        try:
            key = load_ssh_public_key(str(approval["key"]).encode())
            if not isinstance(key, Ed25519PublicKey):
                raise UnsupportedAlgorithm("not an Ed25519 key")
            message = orjson.dumps(statement, option=orjson.OPT_SORT_KEYS)
            key.verify(bytes.fromhex(approval["signature"]), message)
        except (KeyError, ValueError, InvalidSignature, UnsupportedAlgorithm):
            self._say(seq, "signature-wrong", f"an answer of {actor} at a terminal is not signed by its key")

    def _glass(self, seq: int, time_ms: int, change: str, actor: str, approval: Mapping[str, Any]) -> None:
        decision = approval["decision"]
        asked = self._asked.get(decision, {})
        after = asked.get("glass_from_ms")
        if asked.get("digest") != approval["digest"] or not isinstance(after, int):
            self._say(seq, "glass-not-offered", f"{actor} broke the glass of a plan that offered none")
        elif time_ms < after:
            self._say(seq, "glass-too-early", f"{actor} broke the glass before its time")
        self._broken[decision] = approval["digest"]
        self._breakers.setdefault(change, set()).update({actor, self._requester.get(change, actor)})
        self.reviews.add(approval["review"])

    def _decided(self, seq: int, approval: Mapping[str, Any]) -> None:
        decision, result = approval["decision"], approval.get("outcome")
        if result == "approve":
            self._approved[decision] = approval["digest"]
        elif decision in self.reviews:
            self.reviews.discard(decision)
            if len(self._votes.get(decision, ())) < int(self._asked.get(decision, {}).get("quorum", 1)):
                self._say(
                    seq, "quorum-missing", "a review was closed by fewer people than its policy asks for"
                )

    def _started(self, seq: int, run: str, approval: Mapping[str, Any], detail: Mapping[str, Any]) -> None:
        self._runs.add(run)
        decision, digest = approval.get("decision", ""), detail.get("digest")
        asked = self._asked.get(decision, {})
        if self._broken.get(decision, "") == digest:
            return
        if self._approved.get(decision) != digest or asked.get("digest") != digest:
            self._say(seq, "run-without-approval", "a run was started whose plan nobody had approved")
        elif len(self._votes.get(decision, ())) < int(asked.get("quorum", 1)):
            self._say(
                seq, "quorum-missing", "a run was started with fewer approvals than its policy asks for"
            )

    def _say(self, seq: int, code: str, message: str) -> None:
        self._findings.append(Finding(seq, code, message))
