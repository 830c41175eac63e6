from __future__ import annotations

from typing import Any

import pytest
from memory_world import EAST, WEST, MemoryWorld
from visits import apply, look, settle, wait

from bot.actions.sync import ours
from bot.errors import Rejected
from bot.verdict import Kind

RESTART: dict[str, Any] = {
    "region": WEST,
    "database": "payments",
    "critical": [{"namespace": "production", "name": "payment-service"}],
    "others": [{"namespace": "internal", "name": "dispute-desk"}],
}
SINGLETON = {"namespace": "internal", "name": "batch-settlement", "replicas": 1}
ON = {"region": WEST, "workloads": [SINGLETON]}


def test_services_are_restarted_once_in_a_step() -> None:
    """The stamp is the step's own: another visit, also by another process, restarts nothing."""
    world = MemoryWorld()
    for _ in range(2):
        assert settle(world.ports(), "workload.restart@1", RESTART).kind == Kind.PASS
    assert world.calls == [f"restart {WEST} payment-service", f"restart {WEST} dispute-desk"]
    assert look(world.ports(), "workload.restart@1", RESTART, run="run-2").kind == Kind.FAIL


def test_a_critical_service_must_serve_and_others_are_named() -> None:
    """Old pods of a critical service are waited for, those of another are told."""
    world = MemoryWorld()
    apply(world.ports(), "workload.restart@1", RESTART)
    world._change(WEST, "internal", "dispute-desk", updated=0)
    verdict = look(world.ports(), "workload.restart@1", RESTART)
    assert verdict.kind == Kind.PASS
    assert "dispute-desk" in verdict.why
    world._change(WEST, "production", "payment-service", total=2, stuck="ImagePullBackOff")
    verdict = look(world.ports(), "workload.restart@1", RESTART)
    assert verdict.kind == Kind.INCONCLUSIVE
    assert "ImagePullBackOff" in verdict.why


def test_one_service_that_cannot_be_restarted_keeps_no_other_from_it() -> None:
    """The refusal is told, after everybody else was restarted."""

    class Refusing(MemoryWorld):
        def restart(self, region: str, namespace: str, name: str, stamp: str) -> None:
            if name == "payment-service":
                raise Rejected("Forbidden.")
            super().restart(region, namespace, name, stamp)

    world = Refusing()
    with pytest.raises(Rejected, match="payment-service was not restarted"):
        apply(world.ports(), "workload.restart@1", RESTART)
    assert world.calls == [f"restart {WEST} dispute-desk"]


@pytest.mark.parametrize("dark", [set(), {EAST}])
def test_a_service_that_never_gets_ready_holds_only_when_it_is_critical(dark: set[str]) -> None:
    """Critical: waited for, named with its pods' reason. Not critical: told, and the run goes on."""
    for item, kind in ((RESTART["critical"][0], Kind.INCONCLUSIVE), (RESTART["others"][0], Kind.PASS)):
        world = MemoryWorld(dark=dark)
        apply(world.ports(), "workload.restart@1", RESTART)
        world._change(WEST, item["namespace"], item["name"], ready=0, stuck="CrashLoopBackOff")
        verdict = wait(world.ports(), "workload.restart@1", RESTART)
        assert verdict.kind == kind
        assert item["name"] in verdict.why
        assert ("CrashLoopBackOff" in verdict.why) is (kind == Kind.INCONCLUSIVE)


def test_a_missing_critical_service_is_unknown() -> None:
    """What is not there has not been seen serving."""
    world = MemoryWorld()
    del world.pods[WEST, "production/payment-service"]
    assert look(world.ports(), "workload.restart@1", RESTART).kind == Kind.UNKNOWN


def test_singletons_are_turned_on_and_left_when_more_run() -> None:
    """Turning on never turns down."""
    world = MemoryWorld()
    assert settle(world.ports(), "workload.activate@1", ON).kind == Kind.PASS
    assert world.calls == [f"scale {WEST} batch-settlement 1"]
    world.scale(WEST, "internal", "batch-settlement", 3)
    assert settle(world.ports(), "workload.activate@1", ON).kind == Kind.PASS
    assert world.pods[WEST, "internal/batch-settlement"].wanted == 3


def test_a_singleton_that_starts_is_waited_for() -> None:
    """Wanted is not running."""
    world = MemoryWorld()
    world._change(WEST, "internal", "batch-settlement", wanted=1)
    assert look(world.ports(), "workload.activate@1", ON).kind == Kind.INCONCLUSIVE


def test_argo_cd_is_held_by_a_window_of_our_own() -> None:
    """Windows of others stay, ours is put once and taken away again."""
    world = MemoryWorld()
    foreign = {"kind": "deny", "schedule": "0 22 * * *", "duration": "8h"}
    world.windows[EAST] = [foreign]
    args = {"region": EAST}
    for _ in range(2):
        assert settle(world.ports(), "sync.hold@1", args).kind == Kind.PASS
    assert [ours(w) for w in world.windows[EAST]] == [False, True]
    assert settle(world.ports(), "sync.release@1", args).kind == Kind.PASS
    assert world.windows[EAST] == [foreign]


def test_argo_cd_stays_held_while_git_says_something_else() -> None:
    """Released too soon it would undo the move: applications out of sync keep the window, and are counted."""
    world = MemoryWorld()
    args = {"region": WEST, "agreed": True}
    settle(world.ports(), "sync.hold@1", {"region": WEST})
    world.drifted[WEST] = {"api-gateway", "ledger"}
    verdict = settle(world.ports(), "sync.release@1", args)
    assert verdict.kind == Kind.INCONCLUSIVE
    told = f"Argo CD stays held in {WEST}: Git does not yet say what runs there (2 applications out of sync)"
    assert verdict.why == told
    assert len(world.windows[WEST]) == 1
    world.drifted[WEST].clear()
    assert settle(world.ports(), "sync.release@1", args).kind == Kind.PASS
    assert not world.windows[WEST]


def test_the_way_back_asks_nothing_of_git() -> None:
    """After a rollback Git says what is wanted: Argo CD may put it there."""
    world = MemoryWorld()
    settle(world.ports(), "sync.hold@1", {"region": WEST})
    world.drifted[WEST] = {"api-gateway"}
    assert settle(world.ports(), "sync.release@1", {"region": WEST}).kind == Kind.PASS
