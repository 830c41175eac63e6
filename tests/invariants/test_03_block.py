"""One train per block: two changes never hold the same resource."""

from __future__ import annotations

import json
import threading
import uuid
from pathlib import Path

import pytest
from house import EAST, LEAD, LEAD2, LEAD3, ONCALL, ONCALL2, OPS, House, house
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.changes.planner import Planned
from bot.errors import Blocked, SignalboxError
from bot.plan import Plan, Step
from bot.reply import Caller
from bot.store.database import Database
from bot.store.tables import Change, Decision
from bot.trail.event import Event, Name
from runbooks.preflight import Preflight


@pytest.fixture
def box(database: Database, tmp_path: Path) -> House:
    return house(database, tmp_path)


def proposed(box: House, blocks: frozenset[str]) -> str:
    """A change that waits for one approval, whose plan holds these resources."""
    change = uuid.uuid4().hex[:8]
    plan = Plan(
        runbook="t@1",
        title=f"T {change}",
        estate_digest=box.estates.now.digest,
        request={"id": change},
        steps=(Step(id="s", do="t@1", blocks=tuple(sorted(blocks))),),
        facts={"peaks": {}},
    )
    now = box.world.clock.now()
    with box.trail.record() as record:
        record.session.add(
            Change(
                id=change, kind="failover", title=plan.title, command="/t", requester=ONCALL, face="test",
                request=json.dumps({"to": "us-west-2", "planned": False}), state="proposed",
                digest=plan.digest, plan=plan.model_dump_json(), created_at=now,
            )
        )  # fmt: skip
        approval = {"decision": f"d{change}", "digest": plan.digest, "quorum": 1}
        record.session.add(
            Decision(
                id=f"d{change}", change=change, kind="approval", question="?", options="approve,deny,cancel",
                roles="lead", quorum=1, excluded=ONCALL, digest=plan.digest, state="open", created_at=now,
            )
        )  # fmt: skip
        record.add(Event(name=Name.CHANGE_PLANNED, actor=ONCALL, change=change))
        record.add(Event(name=Name.DECISION_OPENED, change=change, approval=approval))
    found = Preflight((), (), (), "limping", "", already=False)
    box.planner.kept[change] = Planned(plan, found, box.world.clock.monotonic())
    return change


def approve_all(box: House, changes: list[str]) -> None:
    """Everyone clicks at the same moment."""
    barrier = threading.Barrier(len(changes))

    def click(change: str, person: str) -> None:
        barrier.wait(10)
        box.desk.vote(f"d{change}", "approve", person)

    people = [LEAD, LEAD2, LEAD3]
    threads = [threading.Thread(target=click, args=(c, people[i % 3])) for i, c in enumerate(changes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    wanted=st.lists(st.frozensets(st.sampled_from("abcdef"), min_size=1, max_size=4), min_size=2, max_size=4)
)
def test_runs_that_start_at_once_share_nothing(box: House, wanted: list[frozenset[str]]) -> None:
    """Whatever sets are asked for at the same moment, the runs that start are disjoint, and one starts."""
    salt = uuid.uuid4().hex[:6]
    sets = [frozenset(f"{salt}/{name}" for name in names) for names in wanted]
    changes = [proposed(box, names) for names in sets]
    approve_all(box, changes)
    running = [(c, names) for c, names in zip(changes, sets, strict=True) if box.run(c) is not None]
    assert running
    taken: set[str] = set()
    for change, names in running:
        assert not taken & names
        taken |= names
        assert {r for r, run in box.blocks().items() if run == f"run-{change}"} == names
    for change, names in zip(changes, sets, strict=True):
        if box.run(change) is None:
            assert names & taken
            assert box.question(change).state == "open"
            assert box.see(change).state == "proposed"
    assert box.verified().exit_code == 0


def test_who_was_refused_gets_the_block_when_it_is_free(box: House) -> None:
    """The second one is told who holds it, keeps its question, and starts after the first has ended."""
    first, second = proposed(box, frozenset({"x", "y"})), proposed(box, frozenset({"y", "z"}))
    assert box.desk.vote(f"d{first}", "approve", LEAD).counted
    refused = box.desk.vote(f"d{second}", "approve", LEAD)
    assert not refused.counted
    assert "holds a resource" in refused.text
    assert box.desk.stop(first, "abort", ONCALL).counted
    box.drive(first)
    assert box.blocks() == {}
    assert box.desk.vote(f"d{second}", "approve", LEAD).counted


@pytest.mark.parametrize("words", ["/failover us-west-2", "/failover us-west-2 --planned"])
def test_blocks_are_held_to_the_end_and_no_longer(box: House, words: str) -> None:
    """From the approval on every resource of the plan is held; at the end none is."""
    change = box.approved(words)
    wanted = {b for s in Plan.model_validate_json(box.run(change).plan).steps for b in s.blocks}
    assert set(box.blocks()) == wanted
    assert {f"region/{EAST}", "database/payments", "traffic/api.fintech.example"} <= wanted
    box.drive(change, lambda: box.run(change).committed)
    assert set(box.blocks()) == wanted
    assert box.drive(change) == "done"
    assert box.blocks() == {}


@pytest.mark.parametrize(("how", "ends"), [("abort", "aborted"), ("rollback", "rolled_back")])
def test_a_stopped_run_gives_its_blocks_back(box: House, how: str, ends: str) -> None:
    """Held while it is still undoing; free once it has ended."""
    change = box.approved()
    box.drive(change, lambda: len(box.outside.calls) > 10)
    assert box.desk.stop(change, how, ONCALL2).counted
    box.tick()
    if how == "rollback":
        assert box.blocks()
    assert box.drive(change) == ends
    assert box.blocks() == {}


@pytest.mark.parametrize("stage", ["proposed", "running", "rolling back"])
def test_a_second_failover_is_refused_and_the_first_one_named(box: House, stage: str) -> None:
    """While one waits, runs or rolls back, another one is not even asked about."""
    first = box.ask()
    if stage != "proposed":
        assert box.vote(first).counted
        box.drive(first, lambda: len(box.outside.calls) > 10)
    if stage == "rolling back":
        assert box.desk.stop(first, "rollback", ONCALL).counted
        box.tick()
        assert box.run(first).state == "rolling_back"
    for words in ("/failover us-west-2", "/failover us-west-2 --planned", "/failover us-east-1 --planned"):
        with pytest.raises(Blocked, match=first):
            box.desk.command(words, Caller(ONCALL2, "x", OPS))
    assert len(box.desk.changes()) == 1


def test_two_who_ask_at_once_get_one_card(box: House) -> None:
    """Two people type the command in the same second: one question, and the other one is told of it."""
    barrier = threading.Barrier(2)
    plan = box.planner.plan
    results: list[object] = []

    class Slow(type(box.planner)):  # type: ignore[misc]
        def plan(self, *args: object, **kwargs: object) -> Planned:
            found = plan(*args, **kwargs)  # type: ignore[arg-type]
            barrier.wait(10)
            return found

    object.__setattr__(box.desk._proposer, "planner", Slow(**vars(box.planner)))

    def ask(person: str) -> None:
        try:
            results.append(box.ask(person=person))
        except SignalboxError as error:
            results.append(error)

    threads = [threading.Thread(target=ask, args=(p,)) for p in (ONCALL, ONCALL2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sum(isinstance(r, Blocked) for r in results) == 1
    assert [c.state for c in box.desk.changes()] == ["proposed"]
