"""Changes as the faces see them, for tests of what they draw."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from bot.changes.views import (
    ChangeView,
    DecisionView,
    Figure,
    Option,
    ReportView,
    RunView,
    StepView,
    VoteView,
)
from bot.estate import Estate
from bot.estate_file import parse_estate

T0 = 1_800_000_000.0
TEMPLATE = Path(__file__).parents[1] / "bot" / "sandbox" / "estate.yaml"


def estate() -> Estate:
    """The sandbox's estate with every placeholder filled in."""
    lists = re.sub(r"\$\{(subnets_[a-z0-9_]+|name_servers)\}", "[a, b]", TEMPLATE.read_text())
    return parse_estate(re.sub(r"\$\{[a-z0-9_]+\}", "Z0000EXAMPLE", lists).encode())


APPROVE, DENY = Option("approve", "Approve", "primary"), Option("deny", "Deny", "danger")
CANCEL = Option("cancel", "Cancel")
RETRY, SKIP = Option("retry", "Retry", "primary"), Option("skip", "Skip", "", "Go on without it?")
ROLLBACK = Option("rollback", "Roll back", "danger", "Undo what was done, traffic first?")


def step(number: int, phase: str, state: str = "pending", title: str = "", **more: Any) -> StepView:
    started = T0 + 60 + number * 10 if state != "pending" else None
    ended = started + 8 if started and state in {"done", "skipped", "unconfirmed"} else None
    fields = {"why": "", "expect_seconds": 20, "started_at": started, "ended_at": ended, **more}
    return StepView(f"s{number}", title or f"Step number {number}", phase, state, **fields)


def steps(done: int = 0, **last: Any) -> tuple[StepView, ...]:
    titles = [
        ("fence", "Stop the writers in us-east-1"),
        ("fence", "Close the database subnets of us-east-1"),
        ("capacity", "Grow node group general in us-west-2 from 3 to 6"),
        ("databases", "Promote fintech-payments in us-west-2"),
        ("databases", "Promote fintech-ledger in us-west-2"),
        ("services", "Restart payment-service on the new writer"),
        ("traffic", "Send api.fintech.example to us-west-2"),
        ("verify", "Make a payment of the smallest amount and read it back"),
    ]
    found = []
    for index, (phase, title) in enumerate(titles):
        state = "done" if index < done else "active" if index == done and done else "pending"
        more = {"commits": index == 3, **(last if index == done else {})}
        found.append(step(index + 1, phase, more.pop("state", state), title, **more))
    return tuple(found)


def approval(**more: Any) -> DecisionView:
    fields: dict[str, Any] = {
        "id": "d4c1f00d",
        "kind": "approval",
        "question": "Fail over to us-west-2?",
        "options": (APPROVE, DENY, CANCEL),
        "roles": ("lead",),
        "deciders": ("U0000LEAD01", "U0000LEAD02"),
        "quorum": 1,
        "votes": (),
        "state": "open",
        "outcome": "",
        "by": "",
        "created_at": T0,
        "expires_at": T0 + 900,
        "decided_at": None,
    }
    return DecisionView(**{**fields, **more})


def approved() -> DecisionView:
    vote = VoteView("U0000LEAD01", "approve", T0 + 40)
    return approval(state="decided", outcome="approve", by="U0000LEAD01", votes=(vote,), decided_at=T0 + 40)


def change(**more: Any) -> ChangeView:
    fields: dict[str, Any] = {
        "id": "c0ffee",
        "kind": "failover",
        "title": "Fail over from us-east-1 to us-west-2",
        "command": '/failover us-west-2 --reason "us-east-1 dark <!channel>"',
        "reason": "us-east-1 dark <!channel> & everything with it",
        "requester": "U0000ONCALL",
        "face": "slack",
        "state": "proposed",
        "note": "",
        "channel": "C0000000OPS",
        "thread": "",
        "created_at": T0,
        "closed_at": None,
        "digest": "0123456789abcdef" * 4,
        "estate": "fintech",
        "order": "1. Customers get an error page.\n2. Databases are promoted.\n3. Traffic moves.",
        "losses": ("Up to 12 s of writes to payments are lost for good",),
        "warnings": ("us-east-1 answers nothing: it may still take writes",),
        "bounds": ("At most 5 min of writes may be lost in each database",),
        "plan": steps(),
        "expect_seconds": 540,
        "clock_started": T0,
        "approval": approval(),
    }
    return ChangeView(**{**fields, **more})


