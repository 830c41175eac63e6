"""The world as a dark failover leaves it: us-west-2 serves, us-east-1 is back, fenced, stopped and held."""

from __future__ import annotations

from memory_world import EAST, WEST, MemoryWorld

from bot.actions.sync import OURS
from bot.estate import Estate

WINDOW = {"kind": "deny", "description": OURS}
STOP_EAST = ("fintech-stop-us-west-2", f"STOP-{EAST}")
STOP_WEST = ("fintech-stop-us-east-1", f"STOP-{WEST}")


def parted(estate: Estate | None = None) -> MemoryWorld:
    """The same, but every database was detached and promoted alone: us-east-1 kept a writer of each."""
    world = left(estate)
    world.detached = set(world.estate.databases)
    world.left_writer = dict.fromkeys(world.estate.databases, EAST)
    return world


def left(estate: Estate | None = None) -> MemoryWorld:
    """All writers moved, nothing that writes runs in us-east-1; weights are as they were before."""
    world = MemoryWorld() if estate is None else MemoryWorld(estate=estate)
    world.writer = dict.fromkeys(world.writer, WEST)
    world.stops.add(STOP_EAST)
    world.denied[EAST] = True
    world.windows[EAST] = [dict(WINDOW)]
    for name, service in world.estate.services.items():
        stopped = service.writes or service.kind != "service"
        pods = 0 if stopped else service.replicas
        world._change(EAST, service.namespace, name, wanted=pods, ready=pods, updated=pods, total=pods)
        low = service.autoscale and service.autoscale.min
        pods = max(1, service.replicas)
        world._change(
            WEST, service.namespace, name, wanted=pods, ready=pods, updated=pods, total=pods, minimum=low
        )
    return world
