from __future__ import annotations

from typing import Any

from memory_world import EAST, WEST, MemoryWorld
from visits import look, settle

from bot.ports import HttpAnswer, Sample
from bot.verdict import Kind


def smoke_args(world: MemoryWorld) -> dict[str, Any]:
    """The estate's smoke tests in us-west-2."""
    return {
        "region": WEST,
        "url": world.estate.regions[WEST].ingress.url,
        "checks": [
            {"name": c.name, "host": c.host, "path": c.path, "status": c.status}
            for c in world.estate.checks.smoke
        ],
    }


def payment_args(world: MemoryWorld) -> dict[str, Any]:
    """The estate's payments check."""
    paid = world.estate.checks.payments
    return {
        "region": WEST,
        "url": world.estate.regions[WEST].ingress.url,
        "host": paid.host,
        "path": paid.path,
        "status": paid.status,
        "name_servers": list(world.estate.dns.name_servers),
    }


def test_smoke_tests_pass_where_the_target_serves() -> None:
    """Each is asked of the target's own entry under its public name."""
    world = MemoryWorld(dark={EAST})
    assert look(world.ports(), "check.smoke@1", smoke_args(world)).kind == Kind.PASS


def test_a_smoke_test_that_fails_is_named() -> None:
    """One bad answer keeps the step waiting, with the name and what came."""

    class Sick(MemoryWorld):
        def get(self, url: str, *, host: str) -> HttpAnswer:
            return HttpAnswer(503, "", {}) if "accounts" in url else super().get(url, host=host)

    world = Sick()
    verdict = look(world.ports(), "check.smoke@1", smoke_args(world))
    assert verdict.kind == Kind.INCONCLUSIVE
    assert "account read: 503 instead of 200" in verdict.why


def test_an_entry_that_does_not_answer_is_not_good() -> None:
    """A dark target fails its smoke tests."""
    world = MemoryWorld(dark={WEST})
    verdict = look(world.ports(), "check.smoke@1", smoke_args(world))
    assert verdict.kind == Kind.INCONCLUSIVE
    assert "no answer" in verdict.why


def test_a_payment_is_made_once_and_read_back() -> None:
    """Under the address that customers are given, with a name of its own."""
    world = MemoryWorld()
    world.stops.add(("bucket", f"STOP-{EAST}"))
    for _ in range(2):
        assert settle(world.ports(), "check.payments@1", payment_args(world)).kind == Kind.PASS
    assert len(world.calls) == 1
    assert len(world.payments) == 1


def test_no_payment_is_made_while_the_old_side_is_answered() -> None:
    """A payment through the old Region would prove nothing."""
    world = MemoryWorld()
    verdict = settle(world.ports(), "check.payments@1", payment_args(world))
    assert verdict.kind == Kind.INCONCLUSIVE
    assert "still served by us-east-1" in verdict.why
    assert not world.payments


def test_without_an_answer_no_payment_is_made() -> None:
    """Where customers are sent is not known."""
    world = MemoryWorld()
    world.silent = set(world.estate.dns.name_servers)
    assert look(world.ports(), "check.payments@1", payment_args(world)).kind == Kind.UNKNOWN


def test_lost_payments_are_counted_or_unknown_and_never_hold() -> None:
    """Unknown is told as unknown."""
    world = MemoryWorld()
    args = {"query": "lost"}
    assert look(world.ports(), "check.lost@1", args).evidence == {"payments_lost": None}
    world.figures["lost"] = (Sample({}, 3.0, world.clock.now()),)
    assert look(world.ports(), "check.lost@1", args).evidence == {"payments_lost": 3}
    world.share = None
    args = {"query": world.estate.metrics.share}
    verdict = look(world.ports(), "check.lost@1", args)
    assert verdict.kind == Kind.PASS
    assert "unknown until reconciled" in verdict.why
