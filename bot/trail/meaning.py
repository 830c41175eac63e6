"""What the rows of a trail say, followed from the first to the last: who approved what, what ran, what was called.

What is known of a change is forgotten when it is closed and nobody has to review it any more, so that memory grows
with what is open and not with the log.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_ssh_public_key

from bot.trail.finding import Finding
from bot.trail.recovered import Recoveries

NAMES = frozenset(
    {
        "change:plan:proposed",
        "change:request:closed",
        "decision:question:opened",
        "decision:vote:cast",
        "decision:glass:broken",
        "decision:question:decided",
        "run:stop:asked",
        "run:plan:started",
        "run:plan:ended",
        "call:outside:intent",
        "call:outside:outcome",
        "trail:log:recovered",
    }
)
"""The rows that `read` looks at; others need not be given to it."""
_TERMINAL = "terminal"


@dataclass
class _Decision:
    change: str
    asked: Mapping[str, Any] = field(default_factory=dict)
    voters: set[str] = field(default_factory=set)
    approved: str | None = None
    broken: str | None = None


@dataclass
class _Change:
    begun: bool = False
    closed: bool = False
    requester: str | None = None
    breakers: set[str] = field(default_factory=set)
    decisions: set[str] = field(default_factory=set)
    reviews: set[str] = field(default_factory=set)
    runs: set[str] = field(default_factory=set)


class Meaning:
    """Reads one record after the other; what contradicts the rules becomes a finding.

    With `since` the first row is not the log's first: changes that began before it are not judged, and those of which
    a run starts in row `since` or later are named in `unseen`.
    """

    def __init__(self, findings: list[Finding], since: int | None = None) -> None:
        self._findings = findings
        self._since = since
        self._changes: dict[str, _Change] = {}
        self._decisions: dict[str, _Decision] = {}
        self._runs: dict[str, str] = {}
        self._recoveries = Recoveries()
        self.intents: set[str] = set()
        """Calls whose outcome has not been read yet"""
        self.reviews: set[str] = set()
        """Reviews of a break-glass that nobody has closed yet"""
        self.unseen: set[str] = set()

    @property
    def held(self) -> int:
        """How many things are remembered at the moment."""
        return (
            len(self._changes)
            + len(self._decisions)
            + len(self._runs)
            + len(self.intents)
            + len(self.reviews)
        )

    def read(self, seq: int, record: Mapping[str, Any]) -> None:
        """Take in one record. Raises KeyError, TypeError, ValueError… for what is not of our shape."""
        name = record.get("api", {}).get("operation")
        unmapped = record.get("unmapped", {})
        change, detail = unmapped.get("change", {}), unmapped.get("detail", {})
        approval = unmapped.get("approval", {})
        actor = record.get("actor", {}).get("user", {}).get("uid", "")
        uid, run = change.get("uid", ""), change.get("run", "")
        if self._since is not None and name in NAMES and self._is_old(name, uid, run, seq, detail):
            return
        match name:
            case "change:plan:proposed":
                found = self._change(uid)
                found.begun, found.requester = True, actor
            case "change:request:closed":
                self._change(uid).closed = True
                self._forget(uid)
            case "decision:question:opened" if approval:
                if detail.get("kind") == "recovery":
                    self._recoveries.opened(detail, approval)
                else:
                    self._decision(uid, approval["decision"]).asked = approval
            case "decision:vote:cast" if approval.get("choice") == "recover":
                self._take(self._recoveries.voted(seq, record))
            case "decision:vote:cast":
                self._signed(seq, record, actor, approval, "decision")
                self._voted(seq, uid, actor, approval)
            case "decision:glass:broken":
                self._glass(seq, int(record.get("time", 0)), uid, actor, approval)
            case "decision:question:decided":
                self._decided(seq, uid, approval)
            case "run:stop:asked":
                self._signed(seq, record, actor, approval, "change")
            case "run:plan:started":
                self._started(seq, uid, run, approval, detail)
            case "run:plan:ended":
                self._runs.pop(run, None)
            case "trail:log:recovered":
                self._recovered(seq, uid, record)
            case "call:outside:intent":
                if run not in self._runs:
                    self._say(seq, "call-without-run", "a call was made for a run that was never started")
                self.intents.add(detail["intent"])
            case "call:outside:outcome":
                if detail["intent"] not in self.intents:
                    self._say(seq, "outcome-without-intent", "the outcome of a call that was never announced")
                self.intents.discard(detail["intent"])

    def _is_old(self, name: str, uid: str, run: str, seq: int, detail: Mapping[str, Any]) -> bool:
        """Whether this belongs to a change whose beginning was not given."""
        if name in ("change:plan:proposed", "trail:log:recovered") or not uid:
            return False
        known = self._changes.get(uid)
        if (known is not None and known.begun) or run in self._runs or detail.get("intent") in self.intents:
            return False
        if name in ("run:plan:started", "decision:glass:broken") and seq >= (self._since or 0):
            self.unseen.add(uid)
        return True

    def _change(self, uid: str) -> _Change:
        return self._changes.setdefault(uid, _Change())

    def _decision(self, uid: str, decision: str) -> _Decision:
        self._change(uid).decisions.add(decision)
        return self._decisions.setdefault(decision, _Decision(uid))

    def _voted(self, seq: int, uid: str, actor: str, approval: Mapping[str, Any]) -> None:
        choice, change = approval.get("choice"), self._change(uid)
        if choice == "approve" and actor == change.requester:
            self._say(seq, "self-approval", f"{actor} approved a change that they asked for")
        elif choice == "close" and actor in change.breakers:
            self._say(seq, "self-review", f"{actor} reviewed a break-glass of their own")
        elif choice in ("approve", "close"):
            self._decision(uid, approval["decision"]).voters.add(actor)

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

    def _glass(self, seq: int, time_ms: int, uid: str, actor: str, approval: Mapping[str, Any]) -> None:
        decision, digest = self._decision(uid, approval["decision"]), approval["digest"]
        after = decision.asked.get("glass_from_ms")
        if decision.asked.get("digest") != digest or not isinstance(after, int):
            self._say(seq, "glass-not-offered", f"{actor} broke the glass of a plan that offered none")
        elif time_ms < after:
            self._say(seq, "glass-too-early", f"{actor} broke the glass before its time")
        decision.broken = digest
        change = self._change(uid)
        self._review(uid, approval["review"], {actor, change.requester or actor})

    def _recovered(self, seq: int, uid: str, record: Mapping[str, Any]) -> None:
        self._take(self._recoveries.recovered(seq, record))
        review, signers = self._recoveries.review(record)
        if review:
            self._review(uid, review, signers)

    def _review(self, uid: str, review: str, breakers: set[str]) -> None:
        change = self._change(uid)
        change.breakers |= breakers
        change.reviews.add(review)
        self.reviews.add(review)

    def _decided(self, seq: int, uid: str, approval: Mapping[str, Any]) -> None:
        name, result = approval["decision"], approval.get("outcome")
        decision = self._decision(uid, name)
        if result == "approve":
            decision.approved = approval["digest"]
        elif name in self.reviews:
            self.reviews.discard(name)
            if len(decision.voters) < int(decision.asked.get("quorum", 1)):
                self._say(
                    seq, "quorum-missing", "a review was closed by fewer people than its policy asks for"
                )
            self._change(uid).reviews.discard(name)
            self._forget(uid)

    def _started(
        self, seq: int, uid: str, run: str, approval: Mapping[str, Any], detail: Mapping[str, Any]
    ) -> None:
        self._runs[run] = uid
        self._change(uid).runs.add(run)
        digest = detail.get("digest")
        decision = self._decisions.get(approval.get("decision", ""), _Decision(uid))
        if decision.broken is not None and decision.broken == digest:
            return
        if decision.approved is None or decision.approved != digest or decision.asked.get("digest") != digest:
            self._say(seq, "run-without-approval", "a run was started whose plan nobody had approved")
        elif len(decision.voters - {self._change(uid).requester}) < int(decision.asked.get("quorum", 1)):
            self._say(
                seq, "quorum-missing", "a run was started with fewer approvals than its policy asks for"
            )

    def _forget(self, uid: str) -> None:
        change = self._changes.get(uid)
        if change is None or not change.closed:
            return
        kept = change.reviews
        for decision in change.decisions - kept:
            self._decisions.pop(decision, None)
        change.decisions &= kept
        for run in change.runs:
            self._runs.pop(run, None)
        change.runs.clear()
        if not kept:
            del self._changes[uid]

    def _take(self, found: Iterable[Finding]) -> None:
        for one in found:
            self._findings.append(one)

    def _say(self, seq: int, code: str, message: str) -> None:
        self._findings.append(Finding(seq, code, message))
