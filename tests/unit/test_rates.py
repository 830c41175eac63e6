"""How often AWS is asked: buckets with times of their own, and what waits for them."""

from __future__ import annotations

import threading
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import Unreachable
from bot.world.rates import CHANGE_SECONDS, RATES, Bucket, Rate, Rates

RATE = Rate(5, 10)
LEGAL = 6.0
"""Longest that a read of these tests would wait for its turn."""
STEPS = st.lists(
    st.tuples(st.floats(0, 3), st.floats(0, 6), st.sampled_from(["take", "take", "take", "slow"])),
    max_size=80,
)


class Steps:
    """A clock that moves as far as anybody waits."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.waited: list[float] = []

    def now(self) -> float:
        return self.seconds

    def monotonic(self) -> float:
        return self.seconds

    def wait(self, event: threading.Event, seconds: float) -> bool:
        self.waited.append(seconds)
        self.seconds += seconds
        return event.is_set()


@given(STEPS)
def test_no_window_has_more_than_the_burst_and_the_rate(steps: list[tuple[float, float, str]]) -> None:
    """Whatever comes when, and however often AWS throttles: at most burst + rate × t in every window of t."""
    bucket, now, granted = Bucket(RATE), 1000.0, []
    for passed, most, what in steps:
        now += passed
        if what == "slow":
            bucket.slow_down(now)
        elif (wait := bucket.take(now, most)) is not None:
            assert 0 <= wait <= most + 2e-3
            granted.append(now + wait)
    granted.sort()
    for first, begin in enumerate(granted):
        for last in range(first, len(granted)):
            window = granted[last] - begin
            assert last - first + 1 <= RATE.burst + RATE.per_second * window + 1e-6


@given(st.lists(st.floats(0, 2), min_size=2, max_size=40))
def test_turns_come_in_order(pauses: list[float]) -> None:
    """Who asked first is served first."""
    bucket, now, turns = Bucket(RATE), 0.0, []
    for pause in pauses:
        now += pause
        wait = bucket.take(now, 1000)
        assert wait is not None
        turns.append(now + wait)

    assert all(one <= other + 1e-9 for one, other in pairwise(turns))


def test_a_rested_bucket_gives_its_burst_at_once() -> None:
    """The burst leaves without waiting, then one call every fifth of a second."""
    bucket = Bucket(RATE)
    waits = [bucket.take(0, 60) for _ in range(12)]

    assert waits[:10] == [0] * 10
    assert waits[10:] == pytest.approx([0.2, 0.4])


def test_who_would_wait_too_long_takes_nothing() -> None:
    """A refused question does not push others back."""
    bucket = Bucket(RATE)
    for _ in range(10):
        bucket.take(0, 0)

    assert [bucket.take(0, 0.1) for _ in range(5)] == [None] * 5
    assert bucket.take(0, 1) == pytest.approx(0.2)


def test_a_throttle_halves_the_rate_for_some_seconds() -> None:
    """No burst and half the pace at once, the whole of it after a rest; many throttles at once count once."""
    bucket = Bucket(RATE)
    for _ in range(5):
        bucket.slow_down(100)
    slow = [bucket.take(100, 60) for _ in range(3)]
    assert slow == pytest.approx([0, 0.4, 0.8])

    rested = [bucket.take(200, 60) for _ in range(11)]
    assert rested[:10] == [0] * 10
    assert rested[10] == pytest.approx(0.2)


def test_throttles_never_stop_everything() -> None:
    """However long AWS throttles, a quarter of the rate is left."""
    bucket = Bucket(RATE)
    for second in range(100):
        bucket.slow_down(float(2 * second))
    first, second_ = bucket.take(198, 60), bucket.take(198, 60)

    assert (first, second_) == (0, pytest.approx(0.8))


def test_a_clock_that_is_set_back_stops_nobody() -> None:
    """Be it by an hour or by seconds: the turn is where it was, and a throttle before it is made up for in time."""
    for back in (0, 0.5, 20, 3600):
        bucket = Bucket(RATE)
        for _ in range(20):
            bucket.take(10_000, 60)
        bucket.slow_down(10_000)
        assert bucket.take(10_000 - back, 5) == pytest.approx(2.0 + 0.2)
        assert [bucket.take(10_000 - back + 100, 0) for _ in range(10)] == pytest.approx([0] * 10, abs=1e-6)


@given(
    st.lists(
        st.tuples(
            st.one_of(st.floats(0, 3), st.floats(-4000, 4000)),
            st.floats(0, LEGAL),
            st.sampled_from(["take", "take", "take", "slow"]),
        ),
        max_size=80,
    ),
    st.one_of(st.floats(-60, 60), st.floats(-100_000, 100_000)),
)
def test_after_any_jump_of_the_clock_a_read_passes_within_the_legal_wait(
    steps: list[tuple[float, float, str]], jump: float
) -> None:
    """Back by seconds or days, or ahead, in the middle of whatever: nobody waits longer than for the next free turn."""
    bucket, now = Bucket(RATE), 1_000_000.0
    for passed, most, what in steps:
        now += passed
        if what == "slow":
            bucket.slow_down(now)
        elif (wait := bucket.take(now, most)) is not None:
            assert wait <= most + 2e-3

    assert bucket.take(now + jump, LEGAL + 4 / RATE.per_second) is not None


@given(STEPS, st.lists(st.floats(0, 5000), min_size=80, max_size=80))
def test_a_clock_that_is_set_back_grants_what_one_that_stands_still_does(
    steps: list[tuple[float, float, str]], jumps: list[float]
) -> None:
    """Neither more nor less: each jump back counts as no time at all."""
    bucket, other, now, behind = Bucket(RATE), Bucket(RATE), 1_000_000.0, 0.0
    for (passed, most, what), jump in zip(steps, jumps, strict=False):
        if jump < 2500:
            now += passed
        else:
            behind += jump
        # Away from the edge, where sums of seconds decide.
        patient = round(most) + 0.05
        if what == "slow":
            bucket.slow_down(now - behind)
            other.slow_down(now)
        else:
            one, two = bucket.take(now - behind, patient), other.take(now, patient)
            assert (one is None, one or 0) == (two is None, pytest.approx(two or 0, abs=1e-4))


def test_changes_wait_a_second_at_most() -> None:
    """A change passes anyway, and reads make up for it."""
    bucket = Bucket(RATE)
    waits = [bucket.take_anyway(0, CHANGE_SECONDS) for _ in range(30)]

    assert waits[:10] == [0] * 10
    assert max(waits) == CHANGE_SECONDS
    assert bucket.take(0, 60) == pytest.approx(21 / 5)


def test_too_many_questions_are_told_in_words() -> None:
    """The whole account shares Route 53, and who cannot wait is told so."""
    rates = Rates(Steps())
    for _ in range(10):
        rates.read("route53", "us-east-1", 0)
    with pytest.raises(Unreachable, match="Too many questions to Route 53 at once"):
        rates.read("route53", "us-west-2", 0.1)


def test_each_region_has_a_rate_of_its_own() -> None:
    """RDS of one Region does not wait for that of another."""
    clock = Steps()
    rates = Rates(clock)
    for _ in range(RATES["rds"].burst):
        rates.read("rds", "us-east-1", 0)
    rates.read("rds", "us-west-2", 0)
    assert not clock.waited
    rates.read("rds", "us-east-1", 1)

    assert clock.waited == pytest.approx([0.1])


def test_a_change_takes_its_turn_from_the_same_bucket() -> None:
    """Changes are counted where reads are."""
    clock = Steps()
    rates = Rates(clock)
    for _ in range(12):
        rates.change("route53", "us-east-1")

    assert clock.waited == pytest.approx([0.2, 0.2])


def test_route_53_keeps_the_older_text() -> None:
    """Five a second and ten at once: the lower of what AWS has published."""
    assert RATES["route53"] == Rate(5, 10)
