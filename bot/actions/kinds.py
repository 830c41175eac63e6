"""Every verb that plans may name."""

from __future__ import annotations

from bot.action import Action
from bot.actions import (
    capacity,
    check,
    database,
    dns,
    fence,
    guard,
    members,
    probe,
    routing,
    signoff,
    standby,
    standing,
    sync,
    workload,
)

KINDS: dict[str, Action] = {
    action.kind: action
    for action in (
        database.FAILOVER,
        database.SWITCHOVER,
        database.DETACH,
        members.CONNECTED,
        fence.WORKLOADS,
        fence.NETWORK,
        fence.OPEN,
        fence.CONFIRM,
        guard.GUARD,
        guard.SURE,
        standing.STANDING,
        standing.LIFT,
        capacity.NODES,
        capacity.REPLICAS,
        capacity.RESTORE,
        standby.WARM,
        workload.RESTART,
        workload.ACTIVATE,
        sync.HOLD,
        sync.RELEASE,
        dns.STOP,
        dns.UNSTOP,
        routing.CONTROL,
        dns.WEIGHTS,
        dns.ANSWERS,
        dns.DRAINED,
        probe.WRITE,
        probe.HEARTBEAT,
        check.SMOKE,
        check.PAYMENTS,
        check.LOST,
        signoff.SIGNOFF,
    )
}
