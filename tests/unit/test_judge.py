from __future__ import annotations

import pytest

from bot.action import Action
from bot.engine.judge import Attempts, Next, after
from bot.verdict import Verdict, failed, passed, unknown, waiting, worst


def action(*, acts: bool = True, tries: int = 2, grace: int = 0) -> Action:
    """An action that is judged by hand."""
    return Action(
        kind="x@1",
        observe=lambda _p, _a: {},
        judge=lambda _a, _s: passed(),
        describe=lambda _a: "",
        apply=(lambda _p, _a: None) if acts else None,
        timeout=100,
        poll=5,
        tries=tries,
        grace=grace,
    )


@pytest.mark.parametrize(
    ("verdict", "had", "now", "expected"),
    [
        (passed(), Attempts(0), 1, Next.DONE),
        (passed(), Attempts(0), 999, Next.DONE),  # seen done late is still done
        (failed("not yet"), Attempts(0), 1, Next.ACT),
        (failed("not yet"), Attempts(0, 1, 1), 20, Next.ACT),  # a second try
        (failed("not yet"), Attempts(0, 2, 20), 22, Next.WAIT),  # the last call may still show
        (failed("not yet"), Attempts(0, 2, 20), 30, Next.GIVE_UP),
        (failed("not yet"), Attempts(0), 100, Next.ACT),  # nobody could look before: still tried once
        (failed("not yet"), Attempts(0, 1, 90), 100, Next.GIVE_UP),
        (waiting("moving"), Attempts(0), 99, Next.WAIT),
        (waiting("moving"), Attempts(0), 100, Next.GIVE_UP),
        (unknown("no answer"), Attempts(0), 1, Next.WAIT),  # never acted on
        (unknown("no answer"), Attempts(0), 100, Next.GIVE_UP),
    ],
)
def test_what_follows_from_a_look(verdict: Verdict, had: Attempts, now: float, expected: Next) -> None:
    """Done when seen done, acts only when seen not done, gives up after its time or its tries."""
    assert after(verdict, action(), had, now)[0] == expected


def test_an_accepted_call_is_given_time_to_show() -> None:
    """Within its grace an action is not repeated."""
    assert after(failed("not yet"), action(grace=30), Attempts(0, 1, 10), 39)[0] == Next.WAIT
    assert after(failed("not yet"), action(grace=30), Attempts(0, 1, 10), 41)[0] == Next.ACT


def test_what_only_waits_never_acts() -> None:
    """A step without a verb waits until its time is over."""
    assert after(failed("not yet"), action(acts=False), Attempts(0), 50)[0] == Next.WAIT
    assert after(failed("not yet"), action(acts=False), Attempts(0), 100)[0] == Next.GIVE_UP


def test_nothing_observed_is_unknown() -> None:
    """No evidence is not good evidence."""
    assert worst([]).kind == "unknown"
    assert worst([passed("a"), unknown("b"), passed("c")]).kind == "unknown"
    assert worst([unknown("b"), failed("c")]).reasons == ("c",)
