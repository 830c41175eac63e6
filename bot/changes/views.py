"""What people are shown of a change, as plain values: the faces render these and read no tables."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Option:
    """A button: a stable `action_id`, its words, and what to confirm first ('' = nothing)."""

    action: str
    label: str
    style: str = ""
    confirm: str = ""


@dataclass(frozen=True)
class VoteView:
    """One person's answer."""

    person: str
    choice: str
    at: float
    reason: str = ""
    face: str = "slack"


@dataclass(frozen=True)
class DecisionView:
    """A question; times in epoch seconds.

    `kind` approval, hold, review or recovery; `state` open, decided, expired, void.

    `digest` is the plan's that it is about: whoever signs an answer signs it, too.

    `glass_at` = from when on `glass_by` (people) may break the glass; `emergency` = it was broken, or belongs to
    a run that was started so; `reason_needed` = an answer counts only with words.
    """

    id: str
    kind: str
    question: str
    options: tuple[Option, ...]
    roles: tuple[str, ...]
    deciders: tuple[str, ...]
    quorum: int
    votes: tuple[VoteView, ...]
    state: str
    outcome: str
    by: str
    created_at: float
    expires_at: float | None
    decided_at: float | None
    step: str = ""
    digest: str = ""
    glass_at: float | None = None
    glass_by: tuple[str, ...] = ()
    emergency: bool = False
    reason_needed: bool = False


@dataclass(frozen=True)
class StepView:
    """A step. `state`: pending, active, held, done, skipped, unconfirmed."""

    id: str
    title: str
    phase: str
    state: str
    why: str
    started_at: float | None
    ended_at: float | None
    expect_seconds: int
    commits: bool = False
    attempts: int = 0
    standing: bool = False


@dataclass(frozen=True)
class RunView:
    """An execution. `state`: running, rolling_back, standing, done, rolled_back, aborted, preempted.

    `settled_at` = when all but the standing steps had ended; `back` are undo steps.
    """

    id: str
    state: str
    committed: bool
    stop: str
    started_at: float
    ended_at: float | None
    steps: tuple[StepView, ...]
    back: tuple[StepView, ...] = ()
    owner: str = ""
    settled_at: float | None = None


@dataclass(frozen=True)
class Figure:
    """One line of a report: what was measured, the value in words, and whether it met its objective (None: no say)."""

    label: str
    value: str
    met: bool | None = None


@dataclass(frozen=True)
class ReportView:
    """The end of a run. RTO parts in seconds; RPO seconds per database, None = unknown; trail proof in words."""

    outcome: str
    figures: tuple[Figure, ...]
    rto_parts: tuple[tuple[str, float], ...]
    rto_seconds: float
    rto_objective: int
    rpo: tuple[tuple[str, float | None], ...]
    rpo_objective: int
    payments_lost: str
    trail: str
    notes: tuple[str, ...] = ()
    timeline: tuple[tuple[str, float, float], ...] = ()


@dataclass(frozen=True)
class ChangeView:
    """A change, whole. `state` as in the table `change`."""

    id: str
    kind: str
    title: str
    command: str
    reason: str
    requester: str
    face: str
    state: str
    note: str
    channel: str
    thread: str
    created_at: float
    closed_at: float | None
    digest: str
    estate: str
    order: str = ""
    losses: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    blockers: tuple[str, ...] = ()
    bounds: tuple[str, ...] = ()
    plan: tuple[StepView, ...] = ()
    expect_seconds: int = 0
    rto_objective: int = 900
    clock_started: float = 0
    """Epoch seconds from which the RTO counts: when the outage was noticed (the request, unless observed earlier)."""
    approval: DecisionView | None = None
    holds: tuple[DecisionView, ...] = ()
    reviews: tuple[DecisionView, ...] = ()
    preempts: tuple[str, ...] = ()
    """What this change stops, a sentence each."""
    run: RunView | None = None
    report: ReportView | None = None
    extra: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """What a click gets: words for that person alone, and whether it counted."""

    text: str
    counted: bool = False