def running(done: int = 3, **more: Any) -> ChangeView:
    run = RunView("run-c0ffee", "running", more.pop("committed", False), "", T0 + 41, None, steps(done))
    return change(**{"state": "running", "approval": approved(), "run": run, **more})


def held() -> ChangeView:
    why = "Aurora did not answer within 10 min; last seen: failing-over"
    run = RunView("run-c0ffee", "running", True, "", T0 + 41, None, steps(3, state="held", why=why))
    hold = DecisionView(
        "h01d", "hold", "Promote fintech-payments in us-west-2: not seen done", (RETRY, SKIP),
        ("on-call", "lead"), ("U0000ONCALL", "U0000LEAD01"), 1, (), "open", "", "",
        T0 + 300, None, None, "s4",
    )  # fmt: skip
    return change(state="running", approval=approved(), run=run, holds=(hold,))


def done(**more: Any) -> ChangeView:
    found = tuple(replace(s, state="done", started_at=T0 + 50, ended_at=T0 + 400) for s in steps())
    run = RunView("run-c0ffee", "done", True, "", T0 + 41, T0 + 440, found)
    report = ReportView(
        "Customers are served from us-west-2.",
        (Figure("Payments check", "201 in 0.4 s", True), Figure("Recovery time", "20 min of 15 min", False)),
        (("detect", 12.0), ("decide", 41.0), ("execute", 340.0), ("verify", 47.0)),
        440.0, 900, (("payments", 0.8), ("ledger", None), ("reporting", 400.0)), 300,
        "unknown until reconciled", "Verified: 212 rows, unbroken.",
        ("ledger: the heartbeat was not readable",),
    )  # fmt: skip
    fields = {"state": "done", "closed_at": T0 + 440, "approval": approved(), "run": run, "report": report}
    return change(**{**fields, **more})


GLASS = Option("break_glass", "Break glass", "danger", "You start this alone, without approval?")
CLOSE = Option("close", "Close the review", "primary")
INSTEAD = Option("instead", "Promote it apart from the others", "", "It leaves the global database for good.")
ACKNOWLEDGE = Option("acknowledge", "Sign off", "primary", "You accept that these writes are lost?")


def alone(**more: Any) -> DecisionView:
    """An approval that on-call may soon do without."""
    fields = {"glass_at": T0 + 180, "glass_by": ("U0000ONCALL",), "options": (APPROVE, DENY, CANCEL, GLASS)}
    return approval(**{**fields, **more})


def broken() -> DecisionView:
    """An approval that was never given: the glass was broken."""
    vote = VoteView("U0000ONCALL", "break_glass", T0 + 200)
    return alone(
        state="decided",
        outcome="break_glass",
        by="U0000ONCALL",
        votes=(vote,),
        decided_at=T0 + 200,
        emergency=True,
    )


def review(*votes: VoteView, **more: Any) -> DecisionView:
    """What a break-glass owes."""
    fields: dict[str, Any] = {
        "id": "7ev1ew", "kind": "review", "question": "Was it right to start without approval?",
        "options": (CLOSE,), "quorum": 2, "votes": votes, "created_at": T0 + 200, "expires_at": None,
        "emergency": True, "reason_needed": True,
    }  # fmt: skip
    return approval(**{**fields, **more})


def closer(person: str = "U0000LEAD01", at: float = T0 + 4000) -> VoteView:
    """A lead's closing words."""
    return VoteView(person, "close", at, "Right call: nobody answered the page.\nWe add a third lead.")


def glass(**more: Any) -> ChangeView:
    """Started by break-glass, running, its review open."""
    return running(3, **{"approval": broken(), "reviews": (review(),), **more})


FENCE = "Wait for us-east-1 and close its database subnets the moment it answers"


