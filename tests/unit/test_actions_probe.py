from __future__ import annotations

from typing import Any

import pytest
from memory_world import EAST, WEST, MemoryWorld
from visits import apply, look, settle

from bot.act import Act, acting
from bot.actions.jobs import insert, job_name, newest_heartbeat
from bot.actions.probe import survived_at_ms
from bot.ports import JobResult, JobSpec, Sample
from bot.verdict import Kind


def probe_args(world: MemoryWorld, name: str = "payments", **more: Any) -> dict[str, Any]:
    """Look at a database through its service's Secret in us-west-2."""
    secret = world.estate.databases[name].secret
    place = {"database": name, "namespace": secret.namespace, "secret": secret.name, "key": secret.key}
    return {"region": WEST, "image": "postgres:16", **place, **more}


def heartbeat_args(world: MemoryWorld, query: str | None = None) -> dict[str, Any]:
    """How far payments got before us-east-1 was left."""
    more = {"from": EAST, "table": "signalbox.heartbeat", "last_write_query": query}
    return probe_args(world, **more)


def test_a_write_counts_when_the_database_took_it() -> None:
    """Refused while the target is a reader; tried again, and accepted, once it writes."""
    world = MemoryWorld()
    verdict = settle(world.ports(), "probe.write@1", probe_args(world))
    assert verdict.kind == Kind.FAIL
    assert "read-only" in verdict.why
    world.writer["payments"] = WEST
    apply(world.ports(), "probe.write@1", probe_args(world))
    assert look(world.ports(), "probe.write@1", probe_args(world)).kind == Kind.PASS


def test_a_write_is_made_once_in_a_step() -> None:
    """The Job's name is the step's: a second visit finds it."""
    world = MemoryWorld()
    world.writer["payments"] = WEST
    for _ in range(2):
        assert settle(world.ports(), "probe.write@1", probe_args(world)).kind == Kind.PASS
    assert len(world.calls) == 1


def test_the_loss_is_the_last_accepted_write_less_the_newest_heartbeat() -> None:
    """In milliseconds, and never below nothing."""
    world = MemoryWorld()
    now = world.clock.now()
    world.figures["last"] = (Sample({"region": EAST}, now - 0.5, now), Sample({"region": WEST}, now, now))
    verdict = settle(world.ports(), "probe.heartbeat@1", heartbeat_args(world, "last"))
    assert verdict.kind == Kind.PASS
    assert verdict.evidence["loss_ms"] == 500
    assert verdict.evidence["survived_at_ms"] == int((now - 1) * 1000)
    world.figures["last"] = (Sample({"region": EAST}, now - 30, now),)
    assert look(world.ports(), "probe.heartbeat@1", heartbeat_args(world, "last")).evidence["loss_ms"] == 0


def test_without_the_last_write_the_loss_stays_unknown() -> None:
    """What survived is told with its time; what was lost is not made up."""
    world = MemoryWorld()
    world.clock.at = 1_800_000_001.0
    verdict = settle(world.ports(), "probe.heartbeat@1", heartbeat_args(world))
    assert verdict.kind == Kind.PASS
    assert verdict.evidence == {"survived_at_ms": 1_800_000_000_000}
    assert "the newest heartbeat is from 08:00:00 UTC" in verdict.why
    assert "when the last write was accepted is not known" in verdict.why


def test_no_heartbeat_is_another_thing_than_no_last_write() -> None:
    """Where nothing survived to be read, the words say so."""

    class Empty(MemoryWorld):
        def _psql(self, region: str, spec: JobSpec) -> JobResult:
            return JobResult("succeeded", "")

    verdict = settle(Empty().ports(), "probe.heartbeat@1", heartbeat_args(Empty()))
    assert verdict.kind == Kind.PASS
    assert verdict.evidence == {"survived_at_ms": None}
    assert f"no heartbeat of {EAST} was found" in verdict.why


@pytest.mark.parametrize(
    ("message", "ms"),
    [
        ("1800000000.250", 1_800_000_000_250),
        ("1800000000.250999\n", 1_800_000_000_250),
        ("SET\n1800000000", 1_800_000_000_000),
        ("", None),
        ("(0 rows)", None),
        ("NaN", None),
    ],
)
def test_psql_s_answer_is_read_without_a_float(message: str, ms: int | None) -> None:
    """Milliseconds are exact, and no row is no number."""
    assert survived_at_ms(message) == ms


@pytest.mark.parametrize("step", ["write/payments", "fence/confirm", "x" * 90, "Ü/_."])
def test_a_job_s_name_is_a_dns_label_and_its_own(step: str) -> None:
    """At most 63 characters, the same in every visit, another in another step or run."""
    with acting(Act("U1", "run-70ffa567", step)):
        name = job_name(step, "payments")
        assert name == job_name(step, "payments")
    assert len(name) <= 63
    assert name.replace("-", "").isalnum()
    assert name == name.lower()
    assert not name.startswith("-")
    assert not name.endswith("-")
    with acting(Act("U1", "run-70ffa568", step)):
        assert job_name(step, "payments") != name


def test_statements_hold_no_foreign_words() -> None:
    """A quote stays a quote, and a table is a table's name."""
    with acting(Act("U1", "r'1", "s")):
        assert "'r''1/s'" in insert(WEST)
    with pytest.raises(ValueError, match="not a table"):
        newest_heartbeat("x; DROP TABLE y", EAST)
