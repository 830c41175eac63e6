"""What the rows of a window come to: every change with its questions and run, and everything else that happened."""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Cast:
    """One person's answer to a question. `signed` = with a key of their own (a terminal vouches for nobody)."""

    seq: int
    at_ms: int
    person: str
    choice: str
    face: str
    reason: str = ""
    signed: bool = False


@dataclass
class Question:
    """An approval, hold or review. `state`: open, decided, expired, void; `role` and `quorum` as asked for."""

    id: str
    kind: str
    seq: int
    at_ms: int
    step: str = ""
    role: str = ""
    quorum: int = 0
    digest: str = ""
    options: str = ""
    state: str = "open"
    outcome: str = ""
    ended_seq: int | None = None
    ended_ms: int | None = None
    why: str = ""
    votes: list[Cast] = field(default_factory=list)


@dataclass
class Calls:
    """Calls that left the process: announced, and what came of them. `unknown` = an outcome nobody saw."""

    intents: int = 0
    succeeded: int = 0
    failed: int = 0
    unknown: int = 0
    request_ids: int = 0

    @property
    def unanswered(self) -> int:
        """Announced, without any outcome row."""
        return self.intents - self.succeeded - self.failed - self.unknown


@dataclass
class Times:
    """Moments of a run as the rows tell them, epoch milliseconds; None = the trail does not say.

    `outage_ms` is when the old side was last seen serving. RTO parts and data lost are reckoned from these.
    """

    outage_ms: int | None = None
    survived_ms: int | None = None
    approved_ms: int | None = None
    moved_ms: int | None = None
    verified_ms: int | None = None
    loss_ms: dict[str, int | None] = field(default_factory=dict)
    payments_lost: int | None = None


@dataclass
class ChangeRecord:
    """One change from asking to closing, as far as the window's end. `seqs` are all its rows, in order.

    `result`: dry run, denied, expired, cancelled, void, done, rolled_back, aborted, preempted; `open` when the
    window ended before it did. `inside` = it was asked for within the window.
    """

    id: str
    kind: str = ""
    command: str = ""
    reason: str = ""
    requester: str = ""
    face: str = ""
    runbook: str = ""
    digest: str = ""
    estate: str = ""
    asked_seq: int = -1
    asked_ms: int = 0
    inside: bool = True
    dry_run: bool = False
    plans: int = 0
    questions: dict[str, Question] = field(default_factory=dict)
    glass_by: str = ""
    glass_seq: int | None = None
    glass_ms: int | None = None
    review: str = ""
    recovered_alone: bool = False
    run: str = ""
    run_digest: str = ""
    started_seq: int | None = None
    started_ms: int | None = None
    settled_ms: int | None = None
    ended_ms: int | None = None
    rolled_back: bool = False
    stops: list[str] = field(default_factory=list)
    skipped: int = 0
    retried: int = 0
    unconfirmed: int = 0
    holds: int = 0
    steps: int = 0
    steps_done: int = 0
    calls: Calls = field(default_factory=Calls)
    times: Times = field(default_factory=Times)
    result: str = "open"
    why: str = ""
    closed_seq: int | None = None
    closed_ms: int | None = None
    seqs: array[int] = field(default_factory=lambda: array("q"))

    @property
    def planned(self) -> bool:
        """Whether nobody had to recover: then no recovery time counts."""
        return self.kind.endswith("planned")

    @property
    def drill(self) -> bool:
        """Whether it was an exercise."""
        return self.kind.startswith("drill")

    @property
    def emergency(self) -> bool:
        """Whether it was started by break-glass."""
        return self.glass_seq is not None

    def of(self, kind: str) -> list[Question]:
        """Its questions of this kind, as they were asked."""
        return [one for one in self.questions.values() if one.kind == kind]

    @property
    def approvers(self) -> list[Cast]:
        """Who approved the plan that ran, or the last one asked about."""
        asked = self.of("approval")
        return [vote for vote in asked[-1].votes if vote.choice == "approve"] if asked else []

    @property
    def reviewed(self) -> bool | None:
        """Whether its break-glass, or recovery of the trail by one person, was reviewed; None when there was none."""
        if not (self.emergency or self.recovered_alone):
            return None
        review = self.questions.get(self.review)
        return review is not None and review.state == "decided"

    @property
    def rto_parts(self) -> list[tuple[str, float]]:
        """Seconds to detect, decide, execute, verify; empty unless production moved in an unplanned run."""
        times = self.times
        if self.planned or times.approved_ms is None or times.moved_ms is None:
            return []
        outage = times.outage_ms if times.outage_ms is not None else times.survived_ms
        verified = times.verified_ms if times.verified_ms is not None else times.moved_ms
        parts = {
            "detect": self.asked_ms - outage if outage is not None else 0,
            "decide": times.approved_ms - self.asked_ms,
            "execute": times.moved_ms - times.approved_ms,
            "verify": verified - times.moved_ms,
        }
        return [(name, max(0, ms) / 1000) for name, ms in parts.items()]


@dataclass(frozen=True)
class Noted:
    """One row that belongs to no change's run, in words."""

    seq: int
    at_ms: int
    name: str
    actor: str
    face: str
    words: str
    change: str = ""
    ok: bool | None = True


@dataclass(frozen=True)
class Gap:
    """A time without a heartbeat, longer than twice what it may be. `rows` were written meanwhile all the same."""

    since_ms: int
    until_ms: int
    rows: int
    why: str = ""


@dataclass
class Population:
    """All of a window. `counts` is by event, and their sum is the number of rows in the window.

    `unreviewed` owe a review at the window's end, be it that none of their rows is within the window.
    """

    changes: list[ChangeRecord] = field(default_factory=list)
    unreviewed: list[ChangeRecord] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    refusals: list[Noted] = field(default_factory=list)
    estates: list[Noted] = field(default_factory=list)
    process: list[Noted] = field(default_factory=list)
    archive: list[Noted] = field(default_factory=list)
    keys: list[Noted] = field(default_factory=list)
    access: list[Noted] = field(default_factory=list)
    heartbeats: int = 0
    gaps: list[Gap] = field(default_factory=list)
    first_ms: int | None = None
    last_ms: int | None = None

    @property
    def rows(self) -> int:
        """Rows in the window."""
        return sum(self.counts.values())

    def where(self, *results: str) -> list[ChangeRecord]:
        """Changes that ended so."""
        return [one for one in self.changes if one.result in results]

    @property
    def drills(self) -> list[ChangeRecord]:
        """Exercises."""
        return [one for one in self.changes if one.drill]

    @property
    def emergencies(self) -> list[ChangeRecord]:
        """Changes started by break-glass."""
        return [one for one in self.changes if one.emergency]