def standing(**more: Any) -> ChangeView:
    """Production has moved; the old Region has not answered yet."""
    found = tuple(replace(s, state="done", started_at=T0 + 50, ended_at=T0 + 400) for s in steps())
    watch = replace(
        step(
            9, "standing", "active", FENCE, why="us-east-1 does not answer: connect timed out", attempts=812
        ),
        id="fence/standing",
        standing=True,
    )
    run = RunView("run-c0ffee", "standing", True, "", T0 + 41, None, (*found, watch), settled_at=T0 + 440)
    return replace(done(), state="standing", closed_at=None, run=replace(run, **more))


def fenced() -> ChangeView:
    """The same, two days later: the old Region came back and was closed."""
    before = standing()
    assert before.run is not None
    last = replace(before.run.steps[-1], state="done", ended_at=T0 + 180_000, why="a write was seen refused")
    run = replace(before.run, state="done", ended_at=T0 + 180_001, steps=(*before.run.steps[:-1], last))
    return replace(before, state="done", closed_at=T0 + 180_001, run=run)


def preempted() -> ChangeView:
    """Stopped by an unplanned failover while it asked something."""
    view = held()
    assert view.run is not None
    run = replace(view.run, state="preempted", stop="preempt", ended_at=T0 + 500)
    note = "Pre-empted by the failover to us-west-2 (change b00): its rollback is disarmed."
    return replace(view, state="preempted", closed_at=T0 + 500, run=run, note=note)


_text = st.text(max_size=400) | st.sampled_from(
    ["<!channel> &", "x" * 5000, "<@U0000LEAD01>", "`" * 9, "", "\n" * 50]
)
_short = st.text(max_size=60)
_time = st.floats(0, 4e9)
_people = st.sampled_from(["U0000LEAD01", "U0000ONCALL", "terminal", "calendar"])
_some = st.none() | _time
_options = st.builds(
    Option,
    st.sampled_from(
        [
            "approve",
            "deny",
            "cancel",
            "retry",
            "skip",
            "rollback",
            "break_glass",
            "instead",
            "close",
            "future",
        ]
    ),
    _text,
    st.sampled_from(["", "primary", "danger", "loud"]),
    _text,
)
_votes = st.builds(
    VoteView,
    _people,
    st.sampled_from(["approve", "deny", "break_glass", "close", "odd"]),
    _time,
    _text,
    st.sampled_from(["slack", "terminal", "calendar"]),
)
_decisions = st.builds(
    DecisionView,
    id=st.text("0123456789abcdef", min_size=8, max_size=12),
    kind=st.sampled_from(["approval", "hold", "review"]),
    question=_text,
    options=st.lists(_options, max_size=9).map(tuple),
    roles=st.lists(_short, max_size=3).map(tuple),
    deciders=st.lists(_people, max_size=200).map(tuple),
    quorum=st.integers(1, 10),
    votes=st.lists(_votes, max_size=5).map(tuple),
    state=st.sampled_from(["open", "decided", "expired", "void"]),
    outcome=_text,
    by=st.just("") | _people,
    created_at=_time,
    expires_at=_some,
    decided_at=_some,
    step=st.sampled_from(["", "s1", "s2"]),
    glass_at=_some,
    glass_by=st.lists(_people, max_size=50).map(tuple),
    emergency=st.booleans(),
    reason_needed=st.booleans(),
)
_steps = st.builds(
    StepView,
    id=st.sampled_from(["s1", "s2"]) | _short,
    title=_text,
    phase=st.sampled_from(["fence", "databases", "restore_steps", "", "odd <phase>"]),
    state=st.sampled_from(["pending", "active", "held", "done", "skipped", "unconfirmed", "odd"]),
    why=_text,
    started_at=_some,
    ended_at=_some,
    expect_seconds=st.integers(0, 10**6),
    commits=st.booleans(),
    attempts=st.integers(0, 99),
    standing=st.booleans(),
)
# Long plans come from repeating short ones: drawing two hundred steps one by one takes Hypothesis seconds.
_many_steps = st.builds(
    lambda few, times: tuple(few * times), st.lists(_steps, max_size=6), st.integers(0, 40)
)
_lines = st.builds(lambda few, times: tuple(few * times), st.lists(_text, max_size=4), st.integers(0, 20))
_runs = st.builds(
    RunView,
    id=_short,
    state=st.sampled_from(
        ["running", "rolling_back", "standing", "done", "rolled_back", "aborted", "preempted"]
    ),
    committed=st.booleans(),
    stop=st.sampled_from(["", "rollback", "abort", "preempt"]),
    started_at=_time,
    ended_at=_some,
    steps=_many_steps,
    back=_many_steps,
    settled_at=_some,
)
_figures = st.builds(Figure, _text, _text, st.none() | st.booleans())
_reports = st.builds(
    ReportView,
    outcome=_text,
    figures=st.builds(lambda few, n: tuple(few * n), st.lists(_figures, max_size=3), st.integers(0, 20)),
    rto_parts=st.lists(st.tuples(_short, st.floats(0, 1e6)), max_size=6).map(tuple),
    rto_seconds=st.floats(0, 1e6),
    rto_objective=st.integers(1, 10**5),
    rpo=st.lists(st.tuples(_short, st.none() | st.floats(0, 1e6)), max_size=200).map(tuple),
    rpo_objective=st.integers(0, 10**5),
    payments_lost=_text,
    trail=_text,
    notes=_lines,
)
any_changes = st.builds(
    ChangeView,
    id=st.text("0123456789abcdef", min_size=6, max_size=12),
    kind=_short,
    title=_text,
    command=_text,
    reason=_text,
    requester=_people,
    face=_short,
    state=st.sampled_from(
        [
            "proposed",
            "running",
            "done",
            "denied",
            "expired",
            "cancelled",
            "void",
            "standing",
            "preempted",
            "rolled_back",
            "aborted",
            "odd",
        ]
    ),
    note=_text,
    channel=st.just("C0000000OPS"),
    thread=st.just(""),
    created_at=_time,
    closed_at=_some,
    digest=st.just("") | st.just("a" * 64),
    estate=_short,
    order=_text,
    losses=_lines,
    warnings=_lines,
    notes=_lines,
    blockers=_lines,
    bounds=_lines,
    plan=_many_steps,
    expect_seconds=st.integers(0, 10**6),
    rto_objective=st.integers(1, 10**5),
    clock_started=_time,
    approval=st.none() | _decisions,
    holds=st.lists(_decisions, max_size=3, unique_by=lambda d: d.id).map(tuple),
    reviews=st.lists(_decisions, max_size=2, unique_by=lambda d: d.id).map(tuple),
    preempts=_lines,
    run=st.none() | _runs,
    report=st.none() | _reports,
)
"""Any change at all, also ones that no desk would make."""


def recovery(**more: Any) -> ChangeView:
    """A recovery of the trail that one of two leads has signed."""
    signed = VoteView("U0000LEAD01", "recover", T0 + 5, "restored from <Sunday>", "terminal")
    question = approval(
        kind="recovery", question="Recovery", options=(), quorum=2, votes=(signed,), expires_at=T0 + 3600
    )
    fields: dict[str, Any] = {
        "kind": "trail-recovery",
        "title": "Recovery of the trail to signalbox/fintech/r1",
        "command": "signalbox recover",
        "reason": "restored from <Sunday>",
        "requester": "U0000LEAD01",
        "face": "terminal",
        "state": "recovering",
        "order": "The archive has 900 rows of signalbox/fintech, this database 420.",
        "losses": (),
        "warnings": ("What only the archive has is not brought back; it stays locked below the old origin.",),
        "bounds": (),
        "plan": (),
        "expect_seconds": 0,
        "approval": question,
    }
    return change(**{**fields, **more})


def recovered() -> ChangeView:
    """The same, done by one person alone in an emergency and not yet reviewed."""
    question = recovery().approval
    assert question is not None
    ended = replace(question, state="decided", outcome="recover", quorum=1, emergency=True, by="U0000LEAD01")
    note = "The log goes on as signalbox/fintech/r1."
    return recovery(state="done", note=note, approval=ended, reviews=(review(),), closed_at=T0 + 6)
